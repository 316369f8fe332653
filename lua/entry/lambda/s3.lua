-- Notifications of a bucket: one call for each object, { bucket, key, size, etag, version_id, event_name, event_time, sequencer }.
local fields = require "entry.lambda.fields"
local text = require "lib.text"

local M = {}

-- Keys are written as forms write them: + for a space, the rest percent-encoded.
local function key_of(object)
  return type(object.key) == "string" and (text.unescape(object.key, true) or object.key) or nil
end

local function input_of(record)
  local s3 = fields.within(record.s3)
  local bucket, object = fields.within(s3.bucket), fields.within(s3.object)
  return { bucket = bucket.name, key = key_of(object), size = object.size, etag = object.eTag, version_id = object.versionId,
    sequencer = object.sequencer, event_name = record.eventName, event_time = record.eventTime }
end

---@param event table
---@return table[] calls  none for the message that tests a new configuration
function M.calls(event)
  local calls = {}
  for i, record in ipairs(fields.records(event.Records)) do
    local input = input_of(record)
    local id = fields.text(input.sequencer) and ("%s/%s/%s"):format(tostring(input.bucket), tostring(input.key), input.sequencer) or nil
    calls[i] = { input = input, id = id, caller = "bucket", record = record }
  end
  return calls
end

return M
