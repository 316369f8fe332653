-- From a model's operation and a caller's table to an HTTP request, and from the answer back to a table.
--
-- A protocol is a module with two functions (see lua/aws/protocol/):
--   serialize(model, operation, params, options?) -> request | nil, failure
--   parse(model, operation, response) -> output | nil, failure; a stream of events in the output is an iterator
-- A request is { method, path, query = { {name, value}, ... }, headers, body, host_prefix, stream }: the path encoded once, the
-- query raw and in order, header names in lower case. Nothing here knows hosts, keys or clocks.
local failures = require "aws.failure"

local M = {}

---@class aws.Request
---@field method string
---@field path string            encoded once, begins with "/"
---@field query table[]          { name, value } in order, not encoded; a value may be absent: "?uploads"
---@field headers table<string, string>
---@field body (string|function|table)?  text, or what gives a reader
---@field host_prefix string?
---@field stream boolean?        the payload of the answer is read piece by piece

---@class aws.Response
---@field status integer
---@field headers table<string, string>  lower-case names; repeated ones joined with ", "
---@field body string|function|table

local MODULES <const> = {
  ["smithy-rpc-v2-cbor"] = "aws.protocol.rpc_cbor",
  json = "aws.protocol.json",
  ["rest-json"] = "aws.protocol.rest_json",
  ["rest-xml"] = "aws.protocol.rest_xml",
  query = "aws.protocol.query",
  ec2 = "aws.protocol.ec2",
}
-- Of several that a service speaks. JSON is read in C, CBOR in Lua.
local PREFERENCE <const> = { "json", "smithy-rpc-v2-cbor", "rest-json", "rest-xml", "query", "ec2" }

---@param metadata table
---@return string? name
function M.choose(metadata)
  if metadata.protocols then
    local offered = {}
    for _, name in ipairs(metadata.protocols) do offered[name] = true end
    for _, name in ipairs(PREFERENCE) do
      if offered[name] then return name end
    end
  end
  return MODULES[metadata.protocol] and metadata.protocol or nil
end

---@param model aws.Model
---@param name string?  one the service speaks; by default the best
---@return table? protocol
---@return aws.Failure?
function M.of(model, name)
  name = name or M.choose(model.metadata)
  local module = name and MODULES[name]
  if not module then
    return failures.refuse("unsupported", "UnknownProtocol", ("the protocol '%s' is not known here"):format(
      tostring(name or model.metadata.protocol)))
  end
  return require(module)
end

return M
