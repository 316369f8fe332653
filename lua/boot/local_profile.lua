-- The program on one machine, without any account: a data folder, an embedded engine, tasks instead of functions.
local common = require "boot.common"
local errors = require "lib.errors"
local log = require "lib.log"
local ports = require "ports"

local M = {}

local RESULT_DAYS <const> = 7
local PURGE_EVERY_SECONDS <const> = 3600
local TIDY_EVERY_ROUNDS <const> = 24 -- of purging

-- Data folder ------------------------------------------------------------------------------------------------------

-- One process at a time works on a data folder.
local function open_folder(settings)
  local files = require "sm.files"
  -- a new data folder is its owner's alone: query results and the catalog are in it, not only the lake
  local ok, message, code = files.mkdir(settings.data, "private")
  if ok then ok, message, code = files.mkdir(settings.data .. "/lake") end
  if not ok then return nil, errors.from(message, code, "data folder " .. settings.data) end
  local held
  held, message, code = files.lock(settings.data .. "/lock")
  if held then return held, files.realpath(settings.data) end
  if code == "conflict" then
    return nil, errors.new("DataFolderBusy", ("the data folder %s is in use: %s"):format(settings.data, tostring(message)))
  end
  return nil, errors.from(message, code, "data folder " .. settings.data)
end

-- The folder of source tables; a named one must be there.
local function source_of(settings, data)
  if not settings.source then return data .. "/sample" end
  local files = require "sm.files"
  local path = files.realpath(settings.source)
  local stat = path and files.stat(path)
  if stat and stat.type == "dir" then return path end
  return nil, errors.new("BadSetting", ("the source folder %s (--source, SEWING_SOURCE) is not there"):format(settings.source))
end

-- Adapters ---------------------------------------------------------------------------------------------------------

local function open_lake(self)
  local lake, err = require("adapters.local.lake").open { data = self.data, source = self.source, keep_versions = self.settings.keep_versions,
    is_abandoned = require("domain.lakehouse.tables").is_staged,
    engine = { library = self.settings.duckdb, threads = self.settings.engine_threads, memory_bytes = self.settings.engine_memory } }
  if not lake then return nil, err end
  self.lake = lake
  return lake
end

-- The lake, opened once whoever asks first.
local function lake_getter(self)
  local mutex = require("sm.task").mutex()
  return function()
    if self.lake then return self.lake end
    return mutex:with(function() return self.lake or open_lake(self) end)
  end
end

local function source_folder(self)
  if self.settings.source then return self.source end
  local lake, err = self.get_lake()
  if not lake then return nil, err end
  local con <close>, problem = lake.engine:connect()
  if not con then return nil, problem end
  return require("adapters.local.sample").ensure(con, self.source)
end

-- The lake on a Trino cluster; bronze is still written here, by the embedded engine.
local function cluster_ports(self, all)
  local cluster, err = require("adapters.trino.ports").open(self.settings, { data = self.data, state = self.state })
  if not cluster then return nil, err end
  for name, adapter in pairs(cluster) do all[name] = adapter end
  all.storage = require("adapters.local.storage").new { root = self.data .. "/lake", catalog = all.catalog, state = self.state,
    clock = all.clock, base_url = self.base_url }
  return true
end

local function lake_ports(self, all)
  if self.settings.engine == "trino" then return cluster_ports(self, all) end
  local function on_lake(name, make)
    all[name] = common.lazily(name, function()
      local lake, err = self.get_lake()
      if not lake then return nil, err end
      return make(lake)
    end)
  end
  local catalog_adapter
  on_lake("catalog", function(lake)
    catalog_adapter = require("adapters.local.catalog").new(lake)
    return catalog_adapter
  end)
  on_lake("table_store", function(lake) return require("adapters.local.table_store").new(lake) end)
  on_lake("warehouse", function(lake)
    local s = self.settings
    return require("adapters.local.warehouse").new {
      engine = require("adapters.local.warehouse.embedded").new(lake), data = self.data, now = lake.now, state = self.state, max_bytes = s.query_max_bytes,
      max_rows = s.query_max_rows, max_scanned_bytes = s.query_max_scan, running = s.query_parallel }
  end)
  on_lake("storage", function()
    all.catalog.databases() -- makes the catalog, whose listing of files the port does not promise
    return require("adapters.local.storage").new { root = self.data .. "/lake", catalog = catalog_adapter, state = self.state,
      clock = all.clock, base_url = self.base_url }
  end)
  return true
end

local function connect(self)
  local lake, err = self.get_lake()
  if not lake then return nil, err end
  return lake.engine:connect()
end

local function make_ports(self)
  local all = {}
  all.clock = require("adapters.local.clock").new()
  all.ids = require("adapters.local.ids").new()
  all.tasks = require("adapters.local.tasks").new()
  all.statements = require("adapters.local.statements").new(self.folder .. "/sql/" .. common.SYSTEM, self.settings.reload)
  all.lock = require("adapters.local.lock").new(self.state, all.clock)
  all.jobs = require("adapters.local.jobs").new(self.state, all.clock)
  all.functions = require("adapters.local.functions").new(self.call, self.report)
  all.bus = require("adapters.local.bus").new(all.functions)
  local made, err = lake_ports(self, all)
  if not made then return nil, err end
  all.replication = require("adapters.local.replication").new { root = self.data .. "/lake", bus = all.bus,
    clock = all.clock, ids = all.ids, pipeline = self.pipeline,
    source_folder = function() return source_folder(self) end, connect = function() return connect(self) end,
    register = function(request) return all.catalog.register_partition(request) end }
  for name in pairs(ports.list) do
    local ok, problem = ports.check(name, all[name])
    if not ok then return nil, errors.new("InternalError", problem) end
  end
  return all
end

-- Background -------------------------------------------------------------------------------------------------------

local function report(name, payload, err)
  local fields = { use_case = name, job_id = payload and payload.job_id, message = tostring(err) }
  if type(err) == "table" then
    fields.code, fields.message, fields.traceback = err.code, err.message, err.traceback or (err.details and err.details.traceback)
  end
  -- A cancel and a refused load are results; the rest is for whoever runs this.
  local level = (fields.code == "Cancelled" or fields.code == "DataTestFailed") and "warn" or "error"
  log[level]("background_failed", fields)
end

-- A command tells its user what ended a refresh, so its log is for what nobody expected.
local function report_faults(name, payload, err)
  if not errors.is(err) or err.code == "InternalError" then report(name, payload, err) end
end

-- Life -------------------------------------------------------------------------------------------------------------

-- Old versions of tables by their own rules, and files that nobody points to.
local function tidy(self)
  if self.settings.engine == "trino" then return end -- the cluster's tables are tidied by the step of the pipeline
  local lake = self.get_lake()
  if not lake then return end
  local done = require("adapters.local.lake").tidy(lake)
  log.info("lake_tidied", { tables = done.tables, versions = done.snapshots, files = done.files,
    failures = #done.failures > 0 and done.failures or nil })
end

-- Kept results of queries are let go after some days; once a day the tables are tidied, at first an hour after the start.
local function keep_tidy(self)
  local round = 0
  while true do
    local _, err = self.ports.warehouse.purge(RESULT_DAYS * 86400)
    if err then log.warn("results_not_purged", { message = tostring(err) }) end
    self.ports.tasks.sleep(PURGE_EVERY_SECONDS)
    if round % TIDY_EVERY_ROUNDS == 0 then tidy(self) end
    round = round + 1
  end
end

-- What a process that died has left: half-written bronze, runners' locks, and jobs that are not over.
local function resume(self)
  self.ports.replication.sweep()
  local open, err = self.ports.jobs.unfinished()
  if not open then return nil, err end
  for _, job in ipairs(open) do
    log.info("job_resumed", { job_id = job.id, run = job.run })
    self.ports.functions.invoke_async("orchestrate", { job_id = job.id, run = job.run })
  end
  self.keeper = require("sm.task").spawn(keep_tidy, self)
  return #open
end

local function close(self)
  if self.closed then return end
  self.closed = true
  if self.keeper then self.keeper:cancel("the program is stopping") end
  self.ports.functions.close()
  if self.lake then require("adapters.local.lake").close(self.lake) end
  self.state:close()
  self.lock:close()
end

local function fail_fast(self)
  local _, err = self.pipeline()
  if err then return nil, err end
  return self.ports.statements.check()
end

--- The program on this machine, without any account.
---@param settings table   from settings.read
---@param options table    {purpose = "serve"|"command", base_url?, on_reload?}
---@return table|nil app   {use_case, ports_of, ports, names, resume, close}
---@return Error?
function M.open(settings, options)
  options = options or {}
  local held, data = open_folder(settings)
  if not held then return nil, data end
  local self = { settings = settings, data = data, lock = held, folder = common.lua_folder(), version = require("version").number,
    base_url = options.base_url or function() return settings.public_url end,
    pipeline = common.pipeline_getter(options.on_reload),
    report = options.purpose == "command" and report_faults or report }
  local err
  self.source, err = source_of(settings, data)
  if self.source then self.state, err = require("adapters.local.state").open(data .. "/state.sqlite") end
  if not self.state then
    held:close()
    return nil, err
  end
  self.get_lake, self.call = lake_getter(self), common.caller(self)
  self.use_cases = require("use_cases").new { folder = self.folder .. "/usecases/" .. common.SYSTEM, domain = self.folder .. "/domain",
    reload = settings.reload, adapt = function(use_case) return common.adapt(self, use_case) end, on_reload = options.on_reload }
  self.ports, err = make_ports(self)
  local sound = self.ports
  if sound then sound, err = fail_fast(self) end
  if not sound then
    self.state:close()
    held:close()
    return nil, err
  end
  self.ports.lock.forget_runners()
  return {
    use_case = self.use_cases.find, names = self.use_cases.names, ports = self.ports,
    ports_of = function(use_case) return ports.only(self.ports, use_case.ports) end,
    call = self.call, data = data, source = self.source,
    resume = function() return resume(self) end, close = function() close(self) end,
  }
end

return M
