-- Method and path -> route. Static paths are one table look-up; others walk their segments, a static segment before a
-- parameter. A parameter is one segment, percent-decoded once; `{name...}` at the end takes the rest of the path.
-- One slash at the end makes no difference. HEAD is answered as GET.
local text = require "lib.text"

local M = {}

local Router = {}
Router.__index = Router

local function segments_of(path)
  local out, n = {}, 0
  for segment in path:gmatch("[^/]+") do
    n = n + 1
    out[n] = segment
  end
  return out, n
end

local function node_for(root, pattern)
  local node, names = root, {}
  for segment in pattern:gmatch("[^/]+") do
    local rest = segment:match("^{([%w_]+)%.%.%.}$")
    local name = rest or segment:match("^{([%w_]+)}$")
    if name then names[#names + 1] = name end
    local key = rest and "rest" or name and "parameter" or nil
    local children = key and node or node.static
    key = key or segment
    children[key] = children[key] or { static = {} }
    node = children[key]
  end
  return node, names
end

local function add_route(node, route, names, pattern)
  node.methods = node.methods or {}
  if node.methods[route.method] then error("two routes for " .. route.method .. " " .. pattern, 0) end
  node.methods[route.method] = { route = route, names = names }
end

local function method_line(methods, ...)
  local list = { ... }
  for method in pairs(methods) do list[#list + 1] = method end
  table.sort(list)
  return table.concat(list, ",")
end

-- Methods for CORS (declared ones), methods for Allow (HEAD too), and HEAD itself: made once for every node.
local function finish(node)
  if node.methods then
    node.cors_methods = method_line(node.methods, "OPTIONS")
    node.methods.HEAD = node.methods.GET
    node.allow = method_line(node.methods, "OPTIONS")
  end
  for _, child in pairs(node.static) do finish(child) end
  if node.parameter then finish(node.parameter) end
  if node.rest then finish(node.rest) end
end

local function collect_static(node, path, out)
  if node.methods then out[path == "" and "/" or path] = node end
  for segment, child in pairs(node.static) do collect_static(child, path .. "/" .. segment, out) end
end

---@param routes table[]  each with method and pattern
---@return table router
function M.new(routes)
  local root = { static = {} }
  for _, route in ipairs(routes) do
    local node, names = node_for(root, route.pattern)
    add_route(node, route, names, route.pattern)
  end
  finish(root)
  local static = {}
  collect_static(root, "", static)
  return setmetatable({ root = root, static = static }, Router)
end

-- Depth first: static, parameter, rest. The raw segments of parameters are gathered in `found`.
local function walk(node, segments, i, n, found, depth)
  if i > n then return node.methods and node or nil end
  local segment = segments[i]
  local child = node.static[segment]
  local hit = child and walk(child, segments, i + 1, n, found, depth)
  if hit then return hit end
  if node.parameter then
    found[depth + 1] = segment
    hit = walk(node.parameter, segments, i + 1, n, found, depth + 1)
    if hit then return hit end
    found[depth + 1] = nil
  end
  if node.rest then
    found[depth + 1] = table.concat(segments, "/", i)
    return node.rest
  end
end

local function decode(names, found)
  local params = {}
  for i, name in ipairs(names) do
    local value = text.unescape(found[i])
    if not value then return nil end
    params[name] = value
  end
  return params
end

local function find(self, path)
  if path:byte(-1) == 47 and #path > 1 then
    path = path:sub(1, -2)
    local node = self.static[path]
    if node then return node end
  end
  if path:byte(1) ~= 47 or path:find("//", 1, true) then return nil end
  local segments, n = segments_of(path)
  local found = {}
  return walk(self.root, segments, 1, n, found, 0), found
end

-- Finds the route of a request.
---@param method string  upper case
---@param path string    raw, undecoded
---@return table? route
---@return table? params   nil when the path has none
---@return string? problem "path" (404), "method" (405), "escape" (400); then route is nil
---@return table? node      { allow, cors_methods } of the path, when the path is known
function Router:match(method, path)
  local node, found = self.static[path], nil
  if not node then
    node, found = find(self, path)
    if not node then return nil, nil, "path" end
  end
  local entry = node.methods[method]
  if not entry then return nil, nil, "method", node end
  local params
  if entry.names[1] then
    params = decode(entry.names, found)
    if not params then return nil, nil, "escape", node end
  end
  return entry.route, params, nil, node
end

-- The node of a path whatever the method: { allow, cors_methods }; nil when the path is unknown.
---@param path string
---@return table?
function Router:node(path)
  local node = self.static[path]
  if not node then node = find(self, path) end
  return node
end

return M
