---@meta sm.lambda
-- The Lambda Runtime API (core/lua_lambda.c). Only lua/entry/lambda.lua uses this module.

---@class sm.lambda
---@field answer_max integer  bytes of an answer that is not streamed
local lambda = {}

---The platform's limit for an answer that is not streamed, in bytes.
lambda.answer_max = 0

---What a handler gets beside the event. Fields that the platform did not send are nil.
---@class sm.lambda.Context
---@field request_id string
---@field function_arn string?
---@field trace_id string?             X-Ray's trace header
---@field tenant_id string?
---@field client_context table?        as sent by a mobile client
---@field identity table?              of Cognito
---@field deadline number?             of the platform, seconds since 1970
---@field remaining fun(): number?     seconds until the script is ended, which is a little before the platform's deadline
local context = {}

---Begins an answer that is sent in pieces.
---@param content_type string
---@return true? ok
---@return string? message
---@return string? code
function context:start_stream(content_type) end

---Sends a piece; waits while the reader is slow.
---@param bytes string
---@return true? ok
---@return string? message  the API wants no more: stop
---@return string? code
function context:write(bytes) end

---@class sm.lambda.Options
---@field address string       host:port of the Runtime API
---@field concurrency integer? connections, each with its own invocation
---@field memory integer?      bytes an invocation may allocate
---The answer (true: it was streamed), or nil, the error's type, its JSON and X-Ray's cause.
---@field on_event fun(text: string, context: sm.lambda.Context): (string|true)?, string?, string?, string?
---The same for a task that was ended by an error or a limit.
---@field on_failure fun(err: any, text: string?, context: sm.lambda.Context): (string|true)?, string?, string?, string?
---@field on_problem fun(message: string, request_id: string?)  the Runtime API refused or failed

---Asks for events from now on; returns at once. Once per process.
---@param options sm.lambda.Options
---@return true? ok
---@return string? message
---@return string? code
function lambda.serve(options) end

---Asks for no further event. Invocations that run go on.
function lambda.stop() end

---How many invocations have not been answered.
---@return integer
function lambda.running() end

---Ends the invocations that wait; their callers are told.
---@param reason string
function lambda.cancel(reason) end

---The function that runs, as a task, when SIGTERM or SIGINT arrives.
---@param fn fun(name: "SIGTERM"|"SIGINT")
function lambda.on_signal(fn) end

---The process ends once this task has.
---@param code integer
function lambda.exit(code) end

---Sends a GET whose answer nobody waits for; its connection stays open as long as the process lives.
---@param address string
---@param path string
---@param headers string
---@return true? ok
---@return string? message
---@return string? code
function lambda.hold(address, path, headers) end

---Tells the platform that init or restore has failed. Blocks.
---@param address string
---@param phase "init"|"restore"
---@param type string
---@param json string
---@param cause string?  for X-Ray
---@return integer? status
---@return string body_or_message
---@return string? code
function lambda.post_error(address, phase, type, json, cause) end

---One request to the Runtime or Extensions API. A GET waits without a limit. Blocks.
---@param address string
---@param method "GET"|"POST"
---@param path string
---@param headers string  lines that end with CRLF, or ""
---@param body string?
---@return integer? status
---@return string body_or_message
---@return string? extension_id_or_code
function lambda.request(address, method, path, headers, body) end

return lambda
