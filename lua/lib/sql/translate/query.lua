-- Whole queries: WITH, set operations, ORDER BY, OFFSET, LIMIT.

local Translator = require("lib.sql.translate.translator")
local code = require("lib.sql.translate.code")
local names = require("lib.sql.names")
local scopes = require("lib.sql.translate.scope")
local types = require("lib.sql.types")

local new, quote = code.new, names.quote

-- WITH -------------------------------------------------------------------------------------------------------------

---@return table?  {sql_name, columns}
function Translator:named_query(name)
  local list = self.named_queries
  name = name:lower()
  while list do
    if list.name == name then return list end
    list = list.outer
  end
  return nil
end

local function define(self, item, columns)
  local given = item.columns
  if columns.open and not given then
    return { name = item.name.name:lower(), sql_name = self:unique_name("with_" .. item.name.name), columns = {},
      outer = self.named_queries, open = true }
  end
  if columns.open then
    columns = {}
    for i in ipairs(given) do columns[i] = { type = types.any } end
  end
  if given and #given ~= #columns then
    self:fault(item.pos, "MISMATCHED_COLUMN_ALIASES", ("Column alias list has %d entries but WITH query has %d columns"):format(#given,
      #columns))
  end
  local defined = { name = item.name.name:lower(), sql_name = self:unique_name("with_" .. item.name.name), columns = {},
    outer = self.named_queries }
  for i, column in ipairs(columns) do
    defined.columns[i] = { name = given and given[i].name or (column.unnamed and "" or column.name), type = column.type, sql_name = "c"
      .. i }
  end
  return defined
end

-- The engine's name and column list of a WITH query.
local function heading(defined)
  if defined.open then return quote(defined.sql_name) end
  local list = {}
  for i, column in ipairs(defined.columns) do list[i] = quote(column.sql_name) end
  return quote(defined.sql_name) .. "(" .. table.concat(list, ", ") .. ")"
end

local function is_recursive_union(item)
  local body = item.query.body
  return body.kind == "set" and body.op == "UNION" and not item.query.with
end

-- A recursive query: the first branch tells the columns, the second may name the query itself.
local function recursive_item(self, item, outer)
  local body = item.query.body
  local anchor, columns = self:body(body.left, outer, {})
  local defined = define(self, item, columns)
  self.named_queries = defined
  local step, step_columns = self:body(body.right, outer, {})
  if #step_columns ~= #columns then self:mismatch(body.pos, "UNION query has different number of fields") end
  local casts, inner = {}, {}
  for i, column in ipairs(step_columns) do
    inner[i] = quote("c" .. i)
    casts[i] = self:coerce(new(nil, column.type, inner[i]), columns[i].type)
  end
  local step_name = quote(self:unique_name("s"))
  return defined, new(item.pos, nil, heading(defined), " AS (", anchor, body.all and " UNION ALL " or " UNION ", "SELECT ",
    code.join(casts, ", "), " FROM (", step, ") AS ", step_name, "(", table.concat(inner, ", "), "))")
end

local function with(self, node, outer)
  local pieces = {}
  for i, item in ipairs(node.items) do
    local defined, piece
    if node.recursive and is_recursive_union(item) then
      defined, piece = recursive_item(self, item, outer)
    else
      local query, columns = self:query(item.query, outer, {})
      defined = define(self, item, columns)
      piece = new(item.pos, nil, heading(defined), " AS (", query, ")")
    end
    self.named_queries = defined
    pieces[i] = piece
  end
  return new(node.pos, nil, node.recursive and "WITH RECURSIVE " or "WITH ", code.join(pieces, ", "), " ")
end

-- Set operations -----------------------------------------------------------------------------------------------------

-- A branch whose column types are not the common ones is wrapped in casts.
local function as_types(self, piece, columns, wanted)
  local same = true
  for i, column in ipairs(columns) do same = same and types.engine(column.type) == types.engine(wanted[i]) end
  if same then return piece end
  local alias = quote(self:unique_name("b"))
  local inner, written = {}, {}
  for i, column in ipairs(columns) do
    inner[i] = quote("c" .. i)
    written[i] = new(nil, nil, self:coerce(new(piece.pos, column.type, alias, ".", inner[i]), wanted[i]), " AS ", quote(column.sql_name))
  end
  return new(piece.pos, nil, "SELECT ", code.join(written, ", "), " FROM (", piece, ") AS ", alias, "(", table.concat(inner, ", "), ")")
end

-- Brackets only where they matter: long chains of UNION must not become deep.
local function joined(node, left, right)
  if node.right.kind == "set" then right = new(nil, nil, "(", right, ")") end
  return new(node.pos, nil, left, " ", node.op, node.all and " ALL " or " ", right)
end

local function set_operation(self, node, outer, opts)
  local left, left_columns = self:body(node.left, outer, {})
  local right, right_columns = self:body(node.right, outer, {})
  if left_columns.open or right_columns.open then
    return joined(node, left, right), left_columns
  end
  if #left_columns ~= #right_columns then
    self:mismatch(node.pos, ("%s query has different number of fields: %d, %d"):format(node.op, #left_columns, #right_columns))
  end
  local wanted, columns = {}, {}
  for i, column in ipairs(left_columns) do
    wanted[i] = types.common(column.type, right_columns[i].type)
    if not wanted[i] then
      self:mismatch(node.pos, ("column %d in %s query has incompatible types: %s, %s"):format(i, node.op, types.text(column.type),
        types.text(right_columns[i].type)))
    end
    columns[i] = { name = column.unnamed and "" or column.name, type = wanted[i] }
  end
  self:name_columns(columns, false)
  for i, column in ipairs(columns) do column.sql_name = left_columns[i].sql_name end
  local piece = joined(node, as_types(self, left, left_columns, wanted), as_types(self, right, right_columns, wanted))
  if opts.top then return self:as_top(piece, columns, opts) end
  return piece, columns
end

-- A query that is not a plain SELECT as the result of the statement.
function Translator:as_top(piece, columns, opts)
  local alias = quote(self:unique_name("r"))
  local inner, written = {}, {}
  local shown = {}
  for i, column in ipairs(columns) do
    inner[i] = quote("c" .. i)
    shown[i] = { name = column.unnamed and "" or column.name, type = column.type, piece = new(nil, column.type, alias, ".", inner[i]) }
  end
  self:name_columns(shown, true)
  for i, column in ipairs(shown) do written[i] = new(nil, nil, opts.raw and column.piece or self:as_result(column.piece), " AS ",
    quote(column.sql_name)) end
  return new(piece.pos, nil, "SELECT ", code.join(written, ", "), " FROM (", piece, ") AS ", alias, "(", table.concat(inner, ", "), ")"),
    shown
end

-- A query body. Only a plain SELECT gives a scope, for ORDER BY.
---@return SqlCode, SqlColumn[], SqlScope?
function Translator:body(node, outer, opts)
  if node.kind == "select" then return self:select(node, outer, opts) end
  if node.kind == "values" then return self:values(node, outer, opts) end
  if node.kind == "set" then return set_operation(self, node, outer, opts) end
  if node.kind == "table" then
    return self:select({ kind = "select", pos = node.pos, items = { { kind = "star", pos = node.pos } },
      from = { { kind = "table_ref", name = node.name, pos = node.pos } } }, outer, opts)
  end
  local piece, columns = self:query(node, outer, opts)
  return new(node.pos, nil, "(", piece, ")"), columns
end

-- ORDER BY -----------------------------------------------------------------------------------------------------------

local function direction(item, piece)
  local nulls = item.nulls and " NULLS " .. item.nulls:upper() or " NULLS LAST"
  return new(item.pos, nil, piece, item.descending and " DESC" or " ASC", nulls)
end

-- ORDER BY inside of windows and aggregates: expressions only.
function Translator:sort_items(items, scope)
  local pieces = {}
  for i, item in ipairs(items) do pieces[i] = direction(item, self:expr(item.expression, scope)) end
  return code.join(pieces, ", ")
end

local function position_of(self, item, columns)
  local expression = item.expression
  if expression.kind == "integer" then
    local position = tonumber(expression.text)
    if columns.open then return position end
    if position < 1 or position > #columns then
      self:fault(item.pos, "INVALID_COLUMN_REFERENCE", ("ORDER BY position %s is not in select list"):format(expression.text))
    end
    return position
  end
  if expression.kind ~= "identifier" or columns.open then return nil end
  local found
  for i, column in ipairs(columns) do
    if not column.unnamed and column.name:lower() == expression.name:lower() then
      if found and not (columns[found].piece and columns[found].piece[1] == column.piece[1]) then
        self:fault(item.pos, "AMBIGUOUS_NAME", ("Column '%s' is ambiguous"):format(expression.name))
      end
      found = found or i
    end
  end
  return found
end

-- Output columns come first, then the columns of FROM.
local function order_scope(columns, scope)
  local aliases = {}
  for _, column in ipairs(columns) do
    if column.piece and not column.unnamed then aliases[column.name:lower()] = { piece = column.piece, type = column.type } end
  end
  return { fields = {}, parent = scope or scopes.new({}), aliases = aliases }
end

-- A column that leaves as text (intervals, zones) must not be sorted as text.
local function sort_key(column, position, distinct)
  local leaves_as_text = column and (types.is_interval(column.type) or column.type.name == "timestamp with time zone")
  return leaves_as_text and column.piece and not distinct and column.piece or tostring(position)
end

-- Rows that DISTINCT made one have no single value of anything else to be sorted by.
local function check_distinct(self, item, piece, columns)
  local text = code.render(piece)
  if columns.open or text:find("SELECT", 1, true) then return end
  for _, column in ipairs(columns) do
    if not column.piece or code.render(column.piece) == text then return end
  end
  self:fault(item.pos, "EXPRESSION_NOT_IN_DISTINCT", "For SELECT DISTINCT, ORDER BY expressions must appear in select list")
end

local function order_by(self, node, columns, scope)
  local pieces, distinct = {}, node.body.distinct
  local inner = order_scope(columns, scope)
  for i, item in ipairs(node.order_by) do
    local position = position_of(self, item, columns)
    local piece = position and sort_key(columns[position], position, distinct) or self:expr(item.expression, inner)
    if distinct and not position then check_distinct(self, item, piece, columns) end
    pieces[i] = direction(item, piece)
  end
  return code.join(pieces, ", ")
end

-- Row limits -----------------------------------------------------------------------------------------------------------

local function count_of(self, node, what)
  local piece = self:expr(node, scopes.new({}))
  if not types.is_whole(piece.type) then self:mismatch(node.pos, what .. " must be a whole number") end
  return piece
end

-- FETCH FIRST n ROWS WITH TIES: rows whose rank by the sort keys is within n. The keys must be output columns.
local function with_ties(self, node, piece, columns)
  local keys = {}
  local alias, ranked = quote(self:unique_name("t")), quote(self:unique_name("k"))
  local inner, outer_names = {}, {}
  for i, column in ipairs(columns) do
    inner[i] = quote("c" .. i)
    outer_names[i] = ranked .. "." .. inner[i] .. " AS " .. quote(column.sql_name)
  end
  for i, item in ipairs(node.order_by) do
    local position = position_of(self, item, columns)
    if not position then self:unsupported(item.pos, "WITH TIES ordered by anything but output columns") end
    keys[i] = direction(item, alias .. "." .. inner[position])
  end
  local order = code.join(keys, ", ")
  local rank = new(nil, nil, "rank() OVER (ORDER BY ", order, ")")
  local number = new(nil, nil, "row_number() OVER (ORDER BY ", order, ")")
  local offset = node.offset and count_of(self, node.offset, "OFFSET") or "0"
  local limit = count_of(self, node.limit, "FETCH FIRST")
  -- ties are counted among the rows that OFFSET leaves
  local last = node.offset and new(nil, nil, "row_number <= ", offset, " + ", limit, " OR rank <= ", offset, " + ", limit) or new(nil,
    nil, "rank <= ", limit)
  return new(node.pos, nil, "SELECT ", table.concat(outer_names, ", "), " FROM (SELECT ", alias, ".*, ", rank, " AS rank, ", number,
    " AS row_number FROM (",
    piece, ") AS ", alias, "(", table.concat(inner, ", "), ")) AS ", ranked, " WHERE row_number > ", offset, " AND (", last,
      ") ORDER BY row_number")
end

---@param node table
---@param outer SqlScope?
---@param opts table  {top}
---@return SqlCode, SqlColumn[]
function Translator:query(node, outer, opts)
  local before = self.named_queries
  local prefix = node.with and with(self, node.with, outer) or ""
  local piece, columns, scope = self:body(node.body, outer, opts)
  if node.with_ties then
    if not node.order_by then self:fault(node.pos, "MISSING_ORDER_BY", "FETCH FIRST WITH TIES clause requires ORDER BY") end
    piece = with_ties(self, node, piece, columns)
  else
    piece = new(node.pos, nil, piece)
    if node.order_by then
      piece[#piece + 1] = new(nil, nil, " ORDER BY ", order_by(self, node, columns, scope))
    end
    if node.limit then piece[#piece + 1] = new(nil, nil, " LIMIT ", count_of(self, node.limit, "LIMIT")) end
    if node.offset then piece[#piece + 1] = new(nil, nil, " OFFSET ", count_of(self, node.offset, "OFFSET")) end
  end
  self.named_queries = before
  return new(node.pos, nil, prefix, piece), columns
end

-- A query inside of an expression.
function Translator:subquery(node, scope)
  return self:query(node, scope, {})
end

return Translator
