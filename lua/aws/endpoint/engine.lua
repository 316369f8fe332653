-- Runs compiled endpoint rules (see aws.generate.rules for their form) on parameters.
local functions = require "aws.endpoint.functions"
local json = require "sm.json"

local M = {}

local function fail(what) error({ endpoint_error = what }, 0) end

local evaluate

local function attribute(node, scope)
  local value = evaluate(node[2], scope)
  for i = 3, #node do
    if type(value) ~= "table" then return nil end
    local step = node[i]
    if math.type(step) == "integer" then step = step < 0 and #value + step + 1 or step + 1 end
    value = value[step]
  end
  return value
end

local function joined(node, scope)
  local parts = {}
  for i = 2, #node do
    local value = node[i]
    if type(value) == "table" then value = evaluate(value, scope) end
    if value == nil then fail("a part of a text is not set") end
    parts[i - 1] = tostring(value)
  end
  return table.concat(parts)
end

local function list(node, scope)
  local out = json.array()
  for i = 2, #node do out[i - 1] = evaluate(node[i], scope) end
  return out
end

local function object(node, scope)
  local out = {}
  for key, value in pairs(node[2]) do out[key] = evaluate(value, scope) end
  return out
end

local FORMS <const> = {
  ["$"] = function(node, scope) return scope.values[node[2]] end,
  ["@"] = attribute, ["+"] = joined, ["["] = list, ["{"] = object,
  ["aws.partition"] = function(node, scope) return scope.partitions(evaluate(node[2], scope)) end,
}

function evaluate(node, scope)
  if type(node) ~= "table" then return node end
  local form = FORMS[node[1]]
  if form then return form(node, scope) end
  local called = functions[node[1]] or fail("unknown function '" .. tostring(node[1]) .. "'")
  if #node == 2 then return called((evaluate(node[2], scope))) end
  return called(evaluate(node[2], scope), evaluate(node[3], scope), evaluate(node[4], scope), evaluate(node[5], scope))
end

-- Whether all conditions hold. Names that they assign are noted in `assigned`.
local function holds(conditions, scope, assigned)
  for _, condition in ipairs(conditions) do
    local value
    if condition[1] == "=" then
      local name = condition[2]
      if scope.values[name] ~= nil then fail("'" .. name .. "' is set already") end
      value = evaluate(condition[3], scope)
      scope.values[name] = value
      assigned[#assigned + 1] = name
    else
      value = evaluate(condition, scope)
    end
    if value == nil or value == false then return false end
  end
  return true
end

local function endpoint_of(rule, scope)
  local out = { url = evaluate(rule.u, scope), headers = {}, properties = {} }
  for name, values in pairs(rule.h or {}) do
    out.headers[name] = {}
    for i, value in ipairs(values) do out.headers[name][i] = evaluate(value, scope) end
  end
  for name, value in pairs(rule.p or {}) do out.properties[name] = evaluate(value, scope) end
  return out
end

local run_rules

local function outcome_of(rule, scope)
  if rule.u ~= nil then return endpoint_of(rule, scope) end
  if rule.e ~= nil then return { error = evaluate(rule.e, scope) } end
  return run_rules(rule.r or scope.part(rule.s), scope)
end

function run_rules(rules, scope)
  for _, rule in ipairs(rules) do
    local assigned = {}
    local outcome
    if not rule.c or holds(rule.c, scope, assigned) then outcome = outcome_of(rule, scope) end
    if outcome then return outcome end
    for _, name in ipairs(assigned) do scope.values[name] = nil end
  end
end

local TYPES <const> = { string = "string", boolean = "boolean", stringarray = "table" }

-- The parameters that the rules know, with defaults; what they do not know is left out.
local function parameters_of(program, given)
  local values = {}
  for name, spec in pairs(program.parameters) do
    local value = given[name]
    if value == nil then value = spec.default end
    if value == nil and spec.required then fail("the endpoint rules need a value of " .. name) end
    if value ~= nil and type(value) ~= TYPES[spec.type] then fail(("%s must be a %s"):format(name, spec.type)) end
    values[name] = value
  end
  return values
end

---@param program table     compiled rules
---@param given table       parameters by name
---@param partitions function  region -> partition
---@return table? endpoint  url, headers (lists), properties
---@return string? message  as the rules word it
function M.run(program, given, partitions)
  local ok, result = pcall(function()
    local scope = { values = parameters_of(program, given), partitions = partitions, part = program.part }
    return run_rules(program.rules, scope) or fail("no rule gives an endpoint for these parameters")
  end)
  if not ok then
    if type(result) == "table" and result.endpoint_error then return nil, result.endpoint_error end
    error(result, 0)
  end
  if result.error then return nil, result.error end
  return result
end

return M
