-- Grammar of whole statements: which one it is, and the utilities SHOW, DESCRIBE, EXPLAIN, VACUUM, OPTIMIZE.

local Cursor = require("lib.sql.parse.cursor")
local ddl = require("lib.sql.parse.ddl")
local dml = require("lib.sql.parse.dml")

local M = {}

local function describe(self)
  local pos = self:advance().pos
  if self:is("INPUT") or self:is("OUTPUT") then
    if self:at_name(1) then self:fail("Queries of this type are not supported", pos) end
  end
  local node = { kind = "describe", pos = pos }
  if self:accept("FORMATTED") or self:accept("EXTENDED") then node.formatted = true end
  node.target = ddl.name(self)
  return node
end

local show = {}

-- SHOW TABLES [IN|FROM db] ['pattern' | LIKE 'pattern']
local function in_or_from(self)
  if self:accept("IN") or self:accept("FROM") then return ddl.name(self) end
end

local function optional_pattern(self, node)
  if self:accept("LIKE") then
    node.like = self:string()
    if self:accept("ESCAPE") then node.escape = self:string() end
  elseif self.token.kind == "string" then
    node.pattern = self:string()
  end
end

local function listing(what)
  return function(self, node)
    node.what = what
    node.from = in_or_from(self)
    optional_pattern(self, node)
  end
end
show.TABLES = listing("tables")
show.DATABASES = listing("databases")
show.SCHEMAS = listing("databases")
show.VIEWS = listing("views")
show.FUNCTIONS = listing("functions")
show.CATALOGS = listing("catalogs")

function show.COLUMNS(self, node)
  node.what = "columns"
  node.target = in_or_from(self) or self:mismatch()
  local database = in_or_from(self)
  if database then table.insert(node.target, 1, database[#database]) end
  optional_pattern(self, node)
end

function show.PARTITIONS(self, node)
  node.what, node.target = "partitions", ddl.name(self)
end

function show.TBLPROPERTIES(self, node)
  node.what, node.target = "properties", ddl.name(self)
  if self:accept("(") then
    node.property = self:string()
    self:expect(")")
  end
end

function show.CREATE(self, node)
  if self:accept("VIEW") then
    node.what = "create_view"
  elseif self:accept("SCHEMA") then
    node.what = "create_schema"
  else
    self:expect("TABLE")
    node.what = "create_table"
  end
  node.target = ddl.name(self)
end

local function show_statement(self)
  local node = { kind = "show", pos = self:advance().pos }
  for key, rule in pairs(show) do
    if self:accept(key) then
      rule(self, node)
      return node
    end
  end
  self:mismatch()
end

-- EXPLAIN [ANALYZE [VERBOSE]] [(FORMAT TEXT, TYPE LOGICAL)] statement
local function explain(self)
  local node = { kind = "explain", pos = self:advance().pos, options = {} }
  if self:accept("ANALYZE") then
    node.analyze = true
    self:accept("VERBOSE")
  end
  if self:is("(") and not self:opens_query(self.at) then
    self:advance()
    repeat
      local key = self:is("FORMAT") and self:advance() or self:expect("TYPE")
      local value = self:advance()
      if value.kind ~= "word" then self:mismatch() end
      node.options[key.key:lower()] = value.key
    until not self:accept(",")
    self:expect(")")
  end
  node.statement = M.statement(self)
  return node
end

-- OPTIMIZE t REWRITE DATA USING BIN_PACK [WHERE ...]
local function optimize(self)
  local node = { kind = "optimize", pos = self:advance().pos, target = ddl.name(self) }
  self:expect_words("REWRITE", "DATA", "USING", "BIN_PACK")
  if self:accept("WHERE") then node.where = self:expression() end
  return node
end

local function vacuum(self)
  return { kind = "vacuum", pos = self:advance().pos, target = ddl.name(self) }
end

local function query(self)
  return self:query()
end

local rules = {
  SELECT = query, WITH = query, VALUES = query, TABLE = query, ["("] = query,
  INSERT = dml.insert, UPDATE = dml.update, DELETE = dml.delete, MERGE = dml.merge, UNLOAD = dml.unload,
  CREATE = ddl.create, DROP = ddl.drop, ALTER = ddl.alter,
  SHOW = show_statement, DESCRIBE = describe, DESC = describe, EXPLAIN = explain, OPTIMIZE = optimize, VACUUM = vacuum,
}

-- Known to the dialect and refused by name, so that nobody hunts for a typing error.
local refused = {}
for key in ([[ANALYZE USE START COMMIT ROLLBACK GRANT REVOKE SET RESET CALL PREPARE EXECUTE DEALLOCATE MSCK TRUNCATE
  COMMENT REFRESH DENY]]):gmatch("%S+") do refused[key] = true end

function M.statement(self)
  self:enter()
  local key = self.token.key
  local rule = rules[key]
  if not rule then
    if refused[key] and self.token.kind == "word" then
      error({ sql_pos = self.token.pos, message = "Queries of this type are not supported: " .. key, refused = true }, 0)
    end
    for name in pairs(rules) do self:wanted("'" .. name .. "'") end
    self:mismatch()
  end
  local node = rule(self)
  self:leave()
  return node
end

-- One statement, an optional semicolon, the end.
function M.single(cursor)
  if cursor.token.kind == "end" then cursor:fail("the text holds no statement") end
  local node = M.statement(cursor)
  while cursor:accept(";") do
    if cursor.token.kind ~= "end" and cursor.token.key ~= ";" then
      error({ sql_pos = cursor.token.pos, message = "Only one sql statement is allowed. Got: "
        .. cursor.text:sub(cursor.token.pos, cursor.token.pos + 60), several = true }, 0)
    end
  end
  if cursor.token.kind ~= "end" then cursor:mismatch() end
  node.parameters = cursor.parameters
  node.text = cursor.text
  return node
end

-- A lone expression, for parameters and properties.
function M.expression(cursor)
  local node = cursor:expression()
  if cursor.token.kind ~= "end" then cursor:mismatch() end
  return node
end

M.Cursor = Cursor
return M
