-- Grammar of statements that change rows: INSERT, UPDATE, DELETE, MERGE, and UNLOAD.

local Cursor = require("lib.sql.parse.cursor")

local M = {}

function M.insert(self)
  local pos = self:advance().pos
  self:expect("INTO")
  local node = { kind = "insert", target = self:qualified_name(), pos = pos }
  -- a bracket is a column list unless it holds the query
  if self:is("(") and not self:opens_query(self.at) then node.columns = self:bracketed_list(self.identifier) end
  node.query = self:query()
  return node
end

local function assignment(self)
  local column = self:identifier()
  self:expect("=")
  return { column = column, value = self:expression(), pos = column.pos }
end

function M.update(self)
  local pos = self:advance().pos
  local node = { kind = "update", target = self:qualified_name(), pos = pos }
  self:expect("SET")
  node.assignments = self:list(assignment)
  if self:accept("WHERE") then node.where = self:expression() end
  return node
end

function M.delete(self)
  local pos = self:advance().pos
  self:expect("FROM")
  local node = { kind = "delete", target = self:qualified_name(), pos = pos }
  if self:accept("WHERE") then node.where = self:expression() end
  return node
end

-- target columns in MERGE may be written with the target's alias in front
local function merge_column(self)
  local column = self:identifier()
  if self.token.key == "." then
    self:advance()
    column = self:identifier()
  end
  return column
end

local function merge_assignment(self)
  local column = merge_column(self)
  self:expect("=")
  return { column = column, value = self:expression(), pos = column.pos }
end

local function merge_clause(self)
  local clause = { pos = self:expect("WHEN").pos, matched = true }
  if self:accept("NOT") then clause.matched = false end
  self:expect("MATCHED")
  if self:accept("AND") then clause.condition = self:expression() end
  self:expect("THEN")
  if clause.matched and self:accept("DELETE") then
    clause.action = "delete"
  elseif clause.matched then
    self:expect("UPDATE")
    self:expect("SET")
    clause.action, clause.assignments = "update", self:list(merge_assignment)
  else
    self:expect("INSERT")
    clause.action = "insert"
    if self:is("(") then clause.columns = self:bracketed_list(merge_column) end
    self:expect("VALUES")
    clause.values = self:bracketed_list(self.expression)
  end
  return clause
end

function M.merge(self)
  local pos = self:advance().pos
  self:expect("INTO")
  local node = { kind = "merge", target = self:qualified_name(), pos = pos }
  node.alias = self:optional_alias()
  self:expect("USING")
  node.source = self:relation()
  self:expect("ON")
  node.on = self:expression()
  node.clauses = {}
  repeat
    node.clauses[#node.clauses + 1] = merge_clause(self)
  until not self:is("WHEN")
  return node
end

-- UNLOAD (query) TO 'location' WITH (property = value, ...)
function M.unload(self)
  local pos = self:advance().pos
  self:expect("(")
  local node = { kind = "unload", query = self:query(), pos = pos }
  self:expect(")")
  self:expect("TO")
  node.location = self:string()
  if self:accept("WITH") then node.properties = self:properties() end
  return node
end

local function property(self)
  local name = self.token
  if name.kind == "string" then self:mismatch("<identifier>") end
  local key = self:identifier()
  self:expect("=")
  return { name = key.name, value = self:expression(), pos = key.pos }
end

-- (name = expression, ...)
function Cursor:properties()
  return self:bracketed_list(property)
end

local function text_property(self)
  local pos = self.token.pos
  local name = self:string()
  self:expect("=")
  local value = self.token
  if value.kind == "number" or value.key == "TRUE" or value.key == "FALSE" then
    self:advance()
    return { name = name, value = { kind = "string", value = value.value:lower(), pos = value.pos }, pos = pos }
  end
  return { name = name, value = { kind = "string", value = self:string(), pos = value.pos }, pos = pos }
end

-- ('name' = 'value', ...)
function Cursor:text_properties()
  return self:bracketed_list(text_property)
end

return M
