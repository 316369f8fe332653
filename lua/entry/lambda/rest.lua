-- REST APIs of API Gateway, and HTTP APIs that send payload format 1.0.
local caller = require "entry.lambda.caller"
local fields = require "entry.lambda.fields"
local gateway = require "entry.lambda.gateway"
local paths = require "entry.lambda.paths"

local M = {}

M.max_bytes = gateway.LAMBDA_BYTES
M.limit_seconds = 29
M.streams = true -- when the integration's transfer mode says so

-- HTTP APIs mark this format with its version and have decoded the path.
local function prefix_of(event, path, context)
  local prefix = paths.before_resource(path, fields.text(event.resource), event.pathParameters)
  if prefix then return prefix end
  local stage, full = fields.text(context.stage), fields.text(context.path)
  if stage and full == "/" .. stage .. path then return "" end
  return paths.before_stage(path, stage)
end

-- What stands in front of the API for those outside.
local function public_prefix(below, full)
  if full and #full >= #below and full:sub(-#below) == below then return full:sub(1, -#below - 1) end
end

---@param event table
---@return table request
---@return Error?
function M.request(event)
  local context = fields.within(event.requestContext)
  local path = gateway.clean_path(fields.text(event.path) or "/")
  local prefix = prefix_of(event, path, context)
  local below = gateway.without(path, prefix) or path
  local headers = gateway.headers(event)
  local body, err = gateway.body(event)
  local host = fields.text(context.domainName) or headers.host
  return { method = event.httpMethod:upper(), path = below, query = gateway.query(event, false), headers = headers, body = body,
    prefix = public_prefix(below, fields.text(context.path)) or prefix, origin = host and "https://" .. host,
    principal = caller.of(context) }, err
end

---@param answer table
---@param body string
---@param is_base64 boolean
---@return table
function M.answer(answer, body, is_base64)
  local one, many = gateway.split_headers(answer.headers)
  return { statusCode = answer.status, headers = one, multiValueHeaders = many, body = body, isBase64Encoded = is_base64 }
end

return M
