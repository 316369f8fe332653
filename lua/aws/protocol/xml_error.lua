-- Error answers in XML: <ErrorResponse><Error>, <Response><Errors><Error> and a bare <Error>; or none at all.
local common = require "aws.protocol.common"
local failed = require "aws.protocol.failed"
local xml_value = require "aws.protocol.xml_value"

local M = {}

local function child(node, name)
  for _, item in ipairs(node) do
    if item.name == name then return item end
  end
  return nil
end

-- The element that holds Code and Message.
local function error_of(root)
  if root.name == "Error" or child(root, "Code") then return root end
  local errors = child(root, "Errors")
  return child(root, "Error") or errors and child(errors, "Error")
end

local ELSEWHERE <const> = { Code = true, Message = true, Type = true, RequestId = true, HostId = true }

-- Leaves as a table: what an error says beyond its code (S3: Region, Endpoint, BucketName).
local function leaves(node)
  local out = {}
  for _, item in ipairs(node) do
    if #item == 0 and not ELSEWHERE[item.name] then out[item.name] = item.text end
  end
  return out
end

local function text_of(node, ...)
  for _, name in ipairs { ... } do
    local found = node and child(node, name)
    if found and found.text and found.text ~= "" then return found.text end
  end
  return nil
end

-- `members_of(shape, node)` reads the members of a modelled error; the default reads the element.
---@param model aws.Model
---@param operation table
---@param response aws.Response
---@param members_of (fun(shape: table, node: table): table)?
---@return nil
---@return aws.Failure
function M.parse(model, operation, response, members_of)
  local body = response.body
  local root = type(body) == "string" and body:find "%S" and common.parse_xml(body) or nil
  local node = root and error_of(root)
  if not node then
    local code = failed.code(response.headers["x-amzn-errortype"])
    local shape = failed.shape(model, operation, code)
    return failed.answer(response, { code = code, shape = shape, members = shape and members_of and members_of(shape, {}) })
  end
  local found, code = leaves(node), text_of(node, "Code")
  local shape = failed.shape(model, operation, code)
  if shape then
    local members = members_of and members_of(shape, node)
      or xml_value.decode(model, { type = "structure", shape = shape.name }, node)
    for name, value in pairs(members) do found[name] = value end
  end
  return failed.answer(response, {
    code = code, message = text_of(node, "Message", "message"), members = found, shape = shape, fault = text_of(node, "Type"),
    request_id = text_of(root, "RequestId", "RequestID", "requestId") or text_of(node, "RequestId"),
    extended_id = text_of(node, "HostId"),
  })
end

return M
