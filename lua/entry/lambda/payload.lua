-- What a message carries: JSON that is the input itself, or the event of another service that came by way of this one
-- (a topic into a queue, a bus into a queue, a bucket into a topic).
local errors = require "lib.errors"
local json = require "lib.json"

local M = {}

local FORWARDED <const> = { bus = true, sns = true, s3 = true }

-- A topic's message as a queue gets it.
local function is_notification(value)
  return value.Type == "Notification" and type(value.Message) == "string" and type(value.TopicArn) == "string"
end

---@param text any           what the message holds
---@param use_case table
---@param of table           { id?, caller?, record? } of the message
---@return table[] calls
function M.calls(text, use_case, of)
  if type(text) ~= "string" then return { { err = errors.new("BadJson", "the message holds no text"), id = of.id, record = of.record } } end
  local value, message = json.decode(text)
  value = require("entry.lambda.events").unwrapped(value)
  if type(value) ~= "table" or json.is_list(value) or #value > 0 then
    message = value == nil and message or "it is no object"
    return { { err = errors.new("BadJson", "the message is not a JSON object: " .. tostring(message)), id = of.id, record = of.record } }
  end
  if is_notification(value) then return M.calls(value.Message, use_case, of) end
  local entry = require("entry.lambda.events").recognise(value)
  if not FORWARDED[entry.file] then return { { input = value, id = of.id, caller = of.caller, record = of.record } } end
  local calls = require("entry.lambda." .. entry.file).calls(value, use_case)
  for _, call in ipairs(calls) do call.id, call.record = call.id or of.id, of.record end
  return calls
end

return M
