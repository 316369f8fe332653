-- Failures as the platform wants them: { errorType, errorMessage, stackTrace } for the caller, the same text for the log.
local json = require "sm.json"
local log = require "lib.log"

local M = {}

-- "stack traceback:\n\ta.lua:3: in function <a.lua:1>\n\t..." -> list of frames
local function frames(traceback)
  local out = json.array()
  for line in tostring(traceback or ""):gmatch("\n%s+([^\n]+)") do out[#out + 1] = line end
  return out
end

local function report(event, kind, message, traceback)
  local stack = frames(traceback)
  log.error(event, { error_type = kind, error_message = message, stack_trace = stack })
  return kind, (json.encode { errorType = kind, errorMessage = message, stackTrace = stack })
end

function M.of_event(problem) return nil, report("invocation_failed", "Runtime.MalformedEvent", "the event is not JSON: " .. tostring(problem)) end

function M.of_value(err)
  local known = type(err) == "table" and err or {}
  return nil, report("invocation_failed", tostring(known.code or known.type or "Error"), tostring(known.message or err))
end

function M.of_result(value)
  if type(value) == "string" then return M.of_size(#value) end
  return nil, report("invocation_failed", "Runtime.InvalidResult", "a raw handler returns text, not " .. type(value))
end

function M.of_encoding(problem)
  return nil, report("invocation_failed", "Runtime.MarshalError", "the result cannot be written as JSON: " .. tostring(problem))
end

function M.of_size(bytes)
  return nil, report("invocation_failed", "Function.ResponseSizeTooLarge", ("the answer has %d bytes; 6291456 are allowed"):format(bytes))
end

function M.of_error(err)
  local known = type(err) == "table" and err or {}
  return nil, report("invocation_failed", known.limit and "Runtime.Limit" or "Runtime.ScriptError", tostring(known.message or err), known.traceback)
end

function M.of_init(err)
  local known = type(err) == "table" and err or {}
  local message, trace = tostring(known.message or err), known.traceback
  if type(err) == "string" then message, trace = err:match("^(.-)\n(stack traceback:.*)$") end
  return report("init_failed", known.type or "Runtime.InitError", message or tostring(err), trace)
end

return M
