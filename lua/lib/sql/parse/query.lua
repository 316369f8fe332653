-- Grammar of queries: WITH, set operations, SELECT and its clauses, windows.

local Cursor = require("lib.sql.parse.cursor")

local function named_query(self)
  local name = self:identifier()
  local node = { kind = "named_query", name = name, pos = name.pos }
  if self:accept("(") then
    node.columns = self:list(self.identifier)
    self:expect(")")
  end
  self:expect("AS")
  self:expect("(")
  node.query = self:query()
  self:expect(")")
  return node
end

local function with(self)
  local pos = self:advance().pos
  local recursive = self:accept("RECURSIVE") ~= nil
  return { recursive = recursive, items = self:list(named_query), pos = pos }
end

-- expression [ASC|DESC] [NULLS FIRST|LAST]
local function sort_item(self)
  local node = { kind = "sort_item", pos = self.token.pos, expression = self:expression() }
  if self:accept("DESC") then node.descending = true else self:accept("ASC") end
  if self:accept("NULLS") then
    if self:accept("FIRST") then node.nulls = "first" else self:expect("LAST") node.nulls = "last" end
  end
  return node
end

function Cursor:order_by()
  self:expect_words("ORDER", "BY")
  return self:list(sort_item)
end

local function row_count(self)
  if self.token.key == "?" then return self:primary() end
  local pos = self.token.pos
  return { kind = "integer", text = tostring(self:integer()), pos = pos }
end

-- OFFSET, LIMIT, FETCH FIRST
local function row_limits(self, node)
  if self:accept("OFFSET") then
    node.offset = row_count(self)
    if not self:accept("ROW") then self:accept("ROWS") end
  end
  if self:accept("LIMIT") then
    if not self:accept("ALL") then node.limit = row_count(self) end
  elseif self:accept("FETCH") then
    if not self:accept("FIRST") then self:expect("NEXT") end
    local one = { kind = "integer", text = "1", pos = self.token.pos }
    node.limit = (self:is("ROW") or self:is("ROWS")) and one or row_count(self)
    if not self:accept("ROW") then self:expect("ROWS") end
    if not self:accept("ONLY") then
      self:expect("WITH")
      self:expect("TIES")
      node.with_ties = true
    end
  end
end

local function values(self)
  local pos = self:advance().pos
  return { kind = "values", rows = self:list(self.expression), pos = pos }
end

local function query_primary(self)
  local token = self.token
  if self:is("SELECT") then return self:select() end
  if self:is("VALUES") then return values(self) end
  if self:accept("TABLE") then
    return { kind = "table", name = self:qualified_name(), pos = token.pos }
  end
  if self:accept("(") then
    local query = self:query()
    self:expect(")")
    return query
  end
  self:mismatch("<query>")
end

local function set_operation(self, left, op)
  local node = { kind = "set", op = op, left = left, pos = self.token.pos }
  if self:accept("ALL") then node.all = true else self:accept("DISTINCT") end
  return node
end

local function intersection(self)
  local left = query_primary(self)
  local length = 0
  while self:accept("INTERSECT") do
    left = set_operation(self, left, "INTERSECT")
    left.right = query_primary(self)
    length = length + 1
    self:check_chain(length)
  end
  return left
end

local function query_term(self)
  local left = intersection(self)
  local length = 0
  while self:is("UNION") or self:is("EXCEPT") do
    left = set_operation(self, left, self:advance().key)
    left.right = intersection(self)
    length = length + 1
    self:check_chain(length)
  end
  return left
end

-- [WITH ...] body [ORDER BY] [OFFSET] [LIMIT | FETCH]
function Cursor:query()
  self:enter()
  local node = { kind = "query", pos = self.token.pos }
  if self:is("WITH") then node.with = with(self) end
  node.body = query_term(self)
  if self:is("ORDER") then node.order_by = self:order_by() end
  row_limits(self, node)
  self:leave()
  return node
end

-- SELECT items ---------------------------------------------------------------------------------------------------

local function select_item(self)
  local pos = self.token.pos
  if self:accept("*") then return { kind = "star", pos = pos } end
  local expression = self:expression()
  if self.token.key == "." and self:peek().key == "*" then
    self:advance()
    self:advance()
    local node = { kind = "star", of = expression, pos = pos }
    if self:accept("AS") then node.columns = self:bracketed_list(self.identifier) end
    return node
  end
  return { kind = "item", expression = expression, alias = self:optional_alias(), pos = pos }
end

local function group_set(self)
  if self:accept("(") then
    local items = self:is(")") and {} or self:list(self.expression)
    self:expect(")")
    return items
  end
  return { self:expression() }
end

local function grouping_element(self)
  local pos = self.token.pos
  if self:accept("ROLLUP") then return { kind = "rollup", sets = self:bracketed_list(group_set), pos = pos } end
  if self:accept("CUBE") then return { kind = "cube", sets = self:bracketed_list(group_set), pos = pos } end
  if self:accept_words("GROUPING", "SETS") then
    return { kind = "grouping_sets", sets = self:bracketed_list(grouping_element), pos = pos }
  end
  if self:is("(") and self:peek().key == ")" then
    self:advance()
    self:advance()
    return { kind = "group", items = {}, pos = pos }
  end
  local expression = self:expression()
  -- GROUP BY (a, b) groups by both
  local items = expression.kind == "row" and not expression.explicit and expression.items or { expression }
  return { kind = "group", items = items, pos = pos }
end

local frame_units = { ROWS = true, RANGE = true, GROUPS = true }

local function frame_bound(self)
  local pos = self.token.pos
  if self:accept("UNBOUNDED") then
    if not self:accept("PRECEDING") then self:expect("FOLLOWING") return { bound = "unbounded following", pos = pos } end
    return { bound = "unbounded preceding", pos = pos }
  end
  if self:accept_words("CURRENT", "ROW") then return { bound = "current row", pos = pos } end
  local value = self:expression()
  if self:accept("PRECEDING") then return { bound = "preceding", value = value, pos = pos } end
  self:expect("FOLLOWING")
  return { bound = "following", value = value, pos = pos }
end

local function frame(self)
  local node = { unit = self:advance().key, pos = self.token.pos }
  if self:accept("BETWEEN") then
    node.from = frame_bound(self)
    self:expect("AND")
    node.to = frame_bound(self)
  else
    node.from = frame_bound(self)
  end
  return node
end

-- name | ( [name] [PARTITION BY ...] [ORDER BY ...] [frame] )
function Cursor:window_specification()
  local node = { kind = "window", pos = self.token.pos }
  if not self:accept("(") then
    node.name = self:identifier()
    node.only_name = true
    return node
  end
  local starts_clause = self.token.kind == "word"
    and (self.token.key == "PARTITION" or self.token.key == "ORDER" or (frame_units[self.token.key] and self:peek().key ~= ")"))
  if self:at_name() and not starts_clause then node.name = self:identifier() end
  if self:accept_words("PARTITION", "BY") then node.partition_by = self:list(self.expression) end
  if self:is("ORDER") then node.order_by = self:order_by() end
  if frame_units[self.token.key] then node.frame = frame(self) end
  self:expect(")")
  return node
end

local function window_definition(self)
  local name = self:identifier()
  self:expect("AS")
  return { name = name, window = self:window_specification() }
end

function Cursor:select()
  local node = { kind = "select", pos = self:expect("SELECT").pos }
  if self:accept("DISTINCT") then node.distinct = true else self:accept("ALL") end
  node.items = self:list(select_item)
  if self:accept("FROM") then node.from = self:list(self.relation) end
  if self:accept("WHERE") then node.where = self:expression() end
  if self:accept_words("GROUP", "BY") then
    if self:accept("DISTINCT") then node.group_distinct = true else self:accept("ALL") end
    node.group_by = self:list(grouping_element)
  end
  if self:accept("HAVING") then node.having = self:expression() end
  if self:is("WINDOW") then
    self:advance()
    node.windows = self:list(window_definition)
  end
  return node
end
