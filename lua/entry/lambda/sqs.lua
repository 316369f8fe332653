-- Messages of a queue. Each that fails is reported, so that only it comes again. In a FIFO queue the messages of a group keep
-- their order: behind one that failed, the rest of its group is not begun.
local fields = require "entry.lambda.fields"
local payload = require "entry.lambda.payload"

local M = {}

M.partial = "each"

---@param event table
---@param use_case table
---@return table[] items  { item, group?, calls }
function M.items(event, use_case)
  local items = {}
  for i, record in ipairs(fields.records(event.Records)) do
    local is_fifo = (fields.text(record.eventSourceARN) or ""):sub(-5) == ".fifo"
    local group = is_fifo and (fields.text(fields.within(record.attributes).MessageGroupId) or "") or nil
    items[i] = { item = record.messageId, group = group,
      calls = payload.calls(record.body, use_case, { id = record.messageId, caller = "queue", record = record }) }
  end
  return items
end

return M
