-- Frames of event streams: good ones are read and written back to the same bytes, others are refused.
local event_stream = require "aws.event_stream"
local files = require "sm.files"
local vectors = require "conformance.support.vectors"

local function judge(name, bytes)
  local next_message = event_stream.messages(coroutine.wrap(function()
    for i = 1, #bytes do coroutine.yield(bytes:sub(i, i)) end -- as the network may cut it
    while true do coroutine.yield(nil) end
  end))
  local message, why = next_message()
  if name:find "^invalid" then return message == nil and why ~= nil, "it was read" end
  if not message then return false, why end
  if event_stream.encode(message.headers, message.payload) ~= bytes then return false, "written differently" end
  message, why = next_message()
  return message == nil and why == nil, why
end

return {
  name = "eventstream",
  run = function(dir, report)
    for _, name in ipairs(vectors.names(dir .. "/eventstream", "^v?i?n?valid")) do
      report(name, judge(name, files.read(dir .. "/eventstream/" .. name)))
    end
  end,
}
