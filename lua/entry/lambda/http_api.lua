-- HTTP APIs of API Gateway (payload format 2.0) and function URLs, which have the same form.
local caller = require "entry.lambda.caller"
local fields = require "entry.lambda.fields"
local gateway = require "entry.lambda.gateway"
local paths = require "entry.lambda.paths"

local M = {}

M.max_bytes = gateway.LAMBDA_BYTES
M.limit_seconds = 29

-- Function URLs stream when their invoke mode says so, and wait as long as the function may work.
M.url = setmetatable({ streams = true, limit_seconds = 900 }, { __index = M })

---@param event table
---@return table family   M or M.url
function M.variant(event)
  local domain = fields.text(event.requestContext.domainName) or ""
  return domain:find(".lambda-url.", 1, true) and M.url or M
end

-- Cookies stand apart from the headers here.
local function with_cookies(headers, cookies)
  local list = {}
  for _, cookie in ipairs(fields.within(cookies)) do list[#list + 1] = fields.text(cookie) end
  if not headers.cookie and #list > 0 then headers.cookie = table.concat(list, "; ") end
  return headers
end

---@param event table
---@return table request
---@return Error?
function M.request(event)
  local context = event.requestContext
  local http = context.http
  local path = gateway.clean_path(fields.text(event.rawPath) or fields.text(http.path) or "/")
  local route = fields.text(event.routeKey)
  local prefix = paths.before_resource(path, route and route:match("^%S+ (/.*)$"), event.pathParameters)
    or paths.before_stage(path, fields.text(context.stage))
  local headers = with_cookies(gateway.headers(event), event.cookies)
  local body, err = gateway.body(event)
  local query = fields.text(event.rawQueryString)
  if not query then query = gateway.query(event, false) end
  local host = fields.text(context.domainName) or headers.host
  return { method = (fields.text(http.method) or "GET"):upper(), path = gateway.without(path, prefix) or path,
    query = query ~= "" and query or nil, headers = headers, body = body, prefix = prefix, origin = host and "https://" .. host,
    principal = caller.of(context) }, err
end

---@param answer table
---@param body string
---@param is_base64 boolean
---@return table
function M.answer(answer, body, is_base64)
  local headers, cookies = gateway.joined_headers(answer.headers)
  return { statusCode = answer.status, headers = headers, cookies = cookies, body = body, isBase64Encoded = is_base64 }
end

return M
