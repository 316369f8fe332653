-- One SELECT: its items, grouping, windows; and VALUES and TABLE, which are queries without one.

local Translator = require("lib.sql.translate.translator")
local code = require("lib.sql.translate.code")
local names = require("lib.sql.names")
local scopes = require("lib.sql.translate.scope")
local types = require("lib.sql.types")

local new, quote = code.new, names.quote

---@class SqlColumn
---@field name string       what the user sees
---@field type SqlType
---@field sql_name string   what the engine sees
---@field piece SqlCode?    the expression behind it

-- How a column without an alias is called: after the column or field it shows, else not at all.
local function implied_name(node)
  if node.kind == "identifier" then return node.name end
  if node.kind == "dereference" then return node.field.name end
  return nil
end

-- alias.* and row.*
local function star_of(self, item, scope)
  local parts, node = {}, item.of
  while node.kind == "dereference" do
    table.insert(parts, 1, node.field.name:lower())
    node = node.base
  end
  if node.kind == "identifier" then
    table.insert(parts, 1, node.name:lower())
    local fields = scopes.fields_of(scope, parts)
    if fields then return fields end
  end
  local base = self:expr(item.of, scope)
  if base.type.name ~= "row" then self:mismatch(item.pos, "Cannot expand a value of type " .. types.text(base.type)) end
  local fields = {}
  for i, f in ipairs(base.type.fields) do
    fields[i] = { name = f.name or "", type = f.type,
      piece = new(item.pos, f.type, "struct_extract(", base, ", ", code.quote_text(types.field_name(f, i)), ")") }
  end
  return fields
end

local function field_piece(field, pos)
  local piece = new(pos, field.type, field.sql)
  piece.field = field
  return piece
end

local function expand_star(self, item, scope)
  local fields = item.of and star_of(self, item, scope) or scope.fields
  if not item.of and #fields == 0 then self:fault(item.pos, "COLUMN_NOT_FOUND", "SELECT * not allowed in queries without FROM clause") end
  local columns = {}
  for _, f in ipairs(fields) do
    if f.open then
      columns[#columns + 1] = { name = "", type = types.any, star = true, piece = new(item.pos, types.any, f.sql, ".*") }
      columns.open = true
    elseif not f.hidden then
      columns[#columns + 1] = { name = f.name, type = f.type, piece = f.piece or field_piece(f, item.pos) }
    end
  end
  if item.columns then
    if #item.columns ~= #columns then
      self:fault(item.pos, "MISMATCHED_COLUMN_ALIASES", ("Column alias list has %d entries but relation has %d "
        .. "columns"):format(#item.columns, #columns))
    end
    for i, alias in ipairs(item.columns) do columns[i].name = alias.name end
  end
  return columns
end

-- The columns of a SELECT list, stars expanded.
local function select_columns(self, items, scope)
  local columns = {}
  for _, item in ipairs(items) do
    if item.kind == "star" then
      local expanded = expand_star(self, item, scope)
      table.move(expanded, 1, #expanded, #columns + 1, columns)
      columns.open = columns.open or expanded.open
    else
      local piece = self:expr(item.expression, scope)
      if piece.type.name == "function" then self:mismatch(item.pos, "a lambda cannot be selected") end
      columns[#columns + 1] = { name = item.alias and item.alias.name or implied_name(item.expression) or "", type = piece.type,
        piece = piece }
    end
  end
  return columns
end

-- Gives each column a name for the engine: its own, made unique unless the result goes to the user.
function Translator:name_columns(columns, top) -- luacheck: no self
  local used = {}
  for i, column in ipairs(columns) do
    if column.name == "" then column.unnamed = true end
    local shown = column.name ~= "" and column.name or "_col" .. (i - 1)
    local sql_name, count = shown, 1
    while not top and used[sql_name:lower()] do
      count = count + 1
      sql_name = shown .. "_" .. count
    end
    used[sql_name:lower()] = true
    column.sql_name = sql_name
    if top then column.name = shown end
  end
end

-- The value as it leaves the engine: the digits of timestamps, the zone, intervals as text.
function Translator:as_result(piece)
  local t = piece.type
  if t.name == "timestamp" or (t.name == "array" and t.element.name == "timestamp") then
    local engine = types.engine_output(t)
    if engine ~= types.engine(t) then return new(piece.pos, t, "CAST(", piece, " AS ", engine, ")") end
  elseif t.name == "timestamp with time zone" or types.is_interval(t) or (t.name == "time" and t.precision <= 6) then
    return new(piece.pos, t, self:cast(piece, types.varchar, piece.pos))
  end
  return piece
end

-- GROUP BY -----------------------------------------------------------------------------------------------------------

local function group_item(self, node, columns, scope)
  if node.kind == "integer" then
    local position = tonumber(node.text)
    local column = columns[position]
    if not column then self:fault(node.pos, "INVALID_COLUMN_REFERENCE", ("GROUP BY position %s is not in select "
      .. "list"):format(node.text)) end
    return column.piece
  end
  return self:expr(node, scope)
end

-- In a query that groups, a column outside of aggregates must be one that the rows are grouped by.
local function check_grouped(self, node, columns, scope, having)
  local grouped, own = {}, {}
  local function note(items)
    for _, item in ipairs(items) do
      if item.kind == "row" and not item.explicit then note(item.items) end
      grouped[code.render(group_item(self, item, columns, scope))] = true
    end
  end
  local function note_element(element)
    if element.items then note(element.items) end
    for _, set in ipairs(element.sets or {}) do
      if set.kind then note_element(set) else note(set) end
    end
  end
  for _, element in ipairs(node.group_by or {}) do note_element(element) end
  for _, field in ipairs(scope.fields) do own[field] = true end
  local seen = {}
  local function walk(piece)
    if type(piece) ~= "table" or piece.aggregated or seen[piece] then return end
    seen[piece] = true -- pieces are shared: a tree of them can be far larger than what was written
    if piece.type and next(grouped) and grouped[code.render(piece)] then return end
    if piece.field and own[piece.field] then
      self:fault(piece.pos, "EXPRESSION_NOT_AGGREGATE", ("'%s' must be an aggregate expression or appear in GROUP BY clause"):format(piece.field.name))
    end
    for _, part in ipairs(piece) do walk(part) end
  end
  for _, column in ipairs(columns) do walk(column.piece) end
  if having then walk(having) end
end

local function group_set(self, set, columns, scope)
  local pieces = {}
  for i, node in ipairs(set) do pieces[i] = group_item(self, node, columns, scope) end
  return #pieces == 1 and pieces[1] or new(nil, nil, "(", code.join(pieces, ", "), ")")
end

local grouping_words = { rollup = "ROLLUP (", cube = "CUBE (", grouping_sets = "GROUPING SETS (" }

local function grouping_element(self, element, columns, scope, inside)
  if element.kind == "group" then
    if inside then return group_set(self, element.items, columns, scope) end
    if #element.items == 0 then return new(element.pos, nil, "GROUPING SETS (())") end
    local pieces = {}
    for i, node in ipairs(element.items) do pieces[i] = group_item(self, node, columns, scope) end
    return code.join(pieces, ", ")
  end
  local sets = {}
  for i, set in ipairs(element.sets) do
    sets[i] = element.kind == "grouping_sets" and grouping_element(self, set, columns, scope, true) or group_set(self, set, columns, scope)
  end
  return new(element.pos, nil, grouping_words[element.kind], code.join(sets, ", "), ")")
end

-- Windows ------------------------------------------------------------------------------------------------------------

local function frame_bound(self, bound, scope)
  if not bound.value then return bound.bound:upper() end
  return new(bound.pos, nil, self:expr(bound.value, scope), " ", bound.bound:upper())
end

function Translator:window(node, scope)
  if node.only_name then return quote("w_" .. node.name.name:lower()) end
  local parts = {}
  if node.name then parts[#parts + 1] = quote("w_" .. node.name.name:lower()) end
  if node.partition_by then parts[#parts + 1] = new(nil, nil, "PARTITION BY ", code.join(self:exprs(node.partition_by, scope), ", ")) end
  if node.order_by then parts[#parts + 1] = new(nil, nil, "ORDER BY ", self:sort_items(node.order_by, scope)) end
  if node.frame then
    local from = frame_bound(self, node.frame.from, scope)
    local piece = new(node.frame.pos, nil, node.frame.unit, " ")
    if node.frame.to then
      table.move({ "BETWEEN ", from, " AND ", frame_bound(self, node.frame.to, scope) }, 1, 4, #piece + 1, piece)
    else
      piece[#piece + 1] = from
    end
    parts[#parts + 1] = piece
  end
  return new(node.pos, nil, "(", code.join(parts, " "), ")")
end

-- The body -------------------------------------------------------------------------------------------------------------

---@param node table
---@param outer SqlScope?
---@param opts table  {top: the statement's result, raw: kept in a table, so values stay as they are}
---@return SqlCode, SqlColumn[], SqlScope
function Translator:select(node, outer, opts)
  local from, fields = nil, {}
  if node.from then from, fields = self:from(node.from, outer) end
  local scope = scopes.new(fields, outer)
  local aggregate_outside = self.has_aggregate
  self.has_aggregate = false
  local columns = select_columns(self, node.items, scope)
  local having = node.having and self:condition(node.having, scope, "HAVING clause")
  if (node.group_by or having or self.has_aggregate) and not columns.open then check_grouped(self, node, columns, scope, having) end
  self.has_aggregate = aggregate_outside
  self:name_columns(columns, opts.top)
  local written = {}
  for i, column in ipairs(columns) do
    local value = opts.top and not opts.raw and self:as_result(column.piece) or column.piece
    written[i] = column.star and value or new(nil, nil, value, " AS ", quote(column.sql_name))
  end
  local piece = new(node.pos, nil, "SELECT ", node.distinct and "DISTINCT " or "", code.join(written, ", "))
  local function clause(...) table.move({ ... }, 1, select("#", ...), #piece + 1, piece) end
  if from then clause(" FROM ", from) end
  if node.where then clause(" WHERE ", self:condition(node.where, scope, "WHERE clause")) end
  if node.group_by then
    local elements = {}
    for i, element in ipairs(node.group_by) do elements[i] = grouping_element(self, element, columns, scope) end
    clause(" GROUP BY ", code.join(elements, ", "))
  end
  if having then clause(" HAVING ", having) end
  if node.windows then
    local definitions = {}
    for i, definition in ipairs(node.windows) do
      definitions[i] = new(nil, nil, quote("w_" .. definition.name.name:lower()), " AS ", self:window(definition.window, scope))
    end
    clause(" WINDOW ", code.join(definitions, ", "))
  end
  return piece, columns, scope
end

-- VALUES 1, (2, 'x'), ROW(3, 'y')
function Translator:values(node, outer, opts)
  local rows, width = {}, nil
  for i, row in ipairs(node.rows) do
    local items = row.kind == "row" and row.items or { row }
    width = width or #items
    if #items ~= width then
      self:mismatch(row.pos, ("Values rows have mismatched sizes: %d vs %d"):format(width, #items))
    end
    rows[i] = self:exprs(items, outer or scopes.new({}))
  end
  local columns, written, inner_names = {}, {}, {}
  local alias = quote(self:unique_name("v"))
  for c = 1, width do
    local pieces = {}
    for r, row in ipairs(rows) do pieces[r] = row[c] end
    local t = self:unify(pieces, node.pos, "VALUES rows")
    for r, row in ipairs(rows) do row[c] = pieces[r] end
    inner_names[c] = quote("c" .. c)
    columns[c] = { name = "", type = t, piece = new(node.pos, t, alias, ".", inner_names[c]) }
  end
  self:name_columns(columns, opts.top)
  for c, column in ipairs(columns) do
    written[c] = new(nil, nil, opts.top and not opts.raw and self:as_result(column.piece) or column.piece, " AS ", quote(column.sql_name))
  end
  for r, row in ipairs(rows) do rows[r] = new(nil, nil, "(", code.join(row, ", "), ")") end
  return new(node.pos, nil, "SELECT ", code.join(written, ", "), " FROM (VALUES ", code.join(rows, ", "), ") AS ", alias, "(",
    table.concat(inner_names, ", "), ")"), columns
end

return Translator
