-- What a request carries -> the input of a use case. Which field comes from where is worked out once per use case.
local errors = require "lib.errors"
local json = require "lib.json"
local shape = require "lib.shape"
local text = require "lib.text"

local M = {}

local TEXT <const> = { coerce = true }
local NOTHING <const> = {}
local BODY_DEPTH <const> = { max_depth = 64 }

---@class Plan
---@field outer Shape?   path, headers and Accept
---@field query Shape?
---@field body Shape?

-- A shape of some of the fields of another.
local function part(input, belongs)
  local fields, any = {}, false
  for _, entry in ipairs(input.fields) do
    if belongs(entry.field) then
      fields[entry.field] = entry.shape
      any = true
    end
  end
  return any and shape.object(fields, { strict = input.strict }) or nil
end

local function path_names(pattern)
  local names = {}
  for name in pattern:gmatch("{([%w_]+)") do names[name] = true end
  return names
end

-- field -> where it comes from: "path", a header name, or "accept".
local function outer_sources(route)
  local sources = {}
  for name in pairs(path_names(route.pattern)) do sources[name] = "path" end
  for header, field in pairs(route.headers or {}) do sources[field] = header end
  if route.accept then sources.format = "accept" end
  return sources
end

---@param route table
---@return boolean
function M.has_body(route)
  return route.body == "json" or (route.body == nil and route.method == "POST")
end

---@param route table
---@param input Shape
---@return Plan
function M.plan(route, input)
  local sources = outer_sources(route)
  local function outer(field) return sources[field] ~= nil end
  local function rest(field) return sources[field] == nil end
  local plan = { sources = sources, outer = part(input, outer) }
  if M.has_body(route) then plan.body = part(input, rest) or shape.empty else plan.query = part(input, rest) end
  return plan
end

local function is_json(content_type)
  local kind = content_type:match("^%s*([^;%s]+)")
  kind = kind and kind:lower() or ""
  return kind == "application/json" or kind == "text/json" or (kind:find("^application/[%w.+-]*%+json$") ~= nil)
end

-- The body as a table. Absent and empty mean {}.
---@param request table
---@param max_bytes integer
---@return table?
---@return Error?
function M.body(request, max_bytes)
  local body = request.body
  if body == nil or body == "" then return {} end
  if #body > max_bytes then
    return nil, errors.new("PayloadTooLarge", ("the body has %d bytes, at most %d are accepted"):format(#body, max_bytes))
  end
  local content_type = request.headers["content-type"]
  -- A program that says nothing better (`curl -d` calls every body a form) means JSON. A browser says where a request
  -- comes from, and must not be led to send one by a form on somebody's page, which needs no preflight.
  if content_type and request.headers.origin and not is_json(content_type) then
    return nil, errors.new("UnsupportedMediaType",
      "the body is said to be '" .. text.cut(content_type, 80) .. "': send it with Content-Type: application/json")
  end
  local value, message = json.decode(body, BODY_DEPTH)
  if value == nil then return nil, errors.new("BadJson", "the body is not JSON: " .. tostring(message)) end
  if type(value) ~= "table" or json.is_list(value) or #value > 0 then
    return nil, errors.new("BadRequest", "the body must be a JSON object")
  end
  return value
end

-- Accept -> one of the formats of the route; nil when none fits.
---@param header string?
---@param formats table<string, string>  media type -> format
---@return string?
function M.accepted(header, formats)
  if not header or header == "*/*" then return formats["application/json"] end
  local best, best_quality = nil, 0
  for _, item in ipairs(text.list(header)) do
    local kind = item:match("^[^;%s]+"):lower()
    local quality = tonumber(item:match(";%s*q=([%d.]+)") or 1) or 0
    local format = formats[kind]
    if not format and (kind == "*/*" or kind == "application/*") then format = formats["application/json"] end
    if format and quality > best_quality then best, best_quality = format, quality end
  end
  return best
end

local function outer_values(plan, route, request, params)
  local values = {}
  for field, source in pairs(plan.sources) do
    if source == "path" then
      values[field] = params[field]
    elseif source == "accept" then
      local format = M.accepted(request.headers.accept, route.accept)
      if not format then
        return nil, errors.new("NotAcceptable", "this route answers " .. table.concat(text.sorted_keys(route.accept), ", "))
      end
      values[field] = format
    else
      values[field] = request.headers[source]
    end
  end
  return values
end

local function add(clean, problems, part_shape, values, options)
  local checked, err = shape.check(part_shape, values, options)
  if not checked then
    for _, problem in ipairs(err.details.fields) do problems[#problems + 1] = problem end
    return problems
  end
  for field, value in pairs(checked) do clean[field] = value end
end

-- Gathers and checks the whole input. Problems of every place are reported together.
---@param plan Plan
---@param route table
---@param request table
---@param params table?
---@param max_bytes integer
---@return table? input
---@return Error?
function M.gather(plan, route, request, params, max_bytes)
  if plan.query and not plan.outer and not request.query then return shape.check(plan.query, NOTHING, TEXT) end
  local clean, problems = {}, {}
  if plan.outer then
    local values, err = outer_values(plan, route, request, params)
    if not values then return nil, err end
    add(clean, problems, plan.outer, values, TEXT)
  end
  if plan.body then
    local body, err = M.body(request, max_bytes)
    if not body then return nil, err end
    add(clean, problems, plan.body, body)
  elseif plan.query then
    local query = request.query and text.parse_query(request.query) or (not request.query and {})
    if not query then return nil, errors.new("BadParam", "the query string has a broken percent escape") end
    add(clean, problems, plan.query, query, TEXT)
  end
  if #problems > 0 then return nil, shape.problems_error(problems) end
  return clean
end

return M
