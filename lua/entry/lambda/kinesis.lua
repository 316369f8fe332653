-- Records of a Kinesis stream, in order: behind one that failed nothing is begun, and the stream goes on there next time.
local fields = require "entry.lambda.fields"
local payload = require "entry.lambda.payload"

local M = {}

M.partial = "first"

---@param event table
---@param use_case table
---@return table[] items
function M.items(event, use_case)
  local items = {}
  for i, record in ipairs(fields.records(event.Records)) do
    local data = fields.within(record.kinesis)
    local text = fields.text(data.data) and require("sm.crypto").unbase64(data.data) or nil
    items[i] = { item = data.sequenceNumber,
      calls = payload.calls(text, use_case, { id = record.eventID or data.sequenceNumber, caller = "stream", record = record }) }
  end
  return items
end

return M
