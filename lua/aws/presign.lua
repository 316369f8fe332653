-- URLs that carry their own signature: whoever has one may do that one operation until it expires, or until the credentials end
-- that signed it. Nothing is added that the holder would have to send: no default checksum, no content type unless it was asked
-- for. Parameters that travel as headers (an ACL, a content type) are part of the signature: the holder must send them.
local failure = require "aws.failure"
local sign = require "aws.sign"
local sigv4 = require "sm.sigv4"

local M = {}

local DEFAULT_EXPIRES <const> = 3600
local FORM <const> = "application/x-www-form-urlencoded"

-- The parameters of a form body move into the query.
local function move_form(request)
  for part in (request.body or ""):gmatch("[^&]+") do
    local name, value = part:gsub("+", " "):match("^([^=]*)=?(.*)$")
    local function decode(text) return (text:gsub("%%(%x%x)", function(h) return string.char(tonumber(h, 16)) end)) end
    request.query[#request.query + 1] = { decode(name), decode(value) }
  end
  request.body = nil
end

-- What the holder does not send must not be signed.
local function strip(request, params, s3)
  local headers = request.headers
  local kind = headers["content-type"]
  if kind and kind:sub(1, #FORM) == FORM then
    move_form(request)
    headers["content-type"] = nil
  elseif not s3 and request.body ~= nil and request.body ~= "" then
    return failure.refuse("unsupported", "CannotPresign", "an operation with a body cannot be presigned")
  end
  if not (params and params.ContentType) then headers["content-type"] = nil end
  headers["content-length"], headers.authorization = nil, nil
  return request
end

---When the URL ends: credentials may end before it.
---@return number seconds since 1970
function M.ends(now, expires, credentials)
  local at = math.floor(now) + expires
  local theirs = credentials.expires_at
  return theirs and theirs < at and theirs or at
end

-- The token of an S3 Express session is a parameter of its own name.
local function move_session_token(request, options)
  request.query[#request.query + 1] = { "X-Amz-S3session-Token", options.session_token }
  options.session_token = nil
end

---@param request aws.Request  serialized for this URL alone; changed
---@param endpoint aws.Endpoint
---@param credentials aws.Credentials
---@param config aws.Config
---@param now number
---@param expires integer  seconds
---@param operation table?
---@param params table?
---@return string? url
---@return number|aws.Failure expires_at
---@return table? options  what it was signed with
function M.request(request, endpoint, credentials, config, now, expires, operation, params)
  local scheme, err = sign.scheme(endpoint, operation)
  if not scheme then return nil, err end
  if scheme == "bearer" then return failure.refuse("unsupported", "CannotPresign", "an operation with a token cannot be presigned") end
  local s3 = endpoint.signing.double_encode == false
  local ok
  ok, err = strip(request, params, s3)
  if not ok then return nil, err end
  ok, err = sign.place(request, endpoint, config)
  if not ok then return nil, err end
  if scheme == "none" then return request.url, math.huge end
  local options
  options, err = sign.options(request, endpoint.signing, credentials, now)
  if not options then return nil, err end
  if scheme == "v4-s3express" then move_session_token(request, options) end
  options.expires, options.payload_hash = expires, s3 and "UNSIGNED-PAYLOAD" or nil
  local query, message = sigv4.presign(options)
  if not query then return failure.refuse("validation", "CannotPresign", message --[[@as string]]) end
  return ("%s://%s%s?%s"):format(request.scheme, request.host, request.sent_path, query), M.ends(now, expires, credentials), options
end

-- ---- many URLs of one bucket ----

-- Everything but the key of an S3 URL is the same for a bucket: what was built for one is kept, by operation, bucket and the
-- region where the bucket was found.
local TEMPLATES_MAX <const> = 64

local function template_key(client, operation, params, options)
  if client.service ~= "s3" or options.region or options.method or options.headers then return nil end
  local bucket, key = params.Bucket, params.Key
  if options.anonymous or client.options.anonymous then return nil end
  if type(bucket) ~= "string" or type(key) ~= "string" or key == "" or not utf8.len(key) then return nil end
  for name in next, params do
    if name ~= "Bucket" and name ~= "Key" then return nil end
  end
  local regions = client.shared.bucket_regions
  return operation.name .. "\0" .. bucket .. "\0" .. (regions and regions[bucket] or "")
end

-- Keeps what a request was signed with, when its path ends with the key.
local function keep_template(client, name, key, call, options)
  local path, ending = options.path, sigv4.encode(key, true)
  if path:sub(-#ending - 1) ~= "/" .. ending or call.endpoint.signing.scheme ~= "v4" then return end
  local held = client.shared.presigned
  if not held or held.count >= TEMPLATES_MAX then
    held = { count = 0 }
    client.shared.presigned = held
  end
  options.path = nil
  held[name] = { options = options, prefix = path:sub(1, -#ending - 1), base = call.request.scheme .. "://" .. call.request.host }
  held.count = held.count + 1
end

local function from_template(held, key, credentials, now, expires)
  local options = held.options
  options.path = held.prefix .. sigv4.encode(key, true)
  options.access_key, options.secret_key = credentials.access_key, credentials.secret_key
  options.session_token = credentials.session_token
  options.time, options.expires = now, expires
  local query, message = sigv4.presign(options)
  if not query then return failure.refuse("validation", "CannotPresign", message --[[@as string]]) end
  return held.base .. options.path .. "?" .. query, M.ends(now, expires, credentials)
end

-- ---- of a client ----

local function build(client, operation, params, options)
  local call, err = require("aws.call").build(client, operation, params, options)
  if not call then return nil, err end
  local credentials
  credentials, err = require("aws.call").credentials(call)
  if err then return nil, err end
  call.request.method = options.method or call.request.method
  return call, credentials
end

local function url(client, operation, params, options)
  local now, expires = require("aws.skew").now(), options.expires or DEFAULT_EXPIRES
  local name = template_key(client, operation, params, options)
  local held = name and client.shared.presigned and client.shared.presigned[name]
  if held then
    local credentials, err = require("aws.call").provider(client):get()
    if not credentials then return nil, err end
    return from_template(held, params.Key, credentials, now, expires)
  end
  local call, credentials = build(client, operation, params, options)
  if not call then return nil, credentials end
  local text, ends, used = M.request(call.request, call.endpoint, credentials, call.config, now, expires, operation, call.params)
  if text and name and used then keep_template(client, name, params.Key, call, used) end
  return text, ends
end

---A URL for an operation of a client.
---@param client aws.Client
---@param name string
---@param params table?
---@param options { expires: integer?, region: string?, method: string?, anonymous: boolean? }?
---@return string? url
---@return number|aws.Failure expires_at
function M.url(client, name, params, options)
  local operation, err = client:operation(name)
  if not operation then return nil, err end
  local text, ends = url(client, operation, params or {}, options or {})
  if not text then return nil, failure.at(ends, client.service, operation.name) end
  return text, ends
end

return M
