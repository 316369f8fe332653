-- Application load balancers, with and without the target group's attribute for several values of a header.
local fields = require "entry.lambda.fields"
local gateway = require "entry.lambda.gateway"
local json = require "lib.json"
local reasons = require("entry.status").reasons

local M = {}

M.max_bytes = 1 << 20 -- the load balancer's own limit
M.limit_seconds = 55  -- below its usual idle time

-- Health checks come from the load balancer itself and can prove nothing.
local function is_health_check(headers)
  return (headers["user-agent"] or ""):find("^ELB%-HealthChecker/") ~= nil
end

---@param event table
---@return table request
---@return Error?
function M.request(event)
  local headers = gateway.headers(event)
  local body, err = gateway.body(event)
  local scheme = headers["x-forwarded-proto"] == "http" and "http://" or "https://"
  return { method = event.httpMethod:upper(), path = gateway.clean_path(fields.text(event.path) or "/"),
    query = gateway.query(event, true), headers = headers, body = body, prefix = "",
    origin = headers.host and headers.host ~= "" and scheme .. headers.host or nil,
    is_health_check = is_health_check(headers) }, err
end

local function all_lists(headers)
  local out = {}
  for name, value in pairs(headers) do out[name] = json.list(type(value) == "table" and value or { tostring(value) }) end
  return out
end

---@param answer table
---@param body string
---@param is_base64 boolean
---@param event table
---@return table
function M.answer(answer, body, is_base64, event)
  local out = { statusCode = answer.status, body = body, isBase64Encoded = is_base64,
    statusDescription = ("%d %s"):format(answer.status, reasons[answer.status] or "Unknown") }
  if fields.object(event.multiValueHeaders) then
    out.multiValueHeaders = all_lists(answer.headers)
  else
    out.headers = gateway.single_headers(answer.headers)
  end
  return out
end

return M
