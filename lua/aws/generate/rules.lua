-- Compiles a set of endpoint rules into the form that aws.endpoint.engine runs: documentation gone, templates and
-- attribute paths split, every expression a value or a list that starts with what it does:
--   {"$", name}  a parameter or variable    {"@", expression, step...}  its attribute    {"+", part...}  a text of parts
--   {"=", name, expression}  assigns, in conditions only    {"[", item...}  a list    {function, argument...}
-- A rule is { c = conditions, and one of u (url; with h headers, p properties), e (error), r (rules), s (rules elsewhere) }.
local json = require "sm.json"
local ordered = require "aws.generate.ordered_json"

local M = {}

local function fail(what) error({ rules_error = what }, 0) end

-- "resourceId[0].x" -> "resourceId", 0, "x"
local function steps_of(path)
  local steps = {}
  for part in path:gmatch("[^.]+") do
    local name, indexes = part:match("^([^%[]*)(.*)$")
    if name ~= "" then steps[#steps + 1] = name end
    for index in indexes:gmatch("%[(%-?%d+)%]") do steps[#steps + 1] = math.tointeger(tonumber(index)) end
  end
  return steps
end

local function reference(text)
  local name, rest = text:match("^([^#]+)#?(.*)$")
  if not name then fail("empty reference in a template") end
  local out = { "$", name }
  if rest == "" then return out end
  out = { "@", out }
  for part in rest:gmatch("[^#]+") do table.move(steps_of(part), 1, #steps_of(part), #out + 1, out) end
  return out
end

local function template(text)
  if not text:find("[{}]") then return text end
  local out, literal, at = { "+" }, "", 1
  local function flush()
    if literal ~= "" then out[#out + 1] = literal end
    literal = ""
  end
  while at <= #text do
    local open = text:find("[{}]", at)
    if not open then break end
    literal = literal .. text:sub(at, open - 1)
    local mark = text:sub(open, open)
    if text:sub(open + 1, open + 1) == mark then
      literal, at = literal .. mark, open + 2
    elseif mark == "}" then
      fail("'}' without '{' in the template " .. text)
    else
      local close = text:find("}", open, true) or fail("'{' without '}' in the template " .. text)
      flush()
      out[#out + 1] = reference(text:sub(open + 1, close - 1))
      at = close + 1
    end
  end
  literal = literal .. text:sub(at)
  flush()
  if #out == 2 and type(out[2]) == "string" then return out[2] end
  return #out == 1 and "" or out
end

local expression

local function call(node)
  local argv = node.argv or {}
  if node.fn == "getAttr" then
    local out = { "@", expression(argv[1]) }
    for _, step in ipairs(steps_of(argv[2])) do out[#out + 1] = step end
    return out
  end
  local out = { node.fn }
  for i, argument in ipairs(argv) do out[i + 1] = expression(argument) end
  return out
end

function expression(node)
  if type(node) == "string" then return template(node) end
  if type(node) ~= "table" then return node end
  if node.ref then return { "$", node.ref } end
  if node.fn then return call(node) end
  if not json.is_array(node) then fail("an expression is neither a value, a reference nor a function") end
  local out = { "[" }
  for i, item in ipairs(node) do out[i + 1] = expression(item) end
  return out
end

local function condition(node)
  local out = call(node)
  return node.assign and { "=", node.assign, out } or out
end

-- Properties are any JSON; only their texts are expressions.
local function property(node)
  if type(node) == "string" then return template(node) end
  if type(node) ~= "table" then return node end
  if json.is_array(node) then
    local out = { "[" }
    for i, item in ipairs(node) do out[i + 1] = property(item) end
    return out
  end
  local out = {}
  for _, key in ipairs(ordered.keys(node)) do out[key] = property(node[key]) end
  return { "{", out }
end

local function properties(given)
  if not given or not next(given) then return nil end
  local out = {}
  for key, value in pairs(given) do out[key] = property(value) end
  return out
end

local function headers(given)
  if not given or not next(given) then return nil end
  local out = {}
  for name, values in pairs(given) do
    out[name] = json.array()
    for i, value in ipairs(values) do out[name][i] = expression(value) end
  end
  return out
end

local rules

local function rule(node)
  local out = {}
  for i, item in ipairs(node.conditions or {}) do
    out.c = out.c or json.array()
    out.c[i] = condition(item)
  end
  if node.type == "endpoint" then
    out.u, out.h, out.p = expression(node.endpoint.url), headers(node.endpoint.headers), properties(node.endpoint.properties)
  elseif node.type == "error" then
    out.e = expression(node.error)
  elseif node.type == "tree" then
    out.r = rules(node.rules)
  else
    fail("unknown type of rule '" .. tostring(node.type) .. "'")
  end
  return out
end

function rules(list)
  local out = json.array()
  for i, node in ipairs(list) do out[i] = rule(node) end
  return out
end

local function parameters(given)
  local out = {}
  for name, spec in pairs(given or {}) do
    out[name] = { type = spec.type:lower(), default = spec.default, required = spec.required or nil, builtIn = spec.builtIn }
  end
  return out
end

-- Names that any expression below a node refers to.
local function collect_names(node, names)
  if type(node) ~= "table" then return end
  if node[1] == "$" then names[node[2]] = true end
  for _, child in pairs(node) do collect_names(child, names) end
end

-- A parameter that no rule looks at need not be found out, nor told apart.
local function compile(set)
  local program = { parameters = parameters(set.parameters), rules = rules(set.rules) }
  local names = {}
  collect_names(program.rules, names)
  for name, spec in pairs(program.parameters) do
    if not names[name] and not spec.required then spec.unused = true end
  end
  return program
end

---@param set table  a rule set as in endpoint-rule-set-1.json
---@return table? program
---@return string? message
function M.compile(set)
  local ok, program = pcall(compile, set)
  if ok then return program end
  if type(program) == "table" and program.rules_error then return nil, program.rules_error end
  error(program, 0)
end

-- ---- parts that are read only when their rules are reached ----

local PART_BYTES <const> = 3000

local function split(list, parts, known)
  for _, item in ipairs(list) do
    if item.r then
      split(item.r, parts, known)
      local text = json.encode(item.r, { sorted = true })
      if #text > PART_BYTES or known[text] then
        if not known[text] then
          parts[#parts + 1] = item.r
          known[text] = #parts
        end
        item.r, item.s = nil, known[text]
      end
    end
  end
end

---Records of a model file: the program, and its large branches one by one, equal ones once.
---@param program table  is changed
---@return table<string, table> records
function M.records(program)
  local parts = {}
  split(program.rules, parts, {})
  local out = { endpoint = program }
  for i, part in ipairs(parts) do out[("endpoint.%03d"):format(i)] = part end
  return out
end

return M
