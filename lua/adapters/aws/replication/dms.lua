-- The replication task of DMS: what it does at the moment, how it is started and stopped, where it writes.
local errors = require "lib.errors"
local failures = require "adapters.aws.failures"
local task = require "sm.task"

local M = {}

local RUNNING <const> = { starting = true, running = true, stopping = true, modifying = true, testing = true, creating = true,
  moving = true }
local LOADING <const> = { starting = true, running = true, stopping = true }
local ENDED_WELL <const> = { FULL_LOAD_ONLY_FINISHED = true, STOPPED_AFTER_FULL_LOAD = true, [""] = true }
local WRONG_STATE <const> = "InvalidResourceStateFault"
local START_TRIES <const>, START_PAUSE <const> = 3, 2

local Dms = {}
Dms.__index = Dms

--- Whether the task has not ended, or is not ready to be looked at.
function M.is_running(found) return RUNNING[found.Status] == true end

--- Whether it is loading rows, so that it cannot be started.
function M.is_loading(found) return LOADING[found.Status] == true end

-- "Stop Reason FULL_LOAD_ONLY_FINISHED" -> "FULL_LOAD_ONLY_FINISHED"
local function stop_reason(found) return ((found.StopReason or ""):gsub("^Stop Reason%s+", "")) end

--- Why a task that has stopped did not load everything; nil when it did.
---@param found table
---@return string?
function M.fault(found)
  local stats, reason = found.ReplicationTaskStats or {}, stop_reason(found)
  if found.Status == "failed" or found.Status == "failed-move" then
    return found.LastFailureMessage or (reason ~= "" and reason) or "the replication task failed"
  end
  if (stats.TablesErrored or 0) > 0 then return ("%d tables could not be loaded"):format(stats.TablesErrored) end
  if not ENDED_WELL[reason] then return "the replication task stopped: " .. reason end
  if stats.FullLoadProgressPercent and stats.FullLoadProgressPercent < 100 then
    return ("the replication task stopped at %d %%"):format(stats.FullLoadProgressPercent)
  end
end

function Dms:call(operation, params, context)
  local output, failure = self.api:call("dms", operation, params)
  if output then return output end
  return nil, failures.error(failure, context), failure
end

--- The task as it is now.
---@return table|nil found, Error?
function Dms:describe()
  local output, err = self:call("describe_replication_tasks", { WithoutSettings = true,
    Filters = { { Name = "replication-task-arn", Values = { self.arn } } } }, "read the replication task")
  if not output then return nil, err end
  local found = output.ReplicationTasks and output.ReplicationTasks[1]
  if found then return found end
  return nil, errors.new("BadSetting", "DMS_TASK_ARN names no replication task: " .. self.arn)
end

--- Makes the task write below this folder of its bucket.
---@param found table
---@param folder string
---@return boolean|nil, Error?
function Dms:write_below(found, folder)
  local output, err = self:call("describe_endpoints", { Filters = { { Name = "endpoint-arn", Values = { found.TargetEndpointArn } } } },
    "read the replication's target")
  if not output then return nil, err end
  local endpoint = output.Endpoints and output.Endpoints[1]
  if not endpoint then return nil, errors.new("ExternalServiceError", "the replication task has no target endpoint") end
  if endpoint.S3Settings and endpoint.S3Settings.BucketFolder == folder then return true end
  output, err = self:call("modify_endpoint", { EndpointArn = endpoint.EndpointArn, S3Settings = { BucketFolder = folder } },
    "point the replication at the folder of the run")
  return output and true, err
end

--- Loads all tables anew. A task that has just been changed refuses for a moment; one that is loading, for good.
---@param found table
---@return boolean|nil, Error?  Conflict when a load is running
function Dms:start(found)
  local fresh = found.Status == "ready" and not found.ReplicationTaskStartDate
  local output, err, failure
  for try = 1, START_TRIES do
    output, err, failure = self:call("start_replication_task", { ReplicationTaskArn = self.arn,
      StartReplicationTaskType = fresh and "start-replication" or "reload-target" }, "start the replication task")
    if output then return true end
    if failure.code ~= WRONG_STATE then return nil, err end
    local now = self:describe()
    if not now or M.is_loading(now) then break end
    if try < START_TRIES then task.sleep(START_PAUSE) end
  end
  return nil, errors.new("Conflict", "a load is running already")
end

--- A task that has stopped by itself meanwhile is stopped.
---@return boolean|nil, Error?
function Dms:stop()
  local output, err, failure = self:call("stop_replication_task", { ReplicationTaskArn = self.arn }, "stop the replication task")
  if output or failure.code == WRONG_STATE or failures.is_missing(failure) then return true end
  return nil, err
end

--- What DMS has counted, by the table's name in bronze. That it may be read is good to have and no condition of a load.
---@return table<string, {rows: integer?, schema: string, name: string}>
function Dms:counts()
  local by_name, params = {}, { ReplicationTaskArn = self.arn, MaxRecords = 500 }
  repeat
    local output = self:call("describe_table_statistics", params, "count the loaded rows")
    if not output then return {} end
    for _, one in ipairs(output.TableStatistics or {}) do
      by_name[(one.SchemaName .. "_" .. one.TableName):lower()] = { rows = one.FullLoadRows, schema = one.SchemaName,
        name = one.TableName }
    end
    params.Marker = output.Marker
  until not params.Marker or params.Marker == ""
  return by_name
end

---@param api table
---@param arn string
---@return table dms
function M.new(api, arn) return setmetatable({ api = api, arn = arn }, Dms) end

return M
