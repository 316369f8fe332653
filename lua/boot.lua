-- Puts the program together: the one place that knows settings, adapters, ports and use cases.
-- Adapters are made when they are first touched, so that a start does not wait for what nobody asks for.
local errors = require "lib.errors"
local log = require "lib.log"
local ports = require "ports"

local M = {}

local SYSTEM <const> = "lakehouse"
local RESULT_DAYS <const> = 7
local PURGE_EVERY_SECONDS <const> = 3600
local TIDY_EVERY_ROUNDS <const> = 24 -- of purging

-- The folder that holds this file.
local function lua_folder()
  return (package.searchpath("boot", package.path):gsub("/?boot%.lua$", ""))
end

-- A port that is made with its first use. Failing to make it is an answer, not a crash: every call says why.
local function lazily(name, make)
  local adapter, building
  local function get()
    if adapter then return adapter end
    local task = require "sm.task"
    building = building or task.mutex()
    return building:with(function()
      if adapter then return adapter end
      local made, err = make()
      if not made then return nil, err end
      local ok, problem = ports.check(name, made)
      if not ok then return nil, errors.new("InternalError", problem) end
      adapter = made
      return adapter
    end)
  end
  local proxy = {}
  for _, fn in ipairs(ports.list[name]) do
    proxy[fn] = function(...)
      local made, err = get()
      if not made then return nil, err end
      return made[fn](...)
    end
  end
  return proxy, get, function() return adapter end
end

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
    all[name] = lazily(name, function()
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
  all.statements = require("adapters.local.statements").new(self.folder .. "/sql/" .. SYSTEM, self.settings.reload)
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

-- Use cases --------------------------------------------------------------------------------------------------------

-- The checked pipeline, made again when its list was read again; a faulty edit leaves the last good one.
local function pipeline_getter(on_reload)
  local list, ready, broken
  return function()
    local ok, current = pcall(require, "domain." .. SYSTEM .. ".pipeline")
    if ok and current == list then return ready end
    local prepared, err
    if ok then prepared, err = require("domain." .. SYSTEM .. ".pipeline_rules").prepare(current) else err = tostring(current) end
    if prepared then
      list, ready = current, prepared
    elseif broken ~= current then
      broken = current
      if ready and on_reload then on_reload("pipeline", tostring(err)) end
    end
    return ready, err
  end
end

-- The context of a call with what every use case is given.
local function full_context(self, ctx)
  return { request_id = ctx.request_id, caller = ctx.caller, base_url = ctx.base_url, settings = ctx.settings or self.settings,
    version = self.version, pipeline = self.pipeline() }
end

local function adapt(self, use_case)
  local adapted = {}
  for key, value in pairs(use_case) do adapted[key] = value end
  adapted.run = function(given, input, ctx) return use_case.run(given, input, full_context(self, ctx)) end
  return adapted
end

-- Runs a use case for the background: events and calls of other use cases.
local function caller(self)
  return function(name, payload)
    local use_case, err = self.use_cases.find(name)
    if not use_case then return nil, err end
    local input
    input, err = require("lib.shape").check(use_case.input or require("lib.shape").empty, payload or {})
    if not input then return nil, err end
    local context = require("sm.task").context()
    context.job_id = payload and payload.job_id or context.job_id
    return use_case.run(ports.only(self.ports, use_case.ports), input, { request_id = "background", caller = "background" })
  end
end

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
function M.local_profile(settings, options)
  options = options or {}
  local held, data = open_folder(settings)
  if not held then return nil, data end
  local self = { settings = settings, data = data, lock = held, folder = lua_folder(), version = require("version").number,
    base_url = options.base_url or function() return settings.public_url end,
    pipeline = pipeline_getter(options.on_reload),
    report = options.purpose == "command" and report_faults or report }
  local err
  self.source, err = source_of(settings, data)
  if self.source then self.state, err = require("adapters.local.state").open(data .. "/state.sqlite") end
  if not self.state then
    held:close()
    return nil, err
  end
  self.get_lake, self.call = lake_getter(self), caller(self)
  self.use_cases = require("use_cases").new { folder = self.folder .. "/usecases/" .. SYSTEM, domain = self.folder .. "/domain",
    reload = settings.reload, adapt = function(use_case) return adapt(self, use_case) end, on_reload = options.on_reload }
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
