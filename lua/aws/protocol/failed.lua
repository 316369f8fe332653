-- From an error answer to a failure: the code out of its many hiding places, the message, the members of a modelled error.
local failures = require "aws.failure"

local M = {}

local REASONS <const> = {
  [300] = "Multiple Choices", [301] = "Moved Permanently", [302] = "Found", [303] = "See Other", [304] = "Not Modified",
  [307] = "Temporary Redirect", [308] = "Permanent Redirect", [400] = "Bad Request", [401] = "Unauthorized",
  [403] = "Forbidden", [404] = "Not Found", [405] = "Method Not Allowed", [408] = "Request Timeout", [409] = "Conflict",
  [410] = "Gone", [411] = "Length Required", [412] = "Precondition Failed", [413] = "Request Entity Too Large",
  [415] = "Unsupported Media Type", [416] = "Requested Range Not Satisfiable", [421] = "Misdirected Request",
  [429] = "Too Many Requests", [500] = "Internal Server Error", [501] = "Not Implemented", [502] = "Bad Gateway",
  [503] = "Service Unavailable", [504] = "Gateway Timeout",
}

-- "aws.test#FooError:http://amazon.com/" -> "FooError".
---@param text any
---@return string?
function M.code(text)
  if type(text) == "number" then text = tostring(text) end
  if type(text) ~= "string" then return nil end
  local code = text:match "^[^:]*":match "([^#]*)$":match "^%s*(.-)%s*$"
  return code ~= "" and code or nil
end

---@param status integer
---@return string
function M.reason(status) return REASONS[status] or "" end

-- The modelled error that a code names: the operation's own first, then any of the service.
---@param model aws.Model
---@param operation table
---@param code string?
---@return table? shape
function M.shape(model, operation, code)
  if not code then return nil end
  for _, name in ipairs(operation.errors or {}) do
    local shape = model:shape(name)
    if shape and (name == code or shape.error and shape.error.code == code) then return shape end
  end
  local codes = model.metadata.errorCodes
  local shape = model:shape(codes and codes[code] or code)
  return shape and shape.exception and shape or nil
end

local function first(...)
  for i = 1, select("#", ...) do
    local value = select(i, ...)
    if type(value) == "string" and value ~= "" then return value end
  end
  return nil
end

---@param headers table
---@return string? request_id
---@return string? extended_id
function M.ids(headers)
  return first(headers["x-amzn-requestid"], headers["x-amz-request-id"], headers["x-amzn-request-id"]), first(headers["x-amz-id-2"])
end

-- `found`: code, message, members, request_id, shape (of the modelled error), query_error ("Code;Sender").
---@param response aws.Response
---@param found table
---@return nil
---@return aws.Failure
function M.answer(response, found)
  local headers = response.headers
  local request_id, extended_id = M.ids(headers)
  local retryable = found.shape and found.shape.retryable
  return nil, failures.new {
    kind = "service",
    code = found.code or tostring(response.status),
    message = first(found.message) or (found.code and "" or M.reason(response.status)),
    status = response.status,
    request_id = request_id or found.request_id,
    extended_id = extended_id or found.extended_id,
    members = found.members,
    error_code = found.error_code,
    fault = found.fault,
    retryable = retryable and true or nil,
    throttled = type(retryable) == "table" and retryable.throttling or nil,
  }
end

-- "x-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender" -> the code the query protocol had, who is to blame.
---@param headers table
---@return string? code
---@return string? fault
function M.query_error(headers)
  local text = headers["x-amzn-query-error"]
  if not text then return nil end
  local code, fault = text:match "^%s*([^;]+);([^;]*)$"
  return code, fault
end

---@param response aws.Response
---@param message string
---@return nil
---@return aws.Failure
function M.unreadable(response, message)
  local request_id, extended_id = M.ids(response.headers)
  return nil, failures.new {
    kind = "response", code = "UnreadableAnswer", message = message, status = response.status, request_id = request_id,
    extended_id = extended_id, retryable = true,
  }
end

return M
