-- Port replication on DMS: one task that reloads the source tables into bronze.
--
-- A load is the task's present or last run. Which job began it is written down before the task starts, so that a call that
-- is made twice finds its own load, and another job's load is not taken for it. When the task has stopped, its folders are
-- registered as the partitions of the run: only then can anybody read the load, and only then it is over.
local bronze = require "adapters.aws.replication.bronze"
local dms_module = require "adapters.aws.replication.dms"
local errors = require "lib.errors"
local failures = require "adapters.aws.failures"
local items = require "adapters.aws.items"
local task = require "sm.task"

local M = {}

local STALE_SECONDS <const> = 60                          -- a stop this long before our start is that of an earlier load
local PATIENT_TRIES <const>, PATIENT_PAUSE <const> = 5, 1 -- of what nobody would ask again
local TABLES_AT_A_TIME <const> = 8

local Replication = {}
Replication.__index = Replication

-- "dms:2025-08-13:JOB:1755072000"
local function id_of(load) return ("dms:%s:%s:%d"):format(load.run, load.job_id, math.floor(load.started_at)) end

local function read_id(id)
  local run, job_id, at = tostring(id):match("^dms:(%d%d%d%d%-%d%d%-%d%d):(.+):(%d+)$")
  return run and { id = id, run = run, job_id = job_id, started_at = tonumber(at) }
end

-- The end of a load is told once: what it takes to believe it is tried longer than other calls, when it may yet succeed.
local function patiently(self, call)
  local result, err
  for try = 1, PATIENT_TRIES do
    result, err = call()
    local worth = err and (err.code == "TooManyRequests" or err.code == "Timeout" or err.details and err.details.retryable)
    if result ~= nil or not worth or try == PATIENT_TRIES then break end
    local wait, left = self.pause * 2 ^ (try - 1), task.remaining()
    if left and left < 2 * wait then break end
    task.sleep(wait)
  end
  return result, err
end

-- Who began the last load -----------------------------------------------------------------------------------------------

-- {run, job_id, started_at} | false when there was none | nil, Error
local function last_load(self)
  local output, failure = self.api:call("dynamodb", "get_item", { TableName = self.table_name, Key = self.key, ConsistentRead = true })
  if not output then return nil, failures.error(failure, "read the last load") end
  return output.Item and items.read(output.Item) or false
end

local function write_load(self, load)
  local item = items.item { run = load.run, job_id = load.job_id, started_at = load.started_at }
  item.pk, item.sk = self.key.pk, self.key.sk
  local output, failure = self.api:call("dynamodb", "put_item", { TableName = self.table_name, Item = item })
  return output and true, failure and failures.error(failure, "write the load down")
end

-- Start -----------------------------------------------------------------------------------------------------------------

-- The load that is running, when it is this one: the call is a repeated one.
local function running_load(self, request)
  local last, err = last_load(self)
  if last == nil then return nil, err end
  if last and last.job_id == request.job_id and last.run == request.run then return { id = id_of(last) } end
  return nil, errors.new("Conflict", "a load is running already")
end

function Replication:start(request)
  local found, err = self.dms:describe()
  if not found then return nil, err end
  if dms_module.is_loading(found) then return running_load(self, request) end
  local ok = true
  if bronze.is_by_run(self.bronze) then ok, err = self.dms:write_below(found, bronze.folder(self.bronze, request.run)) end
  if not ok then return nil, err end
  local load = { run = request.run, job_id = request.job_id, started_at = self.clock.now() }
  ok, err = write_load(self, load)
  if ok then ok, err = self.dms:start(found) end
  if not ok then return nil, err end
  return { id = id_of(load) }
end

-- End -------------------------------------------------------------------------------------------------------------------

local function register_one(self, source, run, counted)
  local request, err = bronze.request(self.api, self.bronze, source, run, counted)
  if not request then return nil, err end
  return self.register(request)
end

local function register(self, sources, run, counts)
  local calls = {}
  for i, source in ipairs(sources) do
    calls[i] = function()
      return patiently(self, function() return register_one(self, source, run, counts[source.bronze:lower()]) end)
    end
  end
  return task.parallel(calls, { limit = TABLES_AT_A_TIME })
end

local function status_of(load, state, reason)
  return { id = load.id, run = load.run, state = state, reason = reason, tables = {} }
end

-- The task has done its work; the load is over when its folders are partitions.
local function finished(self, load)
  local counts, sources = self.dms:counts(), self.pipeline().sources
  local ok, err = register(self, sources, load.run, counts)
  if not ok then return status_of(load, "failed", "the load cannot be read: " .. tostring(err.message or err)) end
  local status = status_of(load, "stopped", "FULL_LOAD_ONLY_FINISHED")
  for i, source in ipairs(sources) do
    local rows = (counts[source.bronze:lower()] or {}).rows
    status.tables[i] = { name = source.bronze, rows = rows }
    if rows then status.rows = (status.rows or 0) + rows end
  end
  return status
end

-- "earlier": what the task tells is of a load before this one. "later": another job has begun a load since.
local function whose(self, found, load)
  local stopped = (found.ReplicationTaskStats or {}).StopDate
  if type(stopped) == "number" and stopped < load.started_at - STALE_SECONDS then return "earlier" end
  local last = last_load(self)
  if last and last.job_id ~= load.job_id and last.started_at > load.started_at then return "later" end
end

function Replication:status(id)
  local load = read_id(id)
  if not load then return nil, errors.new("NotFound", ("there is no load '%s'"):format(tostring(id):sub(1, 100))) end
  local found, err = patiently(self, function() return self.dms:describe() end)
  if not found then return nil, err end
  local other = whose(self, found, load)
  if other == "later" then return status_of(load, "failed", "another refresh has used the replication task since") end
  if other == "earlier" or dms_module.is_running(found) then return status_of(load, "running") end
  local fault = dms_module.fault(found)
  if fault then return status_of(load, "failed", fault) end
  return finished(self, load)
end

function Replication:resource() return self.dms.arn end

-- Another job's load goes on.
function Replication:cancel(id)
  local load = read_id(id)
  if not load then return true end
  local last = last_load(self)
  if last and last.job_id ~= load.job_id then return true end
  return self.dms:stop()
end

---@class aws.ReplicationOptions
---@field api table
---@field clock table
---@field task_arn string
---@field table_name string              of the state
---@field bronze string                  template, s3://bucket/bronze/{run}/
---@field pipeline fun(): Pipeline
---@field register fun(request: table): boolean|nil, Error?   port catalog's register_partition
---@field pause_seconds number?          between tries of what is told once

---@param options aws.ReplicationOptions
---@return table replication  port replication
function M.new(options)
  local self = setmetatable({ api = options.api, clock = options.clock, bronze = options.bronze, table_name = options.table_name,
    pipeline = options.pipeline, register = options.register, pause = options.pause_seconds or PATIENT_PAUSE,
    dms = dms_module.new(options.api, options.task_arn),
    key = { pk = { S = "load#" .. options.task_arn }, sk = { S = "load" } } }, Replication)
  local port = {}
  for _, name in ipairs { "start", "status", "resource", "cancel" } do
    port[name] = function(...) return self[name](self, ...) end
  end
  return port
end

return M
