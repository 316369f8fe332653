-- Calls: scalar functions, aggregates, window functions, lambdas. Only what functions/ lists can be called.

local Translator = require("lib.sql.translate.translator")
local code = require("lib.sql.translate.code")
local names = require("lib.sql.names")
local registry = require("lib.sql.functions.registry")
local types = require("lib.sql.types")

local new = code.new
local rules = Translator.expression_rules

-- A parameter's name for the engine: the same for the same text, so that equal expressions stay equal, and another one
-- inside of a lambda that uses it.
local function parameter_name(scope, wanted)
  local depth = 0
  while scope do
    if scope.variables and scope.variables[wanted] then depth = depth + 1 end
    scope = scope.parent
  end
  return "l_" .. wanted .. (depth > 0 and "_" .. depth or "")
end

-- x -> body with the given parameter types
function Translator:lambda(node, parameter_types, scope)
  if node.kind ~= "lambda" then self:mismatch(node.pos, "a lambda expression is expected here") end
  if #node.params ~= #parameter_types then
    self:fault(node.pos, "INVALID_PARAMETER_USAGE", ("Expected a lambda that takes %d argument(s) but got %d"):format(#parameter_types,
      #node.params))
  end
  local variables, written = {}, {}
  for i, parameter in ipairs(node.params) do
    local name = names.quote(parameter_name(scope, parameter.name:lower()))
    variables[parameter.name:lower()] = { sql = name, type = parameter_types[i] }
    written[i] = name
  end
  local inner = { fields = {}, parent = scope, variables = variables }
  local body = self:expr(node.body, inner)
  local piece = new(node.pos, { name = "function", returns = body.type }, "lambda ", table.concat(written, ", "), ": ", body)
  piece.variables, piece.body = written, body
  return piece
end

function rules.lambda(self, node) self:mismatch(node.pos, "a lambda expression is not expected here") end

-- Arguments, lambdas last because their parameters depend on the others.
local function arguments_of(self, node, entries, scope)
  local args, wanted = {}, nil
  for i, argument in ipairs(node.args) do
    if argument.kind == "lambda" then
      wanted = true
      args[i] = false
    else
      args[i] = self:expr(argument, scope)
    end
  end
  if wanted then
    for _, e in ipairs(entries) do
      if e.lambda and #args >= e.arguments.least and #args <= e.arguments.most then
        for n, piece in ipairs(args) do
          if piece then piece.type = registry.assumed(e, n, piece.type) end
        end
        e.lambda(self, args, node, scope)
        break
      end
    end
    for i, argument in ipairs(node.args) do
      if not args[i] then self:unsupported(argument.pos, "a lambda as argument of " .. node.name[#node.name].name) end
    end
  end
  return args
end

local function pick(self, node, name, entries, args)
  local list = self.types_of(args)
  for _, e in ipairs(entries) do
    if registry.fits(e, list) then return e, list end
  end
  local expected = {}
  for i, e in ipairs(entries) do expected[i] = registry.signature(e) end
  self:fault(node.pos, "FUNCTION_NOT_FOUND", ("Unexpected parameters (%s) for function %s. Expected: %s"):format(self.type_list(args),
    name, table.concat(expected, ", ")))
end

-- NULL arguments get the type that the function expects, so that the engine can choose.
local null_types = { s = types.varchar, y = types.varchar, i = types.bigint, n = types.double, b = types.boolean, d = types.timestamp(3),
  u = types.timestamp(3), B = types.varbinary, j = types.json, a = types.array(types.varchar), m = types.map(types.varchar, types.varchar) }

local function give_nulls_types(self, e, args, list)
  for i, piece in ipairs(args) do
    local t = null_types[e.arguments[i] or e.arguments.repeated]
    if piece.type.name == "unknown" and t then
      args[i] = self:coerce(piece, t)
      list[i] = t
    end
  end
end

function Translator:apply(node, name, entries, args, slots)
  local e, list = pick(self, node, name, entries, args)
  give_nulls_types(self, e, args, list)
  for i, piece in ipairs(args) do
    local t = registry.assumed(e, i, piece.type)
    if t ~= piece.type then args[i], list[i] = new(piece.pos, t, piece), t end
  end
  if type(e.make) == "function" then
    local piece = e.make(self, args, node, slots)
    piece.pos, piece.type = piece.pos or node.pos, piece.type or e.result(list, args)
    return piece
  end
  local t = e.result(list, args)
  if not t then self:mismatch(node.pos, ("Arguments of %s must have a common type: %s"):format(name, self.type_list(args))) end
  local template = self.in_try and e.try or e.make
  local piece = code.fill(template, args, slots)
  piece.pos, piece.type = node.pos, t
  return piece
end

-- A function by name with ready arguments, for rules that rewrite.
function Translator:invoke(name, args, node)
  return self:apply(node, name, registry.scalar[name], args)
end

local function unknown_function(self, node, name)
  local line, column = self:where(node.pos)
  local errors = require("lib.errors")
  error({ sql_error = errors.new("NotSupported", ("FUNCTION_NOT_FOUND: line %d:%d: Function '%s' is not supported%s"):format(line, column,
    name, self:did_you_mean(name, registry.names())), { athena_code = "FUNCTION_NOT_FOUND", line = line, column = column,
      offset = node.pos }) }, 0)
end

-- DISTINCT, ORDER BY inside and FILTER, OVER behind an aggregate.
local function aggregate_slots(self, node, scope)
  local slots = { d = node.distinct and "DISTINCT " or "" }
  if node.order_by then slots.o = new(nil, nil, " ORDER BY ", self:sort_items(node.order_by, scope)) end
  local suffix = {}
  if node.filter then
    suffix[#suffix + 1] = new(node.filter.pos, nil, " FILTER (WHERE ", self:condition(node.filter, scope, "FILTER clause"), ")")
  end
  if node.window then
    suffix[#suffix + 1] = " OVER "
    suffix[#suffix + 1] = self:window(node.window, scope)
  end
  slots.s = suffix
  slots.f = node.filter and suffix[1] or ""
  slots.i = node.nulls == "ignore" and " IGNORE NULLS" or ""
  return slots
end

local function window_call(self, node, name, scope)
  local entries = registry.window[name]
  if not node.window then self:fault(node.pos, "MISSING_OVER", ("Window function %s requires an OVER clause"):format(name)) end
  local args = arguments_of(self, node, entries, scope)
  return self:apply(node, name, entries, args, aggregate_slots(self, node, scope))
end

local function aggregate_call(self, node, name, scope)
  local entries = registry.aggregate[name]
  if node.nulls then self:fault(node.pos, "NULL_TREATMENT_NOT_ALLOWED", "Cannot specify null treatment clause for aggregate " .. name) end
  local outer = self.aggregated
  self.aggregated = true
  local args
  if node.star then
    if name ~= "count" then self:mismatch(node.pos, name .. "(*) is not allowed") end
    args = {}
  else
    args = arguments_of(self, node, entries, scope)
  end
  local piece = self:apply(node, name, entries, args, aggregate_slots(self, node, scope))
  self.aggregated = outer
  if not node.window then
    piece.aggregated = true
    self.has_aggregate = true
  end
  return piece
end

function rules.call(self, node, scope)
  local name = node.name[#node.name].name:lower()
  if #node.name > 1 then self:unsupported(node.pos, "a function with a schema: " .. node.name[1].name .. "." .. name) end
  local special = self.special_calls[name]
  if special then return special(self, node, scope) end
  if registry.window[name] then return window_call(self, node, name, scope) end
  if registry.aggregate[name] then return aggregate_call(self, node, name, scope) end
  local entries = registry.scalar[name]
  if not entries then unknown_function(self, node, name) end
  if node.window or node.filter or node.distinct or node.order_by or node.star then
    self:fault(node.pos, "FUNCTION_NOT_AGGREGATE", ("%s is not an aggregation function"):format(name))
  end
  return self:apply(node, name, entries, arguments_of(self, node, entries, scope))
end

-- Forms that look like calls -----------------------------------------------------------------------------------------

local special = {}
Translator.special_calls = special

local function expect_arguments(self, node, least, most)
  if #node.args < least or #node.args > most then
    self:fault(node.pos, "INVALID_PARAMETER_USAGE", ("Invalid number of arguments for '%s' function"):format(node.name[#node.name].name))
  end
end

special["if"] = function(self, node, scope)
  expect_arguments(self, node, 2, 3)
  return rules.case(self, { kind = "case", pos = node.pos, whens = { { condition = node.args[1], result = node.args[2] } },
    default = node.args[3] }, scope)
end

function special.coalesce(self, node, scope)
  expect_arguments(self, node, 2, math.huge)
  local args = self:exprs(node.args, scope)
  local t = self:unify(args, node.pos, "COALESCE operands")
  return new(node.pos, t, "coalesce(", code.join(args, ", "), ")")
end

special["nullif"] = function(self, node, scope)
  expect_arguments(self, node, 2, 2)
  local args = self:exprs(node.args, scope)
  local a, b = self:comparable("=", args[1], args[2], node.pos)
  return new(node.pos, args[1].type, "CASE WHEN (", a, " = ", b, ") IS TRUE THEN NULL ELSE ", args[1], " END")
end

special["try"] = function(self, node, scope)
  expect_arguments(self, node, 1, 1)
  local outer = self.in_try
  self.in_try = true
  local piece = self:expr(node.args[1], scope)
  self.in_try = outer
  return new(node.pos, piece.type, "TRY(", piece, ")")
end

function rules.extract(self, node, scope)
  local fields = { dow = "day_of_week", doy = "day_of_year", yow = "year_of_week" }
  local name = fields[node.field] or node.field
  if not registry.scalar[name] or not registry.scalar[name].is_date_part then
    self:fault(node.pos, "INVALID_EXTRACT_FIELD", ("Invalid EXTRACT field: %s"):format(node.field))
  end
  return self:invoke(name, { self:expr(node.operand, scope) }, node)
end

function rules.grouping(self, node, scope)
  local piece = new(node.pos, types.bigint, "CAST(grouping(", code.join(self:exprs(node.args, scope), ", "), ") AS BIGINT)")
  piece.aggregated = true
  return piece
end

return Translator
