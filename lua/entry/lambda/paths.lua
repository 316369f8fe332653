-- Where an API begins in the path of a request. Gateways put a stage (/prod) or a base path of a domain (/lake) in front,
-- some of them only sometimes; the resource or route that matched says what is behind.
local fields = require "entry.lambda.fields"
local gateway = require "entry.lambda.gateway"
local text = require "lib.text"

local M = {}

-- The path below the API: the resource with its parameters filled in; nil when one is unknown.
local function filled(resource, parameters)
  local known = true
  local path = resource:gsub("{([^}+]+)%+?}", function(name)
    local value = fields.text(parameters and parameters[name])
    known = known and value ~= nil
    return value
  end)
  return known and path or nil
end

local function same(path, wanted)
  if path == wanted or text.unescape(path) == wanted then return true end
  return path:sub(-1) == "/" and #path > 1 and same(path:sub(1, -2), wanted)
end

-- The prefix of a path whose rest is what the resource stands for.
---@param path string
---@param resource string?      "/runs/{id}", "/{proxy+}"; others ("$default") say nothing
---@param parameters table?     pathParameters
---@return string? prefix       "" when there is none, nil when it cannot be told
function M.before_resource(path, resource, parameters)
  if not resource or resource:sub(1, 1) ~= "/" then return nil end
  if resource == "/" then return (path:gsub("/+$", "")) end
  local wanted = filled(resource, fields.object(parameters))
  if not wanted then return nil end
  local at = 1
  while at do
    if same(path:sub(at), wanted) then return path:sub(1, at - 1) end
    at = path:find("/", at + 1, true)
  end
end

-- The stage as a prefix, where the path starts with it.
---@param path string
---@param stage string?
---@return string
function M.before_stage(path, stage)
  if not stage or stage == "$default" then return "" end
  return gateway.without(path, "/" .. stage) and "/" .. stage or ""
end

return M
