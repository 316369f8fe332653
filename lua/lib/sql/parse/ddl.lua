-- Grammar of CREATE, DROP and ALTER, in Trino's and in Athena's (Hive's) spelling.


local M = {}

-- In Hive's DDL names may stand in backquotes.
local function ddl_identifier(self)
  local token = self.token
  if token.kind == "backquoted" then
    self:advance()
    return { kind = "identifier", name = token.value:lower(), quoted = true, pos = token.pos }
  end
  return self:identifier()
end

local function ddl_name(self)
  local name = { pos = self.token.pos, ddl_identifier(self) }
  while self:accept(".") do name[#name + 1] = ddl_identifier(self) end
  return name
end

local function if_not_exists(self)
  return self:accept_words("IF", "NOT", "EXISTS")
end

local function if_exists(self)
  return self:accept_words("IF", "EXISTS")
end

-- name type [NOT NULL] [COMMENT 'text'] [WITH (...)]
local function column(self)
  local name = ddl_identifier(self)
  local node = { name = name.name, type = self:type(), pos = name.pos }
  if self:accept_words("NOT", "NULL") then node.not_null = true end
  if self:accept("COMMENT") then node.comment = self:string() end
  if self:accept("WITH") then node.properties = self:properties() end
  return node
end

-- PARTITIONED BY (col | col type | month(col) | bucket(n, col) | truncate(col, n))
local function partition_item(self)
  local pos = self.token.pos
  local name = ddl_identifier(self)
  if self:accept("(") then
    local args = self:list(self.expression)
    self:expect(")")
    return { transform = name.name, args = args, pos = pos }
  end
  local node = { column = name.name, pos = pos }
  if not self:is(",") and not self:is(")") then
    node.type = self:type()
    if self:accept("COMMENT") then node.comment = self:string() end
  end
  return node
end

local function skip_row_format(self, node)
  self:expect("FORMAT")
  if self:accept("DELIMITED") then
    node.row_format = "delimited"
    while self:is("FIELDS") or self:is("COLLECTION") or self:is("MAP") or self:is("LINES") or self:is("NULL") or self:is("ESCAPED") do
      if self:accept_words("NULL", "DEFINED", "AS") then
        self:string()
      else
        while self.token.kind == "word" do self:advance() end
        self:string()
      end
    end
  else
    self:expect("SERDE")
    node.row_format = self:string()
    if self:accept_words("WITH", "SERDEPROPERTIES") then node.serde_properties = self:text_properties() end
  end
end

-- What may follow the columns, in any order.
local function table_clauses(self, node)
  while true do
    if self:accept("COMMENT") then
      node.comment = self:string()
    elseif self:accept_words("PARTITIONED", "BY") then
      node.partitioning = self:bracketed_list(partition_item)
    elseif self:accept_words("CLUSTERED", "BY") then
      node.clustered_by = self:bracketed_list(ddl_identifier)
      self:expect("INTO")
      node.buckets = self:integer()
      self:expect("BUCKETS")
    elseif self:accept("ROW") then
      skip_row_format(self, node)
    elseif self:accept_words("STORED", "AS") then
      node.stored_as = self:advance().value
      if node.stored_as and node.stored_as:upper() == "INPUTFORMAT" then
        self:string()
        self:expect("OUTPUTFORMAT")
        self:string()
      end
    elseif self:accept("LOCATION") then
      node.location = self:string()
    elseif self:accept("TBLPROPERTIES") then
      node.text_properties = self:text_properties()
    elseif self:accept("WITH") then
      node.properties = self:properties()
    else
      return
    end
  end
end

local function create_table_as(self, node)
  self:expect("AS")
  node.kind = "create_table_as"
  -- AS ( query ) or AS query: brackets around a query are a query
  node.query = self:query()
  if self:accept("WITH") then
    node.with_no_data = self:accept("NO") ~= nil
    self:expect("DATA")
  end
  return node
end

local function create_table(self, node)
  node.kind = "create_table"
  node.if_not_exists = if_not_exists(self)
  node.target = ddl_name(self)
  if self:is("(") and not self:opens_query(self.at) then node.columns = self:bracketed_list(column) end
  table_clauses(self, node)
  if not node.columns and self:is("AS") then return create_table_as(self, node) end
  if not node.columns then self:mismatch() end
  return node
end

local function create_schema(self, node)
  node.kind = "create_schema"
  node.if_not_exists = if_not_exists(self)
  node.target = ddl_name(self)
  while true do
    if self:accept("COMMENT") then
      node.comment = self:string()
    elseif self:accept("LOCATION") then
      node.location = self:string()
    elseif self:accept_words("WITH", "DBPROPERTIES") then
      node.text_properties = self:text_properties()
    elseif self:accept("WITH") then
      node.properties = self:properties()
    else
      return node
    end
  end
end

local function create_view(self, node)
  node.kind = "create_view"
  node.target = ddl_name(self)
  if self:accept("COMMENT") then node.comment = self:string() end
  if self:accept("SECURITY") then node.security = self:advance().key end
  self:expect("AS")
  node.query = self:query()
  return node
end

function M.create(self)
  local node = { pos = self:advance().pos }
  if self:accept_words("OR", "REPLACE") then node.replace = true end
  if self:accept("VIEW") then return create_view(self, node) end
  if self:accept("EXTERNAL") then node.external = true end
  if self:accept("TABLE") then return create_table(self, node) end
  if not node.replace and not node.external and (self:accept("SCHEMA") or self:accept("DATABASE")) then
    return create_schema(self, node)
  end
  self:mismatch()
end

function M.drop(self)
  local node = { pos = self:advance().pos }
  if self:accept("TABLE") then
    node.kind = "drop_table"
  elseif self:accept("VIEW") then
    node.kind = "drop_view"
  elseif self:accept("SCHEMA") or self:accept("DATABASE") then
    node.kind = "drop_schema"
  else
    self:mismatch()
  end
  node.if_exists = if_exists(self)
  node.target = ddl_name(self)
  if node.kind == "drop_schema" then
    if self:accept("CASCADE") then node.cascade = true else self:accept("RESTRICT") end
  end
  return node
end

-- ALTER TABLE -----------------------------------------------------------------------------------------------------

local alter = {}

function alter.ADD(self, node)
  if self:is("PARTITION") or self:are("IF", "NOT", "EXISTS") then self:fail("ALTER TABLE ADD PARTITION is not supported") end
  if self:accept("COLUMNS") then
    node.action, node.columns = "add_columns", self:bracketed_list(column)
  else
    self:accept("COLUMN")
    node.if_not_exists = if_not_exists(self)
    node.action, node.columns = "add_columns", { column(self) }
  end
end

function alter.DROP(self, node)
  if self:is("PARTITION") then self:fail("ALTER TABLE DROP PARTITION is not supported") end
  self:accept("COLUMN")
  node.column_if_exists = if_exists(self)
  node.action, node.column = "drop_column", ddl_identifier(self).name
end

function alter.RENAME(self, node)
  if self:accept("TO") then
    node.action, node.new_name = "rename_table", ddl_name(self)
    return
  end
  self:expect("COLUMN")
  node.column_if_exists = if_exists(self)
  node.action, node.column = "rename_column", ddl_identifier(self).name
  self:expect("TO")
  node.new_column = ddl_identifier(self).name
end

function alter.SET(self, node)
  if self:accept("TBLPROPERTIES") then
    node.action, node.text_properties = "set_properties", self:text_properties()
  elseif self:accept("PROPERTIES") then
    node.action = "set_properties"
    node.properties = self:list(function()
      local name = self:identifier()
      self:expect("=")
      return { name = name.name, value = self:expression(), pos = name.pos }
    end)
  else
    self:expect("LOCATION")
    node.action, node.location = "set_location", self:string()
  end
end

function alter.CHANGE(self, node)
  self:accept("COLUMN")
  node.action, node.column = "change_column", ddl_identifier(self).name
  node.columns = { column(self) }
end

-- ALTER COLUMN name SET DATA TYPE type
function alter.ALTER(self, node)
  self:expect("COLUMN")
  node.action, node.column = "change_column", ddl_identifier(self).name
  self:expect_words("SET", "DATA", "TYPE")
  node.columns = { { name = node.column, type = self:type() } }
end

function alter.REPLACE(self, node)
  self:expect("COLUMNS")
  node.action, node.columns = "replace_columns", self:bracketed_list(column)
end

-- ALTER TABLE t EXECUTE optimize[(...)] : Trino's spelling of OPTIMIZE
function alter.EXECUTE(self, node)
  local name = self:identifier().name
  node.action, node.procedure = "execute", name
  if self:accept("(") then
    node.arguments = {}
    while not self:is(")") do
      local key = self:identifier().name
      self:expect("=>")
      node.arguments[key] = self:expression()
      if not self:accept(",") then break end
    end
    self:expect(")")
  end
  if self:accept("WHERE") then node.where = self:expression() end
end

function M.alter(self)
  local node = { kind = "alter_table", pos = self:advance().pos }
  self:expect("TABLE")
  node.if_exists = if_exists(self)
  node.target = ddl_name(self)
  for key, rule in pairs(alter) do
    if self:accept(key) then
      rule(self, node)
      return node
    end
  end
  self:mismatch()
end

M.name = ddl_name

return M
