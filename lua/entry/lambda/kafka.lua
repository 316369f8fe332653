-- Records of Kafka topics (MSK or self-managed), each partition in order. There is no answer for a part of a batch that every
-- version of the service takes, so the first failure fails the whole, and it comes again.
local fields = require "entry.lambda.fields"
local payload = require "entry.lambda.payload"

local M = {}

---@param event table
---@param use_case table
---@return table[] items
function M.items(event, use_case)
  local items = {}
  local partitions = {}
  for name in pairs(event.records) do partitions[#partitions + 1] = fields.text(name) end
  table.sort(partitions)
  for _, partition in ipairs(partitions) do
    for _, record in ipairs(fields.records(event.records[partition])) do
      local text = fields.text(record.value) and require("sm.crypto").unbase64(record.value) or nil
      local id = ("%s:%s"):format(partition, tostring(record.offset))
      items[#items + 1] = { item = id, calls = payload.calls(text, use_case, { id = id, caller = "stream", record = record }) }
    end
  end
  return items
end

return M
