-- Aggregates and window functions. In templates $d is DISTINCT, $o the ORDER BY inside, $s FILTER and OVER, $i IGNORE NULLS.

local code = require("lib.sql.translate.code")
local macros = require("lib.sql.macros")
local registry = require("lib.sql.functions.registry")
local types = require("lib.sql.types")

macros.add {
  -- of entries with the same key the first one stays
  { "map_of_entries(l)", "map_from_entries(list_filter(l, lambda x, i: list_position(list_transform(l, lambda y: y.k), x.k) = i))" },
}

local function engine_cast(template, t)
  if types.has_any(t) then return template end
  return ("CAST(%s AS %s)"):format(template, types.engine(t))
end

local function sum_type(list)
  local t = list[1]
  if types.is_whole(t) then return types.bigint end
  if t.name == "decimal" then return types.decimal(38, t.scale) end
  return t
end

local function sum(_, args, _, slots)
  return code.fill(engine_cast("sum($d$1$o)$s", sum_type { args[1].type }), args, slots)
end

local function average_type(list)
  local t = list[1]
  if t.name == "decimal" or t.name == "real" or t.name == "any" or types.is_interval(t) then return t end
  return types.double
end

-- the average of decimals is a decimal, rounded half up
local function average(self, args, node, slots)
  local t = args[1].type
  if t.name == "decimal" then
    local total = code.fill(engine_cast("sum($d$1$o)$s", types.decimal(38, t.scale)), args, slots)
    local count = code.fill("count($d$1)$s", args, slots)
    total.type, count.type = types.decimal(38, t.scale), types.bigint
    local unscaled = code.fill("CAST(replace(CAST($1 AS VARCHAR), '.', '') AS HUGEINT)", { total })
    local unit = t.scale == 0 and "1" or ("CAST('0.%s1' AS DECIMAL(%d,%d))"):format(("0"):rep(t.scale - 1), t.scale + 1, t.scale)
    return self and node and code.fill(engine_cast("(CAST(trino.divide_rounded_or_null($1, $2) AS DECIMAL(38,0)) * " .. unit .. ")", t),
      { unscaled, count })
  end
  if types.is_interval(t) or t.name == "any" then return code.fill("avg($d$1$o)$s", args, slots) end
  return code.fill(engine_cast("avg($dCAST($1 AS DOUBLE)$o)$s", average_type { t }), args, slots)
end

local function array_of(list) return types.array(list[1]) end

local function extreme_n(name, descending)
  return function(_, args, _, slots)
    if #args == 1 then return code.fill(name .. "($d$1$o)$s", args, slots) end
    return code.fill(("list_slice(list_sort(list($1) FILTER (WHERE $1 IS NOT NULL)$s, '%s'), 1, $2)"):format(descending and "DESC"
      or "ASC"), args, slots)
  end
end

local function extreme_type(list) return #list == 2 and types.array(list[1]) or list[1] end

local function percentile(self, args, node, slots)
  local t = args[1].type
  if #args == 3 then self:unsupported(node.pos, "a weighted approx_percentile") end
  local engine = args[2].type.name == "array" and types.engine(t) .. "[]" or types.engine(t)
  local result = code.fill(t.name == "any" and "quantile_disc($d$1, $2)$s" or ("CAST(quantile_disc($d$1, $2)$s AS %s)"):format(engine),
    args, slots)
  result.type = args[2].type.name == "array" and types.array(t) or t
  return result
end

local function by_type(list) return #list == 3 and types.array(list[1]) or list[1] end

registry.aggregates {
  { "count", "x?", "bigint", function(_, args, node, slots)
    return code.fill((node.star or #args == 0) and "count(*)$s" or "count($d$1$o)$s", args, slots)
  end },
  { "sum", "n", sum_type, sum },
  { "sum", "v", "=1", "sum($d$1$o)$s" },
  { "avg", "n", average_type, average },
  { "avg", "v", "=1", average },
  { "min", "xi?", extreme_type, extreme_n("min", false) },
  { "max", "xi?", extreme_type, extreme_n("max", true) },
  { "count_if", "b", "bigint", "CAST(count_if($d$1)$s AS BIGINT)" },
  { "arbitrary", "x", "=1", "any_value($1$o)$s" },
  { "any_value", "x", "=1", "any_value($1$o)$s" },
  { "min_by", "xxi?", by_type, "arg_min($*$o)$s" },
  { "max_by", "xxi?", by_type, "arg_max($*$o)$s" },
  { "bool_and", "b", "boolean", "bool_and($1)$s" },
  { "bool_or", "b", "boolean", "bool_or($1)$s" },
  { "array_agg", "x", array_of, "list($d$1$o)$s" },
  { "map_agg", "xx", function(list) return types.map(list[1], list[2]) end,
    "trino.map_of_entries(list(struct_pack(k := $1, v := $2)) FILTER (WHERE $1 IS NOT NULL)$s)" },
  { "listagg", "ss?", "varchar", function(_, args, _, slots)
    return code.fill(#args == 1 and "string_agg($d$1, ''$o)$s" or "string_agg($d$1, $2$o)$s", args, slots)
  end },
  { "approx_distinct", "xn?", "bigint", "CAST(count(DISTINCT $1)$s AS BIGINT)" },
  { "approx_percentile", "nxn?", "=1", percentile },
  { "stddev", "n", "double", "stddev_samp($dCAST($1 AS DOUBLE))$s" },
  { "stddev_samp", "n", "double", "stddev_samp($dCAST($1 AS DOUBLE))$s" },
  { "stddev_pop", "n", "double", "stddev_pop($dCAST($1 AS DOUBLE))$s" },
  { "variance", "n", "double", "var_samp($dCAST($1 AS DOUBLE))$s" },
  { "var_samp", "n", "double", "var_samp($dCAST($1 AS DOUBLE))$s" },
  { "var_pop", "n", "double", "var_pop($dCAST($1 AS DOUBLE))$s" },
  { "corr", "nn", "double", "corr(CAST($1 AS DOUBLE), CAST($2 AS DOUBLE))$s" },
  { "covar_samp", "nn", "double", "covar_samp(CAST($1 AS DOUBLE), CAST($2 AS DOUBLE))$s" },
  { "covar_pop", "nn", "double", "covar_pop(CAST($1 AS DOUBLE), CAST($2 AS DOUBLE))$s" },
  { "regr_slope", "nn", "double", "regr_slope(CAST($1 AS DOUBLE), CAST($2 AS DOUBLE))$s" },
  { "regr_intercept", "nn", "double", "regr_intercept(CAST($1 AS DOUBLE), CAST($2 AS DOUBLE))$s" },
  { "skewness", "n", "double", "skewness(CAST($1 AS DOUBLE))$s" },
  { "kurtosis", "n", "double", "kurtosis(CAST($1 AS DOUBLE))$s" },
  { "entropy", "n", "double", "entropy($1)$s" },
  { "geometric_mean", "n", "double", "geomean(CAST($1 AS DOUBLE))$s" },
  { "bitwise_and_agg", "i", "bigint", "bit_and(CAST($1 AS BIGINT))$s" },
  { "bitwise_or_agg", "i", "bigint", "bit_or(CAST($1 AS BIGINT))$s" },
  { "bitwise_xor_agg", "i", "bigint", "bit_xor(CAST($1 AS BIGINT))$s" },
  { "histogram", "x", function(list) return types.map(list[1], types.bigint) end, function(_, args, _, slots)
    if types.has_any(args[1].type) then return code.fill("histogram($1)$s", args, slots) end
    return code.fill(("CAST(histogram($1)$s AS MAP(%s, BIGINT))"):format(types.engine(args[1].type)), args, slots)
  end },
}
registry.alias("aggregate", { every = "bool_and" })

registry.windows {
  { "row_number", "", "bigint", "row_number()$s" },
  { "rank", "", "bigint", "rank()$s" },
  { "dense_rank", "", "bigint", "dense_rank()$s" },
  { "percent_rank", "", "double", "percent_rank()$s" },
  { "cume_dist", "", "double", "cume_dist()$s" },
  { "ntile", "i", "bigint", "ntile($1)$s" },
  { "first_value", "x", "=1", "first_value($1$i)$s" },
  { "last_value", "x", "=1", "last_value($1$i)$s" },
  { "nth_value", "xi", "=1", "nth_value($1, $2$i)$s" },
  { "lag", "xi?x?", "=1", "lag($*$i)$s" },
  { "lead", "xi?x?", "=1", "lead($*$i)$s" },
}
