-- The Lambda runtime's Lua side: loads the handler that _HANDLER names, then answers events with it.
local address = ...
local lambda = require "sm.lambda"
local decode, encode -- of sm.json

local handler

local function failure() return require "entry.lambda.failure" end

-- One event. -> text of the answer | true when it was streamed | nil, error type, JSON, X-Ray cause
local function on_event(text, context)
  local value, err
  if handler.raw then
    value, err = handler.run(text, context)
    if type(value) == "string" and #value <= lambda.answer_max then return value end
  else
    local event, problem = decode(text)
    if event == nil then return failure().of_event(problem) end
    value, err = handler.run(event, context)
  end
  if err ~= nil and value == nil then return failure().of_value(err) end
  if handler.raw then return failure().of_result(value) end
  local answer, problem = encode(value)
  if not answer then return failure().of_encoding(problem) end
  if #answer > lambda.answer_max then return failure().of_size(#answer) end
  return answer
end

local function on_failure(err) return failure().of_error(err) end

local function on_problem(message, request_id)
  require("lib.log").warn("runtime_api", { message = message, request_id = request_id })
end

local function refuse(err)
  local kind, json, cause = failure().of_init(err)
  lambda.post_error(address, "init", kind, json, cause)
  return 1
end

local function main()
  local find = require("entry.lambda.handlers").find
  local ok, found, err = xpcall(find, debug.traceback, os.getenv "_HANDLER" or "", os.getenv "LAMBDA_TASK_ROOT" or ".")
  if not ok then return refuse(found) end
  if not found then return refuse(err) end
  handler = found
  if not handler.raw then
    local json = require "sm.json"
    decode, encode = json.decode, json.encode
  end
  local serving, message = lambda.serve { address = address, on_event = on_event, on_failure = on_failure, on_problem = on_problem,
    concurrency = math.tointeger(tonumber(os.getenv "AWS_LAMBDA_MAX_CONCURRENCY" or "1")) or 1 }
  if not serving then return refuse { message = message } end
end

return main()
