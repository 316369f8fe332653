-- From a failure of the AWS bindings to an error that a use case understands. What callers and operators need to tell apart
-- has codes of its own: asked too often, not allowed, not there, not in time, our own mistake.
local errors = require "lib.errors"

local M = {}

local RETRY_AFTER_SECONDS <const> = 2

local DENIED <const> = {
  AccessDenied = true, AccessDeniedException = true, AccessDeniedFault = true, UnauthorizedOperation = true, AuthorizationError = true,
  UnrecognizedClientException = true, InvalidClientTokenId = true, InvalidAccessKeyId = true, SignatureDoesNotMatch = true,
  KMSAccessDeniedFault = true, AllAccessDisabled = true,
}
local MISSING <const> = {
  EntityNotFoundException = true, ResourceNotFoundException = true, ResourceNotFoundFault = true, NoSuchKey = true, NoSuchBucket = true,
  NotFound = true, ["404"] = true,
}
local BY_KIND <const> = {
  timeout = "Timeout", config = "BadSetting", validation = "InternalError", unsupported = "NotSupported",
}

---@param failure any
---@return boolean
function M.is_denied(failure) return DENIED[failure.code] == true or failure.status == 403 end

---@param failure any
---@return boolean
function M.is_missing(failure) return MISSING[failure.code] == true or failure.status == 404 end

--- Whether the service asked for fewer requests.
---@param failure any
---@return boolean
function M.is_throttled(failure)
  return failure.throttled == true or not errors.is(failure) and require("aws.retry").classify(failure, failure.service) == "throttle"
end

local function code_of(failure)
  if M.is_throttled(failure) then return "TooManyRequests" end
  if BY_KIND[failure.kind] then return BY_KIND[failure.kind] end
  if failure.kind == "service" and M.is_missing(failure) then return "NotFound" end
  return "ExternalServiceError"
end

--- The error that stands for a failure; an error stays as it is.
---@param failure aws.Failure|Error
---@param context string?  what was being done
---@return Error
function M.error(failure, context)
  if errors.is(failure) then return context and errors.wrap(failure, context) or failure end
  local code, text = code_of(failure), tostring(failure)
  local details = { service = failure.service, aws_code = failure.code, request_id = failure.request_id,
    retryable = failure.retryable or nil }
  if code == "TooManyRequests" then details.retry_after_seconds = math.ceil(failure.retry_after or RETRY_AFTER_SECONDS) end
  if failure.kind == "service" and M.is_denied(failure) then
    details.denied = true
    text = "the role of this service may not do this: " .. text
  end
  return errors.new(code, context and (context .. ": " .. text) or text, details)
end

return M
