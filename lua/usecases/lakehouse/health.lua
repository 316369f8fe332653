-- Says that the service answers, and on request whether everything it depends on does.
--
-- What it does: without `deep` it touches nothing. With it, every port is tried with a harmless call, each for a few
-- seconds at most and all at the same time; the answer names each port and what is wrong with it.
-- What you may change here: the probes, and how long each may take.
local errors = require "lib.errors"
local json = require "lib.json"
local shape = require "lib.shape"

local M = {}

local PROBE_SECONDS <const> = 5

M.name = "health"
M.summary = "The service answers; deep=1 tries everything it depends on."
M.ports = { "bus", "catalog", "clock", "functions", "ids", "jobs", "lock", "replication", "statements", "storage",
  "table_store", "tasks", "warehouse" }
M.input = shape.object { deep = shape.boolean { default = false, doc = "try every port" } }

local PROBES <const> = {
  bus = function(ports) return ports.bus.list() end,
  catalog = function(ports) return ports.catalog.databases() end,
  jobs = function(ports) return ports.jobs.list { limit = 1 } end,
  lock = function(ports, settings)
    local _, err = ports.lock.read(settings.resource_key)
    return err == nil, err
  end,
  replication = function(ports) return ports.replication.resource() end,
  statements = function(ports) return ports.statements.check() end,
  storage = function(ports) return ports.storage.list { layer = "bronze", run = ports.clock.today(), max_dirs = 0, max_files = 0 } end,
  warehouse = function(ports)
    local probe, err = ports.statements.render("probe", {})
    if not probe then return nil, err end
    return ports.warehouse.run { sql = probe, caller = "health", purpose = "query" }
  end,
}
local ORDER <const> = { "bus", "catalog", "jobs", "lock", "replication", "statements", "storage", "warehouse" }

-- Our own faults are for the log.
local function told(err)
  return { code = err.code, message = err.code == "InternalError" and "a fault on our side; see the log" or err.message }
end

local function try(ports, name, settings)
  local began = ports.clock.now()
  local function in_time()
    if ports.clock.now() - began < PROBE_SECONDS then return true end
    return nil, errors.new("Timeout", ("no answer within %d s"):format(PROBE_SECONDS))
  end
  local ok, err = ports.tasks.watched(function() return PROBES[name](ports, settings) end, { every = PROBE_SECONDS, check = in_time })
  local took = math.floor((ports.clock.now() - began) * 1000 + 0.5)
  return { port = name, ok = ok and true or false, took_ms = took, error = not ok and told(err) or nil }
end

function M.run(ports, input, ctx)
  local answer = { status = "ok", service = ctx.settings.service_name, time = ports.clock.iso(), version = ctx.version }
  if not input.deep then return answer end
  local calls = {}
  for i, name in ipairs(ORDER) do
    calls[i] = function() return try(ports, name, ctx.settings) end
  end
  local results, err = ports.tasks.parallel(calls)
  if not results then return nil, err end
  for _, result in ipairs(results) do
    if not result.ok then answer.status = "degraded" end
  end
  answer.ports = json.list(table.move(results, 1, #ORDER, 1, {}))
  return answer, answer.status == "degraded" and "degraded" or nil
end

return M
