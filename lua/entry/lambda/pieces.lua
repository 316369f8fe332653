-- Writes an answer in pieces: what entry/lambda/stream makes, status and headers first, then whatever its body writes.
local failure = require "entry.lambda.failure"
local stream = require "entry.lambda.stream"

local M = {}

-- write(bytes) -> true; false once the reader has left. A body that goes on all the same is stopped.
local function writer(context)
  local gone
  return function(bytes)
    if gone then error({ code = "Runtime.StreamClosed", message = "the reader of the streamed answer has left: " .. gone }, 0) end
    local ok, message = context:write(bytes)
    if not ok then gone = tostring(message) end
    return ok == true
  end
end

-- Handlers that give no status stream plain bytes of the type they name; others an answer for a gateway.
local function begin(answer, context)
  if answer.content_type then return context:start_stream(answer.content_type) end
  local prelude, problem = stream.prelude(answer)
  if not prelude then return nil, problem, "encoding" end
  local ok, message = context:start_stream(stream.CONTENT_TYPE)
  if ok then ok, message = context:write(prelude) end
  return ok, message
end

---@param answer table  see entry/lambda/stream
---@param context table
---@return true? streamed
---@return string? kind, string? json, string? cause
function M.write(answer, context)
  local ok, message, why = begin(answer, context)
  if why == "encoding" then return failure.of_encoding(message) end
  if not ok then return failure.of_value { code = "Runtime.StreamClosed", message = message } end
  if answer.body then
    local _, err = answer.body(writer(context))
    if err ~= nil then return failure.of_value(err) end
  end
  return true
end

return M
