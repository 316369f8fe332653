-- Failures as the platform wants them: { errorType, errorMessage, stackTrace } for the caller, the same words for the log, and
-- X-Ray's cause. The functions named of_* give what the runtime posts: nil, error type, JSON, cause.
local json = require "sm.json"
local log = require "lib.log"

local M = {}

local MAX_MESSAGE <const> = 16384
local MAX_FRAMES <const> = 40

-- ---- parts of a report ----

-- "stack traceback:\n\t/var/task/echo.lua:3: in function 'f'\n\t..." -> list of its lines
local function frames_of(traceback)
  local out = json.array()
  for line in tostring(traceback or ""):gmatch("\n%s+([^\n]+)") do
    if #out < MAX_FRAMES then out[#out + 1] = log.redact(line) end
  end
  return out
end

local function cause_of(kind, message, frames)
  local stack = json.array()
  for _, frame in ipairs(frames) do
    local path, line, label = frame:match("^(.-):(%d+): ?i?n? ?(.*)$")
    if path then stack[#stack + 1] = { path = path, line = math.tointeger(tonumber(line)), label = label } end
  end
  return (json.encode { working_directory = os.getenv "LAMBDA_TASK_ROOT" or "", paths = json.array(),
    exceptions = json.array { { type = kind, message = message, stack = stack } } })
end

-- Text that JSON can carry, without secrets and of bearable length.
local function plain(text)
  text = tostring(text)
  if not utf8.len(text) then text = text:gsub("[\x80-\xff]", "?") end
  if #text > MAX_MESSAGE then text = text:sub(1, (utf8.offset(text, 0, MAX_MESSAGE) or MAX_MESSAGE) - 1) .. "..." end
  return log.redact(text)
end

local function report(event, kind, message, traceback, fields)
  kind, message = plain(kind), plain(message)
  local frames = frames_of(traceback)
  local shown = { error_type = kind, error_message = message, stack_trace = frames[1] and frames or nil }
  for name, value in pairs(fields or {}) do shown[name] = value end
  log.error(event, shown)
  return nil, kind, (json.encode { errorType = kind, errorMessage = message, stackTrace = frames }), cause_of(kind, message, frames)
end

local function failed(kind, message, traceback) return report("invocation_failed", kind, message, traceback) end

-- ---- what can fail ----

-- The message handler of our own calls: the error with where it was raised.
---@param fault any
function M.traced(fault)
  if type(fault) == "table" then return fault end
  return { message = tostring(fault), traceback = debug.traceback(nil, 2) }
end

-- An event that is no JSON: the value that stands for it as an error.
---@param problem string
---@return table
function M.bad_event(problem)
  return { code = "Runtime.UnmarshalError", message = "the event is not JSON: " .. tostring(problem) }
end

-- A failure that the handler returned.
---@param err any
function M.of_value(err)
  if type(err) ~= "table" then return failed("Error", err) end
  local details = type(err.details) == "table" and err.details or {}
  return failed(err.code or err.type or "Error", err.message or tostring(err), err.traceback or details.traceback)
end

---@param value any
function M.of_raw_result(value)
  return failed("Runtime.MarshalError", "a raw handler returns text, not a " .. type(value))
end

---@param problem string
function M.of_encoding(problem)
  return failed("Runtime.MarshalError", "the result cannot be written as JSON: " .. tostring(problem))
end

---@param bytes integer
---@param allowed integer
function M.of_size(bytes, allowed)
  return failed("Function.ResponseSizeTooLarge",
    ("the answer has %d bytes, and %d are allowed; give a link to the content, or stream it"):format(bytes, allowed))
end

local limits = { time = "Runtime.Timeout", memory = "Runtime.OutOfMemory" }

-- What a limit ended, in one sentence: the host's has the place, and the innermost call says what was open.
local function of_limit(err, context)
  local message = err.message
  local open = tostring(err.traceback or ""):match("^stack traceback:\n%s+%[C%]: in ([^\n]+)")
  local platform = err.limit == "time" and context and context.deadline
  if platform then
    message = ("%s, %.2f s before the function's own time limit"):format(message, math.max(0, platform - require("sm.time").now()))
  end
  if open then message = ("%s; open call: %s"):format(message, open) end
  return failed(limits[err.limit] or "Runtime.Limit", message, err.traceback)
end

-- What ended an invocation from outside of its own words: a raise, a limit, a cancellation.
---@param err any
---@param context table?
function M.of_error(err, context)
  if type(err) ~= "table" then return failed("Runtime.ScriptError", err) end
  if err.limit then return of_limit(err, context) end
  if err.code == "cancelled" then return failed("Runtime.Shutdown", err.message, err.traceback) end
  return failed(err.code or err.type or "Runtime.ScriptError", err.message or tostring(err), err.traceback)
end

-- What a handler answers for its stopped invocation: nil when it has nothing to say, fails, or takes too long. The bare error
-- is still told then, so half of the time that is left is kept for that.
---@param own function  the handler's failed
---@param event any
---@param context table
---@param err any
---@return any value
function M.answer_of_handler(own, event, context, err)
  local left = require("sm.task_core").remaining()
  local options = { deadline = left and math.max(left / 2, 0.001), name = "failed" }
  local value, problem = require("sm.task").spawn_with(options, own, event, context, err):join()
  if value == nil and problem ~= nil then
    local message = type(problem) == "table" and rawget(problem, "message") or problem
    log.error("failed_hook_failed", { error_message = type(message) == "string" and message or type(message) })
  end
  return value
end

-- The handler could not be loaded.
---@param err any
function M.of_init(err)
  local known = type(err) == "table" and err or {}
  local details = type(known.details) == "table" and known.details or {}
  local kind = tostring(known.type or "Runtime.InitError")
  return report("init_failed", kind, known.message or err, known.traceback or details.traceback)
end

-- The Runtime API refused or failed.
---@param message string
---@param request_id string?
function M.of_api(message, request_id)
  log.warn("runtime_api", { error_message = message, request_id = request_id })
end

-- With several invocations at a time: what log records and calls to other services of this one shall carry.
---@param context table
function M.begin(context)
  local shared = require("sm.task_core").context()
  shared.request_id, shared.trace_id, shared.tenant_id = context.request_id, context.trace_id, context.tenant_id
end

return M
