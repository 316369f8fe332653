-- The program on AWS. Making it costs next to nothing: a port is made with its first use, a client with its first call.
-- Background use cases are functions of their own; what they do after the answer is theirs, so nothing is resumed here.
local common = require "boot.common"
local ports = require "ports"

local M = {}

-- What a port cannot work without. Functions are given the settings of their own work, so what is missing is said where it
-- is needed: by every call of the port, and by the use cases that declare it.
local PORT_NEEDS <const> = {
  jobs = { "DDB_TABLE" }, lock = { "DDB_TABLE" }, warehouse = { "DDB_TABLE" },
  replication = { "BRONZE_PREFIX_S3", "DDB_TABLE", "DMS_TASK_ARN" },
}

-- What a use case needs beside its ports: whom it calls, and where it writes.
local USE_CASE_NEEDS <const> = {
  advance = { "ATHENA_OUTPUT", "ATHENA_RUNNER_FUNCTION_ARN" }, orchestrate = { "ATHENA_RUNNER_FUNCTION_ARN" },
  cancel_run = { "ATHENA_RUNNER_FUNCTION_ARN" }, retry_run = { "ORCHESTRATOR_FN" }, run = { "ORCHESTRATOR_FN" },
}
local ALWAYS_WELL <const> = { health = true } -- it is there to say what is missing

-- The port's functions, over an adapter that is made by `make`.
local function port(self, all, name, make)
  all[name] = common.lazily(name, function()
    local ok, err = require("settings").check(self.settings, PORT_NEEDS[name] or {})
    if not ok then return nil, err end
    return make()
  end)
end

local function layer_prefixes(settings)
  return { bronze = settings.bronze_prefix_s3, silver = settings.silver_prefix_s3, gold = settings.gold_prefix_s3 }
end

-- Where tables of no layer lie: beside the layers, in their bucket.
local function lake_of(settings)
  if settings.lake_s3 then return settings.lake_s3 end
  for _, prefix in ipairs { settings.gold_prefix_s3 or "", settings.silver_prefix_s3 or "", settings.bronze_prefix_s3 or "" } do
    local bucket = prefix:match("^s3://[^/]+")
    if bucket then return bucket .. "/" end
  end
end

local function state_table(settings) return settings.state_table or settings.ddb_table .. "-state" end

local function clock_ports(self, all)
  port(self, all, "clock", function() return self.clock end)
  port(self, all, "ids", function() return require("adapters.local.ids").new() end)
  port(self, all, "tasks", function() return require("adapters.local.tasks").new() end)
  port(self, all, "statements", function()
    return require("adapters.local.statements").new(self.folder .. "/sql/" .. common.SYSTEM, false)
  end)
end

local function parse_date(text) return require("aws.timestamp").parse(text, "rfc822") end

local function state_ports(self, all)
  local settings = self.settings
  port(self, all, "lock", function()
    return require("adapters.aws.lock").new { api = self.api, table_name = settings.ddb_table,
      time = require("adapters.aws.service_time").new(self.clock, self.parse_date or parse_date) }
  end)
  port(self, all, "jobs", function()
    return require("adapters.aws.jobs").new { api = self.api, table_name = state_table(settings), clock = self.clock }
  end)
end

local function work_ports(self, all)
  local settings = self.settings
  port(self, all, "functions", function()
    return require("adapters.aws.functions").new { api = self.api,
      names = { orchestrate = settings.orchestrator_fn, advance = settings.athena_runner_function_arn } }
  end)
  port(self, all, "bus", function()
    return require("adapters.aws.bus").new { api = self.api, bus_name = settings.eventbus_name,
      targets = { advance = settings.athena_runner_function_arn } }
  end)
  port(self, all, "replication", function()
    return require("adapters.aws.replication").new { api = self.api, clock = self.clock, task_arn = settings.dms_task_arn,
      table_name = state_table(settings), bronze = settings.bronze_prefix_s3, pipeline = self.pipeline,
      register = function(request) return all.catalog.register_partition(request) end }
  end)
end

local function lake_ports(self, all)
  local settings = self.settings
  local catalog
  port(self, all, "warehouse", function()
    return require("adapters.aws.warehouse").new { api = self.api, clock = self.clock, table_name = state_table(settings),
      workgroup = settings.athena_wg, output = settings.athena_output, catalog = settings.athena_catalog,
      first_look_seconds = self.first_look_seconds }
  end)
  port(self, all, "catalog", function()
    catalog = require("adapters.aws.catalog").new { api = self.api, clock = self.clock, warehouse = all.warehouse,
      prefixes = layer_prefixes(settings), lake = lake_of(settings) }
    return catalog
  end)
  port(self, all, "table_store", function()
    all.catalog.location("", "") -- makes the catalog, whose entries the port does not promise
    return require("adapters.aws.table_store").new { api = self.api, catalog = catalog, keep_versions = settings.keep_versions }
  end)
  port(self, all, "storage", function()
    return require("adapters.aws.storage").new { api = self.api, clock = self.clock, prefixes = layer_prefixes(settings),
      presign = require("adapters.aws.presign").new(self.api) }
  end)
end

local function make_ports(self)
  local all = {}
  clock_ports(self, all)
  state_ports(self, all)
  work_ports(self, all)
  lake_ports(self, all)
  return all
end

local function needs_of(name, use_case)
  local seen, list = {}, {}
  local function add(names)
    for _, setting in ipairs(names or {}) do
      if not seen[setting] then seen[setting], list[#list + 1] = true, setting end
    end
  end
  add(USE_CASE_NEEDS[name])
  for _, declared in ipairs(use_case.ports) do add(PORT_NEEDS[declared]) end
  table.sort(list)
  return list
end

-- A use case with the settings it needs, or which of them are missing.
local function finder(self)
  local sound = {}
  return function(name)
    local use_case, err = self.use_cases.find(name)
    if not use_case or sound[name] or ALWAYS_WELL[name] then return use_case, err end
    local ok
    ok, err = require("settings").check(self.settings, needs_of(name, use_case))
    if not ok then return nil, err end
    sound[name] = true
    return use_case
  end
end

---@param settings table
---@param options {api: table?, clock: table?, first_look_seconds: number?}?  for specs
---@return table app
function M.open(settings, options)
  options = options or {}
  local self = { settings = settings, folder = common.lua_folder(), version = require("version").number,
    clock = options.clock or require("adapters.local.clock").new(), first_look_seconds = options.first_look_seconds,
    api = options.api or require("adapters.aws.api").new { default = { region = settings.aws_region } } }
  self.pipeline = common.pipeline_getter()
  self.call = common.caller(self)
  self.ports = make_ports(self)
  self.use_cases = require("use_cases").new { folder = self.folder .. "/usecases/" .. common.SYSTEM, domain = self.folder .. "/domain",
    reload = false, adapt = function(use_case) return common.adapt(self, use_case) end }
  return {
    use_case = finder(self), names = self.use_cases.names, ports = self.ports,
    ports_of = function(use_case) return ports.only(self.ports, use_case.ports) end,
    call = self.call, resume = function() return 0 end, close = function() end,
  }
end

return M
