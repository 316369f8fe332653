-- What every protocol does in the same way: checked parameters, idempotency tokens, host prefixes, streams.
local crypto = require "sm.crypto"
local json = require "sm.json"
local validate = require "aws.protocol.validate"

local M = {}

local null = json.null
local COMPRESS_MIN_BYTES <const> = 10240 -- as the other SDKs

-- A copy of the members that were given, with idempotency tokens filled in.
local function fill(model, operation, params, options)
  local values = {}
  for name, value in next, params do
    if value ~= null then values[name] = value end
  end
  if operation.input then
    for _, ref in ipairs(model:shape(operation.input.shape).members) do
      if ref.idempotencyToken and values[ref.name] == nil then
        values[ref.name] = (options and options.token or crypto.uuid)()
      end
    end
  end
  return values
end

-- "data-{StackId}." with the labels filled. Refused: a label that is no part of a host name.
local function host_prefix(model, operation, values)
  local prefix = operation.endpoint and operation.endpoint.hostPrefix
  if not prefix then return nil end
  local bad
  local by_name = operation.input and model:shape(operation.input.shape).by_name or {}
  local text = prefix:gsub("{([^}]+)}", function(label)
    local value = by_name[label] and values[label]
    if type(value) ~= "string" or not value:find "^[%w.-]+$" then bad = bad or label end
    return value
  end)
  if bad then
    return require("aws.failure").refuse("validation", "ParamValidation",
      ("%s: a part of a host name is needed (letters, digits, '-' and '.')"):format(bad))
  end
  return text
end

-- The event-stream member of a structure, if it has one.
---@param model aws.Model
---@param ref table?
---@return table? ref
function M.event_member(model, ref)
  if not ref then return nil end
  for _, member in ipairs(model:shape(ref.shape).members) do
    if member.eventstream or member.type == "structure" and model:shape(member.shape).eventstream then return member end
  end
  return nil
end

-- Whether the answer's payload is handed over unread: a streaming blob, or events.
local function streams(model, operation)
  local output = operation.output
  if not output then return nil end
  local shape = model:shape(output.shape)
  local payload = shape.payload and shape.by_name[shape.payload]
  if payload and payload.streaming then return true end
  return M.event_member(model, output) and true or nil
end

-- Checks the parameters and begins a request: method, headers, host prefix. The second result holds the values to write.
---@param model aws.Model
---@param operation table
---@param params table?
---@param options table?  token = a function that gives the idempotency token
---@return aws.Request? request
---@return table|aws.Failure values
function M.begin(model, operation, params, options)
  params = params or {}
  local ok, failure = validate.input(model, operation, params)
  if not ok then return nil, failure end
  local values = fill(model, operation, params, options)
  local prefix, refused = host_prefix(model, operation, values)
  if refused then return nil, refused end
  local http = operation.http or {}
  return {
    method = http.method or "POST", path = "/", query = {}, headers = {}, host_prefix = prefix,
    stream = streams(model, operation),
  }, values
end

-- Gzips a large body when the operation allows it, unless options.compress is false.
---@param operation table
---@param request aws.Request
---@param options table?  compress = false, compress_min_bytes
---@return aws.Request
function M.compress(operation, request, options)
  local wanted = operation.requestcompression
  local body = request.body
  if not wanted or type(body) ~= "string" or options and options.compress == false then return request end
  if #body < (options and options.compress_min_bytes or COMPRESS_MIN_BYTES) then return request end
  for _, name in ipairs(wanted.encodings or {}) do
    if name == "gzip" then
      request.body = assert(require("sm.gzip").compress(body))
      local known = request.headers["content-encoding"]
      request.headers["content-encoding"] = known and known .. ", gzip" or "gzip"
      return request
    end
  end
  return request
end

-- "?a=b&c" of a request URI as pairs; nil when there is none.
---@param uri string
---@return string path
---@return table[] query
function M.split_uri(uri)
  local path, rest = uri:match "^([^?]*)%??(.*)$"
  local query = {}
  for part in rest:gmatch "[^&]+" do
    local name, value = part:match "^([^=]*)=?(.*)$"
    query[#query + 1] = part:find("=", 1, true) and { name, value } or { name }
  end
  return path, query
end

-- A document; S3 may send white space first, which XML does not allow.
---@param text string
---@return sm.xml.Node? root
---@return string? message
function M.parse_xml(text)
  if text:find "^%s" then text = text:match "^%s*(.*)$" end
  return require("sm.xml").parse(text)
end

local ESCAPED <const> = {}
for byte = 0, 255 do ESCAPED[string.char(byte)] = ("%%%02X"):format(byte) end

-- Everything but letters, digits and -._~ as %XX.
---@param text string
---@param keep_slash boolean?
---@return string
function M.percent(text, keep_slash)
  return (text:gsub(keep_slash and "[^%w%-._~/]" or "[^%w%-._~]", ESCAPED))
end

return M
