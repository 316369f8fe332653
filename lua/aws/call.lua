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

local function encode_byte(c) return ("%%%02X"):format(c:byte()) end
local function encode(text) return (tostring(text):gsub("[^%w%-._~]", encode_byte)) end

---@param query table[]  pairs of name and value
---@return string
function M.query_text(query)
  local parts = {}
  for i, pair in ipairs(query) do
    parts[i] = pair[2] == nil and encode(pair[1]) .. "=" or encode(pair[1]) .. "=" .. encode(pair[2])
  end
  return table.concat(parts, "&")
end

-- Puts the operation's path below that of the endpoint, and the host prefix before its host.
local function place(call, request, found)
  local scheme, host, base = found.url:match("^(%a+)://([^/?#]*)([^?#]*)")
  if not scheme then return failure.refuse("config", "InvalidEndpoint", "the endpoint is no http or https URL") end
  if request.host_prefix and not call.config.disable_host_prefix then host = request.host_prefix .. host end
  request.scheme, request.host = scheme, host
  if request.path ~= "/" then
    request.path = base:gsub("/$", "") .. request.path
  elseif base ~= "" then
    request.path = base
  end
  for name, values in pairs(found.headers) do request.headers[name:lower()] = table.concat(values, ",") end
  return request
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
  call.request, err = place(call, request, call.endpoint)
  if not call.request then return nil, err end
  for name, value in pairs(options.headers or {}) do call.request.headers[name:lower()] = value end
  return call
end

-- ---- sending ----

-- Attempts change what they send: each gets its own request.
local function fresh(request)
  local out, headers, query = {}, {}, {}
  for name, value in pairs(request) do out[name] = value end
  for name, value in pairs(request.headers) do headers[name] = value end
  for i, pair in ipairs(request.query) do query[i] = pair end
  out.headers, out.query = headers, query
  return out
end

function M.url(request)
  local query = M.query_text(request.query)
  return request.scheme .. "://" .. request.host .. request.path .. (query ~= "" and "?" .. query or "")
end

local function is_anonymous(call)
  return call.options.anonymous or call.client.options.anonymous or call.endpoint.signing.scheme == "none"
end

local function sign(call, request)
  if is_anonymous(call) then return request end
  local provider = credentials_of(call)
  local credentials, err = provider:get()
  if not credentials then return nil, err end
  call.credentials = credentials
  local _
  _, err = hook(call, "before_sign", request)
  if err then return nil, err end
  return require("aws.sign").request(request, call.endpoint, credentials, call.config)
end

local function attempt(call)
  local request = fresh(call.request)
  local ok, err = sign(call, request)
  if not ok then return nil, err end
  request.url = M.url(request)
  local response
  response, err = require("aws.transport").send(request, call.config, { deadline = call.deadline, stream = request.stream })
  if not response then return nil, err end
  local output
  output, err = call.protocol.parse(call.model, call.operation, response)
  if not output then
    return nil, hook(call, "on_error", err, response) or err, response
  end
  output, err = hook(call, "after_parse", output, response)
  return output, err, response
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
  local output
  output, err = require("aws.retry").run(call, function() return attempt(call) end)
  if not output then return nil, failure.at(err, client.service, operation.name) end
  return output
end

return M
