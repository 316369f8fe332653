-- Gives a request its address and its signature, in place. Done anew for each attempt: a signature is a few minutes' worth.
--
-- How an operation is signed: what the endpoint's rules say (signing name, region, scheme), unless the operation is unsigned
-- by its model. The host that is signed is the one that is sent: with a port only when it is not the scheme's own.
local failure = require "aws.failure"
local sigv4 = require "sm.sigv4"

local M = {}

local UNSIGNED <const> = "UNSIGNED-PAYLOAD"
local DEFAULT_PORT <const> = { http = "80", https = "443" }

-- Headers of the attempt before; the ones of this attempt may be fewer.
local OURS <const> = { "authorization", "x-amz-date", "x-amz-security-token", "x-amz-region-set", "x-amz-s3session-token" }

---@class aws.Placed   a request with its address: what sign.place adds
---@field url string
---@field scheme string
---@field host string
---@field sent_path string  as it goes on the wire, with the endpoint's own path before it

-- The operation's path below the endpoint's own; the operation's "/" adds nothing to one that is there.
local function join(base, path)
  if path == "/" and base ~= "" then return base end
  return base:gsub("/+$", "") .. path
end

---Host, path and URL of the request, from the endpoint. The endpoint's own headers are added.
---@param request aws.Request
---@param endpoint table   { url, headers? }
---@param config aws.Config?
---@return aws.Request? request  the same
---@return aws.Failure? failure
function M.place(request, endpoint, config)
  local scheme, host, base = endpoint.url:match("^(https?)://([^/?#]+)([^?#]*)$")
  if not scheme then
    return failure.refuse("config", "InvalidEndpoint",
      ("'%s' is no endpoint: http:// or https:// and a host"):format(tostring(endpoint.url)))
  end
  local port = host:match(":(%d+)$")
  if port and port == DEFAULT_PORT[scheme] then host = host:sub(1, -#port - 2) end
  if request.host_prefix and not (config and config.disable_host_prefix) then host = request.host_prefix .. host end
  request.scheme, request.host, request.sent_path = scheme, host, join(base, request.path)
  request.headers.host = host
  for name, value in pairs(endpoint.headers or {}) do
    request.headers[name:lower()] = type(value) == "table" and table.concat(value, ",") or value
  end
  M.set_url(request)
  return request
end

---The URL again, after a change of path or query.
function M.set_url(request)
  local query = request.query and #request.query > 0 and "?" .. sigv4.query(request.query) or ""
  request.url = ("%s://%s%s%s"):format(request.scheme, request.host, request.sent_path, query)
end

local function has(list, value)
  for _, one in ipairs(list or {}) do
    if one == value then return true end
  end
  return false
end

---How this operation is signed: "v4", "v4-s3express", "v4a", "bearer" or "none".
---@param endpoint table
---@param operation table?
---@return string? scheme
---@return aws.Failure? failure
function M.scheme(endpoint, operation)
  local scheme = endpoint.signing and endpoint.signing.scheme or "v4"
  if operation and operation.authtype == "none" then return "none" end
  local auth = operation and operation.auth
  if scheme == "bearer" or not auth or #auth == 0 or has(auth, "aws.auth#sigv4") or has(auth, "aws.auth#sigv4a") then return scheme end
  if has(auth, "smithy.api#noAuth") then return "none" end
  return failure.refuse("unsupported", "AuthScheme", "operations with " .. tostring(auth[1]) .. " are not offered")
end

-- The hash that stands for the body, and whether it is sent beside the signature: always to S3, elsewhere when it is no hash.
local function payload(request, signing)
  local s3 = signing.double_encode == false
  local stream = type(request.body or "") ~= "string"
  if stream and s3 and not request.payload_hash and (request.stream_checksum or request.scheme == "http") then
    require("aws.body").announce(request, request.scheme == "http")
  end
  if request.payload_hash then return request.payload_hash, true end
  if (stream or request.unsigned_payload) and request.scheme == "https" then return UNSIGNED, true end
  if stream then
    return failure.refuse("unsupported", "UnsignedStream", "a body without its hash is sent over https only")
  end
  return sigv4.sha256_hex(request.body or ""), s3
end

-- A body in chunks is made when the signature it begins with is known.
local function chunk_body(request, options, signature)
  if not (request.payload_hash or ""):find("^STREAMING%-") or type(request.body) == "string" then return end
  local chain
  if request.payload_hash:find("AWS4", 1, true) then
    chain = options
    chain.signature = signature
  end
  request.body = require("aws.body").chunks(request, chain)
end

---Whether the service takes this operation's body without a hash of it.
---@param endpoint aws.Endpoint
---@param operation table?
---@return boolean
function M.is_unsigned_payload(endpoint, operation)
  if endpoint.signing and endpoint.signing.unsigned_payload then return true end
  return operation ~= nil and (operation.unsignedPayload or operation.authtype == "v4-unsigned-body") or false
end

---What the signer needs to know, for header and query form.
---@return table? options
---@return aws.Failure? failure
local function options_of(request, signing, credentials, now)
  if not credentials then return failure.refuse("credentials", "NoCredentials", "no credentials to sign with") end
  local s3 = signing.double_encode == false
  return {
    method = request.method, path = request.sent_path, query = request.query, headers = request.headers,
    access_key = credentials.access_key, secret_key = credentials.secret_key, session_token = credentials.session_token,
    region = signing.region, service = signing.name, time = now, double_encode = not s3, normalize = not s3,
    v4a = signing.scheme == "v4a" or nil,
  }
end

M.options = options_of

---Places the request and signs it. Credentials may be nil for unsigned operations.
---@param request aws.Request  changed in place: url, headers; a body in chunks
---@param endpoint table
---@param credentials aws.Credentials?
---@param config aws.Config
---@param now number
---@param operation table?
---@return aws.Request? request
---@return aws.Failure? failure
function M.request(request, endpoint, credentials, config, now, operation)
  for _, name in ipairs(OURS) do request.headers[name] = nil end
  local ok, err = M.place(request, endpoint, config)
  if not ok then return nil, err end
  local scheme
  scheme, err = M.scheme(endpoint, operation)
  if not scheme then return nil, err end
  if scheme == "none" then return request end
  if scheme == "bearer" then return require("aws.bearer").add(request, credentials) end
  local signing = endpoint.signing
  local options
  options, err = options_of(request, signing, credentials, now)
  if not options then return nil, err end
  request.unsigned_payload = M.is_unsigned_payload(endpoint, operation)
  local hash, sent = payload(request, signing)
  if not hash then return nil, sent --[[@as aws.Failure]] end
  options.payload_hash, options.sign_hash = hash, sent
  if scheme == "v4-s3express" then -- keys of a session: their token has a header of its own
    request.headers["x-amz-s3session-token"], options.session_token = options.session_token, nil
  end
  local added, signature = sigv4.sign(options)
  if not added then return failure.refuse("validation", "CannotSign", signature) end
  for name, value in pairs(added) do request.headers[name] = value end
  chunk_body(request, options, signature)
  return request
end

return M
