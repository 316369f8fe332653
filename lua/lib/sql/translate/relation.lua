-- FROM: every relation becomes a piece of SQL and a list of fields. Tables are what the caller says they are; nothing
-- else can be read.

local Translator = require("lib.sql.translate.translator")
local code = require("lib.sql.translate.code")
local errors = require("lib.errors")
local moments = require("lib.sql.translate.moments")
local names = require("lib.sql.names")
local scopes = require("lib.sql.translate.scope")
local type_parser = require("lib.sql.parse.type")
local types = require("lib.sql.types")

local new, quote = code.new, names.quote
local rules = {}

---@param node table
---@param outer SqlScope?      what surrounds the query
---@param left SqlField[]?     fields of relations to the left, for LATERAL and UNNEST
---@return SqlCode, SqlField[]
function Translator:relation(node, outer, left)
  return rules[node.kind](self, node, outer, left or {})
end

local function field(name, t, alias, column, relation, path)
  return { name = name, type = t, sql = quote(alias) .. "." .. quote(column), relation = relation, path = path }
end

-- AS alias (a, b): the fields under their new names.
local function rename(self, node, fields)
  local columns = node.alias_columns
  if columns and #columns ~= #fields then
    self:fault(node.alias.pos, "MISMATCHED_COLUMN_ALIASES", ("Column alias list has %d entries but '%s' has %d columns available")
      :format(#columns, node.alias.name, #fields))
  end
  local renamed = {}
  for i, f in ipairs(fields) do
    renamed[i] = { name = columns and columns[i].name or f.name, type = f.type, sql = f.sql, relation = f.relation, path = f.path,
      open = f.open }
    if node.alias then renamed[i].relation, renamed[i].path = node.alias.name:lower(), nil end
  end
  return renamed
end

-- Fields of a relation whose columns nobody described: those that the alias names, or whatever is asked for.
local function open_fields(node, alias, relation, path)
  if not node.alias_columns then return "", { { name = "", open = true, type = types.any, sql = quote(alias), relation = relation,
    path = path } } end
  local fields, written = {}, {}
  for i, column in ipairs(node.alias_columns) do
    written[i] = quote(column.name)
    fields[i] = field(column.name, types.any, alias, column.name, relation, path)
  end
  return "(" .. table.concat(written, ", ") .. ")", fields
end

local function sampled(self, node, piece)
  if not node.sample then return piece end
  local percentage = node.sample.percentage
  local text = (percentage.kind == "integer" or percentage.kind == "decimal") and percentage.text or nil
  if not text then self:unsupported(node.sample.pos, "TABLESAMPLE with anything but a number") end
  return new(node.pos, nil, piece, (" TABLESAMPLE %s(%s PERCENT)"):format(node.sample.method:lower(), text))
end

-- The types of a table's columns, as the catalog spells them.
function Translator:column_types(columns, pos)
  local list = {}
  for i, column in ipairs(columns) do
    local t, message = type_parser.parse(column.type)
    if not t then self:unsupported(pos, ("column %s of type %s (%s)"):format(column.name, column.type, message)) end
    list[i] = t
  end
  return list
end

-- FOR TIMESTAMP AS OF / FOR VERSION AS OF: a moment in epoch milliseconds or a snapshot's id, known before the query runs.
local function as_of(self, period)
  if not period then return nil end
  if period.by == "version" then
    local id = period.value.kind == "integer" and math.tointeger(tonumber(period.value.text))
    return { snapshot_id = id or self:unsupported(period.pos, "FOR VERSION AS OF with anything but a snapshot id") }
  end
  local ms = moments.milliseconds(period.value, self.ctx.now)
  return { timestamp_ms = ms or self:unsupported(period.pos, "FOR TIMESTAMP AS OF with anything but a timestamp or CURRENT_TIMESTAMP "
    .. "and intervals") }
end

-- A table of the catalog: what ctx.table answers is all that is ever read.
function Translator:catalog_table(name, pos, period)
  local ref, message = names.table_ref(name)
  if not ref then self:fault(pos, "SYNTAX_ERROR", message) end
  if not ref.database and not self.ctx.database then
    self:fault(pos, "MISSING_SCHEMA_NAME", ("Schema must be specified when session schema is not set: write database.%s")
      :format(ref.table))
  end
  local line, column = self:where(pos)
  local asked = { catalog = ref.catalog, database = ref.database or self.ctx.database, table = ref.table, suffix = ref.suffix,
    written_database = ref.database, as_of = as_of(self, period), line = line, column = column, pos = pos }
  local found, err = self.ctx.table(asked)
  if not found then
    if errors.is(err) and err.code ~= "NotFound" then error({ sql_error = err }, 0) end
    local hint = errors.is(err) and err.details and err.details.nearest
    if errors.is(err) and err.details and err.details.no_database then
      self:fault(pos, "SCHEMA_NOT_FOUND", ("Schema '%s' does not exist%s"):format(asked.database, hint
        and (". Did you mean '%s'?"):format(hint) or ""))
    end
    self:fault(pos, "TABLE_NOT_FOUND", ("Table '%s.%s' does not exist%s"):format(asked.catalog or "awsdatacatalog",
      names.shown { database = asked.database, table = asked.table, suffix = asked.suffix }, hint
        and (". Did you mean '%s'?"):format(hint) or ""))
  end
  self.tables[#self.tables + 1] = asked
  return found, asked
end

function rules.table_ref(self, node)
  local first = node.name[1]
  local named = #node.name == 1 and self:named_query(first.name)
  local piece
  local fields = {}
  if named then
    if node.period then self:fault(node.period.pos, "INVALID_TABLE_FUNCTION_INVOCATION", "FOR ... AS OF needs a table") end
    local alias = self:unique_name(node.alias and node.alias.name or first.name)
    piece = new(node.pos, nil, quote(named.sql_name), " AS ", quote(alias))
    if named.open then piece[#piece + 1], fields = open_fields(node, alias, first.name:lower()) end
    for i, column in ipairs(named.open and {} or named.columns) do
      fields[i] = field(column.name, column.type, alias, column.sql_name, first.name:lower())
    end
  else
    local found, asked = self:catalog_table(node.name, node.pos, node.period)
    local alias = self:unique_name(node.alias and node.alias.name or asked.table)
    piece = new(node.pos, nil, found.sql, " AS ", quote(alias))
    local path = { asked.catalog or "awsdatacatalog", asked.database, asked.table .. (asked.suffix or "") }
    if found.open then piece[#piece + 1], fields = open_fields(node, alias, path[3], path) end
    for i, t in ipairs(self:column_types(found.columns or {}, node.pos)) do
      local column = found.columns[i]
      fields[i] = field(column.name, t, alias, column.name, path[3], path)
      fields[i].hidden = column.hidden
    end
  end
  return sampled(self, node, piece), rename(self, node, fields)
end

local function derived(self, node, query, columns, lateral)
  local alias = self:unique_name(node.alias and node.alias.name or "q")
  local fields = {}
  for i, column in ipairs(columns) do fields[i] = field(column.unnamed and "" or column.name, column.type, alias, column.sql_name, nil) end
  local piece = new(node.pos, nil, lateral and "LATERAL (" or "(", query, ") AS ", quote(alias))
  if columns.open then piece[#piece + 1], fields = open_fields(node, alias) end
  return sampled(self, node, piece), rename(self, node, fields)
end

function rules.subquery_relation(self, node, outer)
  local query, columns = self:query(node.query, outer, {})
  return derived(self, node, query, columns)
end

function rules.lateral(self, node, outer, left)
  local query, columns = self:query(node.query, scopes.new(left, outer), {})
  return derived(self, node, query, columns, true)
end

function rules.bracketed_relation(self, node, outer, left)
  local piece, fields = self:relation(node.relation, outer, left)
  if node.alias then fields = rename(self, node, fields) end
  return new(node.pos, nil, "(", piece, ")"), fields
end

-- One argument of UNNEST: the unnest() calls of the inner query, and how the columns read from them.
local function unnest_argument(self, piece, i)
  local t = piece.type
  local base = "e" .. i
  if t.name == "any" then t = types.array(types.any) end
  if t.name == "map" then
    return { { base .. "k", new(nil, nil, "unnest(map_keys(", piece, "))") }, { base .. "v", new(nil, nil, "unnest(map_values(", piece,
      "))") } },
      { { t.key, quote(base .. "k") }, { t.value, quote(base .. "v") } }, new(nil, nil, "cardinality(", piece, ")")
  elseif t.name == "array" then
    local inner = { { base, new(nil, nil, "unnest(", piece, ")") } }
    local length = new(nil, nil, "len(", piece, ")")
    if t.element.name ~= "row" then return inner, { { t.element, quote(base) } }, length end
    local columns = {}
    for n, f in ipairs(t.element.fields) do
      columns[n] = { f.type, ("struct_extract(%s, %s)"):format(quote(base), code.quote_text(types.field_name(f, n))), f.name }
    end
    return inner, columns, length
  end
  self:mismatch(piece.pos, ("Cannot unnest type: %s"):format(types.text(t)))
end

function rules.unnest(self, node, outer, left)
  local pieces = self:exprs(node.items, scopes.new(left, outer))
  local alias = self:unique_name(node.alias and node.alias.name or "u")
  local inner, written, lengths, fields = {}, {}, {}, {}
  for i, piece in ipairs(pieces) do
    local calls, columns, length = unnest_argument(self, piece, i)
    for _, call in ipairs(calls) do inner[#inner + 1] = new(nil, nil, call[2], " AS ", quote(call[1])) end
    lengths[i] = new(nil, nil, "coalesce(", length, ", 0)")
    for _, column in ipairs(columns) do
      local name = "c" .. (#fields + 1)
      written[#written + 1] = column[2] .. " AS " .. quote(name)
      fields[#fields + 1] = field(column[3] or "", column[1], alias, name)
    end
  end
  if node.ordinality then
    inner[#inner + 1] = new(nil, nil, "unnest(range(1, greatest(", code.join(lengths, ", "), ") + 1)) AS ", quote("n"))
    written[#written + 1] = quote("n")
    fields[#fields + 1] = field("", types.bigint, alias, "n")
  end
  local piece = new(node.pos, nil, "LATERAL (SELECT ", table.concat(written, ", "), " FROM (SELECT ", code.join(inner, ", "), ")) AS ",
    quote(alias))
  return piece, rename(self, node, fields)
end

-- Joins ------------------------------------------------------------------------------------------------------------

local function find_column(fields, name)
  local found
  for _, f in ipairs(fields) do
    if f.name:lower() == name then
      if found then return nil, true end
      found = f
    end
  end
  return found
end

local function common_columns(left, right)
  local list = {}
  for _, f in ipairs(left) do
    if find_column(right, f.name:lower()) and not f.hidden then list[#list + 1] = { name = f.name, pos = nil } end
  end
  return list
end

local merged_value = {
  LEFT = function(l) return l end, INNER = function(l) return l end, RIGHT = function(_, r) return r end,
  FULL = function(l, r) return ("coalesce(%s, %s)"):format(l, r) end,
}

local function is_open(fields)
  for _, f in ipairs(fields) do
    if f.open then return true end
  end
  return false
end

-- With an undescribed side the engine does what USING does.
local function open_using(columns, left, right)
  local written, merged = {}, {}
  for i, column in ipairs(columns) do
    written[i] = quote(column.name)
    merged[i] = { name = column.name, type = types.any, sql = quote(column.name) }
  end
  local both = table.move(right, 1, #right, #left + 1, table.move(left, 1, #left, 1, {}))
  for _, f in ipairs(both) do
    local is_merged = false
    for _, column in ipairs(columns) do is_merged = is_merged or f.name:lower() == column.name:lower() end
    if not is_merged then merged[#merged + 1] = f end
  end
  return nil, merged, " USING (" .. table.concat(written, ", ") .. ")"
end

-- USING (a, b): equality of both sides; the column exists once.
local function using(self, node, left, right, columns)
  local conditions, merged, dropped = {}, {}, {}
  for i, column in ipairs(columns) do
    local name = column.name:lower()
    local pair = {}
    if is_open(left) or is_open(right) then return open_using(columns, left, right) end
    for side, fields in ipairs { left, right } do
      local found, twice = find_column(fields, name)
      if not found then
        self:fault(column.pos or node.pos, twice and "AMBIGUOUS_NAME" or "COLUMN_NOT_FOUND",
          ("Column '%s' is %s on %s side of join"):format(column.name, twice and "ambiguous" or "missing", side == 1 and "left" or "right"))
      end
      pair[side] = found
      dropped[found] = true
    end
    local l, r = pair[1], pair[2]
    conditions[i] = self:compare("=", new(nil, l.type, l.sql), new(nil, r.type, r.sql), column.pos or node.pos)
    merged[i] = { name = l.name, type = types.common(l.type, r.type), sql = merged_value[node.type](l.sql, r.sql) }
  end
  for _, fields in ipairs { left, right } do
    for _, f in ipairs(fields) do
      if not dropped[f] then merged[#merged + 1] = f end
    end
  end
  return code.join(conditions, " AND "), merged
end

function rules.join(self, node, outer, left_of)
  local left, left_fields = self:relation(node.left, outer, left_of)
  local visible = table.move(left_fields, 1, #left_fields, #left_of + 1, table.move(left_of, 1, #left_of, 1, {}))
  local right, right_fields = self:relation(node.right, outer, visible)
  local both = table.move(right_fields, 1, #right_fields, #left_fields + 1, table.move(left_fields, 1, #left_fields, 1, {}))
  if node.right.kind == "join" then right = new(nil, nil, "(", right, ")") end
  if node.type == "CROSS" then return new(node.pos, nil, left, " CROSS JOIN ", right), both end
  local on, native
  if node.natural then
    local shared = common_columns(left_fields, right_fields)
    if #shared == 0 then return new(node.pos, nil, left, " ", node.type, " JOIN ", right, " ON true"), both end
    on, both = using(self, node, left_fields, right_fields, shared)
  elseif node.using then
    on, both, native = using(self, node, left_fields, right_fields, node.using)
  else
    on = self:condition(node.on, scopes.new(both, scopes.new(left_of, outer)), "JOIN ON clause")
  end
  return new(node.pos, nil, left, " ", node.type, " JOIN ", right, native or " ON ", on or ""), both
end

-- FROM a, b, c
function Translator:from(list, outer)
  local pieces, fields = {}, {}
  for i, node in ipairs(list) do
    local piece, more = self:relation(node, outer, fields)
    pieces[i] = piece
    fields = table.move(more, 1, #more, #fields + 1, fields)
  end
  return code.join(pieces, ", "), fields
end

return Translator
