-- Port functions on Lambda: each background use case is a function of its own, named by a setting.
-- A payload has the field names that callers outside know (job_id -> jobId). Handing work over twice does no harm: the use
-- cases find out that somebody is at it.
local errors = require "lib.errors"
local failures = require "adapters.aws.failures"
local json = require "lib.json"
local text = require "lib.text"

local M = {}

local ACCEPTED <const> = 202

--- The payload as the called function expects it.
---@param payload table
---@return table
function M.public(payload)
  local out = {}
  for name, value in pairs(payload) do out[type(name) == "string" and text.camel(name) or name] = value end
  return out
end

-- camelCase answers become fields of ours again, one level deep.
local function private(value)
  if type(value) ~= "table" then return value end
  local out = {}
  for name, one in pairs(value) do
    out[type(name) == "string" and name:gsub("(%u)", function(c) return "_" .. c:lower() end) or name] = one
  end
  return out
end

-- What a function that failed has told of it.
local function function_error(name, body)
  local told = json.decode(body or "")
  told = type(told) == "table" and told or {}
  local code = errors.codes[told.errorType or ""] and told.errorType or "ExternalServiceError"
  return errors.new(code, ("%s: %s"):format(name, tostring(told.errorMessage or "the function failed")))
end

---@param options {api: table, names: table<string, string?>}   use case -> function name or ARN
---@return table functions  port functions
function M.new(options)
  local functions = {}

  local function invoke(name, payload, kind)
    local target = options.names[name]
    if not target or target == "" then
      return nil, errors.new("BadSetting", ("no setting names the function that runs '%s'"):format(name))
    end
    local output, failure = options.api:call("lambda", "invoke", { FunctionName = target, InvocationType = kind,
      Payload = assert(json.encode(M.public(payload))) })
    if not output and failures.is_missing(failure) then -- the caller has asked for nothing that could be absent
      return nil, errors.new("BadSetting", ("invoke %s: there is no function '%s': %s"):format(name, target, tostring(failure)),
        { service = failure.service, aws_code = failure.code, request_id = failure.request_id })
    end
    if not output then return nil, failures.error(failure, "invoke " .. name) end
    return output
  end

  function functions.invoke_async(name, payload)
    local output, err = invoke(name, payload, "Event")
    if not output then return nil, err end
    if output.StatusCode and output.StatusCode ~= ACCEPTED then
      return nil, errors.new("ExternalServiceError", ("invoke %s: status %s"):format(name, output.StatusCode))
    end
    return true
  end

  function functions.invoke(name, payload)
    local output, err = invoke(name, payload, "RequestResponse")
    if not output then return nil, err end
    local body = type(output.Payload) == "function" and output.Payload() or output.Payload
    if output.FunctionError then return nil, function_error(name, body) end
    local value, message = json.decode(body and body ~= "" and body or "null")
    if value == nil then return nil, errors.new("ExternalServiceError", ("%s answered what is no JSON: %s"):format(name, message)) end
    return private(value)
  end

  return functions
end

return M
