-- Events of a stream as tables: each is { EventName = { members } }. Exceptions of the stream are failures.
local event_stream = require "aws.event_stream"
local failed = require "aws.protocol.failed"
local failures = require "aws.failure"

local M = {}

local ONE_PIECE <const> = "a body that is there already"

-- A function that gives the body's bytes, whatever form the body has.
---@param body string|function|table
---@return fun(): string?, string?
function M.reader(body)
  if type(body) == "function" then return body end
  if type(body) == "table" then return function() return body:read() end end
  local left = body ~= "" and body or nil
  return function()
    local piece = left
    left = nil
    return piece
  end, ONE_PIECE
end

local function from_header(ref, value)
  if ref.type == "timestamp" and math.type(value) == "integer" then
    return value % 1000 == 0 and value // 1000 or value / 1000
  end
  return value
end

-- Members of one event: from headers, and either one member or all others from the payload.
local function event_value(model, ref, message, decode)
  local shape = model:shape(ref.shape)
  local out, payload = {}, nil
  for _, member in ipairs(shape.members) do
    if member.eventheader then
      local value = message.values[member.name]
      if value ~= nil then out[member.name] = from_header(member, value) end
    elseif member.eventpayload then
      payload = member
    end
  end
  if payload then
    if payload.type == "blob" or payload.type == "string" then
      out[payload.name] = message.payload
    else
      out[payload.name] = decode(payload, message.payload)
    end
    return out
  end
  for name, value in pairs(decode(ref, message.payload) or {}) do out[name] = value end
  return out
end

local function exception(model, stream, message, decode)
  local name = message.values[":exception-type"]
  local ref = model:shape(stream.shape).by_name[name]
  local members = ref and event_value(model, ref, message, decode) or nil
  local shape = ref and model:shape(ref.shape)
  return failed.answer({ status = 200, headers = {} }, {
    code = name, members = members, shape = shape, message = members and (members.message or members.Message) or message.payload,
  })
end

-- The events of a stream, one by one: event | nil at the end | nil, failure.
---@param model aws.Model
---@param stream table   reference to the event-stream structure
---@param next_message fun(): table?, string?
---@param decode fun(ref: table, text: string): any  reads a payload by a shape
---@return fun(): table?, aws.Failure?
function M.iterate(model, stream, next_message, decode)
  return function()
    local message, why = next_message()
    if not message then
      if not why then return nil end
      return failures.refuse("transport", "BrokenEventStream", why)
    end
    local kind = message.values[":message-type"]
    if kind == "exception" then return exception(model, stream, message, decode) end
    if kind == "error" then
      return failed.answer({ status = 200, headers = {} },
        { code = message.values[":error-code"], message = message.values[":error-message"] })
    end
    local name = message.values[":event-type"] or ""
    local ref = model:shape(stream.shape).by_name[name]
    if not ref then return { SDK_UNKNOWN_MEMBER = { name = name } } end
    return { [name] = event_value(model, ref, message, decode) }
  end
end

-- For protocols whose output comes as the first message: that output (decoded) and the iterator of the rest.
---@param model aws.Model
---@param operation table
---@param stream table
---@param body string|function|table
---@param decode fun(ref: table, text: string): any
---@return table? output
---@return aws.Failure?
function M.open(model, operation, stream, body, decode)
  local next_message = event_stream.messages(M.reader(body))
  local first, why = next_message()
  local output, held = {}, first
  if not first and why then return failures.refuse("transport", "BrokenEventStream", why) end
  if first and first.values[":event-type"] == "initial-response" then
    output, held = decode(operation.output, first.payload) or {}, nil
  end
  -- A service that sends no initial response begins with its first event.
  local function from_held()
    if not held then return next_message() end
    local message = held
    held = nil
    return message
  end
  output[stream.name] = M.iterate(model, stream, from_held, decode)
  return output
end

return M
