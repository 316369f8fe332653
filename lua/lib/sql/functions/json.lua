-- Functions on JSON, and the SQL/JSON forms that the parser reads as calls.

local code = require("lib.sql.translate.code")
local macros = require("lib.sql.macros")
local registry = require("lib.sql.functions.registry")
local types = require("lib.sql.types")

macros.add {
  { "json_or_null(j)", "CASE WHEN json_valid(j) THEN json(j) END" },
  { "json_scalar(j, p)", "CASE WHEN json_type(json_extract(trino.json_or_null(j), p)) IN ('OBJECT', 'ARRAY') THEN NULL ELSE "
    .. "json_extract_string(trino.json_or_null(j), p) END" },
  { "json_length(j)", "CASE WHEN json_type(trino.json_or_null(j)) = 'ARRAY' THEN CAST(json_array_length(trino.json_or_null(j)) AS "
    .. "BIGINT) END" },
  { "json_size(j)", "CASE json_type(j) WHEN 'OBJECT' THEN CAST(len(json_keys(j)) AS BIGINT) WHEN 'ARRAY' THEN "
    .. "CAST(json_array_length(j) AS BIGINT) "
    .. "ELSE CASE WHEN j IS NULL THEN NULL ELSE 0 END END" },
  { "json_item(j, i)", "json_extract(trino.json_or_null(j), CASE WHEN i >= 0 THEN '$[' ELSE '$[#' END || i || ']')" },
  { "json_holds(j, v)", "CASE WHEN json_type(trino.json_or_null(j)) = 'ARRAY' THEN list_contains(CAST(trino.json_or_null(j) AS "
    .. "JSON[]), to_json(v)) END" },
}

-- $.a["b c"][0] and lax/strict in front -> the engine's path, or nil
local function engine_path(text)
  local rest = text:gsub("^%s*lax%s+", ""):gsub("^%s*strict%s+", ""):gsub("%s+$", "")
  if rest:sub(1, 1) ~= "$" then rest = "$." .. rest end
  local out, i = { "$" }, 2
  while i <= #rest do
    local key, stop = rest:match("^%.([%w_]+)()", i)
    if not key then key, stop = rest:match('^%."([^"]*)"()', i) end
    if not key then key, stop = rest:match("^%[\"([^\"]*)\"%]()", i) end
    if not key then key, stop = rest:match("^%['([^']*)'%]()", i) end
    if not key then key, stop = rest:match("^%[([%a_][%w_]*)%]()", i) end
    local index, index_stop = rest:match("^%[(%d+)%]()", i)
    if key then
      out[#out + 1] = '."' .. key .. '"'
      i = stop
    elseif index then
      out[#out + 1] = "[" .. index .. "]"
      i = index_stop
    elseif rest:find("^%[%*%]", i) or rest:find("^%.%*", i) then
      out[#out + 1] = rest:sub(i, i) == "[" and "[*]" or ".*"
      i = i + (rest:sub(i, i) == "[" and 3 or 2)
    else
      return nil
    end
  end
  local path = table.concat(out)
  return path, path:find("*", 1, true) ~= nil
end

-- Puts the engine's path in the place of a literal one; says whether it has wildcards.
local function path_argument(self, args, node, index)
  local argument = node.args[index]
  if argument.kind ~= "string" then return false end
  local path, many = engine_path(argument.value)
  if not path then self:unsupported(argument.pos, "the JSON path " .. argument.value) end
  args[index] = self:literal_text(argument.pos, path)
  return many
end

local function json_extract(self, args, node)
  local many = path_argument(self, args, node, 2)
  if many then return code.fill("to_json(json_extract(trino.json_or_null($1), $2))", args) end
  return code.fill("json_extract(trino.json_or_null($1), $2)", args)
end

local function json_extract_scalar(self, args, node)
  local many = path_argument(self, args, node, 2)
  if many then return code.fill("list_extract(json_extract_string(trino.json_or_null($1), $2), 1)", args) end
  return code.fill("trino.json_scalar($1, $2)", args)
end

registry.scalars {
  { "json_extract", "js", "json", json_extract },
  { "json_extract_scalar", "js", "varchar", json_extract_scalar },
  { "json_parse", "s", "json", "json($1)", try = "trino.json_or_null($1)" },
  { "json_format", "j", "varchar", "CAST($1 AS VARCHAR)" },
  { "json_array_length", "j", "bigint", "trino.json_length($1)" },
  { "json_array_get", "ji", "json", "trino.json_item($1, $2)" },
  { "json_array_contains", "jx", "boolean", "trino.json_holds($1, $2)" },
  { "json_size", "js", "bigint", function(self, args, node)
    path_argument(self, args, node, 2)
    return code.fill("trino.json_size(json_extract(trino.json_or_null($1), $2))", args)
  end },
  { "is_json_scalar", "j", "boolean", "(json_type($1) NOT IN ('OBJECT', 'ARRAY'))" },
}

-- SQL/JSON: the parser makes these calls with the extra clauses on the node ---------------------------------------------

local function returning(self, piece, node)
  if not node.returning then return piece end
  local t = node.returning
  if types.is_text(t) then return piece end
  return self:cast(piece, t, node.pos, true)
end

local function on_empty(self, piece, node, scope)
  if node.default then
    local default = self:cast(self:expr(node.default, scope), node.returning or types.varchar, node.pos)
    return code.new(node.pos, node.returning or types.varchar, "coalesce(", piece, ", ", default, ")")
  end
  return piece
end

local function path_of(self, node)
  local path = node.path.kind == "string" and engine_path(node.path.value)
  if not path then self:unsupported(node.path.pos, "this JSON path") end
  return code.quote_text(path), path:find("*", 1, true) ~= nil
end

---@param translator table  the class, to add the rules to
local function add_rules(translator)
  local rules = translator.expression_rules

  function rules.json_value(self, node, scope)
    local input = self:expr(node.input, scope)
    local path, many = path_of(self, node)
    local text = code.new(node.pos, types.varchar, many and "list_extract(json_extract_string(trino.json_or_null("
      or "trino.json_scalar(", input,
      many and "), " or ", ", path, many and "), 1)" or ")")
    return on_empty(self, returning(self, text, node), node, scope)
  end

  function rules.json_exists(self, node, scope)
    local path = path_of(self, node)
    local input = self:expr(node.input, scope)
    return code.new(node.pos, types.boolean, "coalesce(json_exists(trino.json_or_null(", input, "), ", path, "), ", input,
      " IS NULL AND NULL)")
  end

  function rules.json_query(self, node, scope)
    local path, many = path_of(self, node)
    local input = self:expr(node.input, scope)
    local found = code.new(nil, types.json, "json_extract(trino.json_or_null(", input, "), ", path, ")")
    if many and not node.wrapper then self:unsupported(node.pos, "JSON_QUERY of several values without a wrapper") end
    if many then found = code.new(nil, types.json, "to_json(", found, ")") end
    if not many and node.wrapper == "unconditional" then found = code.new(nil, types.json, "json_array(", found, ")") end
    return code.new(node.pos, types.varchar, "CAST(", found, " AS VARCHAR)")
  end

  function rules.json_object(self, node, scope)
    local parts = {}
    for _, member in ipairs(node.members) do
      local value = self:expr(member.value, scope)
      if node.absent_on_null then self:unsupported(node.pos, "JSON_OBJECT ... ABSENT ON NULL") end
      parts[#parts + 1] = self:expr(member.key, scope)
      parts[#parts + 1] = member.format_json and code.new(nil, nil, "json(", value, ")") or value
    end
    return code.new(node.pos, types.varchar, "CAST(json_object(", code.join(parts, ", "), ") AS VARCHAR)")
  end

  function rules.json_array(self, node, scope)
    local parts = {}
    for i, item in ipairs(node.items) do
      local value = self:expr(item.value, scope)
      parts[i] = item.format_json and code.new(nil, nil, "json(", value, ")") or code.new(nil, nil, "to_json(", value, ")")
    end
    local list = code.new(nil, nil, "[", code.join(parts, ", "), "]")
    if #parts == 0 then return code.new(node.pos, types.varchar, "'[]'") end
    if not node.null_on_null then list = code.new(nil, nil, "list_filter(", list, ", lambda x: x IS NOT NULL)") end
    return code.new(node.pos, types.varchar, "CAST(to_json(", list, ") AS VARCHAR)")
  end
end

return { add_rules = add_rules }
