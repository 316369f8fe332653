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

--- Whether an event says that the load of this task has ended, one way or the other.
---@param event any
---@param resource string
---@return boolean
function M.is_end(event, resource)
  if type(event) ~= "table" or event.source ~= M.SOURCE or type(event.detail) ~= "table" then return false end
  local ended = event.detail.eventType == "REPLICATION_TASK_STOPPED" or event.detail.eventType == "REPLICATION_TASK_FAILED"
  for _, name in ipairs(ended and type(event.resources) == "table" and event.resources or {}) do
    if name == resource then return true end
  end
  return false
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
