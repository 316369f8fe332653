-- Messages of a topic. One that fails fails the event: the topic sends it again.
local fields = require "entry.lambda.fields"
local payload = require "entry.lambda.payload"

local M = {}

---@param event table
---@param use_case table
---@return table[] calls
function M.calls(event, use_case)
  local calls = {}
  for _, record in ipairs(fields.records(event.Records)) do
    local sns = fields.within(record.Sns)
    for _, call in ipairs(payload.calls(sns.Message, use_case, { id = sns.MessageId, caller = "topic", record = record })) do
      calls[#calls + 1] = call
    end
  end
  return calls
end

return M
