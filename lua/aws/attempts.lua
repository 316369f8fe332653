-- The attempts of one call: sign, send, read the answer, and judge whether it is worth another.
--
-- What costs no attempt, and happens once per call: a signature refused for its time (the clock is corrected), credentials that
-- ended early (fresh ones are fetched), and what the service's quirks mend (S3: another region).
local failure = require "aws.failure"
local retry = require "aws.retry"
local sign = require "aws.sign"
local skew = require "aws.skew"
local transport = require "aws.transport"
local user_agent = require "aws.user_agent"

local M = {}

local EXPIRED <const> = { ExpiredToken = true, ExpiredTokenException = true, TokenRefreshRequired = true }

---@class aws.Call
---@field operation table            of the model
---@field service string             the model's file name
---@field request aws.Request        serialized
---@field endpoint table
---@field provider table?            credentials; nil for unsigned operations
---@field config aws.Config
---@field policy aws.RetryPolicy
---@field parse fun(response: aws.Answer): any, aws.Failure?
---@field before_sign fun(request: aws.Request, call: aws.Call, attempt: integer): aws.Failure?  changes the request
---@field on_error (fun(failure: aws.Failure, response: aws.Answer?, call: aws.Call): boolean?)?  mended: once more, at once
---@field clock (fun(): number)?
---@field anonymous boolean?         nothing is signed

local function credentials_of(call)
  if call.anonymous or not call.provider or sign.scheme(call.endpoint, call.operation) == "none" then return nil end
  local err
  call.credentials, err = call.provider:get()
  return call.credentials, err
end

-- Fresh keys in place of those that the service called expired.
local function renewed(call)
  if not (call.provider and call.provider.refresh) then return false end
  local fresh = call.provider:refresh(call.credentials)
  return fresh ~= nil and fresh ~= call.credentials
end

-- A body that was read once must be able to start over.
local function rewind(call, n)
  local body = call.request.body
  if n == 1 or body == nil or type(body) == "string" then return true end
  if type(body) == "table" and body.rewind and body.rewind() then return true end
  return false
end

-- An attempt changes what it sends, so each gets its own.
local function fresh(request)
  local out, headers = {}, {}
  for name, value in pairs(request) do out[name] = value end
  for name, value in pairs(request.headers) do headers[name] = value end
  out.headers, out.query = headers, table.move(request.query, 1, #request.query, 1, {})
  return out
end

local function add_headers(call, request, n)
  local headers = request.headers
  headers["amz-sdk-invocation-id"] = call.id
  headers["amz-sdk-request"] = ("attempt=%d; max=%d"):format(n, call.policy.max_attempts)
  headers["user-agent"] = call.user_agent
  user_agent.add_trace(headers)
end

-- A dead pooled connection costs nothing, because the request goes out again by itself. Not so where the first may have arrived:
-- a function that runs for minutes loses its connection and not its work. Queued invocations are Lambda's to repeat anyway.
local function runs_once(call)
  return retry.is_once(call.service, call.operation.name) and call.request.headers["x-amz-invocation-type"] ~= "Event" or nil
end

-- One request and its answer.
local function exchange(call, n)
  local credentials, err = credentials_of(call)
  if err then return nil, err end
  local request = fresh(call.request)
  add_headers(call, request, n)
  err = call.before_sign and call.before_sign(request, call, n)
  if err then return nil, err end
  local ok
  if call.anonymous then
    ok, err = sign.place(request, call.endpoint, call.config)
  else
    ok, err = sign.request(request, call.endpoint, credentials, call.config, skew.now(call.clock), call.operation)
  end
  if not ok then return nil, err end
  local response
  response, err = transport.send(request, call.config,
    { stream = request.stream, timeout = call.policy.remaining(), fresh = call.fresh or runs_once(call) })
  if not response then return nil, err end
  local output
  output, err = call.parse(response)
  if err then
    err.retry_after = err.retry_after or retry.asked(response.headers)
    if response.close then response.close() end
  end
  return output, err, response
end

-- A text goes out again by itself when a pooled connection was dead; a stream must be begun again here.
local function lost_stream(call, err)
  local body = call.request.body
  if err.code ~= "ConnectionFailed" or type(body) ~= "table" or not body.rewind then return false end
  return not retry.is_once(call.service, call.operation.name)
end

-- What can be mended without an attempt of its own; each at most once.
local function mended(call, err, response)
  if not call.mended.skew and response and skew.learn(err, response.headers, call.clock) then
    call.mended.skew = true
    return true
  end
  if not call.mended.connection and lost_stream(call, err) then
    call.mended.connection, call.fresh = true, true
    return true
  end
  if not call.mended.credentials and EXPIRED[err.code] then
    call.mended.credentials = true
    return renewed(call)
  end
  if call.on_error and not call.mended.quirk and call.on_error(err, response, call) then
    call.mended.quirk = true
    return true
  end
  return false
end

local function attempt(call, n)
  call.sent = (call.sent or 0) + 1
  if not rewind(call, call.sent) then
    local err = select(2, failure.refuse("transport", "BodyNotRepeatable", "the body was read already and cannot be sent again"))
    return nil, call.last or err
  end
  local output, err, response = exchange(call, n)
  call.last = err
  if err and mended(call, err, response) then return attempt(call, n) end
  return output, err and failure.at(err, call.service, call.operation.name), response
end

---@param call aws.Call
---@return any output
---@return aws.Failure? failure
---@return aws.Answer? response
function M.run(call)
  call.id = call.id or require("sm.crypto").uuid()
  call.user_agent = call.user_agent or user_agent.text(call.config)
  call.mended = {}
  return retry.run(call.policy, function(n) return attempt(call, n) end, call.operation.name)
end

return M
