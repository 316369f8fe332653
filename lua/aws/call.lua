-- One call of an operation: parameters -> request -> endpoint -> attempts (credentials, signature, HTTP, answer) -> output.
local endpoint = require "aws.endpoint"
local failure = require "aws.failure"
local protocol = require "aws.protocol"

local M = {}

---What a call knows; handed to quirks.
---@class aws.Call
---@field client aws.Client
---@field model aws.Model
---@field operation table
---@field params table
---@field options aws.CallOptions
---@field config aws.Config   the client's, with the call's region
---@field request aws.Request?
---@field endpoint aws.Endpoint?

-- ---- quirks: what no model tells, by service ----

local quirks_of = {}

local function quirks(service)
  local found = quirks_of[service]
  if found == nil then
    local name = "aws.quirks." .. service:gsub("%-", "_")
    found = package.searchpath(name, package.path) and require(name) or package.preload[name] and require(name) or false
    quirks_of[service] = found
  end
  return found
end

-- Runs a hook for every operation of the service, then the operation's own.
local function hook(call, name, value, ...)
  local table_of = quirks(call.client.service)
  if not table_of then return value end
  for _, key in ipairs { "*", call.operation.name } do
    local run = table_of[key] and table_of[key][name]
    if run then
      local changed, err = run(value, call, ...)
      if err then return nil, err end
      if changed ~= nil then value = changed end
    end
  end
  return value
end

-- ---- building ----

local function config_of(client, options)
  local config = client.config
  if not options.region or options.region == config.region then return config end
  local out = {}
  for name, value in pairs(config) do out[name] = value end
  out.region = options.region
  return out
end

local function credentials_of(call)
  local client = call.client
  local provider = client.shared.credentials
  if not provider then
    provider = require("aws.credentials").provider(client.options, client.options.world)
    client.shared.credentials = provider
  end
  return provider
end

-- The account of the credentials, for endpoints that carry it. Without credentials the call fails later, and says so.
local function account_id(call)
  return function()
    if call.options.anonymous or call.client.options.anonymous then return nil end
    local credentials = credentials_of(call):get()
    return credentials and credentials.account_id
  end
end

---Builds everything but the signature.
---@param client aws.Client
---@param operation table
---@param params table
---@param options aws.CallOptions
---@return aws.Call?
---@return aws.Failure?
function M.build(client, operation, params, options)
  local call = { client = client, model = client.model, operation = operation, options = options,
    config = config_of(client, options) }
  local speaks, err = protocol.of(client.model)
  if not speaks then return nil, err end
  call.protocol = speaks
  call.params, err = hook(call, "before_serialize", params)
  if err then return nil, err end
  call.request, err = speaks.serialize(client.model, operation, call.params, { token = options.token })
  if not call.request then return nil, err end
  call.config = setmetatable({ account_id = account_id(call) }, { __index = call.config })
  call.endpoint, err = endpoint.resolve(client.model, operation, call.params, call.config)
  if not call.endpoint then return nil, err end
  local request
  request, err = hook(call, "after_serialize", call.request)
  if not request then return nil, err end
  call.request = request
  for name, value in pairs(options.headers or {}) do request.headers[name:lower()] = value end
  return call
end

-- ---- sending ----

local function is_anonymous(call)
  return call.options.anonymous or call.client.options.anonymous or call.endpoint.signing.scheme == "none"
end

-- Seconds that the call has left; nil: any.
local function time_left(timeout)
  local task, clock = require "sm.task", require "sm.time"
  if not timeout then return task.remaining end
  local ends = clock.monotonic() + timeout
  return function()
    local left = task.remaining()
    return math.min(left or math.huge, ends - clock.monotonic())
  end
end

local function policy_of(call)
  local retry, client = require "aws.retry", call.client
  client.shared.bucket = client.shared.bucket or retry.bucket()
  local options = { remaining = time_left(call.options.timeout or client.options.timeout) }
  local policy = retry.policy(call.config, client.service, client.shared.bucket, options)
  policy.max_attempts = call.options.max_attempts or policy.max_attempts
  return policy
end

-- The output, or the service's error, as the protocol and the quirks read it.
local function parse_with(call)
  return function(response)
    local output, err = call.protocol.parse(call.model, call.operation, response)
    if output == nil then return nil, hook(call, "on_error", err, response) or err end
    return hook(call, "after_parse", output, response)
  end
end

local function send(call)
  return require("aws.attempts").run {
    operation = call.operation, service = call.client.service, request = call.request, endpoint = call.endpoint,
    config = call.config, policy = policy_of(call), parse = parse_with(call),
    provider = not is_anonymous(call) and credentials_of(call) or nil, anonymous = is_anonymous(call),
    before_sign = function(request) return select(2, hook(call, "before_sign", request)) end,
  }
end

---@param client aws.Client
---@param operation table
---@param params table
---@param options aws.CallOptions
---@return table? output
---@return aws.Failure?
function M.run(client, operation, params, options)
  local call, err = M.build(client, operation, params, options)
  if not call then return nil, failure.at(err, client.service, operation.name) end
  return send(call)
end

return M
