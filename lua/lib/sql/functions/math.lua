-- Functions on numbers.

local code = require("lib.sql.translate.code")
local macros = require("lib.sql.macros")
local registry = require("lib.sql.functions.registry")
local types = require("lib.sql.types")

macros.add {
  { "truncate(x, n)", "trunc(x * power(10.0e0, n)) / power(10.0e0, n)" },
  { "width_bucket(x, a, b, n)", "CASE WHEN a < b THEN CASE WHEN x < a THEN 0 WHEN x >= b THEN n + 1 ELSE CAST(floor(n * (x - a) / (b "
    .. "- a)) AS BIGINT) + 1 END "
    .. "ELSE CASE WHEN x > a THEN 0 WHEN x <= b THEN n + 1 ELSE CAST(floor(n * (a - x) / (a - b)) AS BIGINT) + 1 END END" },
  { "extreme_or_null(l, v)", "CASE WHEN list_count(l) < len(l) THEN NULL ELSE v END" },
}

local function same_or_double(list)
  return list[1]
end

-- round, floor, ceil of decimals lose their fraction: decimal(p, s) -> decimal(p - s + 1, 0)
local function whole_of_decimal(list)
  local t = list[1]
  if t.name ~= "decimal" or #list > 1 then return t end
  return types.decimal(t.precision - t.scale + math.min(t.scale, 1), 0)
end

local function rounding(name)
  return function(self, args, node)
    local t = args[1].type
    if t.name == "any" then return code.fill(name .. "($1)", args) end
    if types.is_whole(t) then return code.fill("$1", args) end
    local result = whole_of_decimal(self.types_of(args))
    if t.name == "decimal" then return code.fill(("CAST(%s($1) AS %s)"):format(name, types.engine(result)), args) end
    return node and code.fill(("CAST(%s($1) AS %s)"):format(name, types.engine(t)), args)
  end
end

-- round half up (away from zero); with digits the type stays
local function round(self, args, node)
  local t = args[1].type
  if #args == 1 then return rounding("round")(self, args, node) end
  if t.name == "any" then return code.fill("round($1, CAST($2 AS INTEGER))", args) end
  if types.is_float(t) then
    return code.fill(("CAST(CASE WHEN isfinite($1) THEN round($1, CAST($2 AS INTEGER)) ELSE $1 END AS %s)"):format(types.engine(t)), args)
  end
  if t.name == "decimal" then return code.fill(("CAST(round($1, CAST($2 AS INTEGER)) AS %s)"):format(types.engine(t)), args) end
  return code.fill(("CAST(round(CAST($1 AS HUGEINT), CAST($2 AS INTEGER)) AS %s)"):format(types.engine(t)), args)
end

local function round_type(list)
  if #list == 2 and list[1].name == "decimal" then return types.decimal(list[1].precision + 1, list[1].scale) end
  return whole_of_decimal(list)
end

local function double(name, engine_name)
  return { name, "n", "double", ("%s(CAST($1 AS DOUBLE))"):format(engine_name or name) }
end

-- greatest and least are NULL when one of them is
local function extreme(name)
  return function(self, args, node)
    local t = self:unify(args, node.pos, name .. " arguments")
    local piece = code.fill(("CASE WHEN %s IS NULL THEN NULL ELSE %s($*) END"):format(#args == 1 and "$1" or "NULL", name), args)
    if #args > 1 then
      local nulls = {}
      for i, argument in ipairs(args) do nulls[i] = code.new(nil, nil, argument, " IS NULL") end
      piece = code.new(node.pos, t, "CASE WHEN ", code.join(nulls, " OR "), " THEN NULL ELSE ", name, "(", code.join(args, ", "), ") END")
    end
    piece.type = t
    return piece
  end
end

-- mod and % are the same
local function mod(self, args, node)
  return self:arithmetic({ op = "%", pos = node.pos }, args[1], args[2])
end

registry.scalars {
  { "abs", "n", "=1", "abs($1)" },
  { "sign", "n", "=1", function(_, args)
    if args[1].type.name == "any" then return code.fill("sign($1)", args) end
    return code.fill(("CAST(sign($1) AS %s)"):format(types.engine(args[1].type)), args) end },
  { "round", "ni?", round_type, round },
  { "floor", "n", whole_of_decimal, rounding("floor") },
  { "ceil", "n", whole_of_decimal, rounding("ceil") },
  { "truncate", "n", whole_of_decimal, rounding("trunc") },
  { "truncate", "ni", same_or_double, function(_, args)
    local t = args[1].type
    if t.name == "decimal" then return code.fill(("CAST(trunc($1 * power(10, $2)) / power(10, $2) AS %s)"):format(types.engine(t)),
      args) end
    return code.fill(("CAST(trino.truncate(CAST($1 AS DOUBLE), $2) AS %s)"):format(types.engine(t)), args)
  end },
  { "mod", "nn", "common", mod },
  { "greatest", "x+", "common", extreme("greatest") },
  { "least", "x+", "common", extreme("least") },
  { "power", "nn", "double", "power(CAST($1 AS DOUBLE), CAST($2 AS DOUBLE))" },
  double("sqrt"), double("cbrt"), double("exp"), double("ln"), double("log2"), double("log10"),
  { "log", "nn", "double", "(ln(CAST($2 AS DOUBLE)) / ln(CAST($1 AS DOUBLE)))" },
  double("sin"), double("cos"), double("tan"), double("asin"), double("acos"), double("atan"), double("sinh"), double("cosh"),
    double("tanh"),
  { "atan2", "nn", "double", "atan2(CAST($1 AS DOUBLE), CAST($2 AS DOUBLE))" },
  double("degrees"), double("radians"),
  { "pi", "", "double", "pi()" },
  { "e", "", "double", "exp(1.0e0)" },
  { "nan", "", "double", "CAST('NaN' AS DOUBLE)" },
  { "infinity", "", "double", "CAST('Infinity' AS DOUBLE)" },
  { "is_nan", "n", "boolean", "isnan(CAST($1 AS DOUBLE))" },
  { "is_finite", "n", "boolean", "isfinite(CAST($1 AS DOUBLE))" },
  { "is_infinite", "n", "boolean", "isinf(CAST($1 AS DOUBLE))" },
  { "random", "", "double", "random()" },
  { "random", "i", "=1", function(_, args) return code.fill(("CAST(floor(random() * $1) AS %s)"):format(types.engine(args[1].type)),
    args) end },
  { "random", "ii", "common", "($1 + CAST(floor(random() * ($2 - $1)) AS BIGINT))" },
  { "width_bucket", "nnni", "bigint", "trino.width_bucket(CAST($1 AS DOUBLE), CAST($2 AS DOUBLE), CAST($3 AS DOUBLE), $4)" },
  { "bitwise_and", "ii", "bigint", "(CAST($1 AS BIGINT) & CAST($2 AS BIGINT))" },
  { "bitwise_or", "ii", "bigint", "(CAST($1 AS BIGINT) | CAST($2 AS BIGINT))" },
  { "bitwise_xor", "ii", "bigint", "xor(CAST($1 AS BIGINT), CAST($2 AS BIGINT))" },
  { "bitwise_not", "i", "bigint", "(~CAST($1 AS BIGINT))" },
  { "to_base", "ii", "varchar", "lower(to_base($1, CAST($2 AS INTEGER)))" },
}
registry.alias("scalar", { ceiling = "ceil", pow = "power", rand = "random" })
