-- Error answers whose body is JSON, or ought to be.
local failed = require "aws.protocol.failed"
local json = require "sm.json"
local json_value = require "aws.protocol.json_value"

local M = {}

local MESSAGE_MAX <const> = 500

-- The body as a table; what is no JSON object becomes the message. HTML of a proxy says nothing that the status does not.
local function body_of(response)
  local body = response.body
  if type(body) ~= "string" or body == "" then return {} end
  local value = json.decode(body)
  if type(value) == "table" then return value end
  local text = body:match "^%s*(.-)%s*$"
  if text == "" or text:find "^<" then return {} end
  return { message = text:sub(1, MESSAGE_MAX) }
end

-- `members_of(shape, body)` reads the members of a modelled error; for JSON bodies the default does.
---@param model aws.Model
---@param operation table
---@param response aws.Response
---@param members_of (fun(shape: table, body: table): table)?
---@return nil
---@return aws.Failure
function M.parse(model, operation, response, members_of)
  local body = body_of(response)
  local code = failed.code(response.headers["x-amzn-errortype"]) or failed.code(body.__type) or failed.code(body.code)
    or failed.code(body.Code)
  local query_code, fault = failed.query_error(response.headers)
  local shape = failed.shape(model, operation, code) or failed.shape(model, operation, query_code)
  local message = body.message or body.Message or body.errorMessage
  local members
  if shape then
    members = members_of and members_of(shape, body)
      or json_value.decode(model, { type = "structure", shape = shape.name }, body)
  end
  return failed.answer(response, {
    code = query_code or code, error_code = query_code and code, fault = fault, message = message, members = members, shape = shape,
  })
end

return M
