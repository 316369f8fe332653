-- One call of an operation: parameters -> request -> endpoint -> attempts (credentials, signature, HTTP, answer) -> output.
local endpoint = require "aws.endpoint"
local failure = require "aws.failure"
local protocol = require "aws.protocol"
local quirks = require "aws.quirks"

local M = {}

-- The call is one table that every part adds to; aws.attempts names the fields that sending needs.
---@class aws.Call
---@field client aws.Client
---@field model aws.Model
---@field params table            the caller's, as the quirks left them
---@field options aws.CallOptions
---@field protocol table

-- ---- quirks: what no model tells, by service ----

-- aws/quirks/NAME.lua: operation, or "*", -> hooks. A hook gets its value and the call; it may give another value, or nil and
-- a failure:
--   before_serialize(params, call)   after_serialize(request, call)   before_sign(request, call): for each attempt
--   after_parse(output, call, response)   on_error(failure, call, response): the failure to give instead
--   mend(failure, call, response): true when the call is worth another attempt at once (M.resolve moves it to another region)
local function hooks_of(call, name)
  local by_operation = quirks.of(call.service)
  if not by_operation then return nil end
  local every, one = by_operation["*"], by_operation[call.operation.name]
  return every and every[name], one and one[name]
end

local function run_hook(hook, value, call, ...)
  if not hook then return value end
  local changed, err = hook(value, call, ...)
  if err then return nil, err end
  return changed == nil and value or changed
end

-- The hook for every operation, then the operation's own.
local function apply(call, name, value, ...)
  local every, one = hooks_of(call, name)
  local changed, err = run_hook(every, value, call, ...)
  if err then return nil, err end
  return run_hook(one, changed, call, ...)
end

-- ---- settings of the call ----

local function is_anonymous(call) return call.options.anonymous or call.client.options.anonymous or false end

---The credentials' provider of a client.
---@param client aws.Client
---@return aws.CredentialsProvider
function M.provider(client)
  local shared = client.shared
  shared.provider = shared.provider or require("aws.credentials").provider(client.options, client.options.world)
  return shared.provider
end

-- The account of the credentials, for endpoints that carry it. Without credentials the call fails later, and says so.
local function account_id(call)
  return function()
    if is_anonymous(call) then return nil end
    local credentials = M.provider(call.client):get()
    return credentials and credentials.account_id
  end
end

local function config_of(call)
  local own = { account_id = account_id(call) }
  if call.options.region then own.region = call.options.region end
  return setmetatable(own, { __index = call.client.config })
end

-- The endpoint, signed in another way. Endpoints are shared between calls.
local function with_signing(found, signing)
  return { url = found.url, headers = found.headers, properties = found.properties, signing = signing }
end

local function takes_token(call, signing)
  local schemes = call.operation.auth or call.model.metadata.auth or {}
  for _, scheme in ipairs(schemes) do
    if scheme == "smithy.api#httpBearerAuth" then return require("aws.bearer").wanted(call, schemes, signing.name) end
  end
  return call.operation.authtype == "bearer"
end

---Where the call goes, anew: after another region was learnt.
---@param call aws.Call
---@param region string?
---@return aws.Endpoint?
---@return aws.Failure?
function M.resolve(call, region)
  if region then call.config.region = region end
  local found, err = endpoint.resolve(call.model, call.operation, call.params, call.config)
  if not found then return nil, err end
  if is_anonymous(call) then
    found = with_signing(found, { scheme = "none", double_encode = true })
  elseif found.signing.scheme ~= "none" and takes_token(call, found.signing) then
    found = with_signing(found, { scheme = "bearer", name = found.signing.name, double_encode = true })
  elseif found.signing.scheme ~= "none" and not found.signing.region then
    return endpoint.no_region()
  end
  call.endpoint = found
  return found
end

-- ---- building ----

-- A few services tell the endpoint of some operations only when they are asked for it first.
local function check_discovery(call)
  local discovery = call.operation.endpointdiscovery
  if not (discovery and discovery.required) or call.config.endpoint_url then return true end
  return failure.refuse("unsupported", "EndpointDiscovery",
    "the service wants its endpoint to be discovered, which is not offered: give one with the option endpoint_url")
end

local function serialize(call, params)
  local err
  call.params, err = apply(call, "before_serialize", params)
  if err then return nil, err end
  call.request, err = call.protocol.serialize(call.model, call.operation, call.params, {
    token = call.options.token, compress = not call.config.disable_request_compression,
    compress_min_bytes = call.config.request_min_compression_size,
  })
  if not call.request then return nil, err end
  for name, value in pairs(call.options.headers or {}) do call.request.headers[name:lower()] = value end
  return true
end

---Builds everything but the signature.
---@param client aws.Client
---@param operation table
---@param params table
---@param options aws.CallOptions
---@return aws.Call?
---@return aws.Failure?
function M.build(client, operation, params, options)
  local call = { client = client, service = client.service, model = client.model, operation = operation, options = options }
  call.config = config_of(call)
  local ok, err
  call.protocol, err = protocol.of(client.model)
  if not call.protocol then return nil, err end
  ok, err = check_discovery(call)
  if not ok then return nil, err end
  ok, err = serialize(call, params)
  if not ok then return nil, err end
  ok, err = M.resolve(call)
  if not ok then return nil, err end
  call.request, err = apply(call, "after_serialize", call.request)
  if not call.request then return nil, err end
  return call
end

-- ---- sending ----

local function now() return require("sm.time").monotonic() end

local function remaining_until(ends)
  return function()
    local left = require("sm.task").remaining() or math.huge
    return math.min(left, ends - now())
  end
end

-- The client's policy shares its token bucket; a call may have its own bounds.
local function policy_of(call, ends)
  local shared, retry = call.client.shared, require("aws.retry")
  shared.bucket = shared.bucket or retry.bucket()
  local config = call.config
  if call.options.max_attempts then config = setmetatable({ max_attempts = call.options.max_attempts }, { __index = config }) end
  local policy = retry.policy(config, call.service, shared.bucket)
  if ends then policy.remaining = remaining_until(ends) end
  return policy
end

local function parse(call, response)
  local bad = require("aws.checksum").check(response, call.request, call.operation)
  if bad then return nil, bad end
  local output, err = call.protocol.parse(call.model, call.operation, response)
  if output == nil then return nil, apply(call, "on_error", err, response) or err end
  return apply(call, "after_parse", output, response)
end

-- Checksums, and a body that can be sent as it is.
local function settle(call)
  local request, signing, operation = call.request, call.endpoint.signing, call.operation
  if type(request.body or "") ~= "string" then
    local unsigned = require("aws.sign").is_unsigned_payload(call.endpoint, operation)
    local ok, err = require("aws.body").settle(request, signing.double_encode == false, unsigned)
    if not ok then return nil, err end
  end
  if not operation.httpChecksum and not operation.httpChecksumRequired then return true end
  return require("aws.checksum").prepare(request, call.model, operation, call.params, call.config)
end

-- Who gives the keys of this call: a bucket of S3 Express has its own.
local function provider_of(call)
  if is_anonymous(call) then return nil end
  if call.endpoint.signing.scheme == "v4-s3express" then
    return require("aws.express").provider(call.client, call.params.Bucket, call.config.region)
  end
  if call.endpoint.signing.scheme == "bearer" then return require("aws.bearer").provider(call) end
  return M.provider(call.client)
end

---The credentials that a call is signed with; nil when it is not.
---@param call aws.Call
---@return aws.Credentials?
---@return aws.Failure?
function M.credentials(call)
  local provider = provider_of(call)
  if provider then return provider:get() end
end

-- What aws.attempts needs beside request and endpoint.
local function prepare(call)
  local timeout = call.options.timeout or call.client.options.timeout
  call.policy = policy_of(call, timeout and now() + timeout)
  call.anonymous = is_anonymous(call)
  call.provider = provider_of(call)
  call.parse = function(response) return parse(call, response) end
  call.before_sign = function(request) return select(2, apply(call, "before_sign", request)) end
  local every, one = hooks_of(call, "mend")
  if every or one then
    call.on_error = function(err, response)
      return every and every(err, call, response) or one and one(err, call, response) or false
    end
  end
end

---@param client aws.Client
---@param operation table
---@param params table
---@param options aws.CallOptions
---@return table? output
---@return aws.Failure?
---@return aws.Answer? response  of the last attempt
function M.run(client, operation, params, options)
  local call, err = M.build(client, operation, params, options)
  local ok = call
  if call then ok, err = settle(call) end
  if not ok then return nil, failure.at(err, client.service, operation.name) end
  prepare(call)
  local output, response
  output, err, response = require("aws.attempts").run(call)
  if err then return nil, failure.at(err, client.service, operation.name), response end
  return output, nil, response
end

return M
