-- Functions on arrays, maps and rows, with and without lambdas.

local code = require("lib.sql.translate.code")
local macros = require("lib.sql.macros")
local registry = require("lib.sql.functions.registry")
local types = require("lib.sql.types")

local new = code.new

macros.add {
  { "element_at(a, i)", "CASE WHEN i = 0 THEN error('SQL array indices start at 1') ELSE list_extract(a, i) END" },
  { "first_seen(a)", "list_filter(a, lambda x, i: list_position(a, x) = i)" },
  { "distinct_list(a)", "list_filter(a, lambda x, i: CASE WHEN x IS NULL THEN i = 1 + len(list_filter(a, lambda y, j: y IS NOT NULL "
    .. "AND j < "
    .. "coalesce(list_position(list_transform(a, lambda z: z IS NULL), true), 0))) ELSE list_position(a, x) = i END)" },
  { "has_null(a)", "list_count(a) < len(a)" },
}

local function same(list) return list[1] end
local function value_of(list) return list[1].value end

local function arrays_of_one_type(template)
  return function(self, args, node)
    local t = self:unify(args, node.pos, "arrays")
    local piece = code.fill(template, args)
    piece.type = t
    return piece
  end
end

-- the needle gets the type of the elements
local function with_element(template)
  return function(self, args, node)
    local element = types.common(args[1].type.element, args[2].type)
    if not element then
      self:mismatch(node.pos, ("%s does not fit into %s"):format(types.text(args[2].type), types.text(args[1].type)))
    end
    args[1], args[2] = self:coerce(args[1], types.array(element)), self:coerce(args[2], element)
    return code.fill(template, args)
  end
end

local function sequence(self, args, node)
  local t = args[1].type
  if types.is_whole(t) then
    local step = args[3] or new(nil, nil, "CASE WHEN ", args[1], " <= ", args[2], " THEN 1 ELSE -1 END")
    return new(node.pos, types.array(types.bigint), "generate_series(CAST(", args[1], " AS BIGINT), CAST(", args[2], " AS BIGINT), CAST(",
      step, " AS BIGINT))")
  end
  local step = args[3] or new(nil, nil, "CASE WHEN ", args[1], " <= ", args[2], " THEN to_days(1) ELSE to_days(-1) END")
  local list = new(nil, nil, "generate_series(CAST(", args[1], " AS TIMESTAMP), CAST(", args[2], " AS TIMESTAMP), ", step, ")")
  local engine = types.engine(t)
  return self and new(node.pos, types.array(t), "CAST(", list, " AS ", engine, "[])")
end

registry.scalars {
  { "cardinality", "a", "bigint", "len($1)" },
  { "cardinality", "m", "bigint", "CAST(cardinality($1) AS BIGINT)" },
  { "element_at", "ai", function(list) return list[1].element end, "trino.element_at($1, $2)", try = "list_extract($1, $2)" },
  { "element_at", "mx", value_of, function(self, args)
    return code.fill("($1)[$2]", { args[1], self:coerce(args[2], args[1].type.key) })
  end },
  { "contains", "ax", "boolean", with_element("CASE WHEN list_contains($1, $2) THEN true WHEN trino.has_null($1) THEN NULL ELSE "
    .. "list_contains($1, $2) END") },
  { "array_position", "ax", "bigint", with_element("CASE WHEN $1 IS NOT NULL AND $2 IS NOT NULL THEN CAST(coalesce(list_position($1, "
    .. "$2), 0) AS BIGINT) END") },
  { "array_remove", "ax", "=1", with_element("list_filter($1, lambda x: (x <> $2) OR x IS NULL)") },
  { "array_distinct", "a", "=1", "trino.distinct_list($1)" },
  { "array_sort", "a", "=1", "list_sort($1, 'ASC', 'NULLS LAST')" },
  { "array_max", "a", "elem", "CASE WHEN trino.has_null($1) THEN NULL ELSE list_max($1) END" },
  { "array_min", "a", "elem", "CASE WHEN trino.has_null($1) THEN NULL ELSE list_min($1) END" },
  { "array_join", "ass?", "varchar", function(self, args)
    local element = args[1].type.element
    local list = types.is_text(element) and args[1] or self:cast(args[1], types.array(types.varchar), args[1].pos)
    if not args[3] then return code.fill("coalesce(array_to_string($1, $2), CASE WHEN $1 IS NOT NULL THEN '' END)", { list, args[2] }) end
    return code.fill("array_to_string(list_transform($1, lambda x: coalesce(x, $3)), $2)", { list, args[2], args[3] })
  end },
  { "array_union", "aa", "common", arrays_of_one_type("trino.distinct_list($1 || $2)") },
  { "array_intersect", "aa", "common", arrays_of_one_type("list_filter(trino.distinct_list($1), lambda x: CASE WHEN x IS NULL THEN "
    .. "trino.has_null($2) ELSE list_contains($2, x) END)") },
  { "array_except", "aa", "common", arrays_of_one_type("list_filter(trino.distinct_list($1), lambda x: CASE WHEN x IS NULL THEN NOT "
    .. "trino.has_null($2) ELSE NOT list_contains($2, x) END)") },
  { "arrays_overlap", "aa", "boolean", arrays_of_one_type("CASE WHEN list_has_any(list_filter($1, lambda x: x IS NOT NULL), "
    .. "list_filter($2, lambda x: x IS NOT NULL)) THEN true "
    .. "WHEN trino.has_null($1) OR trino.has_null($2) THEN NULL ELSE false END") },
  { "slice", "aii", "=1", "CASE WHEN $2 > 0 THEN list_slice($1, $2, $2 + $3 - 1) WHEN $2 < 0 AND -$2 <= len($1) THEN list_slice($1, "
    .. "len($1) + $2 + 1, len($1) + $2 + $3) WHEN $1 IS NOT NULL AND $2 <> 0 THEN list_slice($1, 1, 0) "
    .. "WHEN $2 = 0 THEN error('SQL array indices start at 1') END", try = "CASE WHEN $2 > 0 THEN list_slice($1, $2, $2 + $3 - 1) "
      .. "WHEN $2 < 0 AND -$2 <= len($1) THEN list_slice($1, len($1) + $2 + 1, len($1) + $2 + $3) END" },
  { "flatten", "a", "elem", "flatten($1)" },
  { "repeat", "xi", function(list) return types.array(list[1]) end, "list_transform(range(CAST($2 AS BIGINT)), lambda x: $1)" },
  { "reverse", "a", "=1", "list_reverse($1)" },
  { "sequence", "iii?", "array(bigint)", sequence },
  { "sequence", "ddv?", function(list) return types.array(list[1]) end, sequence },
  { "trim_array", "ai", "=1", "list_slice($1, 1, len($1) - $2)" },
  { "map", "", function() return types.map(types.unknown, types.unknown) end, "MAP {}" },
  { "map", "aa", function(list) return types.map(list[1].element, list[2].element) end, "map($1, $2)" },
  { "map_keys", "m", function(list) return types.array(list[1].key) end, "map_keys($1)" },
  { "map_values", "m", function(list) return types.array(list[1].value) end, "map_values($1)" },
  { "map_entries", "m", function(list) return types.array(types.row { { type = list[1].key }, { type = list[1].value } }) end,
    "list_transform(map_entries($1), lambda x: struct_pack(field0 := x.key, field1 := x.value))" },
  { "map_from_entries", "a", function(list)
    local fields = list[1].element.fields
    return fields and types.map(fields[1].type, fields[2].type)
  end, function(self, args, node)
    local element = args[1].type.element
    if element.name ~= "row" or #element.fields ~= 2 then self:mismatch(node.pos, "map_from_entries needs an array of rows with two "
      .. "fields") end
    local first, second = code.quote_text(types.field_name(element.fields[1], 1)), code.quote_text(types.field_name(element.fields[2], 2))
    return code.fill(("map(list_transform($1, lambda x: struct_extract(x, %s)), list_transform($1, lambda x: struct_extract(x, "
      .. "%s)))"):format(first, second), args)
  end },
  { "map_concat", "m+", "common", function(self, args, node)
    self:unify(args, node.pos, "maps")
    return code.fill("map_concat($*)", args)
  end },
}

-- Lambdas ------------------------------------------------------------------------------------------------------------

-- The lambda at `at` takes what `parameters(types of the other arguments)` says.
local function lambda_at(at, parameters)
  return function(self, args, node, scope)
    local list = {}
    for i, piece in ipairs(args) do list[i] = piece and piece.type or types.unknown end
    if not node.args[at] or node.args[at].kind ~= "lambda" then return end
    local wanted = parameters(list)
    if not wanted then self:mismatch(node.pos, "the first argument does not fit the lambda") end
    args[at] = self:lambda(node.args[at], wanted, scope)
  end
end

local function element(list) return list[1].name == "array" and { list[1].element } or nil end
local function entry(list) return list[1].name == "map" and { list[1].key, list[1].value } or nil end

registry.scalars {
  { "transform", "al", function(list) return types.array(list[2].returns) end, "list_transform($1, $2)", lambda = lambda_at(2, element) },
  { "filter", "al", same, "list_filter($1, $2)", lambda = lambda_at(2, element) },
  { "any_match", "al", "boolean", "CASE WHEN list_contains(list_transform($1, $2), true) THEN true WHEN "
    .. "trino.has_null(list_transform($1, $2)) THEN NULL "
    .. "WHEN $1 IS NOT NULL THEN false END", lambda = lambda_at(2, element) },
  { "all_match", "al", "boolean", "CASE WHEN list_contains(list_transform($1, $2), false) THEN false WHEN "
    .. "trino.has_null(list_transform($1, $2)) THEN NULL "
    .. "WHEN $1 IS NOT NULL THEN true END", lambda = lambda_at(2, element) },
  { "none_match", "al", "boolean", "CASE WHEN list_contains(list_transform($1, $2), true) THEN false WHEN "
    .. "trino.has_null(list_transform($1, $2)) THEN NULL "
    .. "WHEN $1 IS NOT NULL THEN true END", lambda = lambda_at(2, element) },
}

-- reduce(array, start, (state, x) -> ..., state -> ...)
registry.scalars {
  { "reduce", "axll", function(list) return list[4].returns end, function(self, args, node)
    local start = new(nil, args[2].type, args[2])
    local state_type = args[3].type.returns
    start = self:coerce(start, types.common(args[2].type, state_type) or state_type)
    -- the engine folds a list of one type: every element is wrapped with the state
    local x, s = args[3].variables[2], args[3].variables[1]
    if types.engine(args[1].type.element) ~= types.engine(state_type) then
      self:unsupported(node.pos, "reduce with a state of another type than the elements")
    end
    local folded = new(nil, nil, "list_reduce(", args[1], ", lambda ", s, ", ", x, ": ", args[3].body, ", ", start, ")")
    local last = args[4]
    return new(node.pos, last.type.returns, "list_transform([", folded, "], ", last, ")[1]")
  end, lambda = function(self, args, node, scope)
    local list_type = args[1].type
    if list_type.name ~= "array" then self:mismatch(node.pos, "reduce needs an array") end
    local state = args[2].type
    local step = self:lambda(node.args[3], { state, list_type.element }, scope)
    local joined = types.common(state, step.type.returns)
    if joined and not types.equal(joined, state) then
      state = joined
      step = self:lambda(node.args[3], { state, list_type.element }, scope)
    end
    args[3] = step
    args[4] = self:lambda(node.args[4], { step.type.returns }, scope)
  end },
}

-- Maps: the pair of key and value goes through two lists of equal length.
local function map_filter(self, args, node)
  local f = args[2]
  local k, v = f.variables[1], f.variables[2]
  -- a row {k, v} per entry, filtered, and made a map again
  local pair = '"' .. self:unique_name("p") .. '"'
  local test = new(nil, nil, "list_transform([", pair, ".k], lambda ", k, ": list_transform([", pair, ".v], lambda ", v, ": ", f.body,
    ")[1])[1]")
  local pairs_list = new(nil, nil, "list_filter(list_transform(map_entries(", args[1], "), lambda z: struct_pack(k := z.key, v := "
    .. "z.value)), lambda ", pair,
    ": ", test, ")")
  return new(node.pos, args[1].type, "CASE WHEN ", args[1], " IS NOT NULL THEN map_from_entries(", pairs_list, ") END")
end

local function transform_entries(kind)
  return function(self, args, node)
    local f = args[2]
    local k, v = f.variables[1], f.variables[2]
    local pair = '"' .. self:unique_name("p") .. '"'
    local value = new(nil, nil, "list_transform([", pair, ".key], lambda ", k, ": list_transform([", pair, ".value], lambda ", v, ": ",
      f.body, ")[1])[1]")
    local list = new(nil, nil, "list_transform(map_entries(", args[1], "), lambda ", pair, ": ", value, ")")
    local from = args[1].type
    if kind == "values" then
      return new(node.pos, types.map(from.key, f.type.returns), "map(map_keys(", args[1], "), ", list, ")")
    end
    return new(node.pos, types.map(f.type.returns, from.value), "map(", list, ", map_values(", args[1], "))")
  end
end

registry.scalars {
  { "map_filter", "ml", same, map_filter, lambda = lambda_at(2, entry) },
  { "transform_values", "ml", same, transform_entries("values"), lambda = lambda_at(2, entry) },
  { "transform_keys", "ml", same, transform_entries("keys"), lambda = lambda_at(2, entry) },
  { "zip_with", "aal", function(list) return types.array(list[3].returns) end, function(self, args, node)
    local f = args[3]
    local pair = '"' .. self:unique_name("p") .. '"'
    local value = new(nil, nil, "list_transform([", pair, "[1]], lambda ", f.variables[1], ": list_transform([", pair, "[2]], lambda ",
      f.variables[2], ": ", f.body, ")[1])[1]")
    return new(node.pos, types.array(f.type.returns), "list_transform(list_zip(", args[1], ", ", args[2], "), lambda ", pair, ": ", value,
      ")")
  end, lambda = lambda_at(3, function(list)
    return list[1].name == "array" and list[2].name == "array" and { list[1].element, list[2].element } or nil
  end) },
  { "zip", "aa", function(list) return types.array(types.row { { type = list[1].element }, { type = list[2].element } }) end,
    "list_transform(list_zip($1, $2), lambda x: struct_pack(field0 := x[1], field1 := x[2]))" },
}
