-- json 1.0 and 1.1: every operation posts one JSON object to "/" and names itself in a header.
local common = require "aws.protocol.common"
local json = require "sm.json"
local json_value = require "aws.protocol.json_value"

local M = {}

---@param model aws.Model
---@param operation table
---@param params table?
---@param options table?
---@return aws.Request?
---@return aws.Failure?
function M.serialize(model, operation, params, options)
  local request, values = common.begin(model, operation, params, options)
  if not request then return nil, values end
  local metadata = model.metadata
  local headers = request.headers
  headers["content-type"] = "application/x-amz-json-" .. (metadata.jsonVersion or "1.0")
  headers["x-amz-target"] = metadata.targetPrefix .. "." .. operation.name
  if metadata.awsQueryCompatible then headers["x-amzn-query-mode"] = "true" end
  if operation.input then
    local text, message = json.encode(json_value.encode(model, operation.input, values))
    if not text then return require("aws.failure").refuse("validation", "ParamValidation", message) end
    request.body = text
  else
    request.body = "{}"
  end
  return common.compress(operation, request, options)
end

local function decode_event(model)
  return function(ref, text)
    local value = text ~= "" and json.decode(text)
    return value and json_value.decode(model, ref, value)
  end
end

---@param model aws.Model
---@param operation table
---@param response aws.Response
---@return table? output
---@return aws.Failure?
function M.parse(model, operation, response)
  if response.status >= 300 then return require("aws.protocol.json_error").parse(model, operation, response) end
  local stream = common.event_member(model, operation.output)
  if stream then return require("aws.protocol.events").open(model, operation, stream, response.body, decode_event(model)) end
  if not operation.output or response.body == "" then return {} end
  local value, message = json.decode(response.body)
  if type(value) ~= "table" then
    return require("aws.protocol.failed").unreadable(response, message or "the answer is no JSON object")
  end
  return json_value.decode(model, operation.output, value)
end

return M
