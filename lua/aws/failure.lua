-- Why a call of an AWS operation gave nothing: one value, made here, that every part of the bindings hands up.
--
-- A failure tells what happened in words (`message`), to programs (`kind`, `code`) and to support (`request_id`). It never
-- holds a secret: not the keys, not a signed header, not the query of a presigned URL.
local M = {}

---@class aws.Failure
---@field kind aws.Failure.Kind
---@field code string        the service's error code, or one of ours: "ConnectionFailed", "TimedOut", ...
---@field message string     what happened, on what
---@field service string?    as the model's file is named: "dynamodb"
---@field operation string?  "PutItem"
---@field status integer?    of the HTTP answer
---@field request_id string?
---@field extended_id string?  S3's x-amz-id-2
---@field retryable boolean  the same request may succeed later
---@field throttled boolean  the service asked for fewer requests
---@field unsent boolean?    the request never left this machine
---@field members table?     the members of a modelled error; of others what an XML error says beside code and message
---@field error_code string?  the modelled name where `code` is that of the query protocol of before (SQS)
---@field fault string?      "Sender" or "Receiver", where the service says who is to blame
---@field retry_after number?  seconds the service asked to wait
---@field attempts integer?  how often it was tried

---@alias aws.Failure.Kind
---| "service"      the service answered with an error
---| "throttle"     the service answered that it is asked too often
---| "transport"    no answer: connection, TLS, a body cut short
---| "timeout"      no answer in time
---| "validation"   the parameters cannot be sent; nothing was sent
---| "config"       a setting is missing or wrong; nothing was sent
---| "credentials"  no credentials; nothing was sent
---| "response"     an answer that cannot be read
---| "unsupported"  known, and not offered here; nothing was sent

local KINDS <const> = {
  service = true, throttle = true, transport = true, timeout = true, validation = true, config = true, credentials = true,
  response = true, unsupported = true,
}

local Failure = {}
Failure.__index = Failure
Failure.__name = "aws.Failure"

-- "dynamodb PutItem: ConditionalCheckFailedException: The conditional request failed (400, request ABC)", in one line.
function Failure:__tostring()
  local parts = {}
  if self.service then parts[1] = self.service .. (self.operation and " " .. self.operation or "") end
  parts[#parts + 1] = self.code
  if self.message ~= "" then parts[#parts + 1] = self.message end
  local extra = {}
  if self.status then extra[1] = tostring(self.status) end
  if self.request_id then extra[#extra + 1] = "request " .. self.request_id end
  if (self.attempts or 1) > 1 then extra[#extra + 1] = self.attempts .. " attempts" end
  local text = table.concat(parts, ": ") .. (#extra > 0 and " (" .. table.concat(extra, ", ") .. ")" or "")
  return (text:gsub("%c+", " "))
end

---@param fields table  kind, code and message are needed; the rest as in aws.Failure
---@return aws.Failure
function M.new(fields)
  if not KINDS[fields.kind] then error("unknown kind of failure '" .. tostring(fields.kind) .. "'", 2) end
  local self = {}
  for name, value in pairs(fields) do self[name] = value end
  self.code = self.code or "Unknown"
  self.message = self.message or ""
  self.throttled = self.throttled or self.kind == "throttle"
  self.retryable = self.retryable or self.throttled or false
  return setmetatable(self, Failure)
end

---@param value any
---@return boolean
function M.is(value)
  return type(value) == "table" and getmetatable(value) == Failure
end

-- The same failure, saying which service and operation it belongs to. What it says already stays.
---@param failure aws.Failure
---@param service string?
---@param operation string?
---@return aws.Failure failure
function M.at(failure, service, operation)
  failure.service = failure.service or service
  failure.operation = failure.operation or operation
  return failure
end

-- Failures of our own parts in the shape of M.new: failure.refuse("validation", "MissingParameter", "no TableName").
---@param kind aws.Failure.Kind
---@param code string
---@param message string
---@return nil
---@return aws.Failure
function M.refuse(kind, code, message)
  return nil, M.new { kind = kind, code = code, message = message }
end

return M
