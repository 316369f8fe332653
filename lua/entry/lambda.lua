-- The Lambda runtime's Lua side: loads the handler that _HANDLER names, then answers events with it. Every cold start pays for
-- what stands or is required here, so what is seldom needed (failures, logs, streams, restore, shutdown) has files of its own.
local address = ...
local lambda = require "sm.lambda"
local decode, encode -- of sm.json, unless the handler works on text

local handler
local concurrency
-- context: of the invocation that runs, or ran last; with several at a time their tasks' contexts tell. In a table, because what
-- a local of this file once held would count as long-lived for the collector.
local current = {}

local function env(name)
  local value = os.getenv(name)
  return value ~= "" and value or nil
end

local function failure() return require "entry.lambda.failure" end

-- ---- log ----

-- The facade of the log is told how records look here, when somebody first asks for it.
local function load_log(name)
  package.preload[name] = nil
  for _, search in ipairs(package.searchers) do
    local load_it, extra = search(name)
    if type(load_it) == "function" then
      local log = load_it(name, extra)
      require("entry.lambda.logging").configure(log, env, function() return current.context end)
      return log
    end
  end
end

local function prepare_log()
  package.preload["lib.log"] = load_log
  print = function(...) return require("entry.lambda.logging").print(...) end -- luacheck: ignore
end

-- ---- events ----

local function is_stream(value)
  local meta = type(value) == "table" and getmetatable(value)
  return meta and meta.__name == "stream"
end

-- What a handler gave -> text of the answer | true when it was streamed | nil, error type, JSON, X-Ray cause
local function answer_of(value, context)
  if is_stream(value) then return require("entry.lambda.pieces").write(value, context) end
  local text = value
  if not handler.raw then
    local problem
    text, problem = encode(value)
    if not text then return failure().of_encoding(problem) end
  elseif type(value) ~= "string" then
    return failure().of_raw_result(value)
  end
  if #text > lambda.answer_max then return failure().of_size(#text, lambda.answer_max) end
  return text
end

local function run(text, context)
  if handler.raw then return handler.run(text, context) end
  local event, problem = decode(text)
  if event == nil then return nil, failure().bad_event(problem) end
  return handler.run(event, context)
end

local function on_event(text, context)
  if concurrency == 1 then current.context = context else failure().begin(context) end
  local value, err = run(text, context)
  if value == nil and err ~= nil then return failure().of_value(err) end
  return answer_of(value, context)
end

-- An invocation that raised, or was stopped by a limit. A handler may know a better answer than the bare error.
local function on_failure(err, text, context)
  if concurrency ~= 1 then failure().begin(context) end
  local report = { failure().of_error(err, context) }
  local event = text and handler.failed and decode(text)
  local value = event and failure().answer_of_handler(handler.failed, event, context, err)
  if value then return answer_of(value, context) end
  return table.unpack(report, 1, 4)
end

local function on_problem(message, request_id)
  if not request_id then current.context = nil end -- between two invocations: no record may carry the last one's id
  failure().of_api(message, request_id)
end

-- ---- start ----

-- The platform learns why, and starts another process: this one ends because it serves nothing.
local function refuse(err)
  local _, kind, json, cause = failure().of_init(err)
  lambda.post_error(address, "init", kind, json, cause)
end

local function find_handler()
  local function explain(fault) return failure().traced(fault) end
  local ok, found, err = xpcall(require("entry.lambda.handlers").find, explain, env "_HANDLER" or "", env "LAMBDA_TASK_ROOT" or ".")
  if not ok then return nil, found end
  return found, err
end

-- What the function keeps for itself of its memory: the program, its buffers, an event and an answer on their way.
local function memory_of_scripts()
  local megabytes = tonumber(env "AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
  if not megabytes then return nil end
  return math.floor((megabytes - math.max(24, megabytes // 10)) * 1024 * 1024)
end

local function main()
  prepare_log()
  local err
  handler, err = find_handler()
  if not handler then return refuse(err) end
  if env "AWS_LAMBDA_LOG_LEVEL" and package.loaded["lib.log"] then require("entry.lambda.logging").set_level(env) end
  if not handler.raw or handler.failed then
    local json = require "sm.json"
    decode, encode = json.decode, json.encode
  end
  concurrency = math.tointeger(tonumber(env "AWS_LAMBDA_MAX_CONCURRENCY") or 1) or 1
  if env "AWS_LAMBDA_INITIALIZATION_TYPE" == "snap-start" or handler.on_shutdown or env "SM_LAMBDA_SHUTDOWN" then
    if not require("entry.lambda.lifecycle").prepare(address, handler, env) then return end
  end
  if env "SEWING_PREWARM" == "ctx" then require("sm.http_core").warm() end
  lambda.on_signal(function() return require("entry.lambda.lifecycle").stop(handler) end)
  local serving, message = lambda.serve { address = address, concurrency = concurrency, memory = memory_of_scripts(),
    on_event = on_event, on_failure = on_failure, on_problem = on_problem }
  if not serving then refuse { message = message } end
end

main()
