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

local MOST_SEGMENTS <const> = 64 -- of a prefix; a path may have thousands of slashes, and each place costs its length

-- Whether the text is `core` and then at most so many slashes.
local function continues(wanted, core, slashes)
  return wanted:sub(1, #core) == core and #wanted - #core <= slashes and not wanted:find("[^/]", #core + 1)
end

-- A path is what is wanted as it is or decoded; some of the slashes at its end may be too many.
local function same(core, slashes, wanted)
  if continues(wanted, core, slashes) then return true end
  local decoded = core:find("%", 1, true) and text.unescape(core)
  return decoded and continues(wanted, decoded, slashes) or false
end

local function length_without_slashes(path)
  local last = #path
  while path:byte(last) == 47 do last = last - 1 end
  return last
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
  local at, last = 1, length_without_slashes(path)
  for _ = 1, MOST_SEGMENTS do
    if same(path:sub(at, last), #path - math.max(last, at - 1), wanted) then return path:sub(1, at - 1) end
    at = path:find("/", at + 1, true)
    if not at then return nil end
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
