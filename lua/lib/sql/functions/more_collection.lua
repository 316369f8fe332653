-- Less common functions on arrays and maps, and the aggregates that build them.

local code = require("lib.sql.translate.code")
local macros = require("lib.sql.macros")
local registry = require("lib.sql.functions.registry")
local types = require("lib.sql.types")

local new = code.new

macros.add {
  { "ngrams(a, n)", "CASE WHEN len(a) <= n THEN [a] ELSE list_transform(range(1, len(a) - n + 2), lambda i: list_slice(a, i, i + n - "
    .. "1)) END" },
  { "holds_sequence(a, b)", "CASE WHEN len(b) = 0 THEN true ELSE list_contains(list_transform(range(1, len(a) - len(b) + 2), lambda i: "
    .. "list_slice(a, i, i + len(b) - 1) = b), true) END" },
  { "frequency(a)", "map_from_entries(list_transform(list_distinct(a), lambda x: struct_pack(k := x, v := CAST(len(list_filter(a, "
    .. "lambda y: y = x)) AS INTEGER))))" },
  { "grouped(l)", "map_from_entries(list_transform(list_filter(l, lambda x, i: list_position(list_transform(l, lambda y: y.k), x.k) "
    .. "= i), lambda z: "
    .. "struct_pack(k := z.k, v := list_transform(list_filter(l, lambda w: w.k = z.k), lambda q: q.v))))" },
  { "last_map(l)", "map_from_entries(list_reverse(list_filter(list_reverse(l), lambda x, i: "
    .. "list_position(list_transform(list_reverse(l), lambda y: y.k), x.k) = i)))" },
}

local function element_map(value) return function(list) return types.map(list[1].element, value) end end

local function multimap_of(list)
  local fields = list[1].element.fields
  return fields and types.map(fields[1].type, types.array(fields[2].type))
end

registry.scalars {
  { "ngrams", "ai", function(list) return types.array(list[1]) end, "trino.ngrams($1, $2)" },
  { "contains_sequence", "aa", "boolean", "trino.holds_sequence($1, $2)" },
  { "array_first", "a", "elem", "list_extract($1, 1)" },
  { "array_last", "a", "elem", "list_extract($1, -1)" },
  { "array_histogram", "a", element_map(types.bigint), "trino.frequency($1)" },
  { "combinations", "ai", function(list) return types.array(list[1]) end, function(self, args, node)
    local count = node.args[2].kind == "integer" and tonumber(node.args[2].text)
    if not count or count > 5 then self:unsupported(node.pos, "combinations with more than 5 elements or a computed size") end
    if count == 0 then return code.fill("[list_slice($1, 1, 0)]", args) end
    -- choose growing positions i1 < i2 < ..., then read the elements
    local parts, indexes = {}, {}
    for i = 1, count do
      indexes[i] = "i" .. i
      parts[i] = ("lambda i%d: "):format(i)
    end
    local body = "[" .. table.concat(indexes, ", ") .. "]"
    local text = "[" .. body .. "]"
    for i = count, 1, -1 do
      local from = i == 1 and "1" or ("i%d + 1"):format(i - 1)
      text = ("flatten(list_transform(range(%s, len($1) + 1), %s%s))"):format(from, parts[i], text)
    end
    return code.fill(("list_transform(%s, lambda p: list_transform(p, lambda i: list_extract($1, i)))"):format(text), args)
  end },
  { "multimap_from_entries", "a", multimap_of, function(self, args, node)
    local element = args[1].type.element
    if element.name ~= "row" or #element.fields ~= 2 then self:mismatch(node.pos, "multimap_from_entries needs an array of rows with "
      .. "two fields") end
    local first, second = code.quote_text(types.field_name(element.fields[1], 1)), code.quote_text(types.field_name(element.fields[2], 2))
    return code.fill(("trino.grouped(list_transform($1, lambda x: struct_pack(k := struct_extract(x, %s), v := struct_extract(x, "
      .. "%s))))"):format(first, second), args)
  end },
  { "split_to_multimap", "sss", "map(varchar, array(varchar))", "trino.grouped(trino.text_pairs($1, $2, $3))" },
}

-- array_sort(array, (x, y) -> comparison): counts how many elements come before each
local function element_pair(self, args, node, scope)
  local element = args[1].type.element
  if not element then self:mismatch(node.pos, "array_sort needs an array") end
  args[2] = self:lambda(node.args[2], { element, element }, scope)
end

registry.scalars {
  { "array_sort", "al", "=1", function(self, args, node)
    local f = args[2]
    local x, y = f.variables[1], f.variables[2]
    local list = '"' .. self:unique_name("a") .. '"'
    local function at(i) return new(nil, nil, "list_extract(", list, ", ", i, ")") end
    -- rank of element i: elements before it by the comparator, ties by position
    local comparison = new(nil, nil, "list_transform([", at("j"), "], lambda ", x, ": list_transform([", at("i"), "], lambda ", y, ": ",
      f.body, ")[1])[1]")
    local rank = new(nil, nil, "len(list_filter(range(1, len(", list, ") + 1), lambda j: coalesce(", comparison,
      " < 0, false) OR (j < i AND coalesce(", comparison, " = 0, false))))")
    local ranked = new(nil, nil, "list_sort(list_transform(range(1, len(", list, ") + 1), lambda i: struct_pack(r := ", rank, ", i := i)))")
    return new(node.pos, args[1].type, "list_transform([", args[1], "], lambda ", list, ": list_transform(", ranked,
      ", lambda s: list_extract(", list, ", s.i)))[1]")
  end, lambda = element_pair },
  { "map_zip_with", "mml", function(list) return types.map(list[1].key, list[3].returns) end, function(self, args, node)
    local f = args[3]
    local k, a, b = f.variables[1], f.variables[2], f.variables[3]
    local key = '"' .. self:unique_name("k") .. '"'
    local keys = new(nil, nil, "list_distinct(map_keys(", args[1], ") || map_keys(", args[2], "))")
    local value = new(nil, nil, "list_transform([", key, "], lambda ", k, ": list_transform([(", args[1], ")[", key, "]], lambda ", a,
      ": list_transform([(", args[2], ")[", key, "]], lambda ", b, ": ", f.body, ")[1])[1])[1]")
    return new(node.pos, types.map(args[1].type.key, f.type.returns), "map_from_entries(list_transform(", keys, ", lambda ", key,
      ": struct_pack(k := ", key, ", v := ",
      value, ")))")
  end, lambda = function(self, args, node, scope)
    local first, second = args[1].type, args[2].type
    if first.name ~= "map" or second.name ~= "map" then self:mismatch(node.pos, "map_zip_with needs two maps") end
    args[3] = self:lambda(node.args[3], { first.key, first.value, second.value }, scope)
  end },
}

-- regexp_replace(text, pattern, groups -> text): pieces between the matches stay
registry.scalars {
  { "regexp_replace", "ssl", "varchar", function(self, args, node)
    local f = args[3]
    local pattern = node.args[2]
    if pattern.kind ~= "string" then self:unsupported(pattern.pos, "regexp_replace with a lambda and a computed pattern") end
    local groups = select(2, pattern.value:gsub("\\.", ""):gsub("%(%?", ""):gsub("%(", ""))
    local p = '"' .. self:unique_name("m") .. '"'
    local captures = {}
    for i = 1, groups do captures[i] = new(nil, nil, "regexp_extract(", p, ", ", args[2], (", %d)"):format(i)) end
    local replaced = new(nil, nil, "list_transform(regexp_extract_all(", args[1], ", ", args[2], "), lambda ", p,
      ": list_transform([[", code.join(captures, ", "), "]], lambda ", f.variables[1], ": ", f.body, ")[1])")
    local rest = new(nil, nil, "string_split_regex(", args[1], ", ", args[2], ")")
    return new(node.pos, types.varchar, "array_to_string(list_transform(list_zip(", rest, ", ", replaced,
      "), lambda z: coalesce(z[1], '') || coalesce(z[2], '')), '')")
  end, lambda = function(self, args, node, scope)
    args[3] = self:lambda(node.args[3], { types.array(types.varchar) }, scope)
  end },
}

local pairs_of = "list(struct_pack(k := $1, v := $2)) FILTER (WHERE $1 IS NOT NULL)$s"

registry.aggregates {
  { "multimap_agg", "xx", function(list) return types.map(list[1], types.array(list[2])) end, "trino.grouped(" .. pairs_of .. ")" },
  { "map_union", "m", "=1", "trino.last_map(list_reverse(flatten(list(list_transform(map_entries($1), lambda e: struct_pack(k := "
    .. "e.key, v := e.value)))$s)))" },
  { "set_agg", "x", function(list) return types.array(list[1]) end, "trino.distinct_list(list($1)$s)" },
  { "regr_r2", "nn", "double", "regr_r2(CAST($1 AS DOUBLE), CAST($2 AS DOUBLE))$s" },
  { "regr_count", "nn", "bigint", "CAST(regr_count(CAST($1 AS DOUBLE), CAST($2 AS DOUBLE))$s AS BIGINT)" },
  { "regr_avgx", "nn", "double", "regr_avgx(CAST($1 AS DOUBLE), CAST($2 AS DOUBLE))$s" },
  { "regr_avgy", "nn", "double", "regr_avgy(CAST($1 AS DOUBLE), CAST($2 AS DOUBLE))$s" },
  { "regr_sxx", "nn", "double", "regr_sxx(CAST($1 AS DOUBLE), CAST($2 AS DOUBLE))$s" },
  { "regr_sxy", "nn", "double", "regr_sxy(CAST($1 AS DOUBLE), CAST($2 AS DOUBLE))$s" },
  { "regr_syy", "nn", "double", "regr_syy(CAST($1 AS DOUBLE), CAST($2 AS DOUBLE))$s" },
}
