-- Comparison, predicates and arithmetic with Trino's types and failures.

local Translator = require("lib.sql.translate.translator")
local code = require("lib.sql.translate.code")
local types = require("lib.sql.types")
require("lib.sql.translate.expression")

local new = code.new
local rules = Translator.expression_rules

-- The piece as a value of type t, which types.common has allowed.
function Translator:coerce(piece, t)
  local from = piece.type
  if from == t or types.equal(from, t) then return piece end
  if types.has_any(from) or types.has_any(t) then return new(piece.pos, from.name == "any" and t or from, piece) end
  if t.name == "char" and types.is_text(from) then return self:cast(piece, t, piece.pos) end
  if types.engine(from) == types.engine(t) and from.name ~= "unknown" then
    local same = new(piece.pos, t, piece)
    same.literal = piece.literal
    return same
  end
  if t.name == "unknown" then return piece end
  if from.name == "row" or from.name == "array" or from.name == "map" then return self:cast(piece, t, piece.pos) end
  if t.name == "json" then return self:cast(piece, t, piece.pos) end
  return new(piece.pos, t, "CAST(", piece, " AS ", types.engine(t), ")")
end

local function without_padding(piece)
  return new(piece.pos, types.varchar, "rtrim(", piece, ", ' ')")
end

-- Both sides as comparable values.
function Translator:comparable(op, left, right, pos)
  local a, b = left.type, right.type
  local t = types.common(a, b)
  if not t then
    self:mismatch(pos, ("Cannot apply operator: %s %s %s"):format(types.text(a), op, types.text(b)))
  end
  if a.name == "char" or b.name == "char" then return without_padding(left), without_padding(right) end
  if types.is_number(t) or types.is_text(t) then return left, right end
  return self:coerce(left, t), self:coerce(right, t)
end

function Translator:compare(op, left, right, pos)
  left, right = self:comparable(op, left, right, pos)
  return new(pos, types.boolean, "(", left, " ", op, " ", right, ")")
end

function rules.compare(self, node, scope)
  return self:compare(node.op, self:expr(node.left, scope), self:expr(node.right, scope), node.pos)
end

function rules.between(self, node, scope)
  local value = self:expr(node.value, scope)
  local low, high = self:expr(node.low, scope), self:expr(node.high, scope)
  local t = types.common_of { value.type, low.type, high.type }
  if not t then
    self:mismatch(node.pos, ("Cannot check if %s is BETWEEN %s and %s"):format(types.text(value.type), types.text(low.type),
      types.text(high.type)))
  end
  local function side(piece)
    if t.name == "char" then return without_padding(piece) end
    return (types.is_number(t) or types.is_text(t)) and piece or self:coerce(piece, t)
  end
  return new(node.pos, types.boolean, "(", side(value), node.negated and " NOT BETWEEN " or " BETWEEN ", side(low), " AND ", side(high),
    ")")
end

local function in_query(self, node, value, scope)
  local query, columns = self:subquery(node.query, scope)
  if #columns ~= 1 and not (value.type.name == "row" and #value.type.fields == #columns) then
    self:mismatch(node.pos, "Multiple columns returned by subquery are not yet supported. Found " .. #columns)
  end
  if #columns == 1 then self:comparable("IN", value, new(node.pos, columns[1].type, ""), node.pos) end
  if #columns > 1 then
    local parts = {}
    for i, item in ipairs(node.value.items or {}) do parts[i] = self:expr(item, scope) end
    if #parts ~= #columns then self:unsupported(node.pos, "IN with a row value and several columns") end
    value = new(node.pos, nil, "(", code.join(parts, ", "), ")")
  end
  return new(node.pos, types.boolean, "(", value, node.negated and " NOT IN (" or " IN (", query, "))")
end

rules["in"] = function(self, node, scope)
  local value = self:expr(node.value, scope)
  if node.query then return in_query(self, node, value, scope) end
  local items = self:exprs(node.list, scope)
  local all = table.move(items, 1, #items, 2, { value })
  local t = types.common_of(self.types_of(all))
  if not t then
    self:mismatch(node.pos, ("IN value and list items must be the same type or coercible to a common type: %s"):format(self.type_list(all)))
  end
  local as_is = types.is_number(t) or types.is_text(t)
  for i, piece in ipairs(all) do
    if t.name == "char" then all[i] = without_padding(piece) elseif not as_is then all[i] = self:coerce(piece, t) end
  end
  return new(node.pos, types.boolean, "(", all[1], node.negated and " NOT IN (" or " IN (",
    code.join(table.move(all, 2, #all, 1, {}), ", "), "))")
end

function rules.like(self, node, scope)
  local value, pattern = self:expr(node.value, scope), self:expr(node.pattern, scope)
  for _, piece in ipairs { value, pattern } do
    if not types.is_text(piece.type) and piece.type.name ~= "unknown" and piece.type.name ~= "any" then
      self:mismatch(node.pos, ("Left side of LIKE expression must evaluate to a varchar (actual: %s)"):format(types.text(piece.type)))
    end
  end
  local piece = new(node.pos, types.boolean, "(", value, node.negated and " NOT LIKE " or " LIKE ", pattern)
  if node.escape then
    piece[#piece + 1] = " ESCAPE "
    piece[#piece + 1] = self:expr(node.escape, scope)
  end
  piece[#piece + 1] = ")"
  return piece
end

function rules.is_null(self, node, scope)
  return new(node.pos, types.boolean, "(", self:expr(node.operand, scope), node.negated and " IS NOT NULL)" or " IS NULL)")
end

function rules.distinct_from(self, node, scope)
  local left, right = self:comparable("IS DISTINCT FROM", self:expr(node.left, scope), self:expr(node.right, scope), node.pos)
  return new(node.pos, types.boolean, "(", left, node.negated and " IS NOT DISTINCT FROM " or " IS DISTINCT FROM ", right, ")")
end

function rules.exists(self, node, scope)
  return new(node.pos, types.boolean, "EXISTS (", (self:subquery(node.query, scope)), ")")
end

function rules.subquery(self, node, scope)
  local query, columns = self:subquery(node.query, scope)
  if #columns ~= 1 then self:mismatch(node.pos, "Multiple columns returned by subquery are not yet supported. Found " .. #columns) end
  return new(node.pos, columns[1].type, "(", query, ")")
end

function rules.quantified(self, node, scope)
  local left = self:expr(node.left, scope)
  local query, columns = self:subquery(node.query, scope)
  if #columns ~= 1 then self:mismatch(node.pos, "Multiple columns returned by subquery are not yet supported. Found " .. #columns) end
  self:comparable(node.op, left, new(node.pos, columns[1].type, ""), node.pos)
  return new(node.pos, types.boolean, "(", left, " ", node.op, " ", node.quantifier, " (", query, "))")
end

-- Arithmetic -------------------------------------------------------------------------------------------------------

local function cannot(self, node, left, right)
  self:mismatch(node.pos, ("Cannot apply operator: %s %s %s"):format(types.text(left.type), node.op, types.text(right.type)))
end

local function is_nonzero_literal(piece)
  return piece.literal and piece[1] ~= "0" and #piece == 1
end

local whole_order = { tinyint = 1, smallint = 2, integer = 3, bigint = 4 }

-- The engine gives a literal the type of the other side when that is smaller; Trino gives the larger one.
local function widened(piece, t)
  if whole_order[piece.type.name] < whole_order[t.name] or (piece.literal and whole_order[t.name] > 0 and t.name ~= "bigint") then
    return new(piece.pos, t, "CAST(", piece, " AS ", t.name:upper(), ")")
  end
  return piece
end

local function whole_arithmetic(self, node, left, right, t)
  if left.type.name == "tinyint" or left.type.name == "smallint" or right.type.name == "tinyint" or right.type.name == "smallint" then
    left, right = widened(left, t), widened(right, t)
  elseif left.literal and right.literal and t.name == "integer" then
    left = new(left.pos, t, "CAST(", left, " AS INTEGER)")
  end
  local op = node.op
  if op == "/" or op == "%" then
    local engine_op = op == "/" and " // " or " % "
    if is_nonzero_literal(right) or self.in_try then return new(node.pos, t, "(", left, engine_op, right, ")") end
    return new(node.pos, t, code.fill(op == "/" and "trino.divide($1, $2)" or "trino.modulo($1, $2)", { left, right }))
  end
  return new(node.pos, t, "(", left, " ", op, " ", right, ")")
end

local function decimal_result(op, a, b)
  local p1, s1, p2, s2 = a.precision, a.scale, b.precision, b.scale
  local scale = math.max(s1, s2)
  if op == "*" then return p1 + p2, s1 + s2 end
  if op == "/" then return p1 + s2 + math.max(0, s2 - s1), scale end
  if op == "%" then return math.min(p1 - s1, p2 - s2) + scale, scale end
  return math.max(p1 - s1, p2 - s2) + 1 + scale, scale
end

local function as_decimal_piece(piece, t)
  if piece.type.name == "decimal" and types.equal(piece.type, t) then return piece end
  return new(piece.pos, t, "CAST(", piece, " AS ", types.engine(t), ")")
end

-- A decimal as the whole number of its smallest units.
local function unscaled(piece, t)
  if t.scale == 0 then return new(nil, nil, "CAST(", piece, " AS HUGEINT)") end
  if t.precision + t.scale + 1 <= 38 then
    return new(nil, nil, "CAST((", piece, (" * CAST(1%s AS DECIMAL(%d,0))) AS HUGEINT)"):format(("0"):rep(t.scale), t.scale + 1))
  end
  return new(nil, nil, "CAST(replace(CAST(", piece, " AS VARCHAR), '.', '') AS HUGEINT)")
end

-- Exact division, rounded half up as Trino does.
local function divide_decimals(self, node, left, right, a, b, t)
  local shift = t.scale + b.scale - a.scale
  local above = new(nil, nil, unscaled(left, a), shift > 0 and (" * CAST('1%s' AS HUGEINT)"):format(("0"):rep(shift)) or "")
  local macro = self.in_try and "trino.divide_rounded_or_null" or "trino.divide_rounded"
  local quotient = new(nil, nil, macro, "(", above, ", ", unscaled(right, b), ")")
  local unit = t.scale == 0 and "CAST(1 AS DECIMAL(1,0))" or ("CAST('0.%s1' AS DECIMAL(%d,%d))"):format(("0"):rep(t.scale - 1),
    t.scale + 1, t.scale)
  return new(node.pos, t, "CAST((CAST(", quotient, " AS DECIMAL(38,0)) * ", unit, ") AS ", types.engine(t), ")")
end

local function decimal_arithmetic(self, node, left, right)
  local a, b = types.as_decimal(left.type), types.as_decimal(right.type)
  local precision, scale = decimal_result(node.op, a, b)
  if scale > 38 then self:fault(node.pos, "INVALID_FUNCTION_ARGUMENT", ("DECIMAL scale must be in range [0, precision (38)]: "
    .. "%d"):format(scale)) end
  local t = types.decimal(precision, scale)
  left, right = as_decimal_piece(left, a), as_decimal_piece(right, b)
  if node.op == "/" then return divide_decimals(self, node, left, right, a, b, t) end
  if node.op == "%" then
    local zero = self.in_try and "NULL" or "error('Division by zero')"
    return new(node.pos, t, "CAST(CASE WHEN ", right, " = 0 THEN ", zero, " ELSE ", left, " % ", right, " END AS ", types.engine(t), ")")
  end
  if node.op ~= "*" and t.precision > 18 and a.precision <= 18 and b.precision <= 18 then
    -- the engine would stop at 18 digits
    left = new(left.pos, a, "CAST(", left, (" AS DECIMAL(%d,%d))"):format(t.precision, a.scale))
  end
  return new(node.pos, t, "CAST((", left, " ", node.op, " ", right, ") AS ", types.engine(t), ")")
end

local function number_arithmetic(self, node, left, right)
  local t = types.common(left.type, right.type)
  if types.is_whole(t) then return whole_arithmetic(self, node, left, right, t) end
  if t.name == "decimal" then return decimal_arithmetic(self, node, left, right) end
  local name = types.engine(t)
  local function as_float(piece)
    return types.equal(piece.type, t) and piece or new(piece.pos, t, "CAST(", piece, " AS ", name, ")")
  end
  if node.op == "%" then return new(node.pos, t, "CAST(fmod(", as_float(left), ", ", as_float(right), ") AS ", name, ")") end
  if node.op == "/" and not is_nonzero_literal(right) then
    return new(node.pos, t, code.fill("trino.float_divide($1, $2)", { as_float(left), as_float(right) }))
  end
  return new(node.pos, t, "(", as_float(left), " ", node.op, " ", as_float(right), ")")
end

-- date/time/timestamp plus or minus an interval
local function shifted(self, node, moment, interval, op)
  local t = moment.type
  if t.name == "date" then
    if interval.has_time then
      self:fault(node.pos, "INVALID_FUNCTION_ARGUMENT", "Cannot add hour, minutes or seconds to a date")
    end
    return new(node.pos, types.date, "CAST((", moment, op, interval, ") AS DATE)")
  end
  if t.name == "time" or t.name == "time with time zone" then return new(node.pos, t, "(", moment, op, interval, ")") end
  if t.precision and t.name == "timestamp" and t.precision < 3 and interval.type == types.interval_day then
    t = types.timestamp(3)
  end
  if t.zone and t.zone ~= "UTC" and interval.type == types.interval_year then
    -- months are counted on the calendar of the value's own zone
    return new(node.pos, t, "((", self:local_timestamp(moment), op, interval, ") AT TIME ZONE ", code.quote_text(t.zone), ")")
  end
  return new(node.pos, t, "(", moment, op, interval, ")")
end

local function temporal_arithmetic(self, node, left, right)
  local a, b, op = left.type, right.type, node.op
  local sign = op == "+" and " + " or op == "-" and " - "
  if sign and types.is_temporal(a) and types.is_interval(b) then return shifted(self, node, left, right, sign) end
  if op == "+" and types.is_interval(a) and types.is_temporal(b) then return shifted(self, node, right, left, sign) end
  if types.is_interval(a) and types.is_interval(b) and sign and a.name == b.name then
    return new(node.pos, a, "(", left, sign, right, ")")
  end
  if op == "-" and types.is_temporal(a) and types.is_temporal(b) then
    local t = types.common(a, b)
    if t and t.name == "date" then
      return new(node.pos, types.interval_day, "to_days(CAST((", left, " - ", right, ") AS INTEGER))")
    elseif t and types.is_timestamp(t) then
      return new(node.pos, types.interval_day, "(", self:coerce(left, t), " - ", self:coerce(right, t), ")")
    end
  end
  return self:interval_scaling(node, left, right) or cannot(self, node, left, right)
end

-- interval * n, n * interval, interval / n
function Translator:interval_scaling(node, left, right) -- luacheck: no self
  local interval, number = left, right
  if node.op == "*" and types.is_interval(right.type) then interval, number = right, left end
  if not types.is_interval(interval.type) or not types.is_number(number.type) then return nil end
  if node.op ~= "*" and node.op ~= "/" then return nil end
  if interval.type == types.interval_year then
    local months = new(nil, nil, "(date_part('year', ", interval, ") * 12 + date_part('month', ", interval, "))")
    return new(node.pos, interval.type, "to_months(CAST(trunc(", months, " ", node.op, " CAST(", number, " AS DOUBLE)) AS INTEGER))")
  end
  return new(node.pos, interval.type, "to_milliseconds(CAST(round(epoch(", interval, ") * 1000 ", node.op, " CAST(", number,
    " AS DOUBLE)) AS BIGINT))")
end

-- One side is not described: the engine decides.
local function any_arithmetic(node, left, right)
  local is_float = types.is_float(left.type) or types.is_float(right.type)
  return new(node.pos, is_float and types.double or types.any, "(", left, " ", node.op, " ", right, ")")
end

function rules.arithmetic(self, node, scope)
  return self:arithmetic(node, self:expr(node.left, scope), self:expr(node.right, scope))
end

-- left op right, where node tells the operator and the position.
function Translator:arithmetic(node, left, right)
  local a, b = left.type, right.type
  if a.name == "unknown" and b.name == "unknown" then return new(node.pos, types.unknown, "NULL") end
  if a.name == "unknown" then left, a = new(left.pos, b, "CAST(NULL AS ", types.engine(b), ")"), b end
  if b.name == "unknown" then right, b = new(right.pos, a, "CAST(NULL AS ", types.engine(a), ")"), a end
  if types.is_number(a) and types.is_number(b) then return number_arithmetic(self, node, left, right) end
  if a.name == "any" or b.name == "any" then return any_arithmetic(node, left, right) end
  return temporal_arithmetic(self, node, left, right)
end

function rules.unary(self, node, scope)
  local operand = node.operand
  if node.op == "-" and operand.kind == "integer" and not operand.bracketed then
    local text = "-" .. operand.text
    local value = text:find("^%-%d+$") and math.tointeger(tonumber(text))
    if value then
      local piece = new(node.pos, value >= -2147483648 and types.integer or types.bigint, value == math.mininteger
        and "CAST('-9223372036854775808' AS BIGINT)" or ("(%d)"):format(value))
      piece.literal = value ~= math.mininteger and value ~= -1
      return piece
    end
  end
  local piece = self:expr(operand, scope)
  if not types.is_number(piece.type) and not types.is_interval(piece.type) and piece.type.name ~= "unknown"
    and piece.type.name ~= "any" then
    self:mismatch(node.pos, ("Cannot negate %s"):format(types.text(piece.type)))
  end
  return new(node.pos, piece.type, "(", node.op, piece, ")")
end

return Translator
