-- The event that says a load of bronze has ended: how it looks, and the pattern that finds it.
-- It carries no task state beyond stopped or failed; the truth is asked from the replication itself.

local M = {}

M.SOURCE = "aws.dms"
M.DETAIL_TYPE = "DMS Replication Task State Change"

--- What to listen for: this task has stopped or failed.
---@param resource string
---@return table
function M.pattern(resource)
  return {
    source = { M.SOURCE },
    ["detail-type"] = { M.DETAIL_TYPE },
    resources = { resource },
    detail = { eventType = { "REPLICATION_TASK_STOPPED", "REPLICATION_TASK_FAILED" } },
  }
end

--- The event itself, as the cloud's replication writes it.
---@param resource string
---@param failed boolean
---@param message string
---@param time string     ISO-8601
---@return table
function M.event(resource, failed, message, time)
  return {
    version = "0", source = M.SOURCE, ["detail-type"] = M.DETAIL_TYPE, time = time, resources = { resource },
    detail = {
      type = "REPLICATION_TASK",
      category = failed and "Failure" or "StateChange",
      eventType = failed and "REPLICATION_TASK_FAILED" or "REPLICATION_TASK_STOPPED",
      eventId = failed and "DMS-EVENT-0078" or "DMS-EVENT-0079",
      detailMessage = message,
    },
  }
end

return M
