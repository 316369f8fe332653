-- What a statement is, what it touches, and whether it only reads. Kinds follow Athena's SubstatementType, with SCHEMA for DATABASE.

local lexer = require("lib.sql.lexer")
local names = require("lib.sql.names")

local M = {}

-- tree kind -> { SubstatementType, StatementType, only reads }
local kinds = {
  query = { "SELECT", "DML", true },
  insert = { "INSERT", "DML" },
  update = { "UPDATE", "DML" },
  delete = { "DELETE", "DML" },
  merge = { "MERGE", "DML" },
  unload = { "UNLOAD", "DML" },
  explain = { "EXPLAIN", "DML" },
  vacuum = { "VACUUM", "DML" },
  optimize = { "OPTIMIZE", "DDL" },
  create_table = { "CREATE_TABLE", "DDL" },
  create_table_as = { "CREATE_TABLE_AS_SELECT", "DDL" },
  create_view = { "CREATE_VIEW", "DDL" },
  create_schema = { "CREATE_SCHEMA", "DDL" },
  drop_table = { "DROP_TABLE", "DDL" },
  drop_view = { "DROP_VIEW", "DDL" },
  drop_schema = { "DROP_SCHEMA", "DDL" },
  describe = { "DESCRIBE_TABLE", "UTILITY", true },
}

local shows = {
  tables = "SHOW_TABLES", databases = "SHOW_DATABASES", views = "SHOW_VIEWS", columns = "SHOW_COLUMNS",
  functions = "SHOW_FUNCTIONS", catalogs = "SHOW_CATALOGS", partitions = "SHOW_PARTITIONS",
  properties = "SHOW_TABLE_PROPERTIES", create_table = "SHOW_CREATE_TABLE", create_view = "SHOW_CREATE_VIEW",
  create_schema = "SHOW_CREATE_SCHEMA",
}

local alters = {
  add_columns = "ALTER_TABLE_ADD_COLUMNS", drop_column = "ALTER_TABLE_DROP_COLUMN", rename_table = "ALTER_TABLE_RENAME",
  rename_column = "ALTER_TABLE_RENAME_COLUMN", set_properties = "ALTER_TABLE_SET_PROPERTIES",
  set_location = "ALTER_TABLE_SET_LOCATION", change_column = "ALTER_TABLE_CHANGE_COLUMN",
  replace_columns = "ALTER_TABLE_REPLACE_COLUMNS", execute = "ALTER_TABLE_EXECUTE",
}

-- Calls visit(table_ref name) for every table a tree names; names of WITH queries are not tables.
local function each_table(node, local_names, visit)
  if node.kind == "query" and node.with then
    local inner = setmetatable({}, { __index = local_names })
    if node.with.recursive then
      for _, item in ipairs(node.with.items) do inner[item.name.name:lower()] = true end
    end
    for _, item in ipairs(node.with.items) do
      each_table(item.query, inner, visit)
      inner[item.name.name:lower()] = true
    end
    local_names = inner
  elseif node.kind == "table_ref" or node.kind == "table" then
    if not (#node.name == 1 and local_names[node.name[1].name:lower()]) then visit(node.name) end
  end
  for key, child in pairs(node) do
    if type(child) == "table" and key ~= "with" and key ~= "target" then each_table(child, local_names, visit) end
  end
end

local function tables_of(tree)
  local position = lexer.positions(tree.text or "")
  local found = {}
  each_table(tree, {}, function(name)
    local ref = names.table_ref(name)
    if ref then
      ref.line, ref.column = position(ref.pos)
      found[#found + 1] = ref
    end
  end)
  table.sort(found, function(a, b) return a.pos < b.pos end)
  return found
end

local has_database_target = { create_schema = true, drop_schema = true }

local function target_of(tree)
  if not tree.target then return nil end
  if has_database_target[tree.kind] or tree.what == "create_schema" then return { database = names.database(tree.target) } end
  local ref = names.table_ref(tree.target)
  return ref and { catalog = ref.catalog, database = ref.database, table = ref.table, suffix = ref.suffix }
end

---@param tree table  what parse gave
---@return table  {kind, type, read_only, target?, tables}
function M.classify(tree)
  local entry = kinds[tree.kind]
  if tree.kind == "show" then entry = { shows[tree.what], "UTILITY", true } end
  if tree.kind == "alter_table" then entry = { alters[tree.action], "DDL" } end
  local read_only = entry[3] or false
  -- EXPLAIN ANALYZE runs its statement; plain EXPLAIN of a write is refused along with it
  if tree.kind == "explain" then read_only = M.classify(tree.statement).read_only end
  return { kind = entry[1], type = entry[2], read_only = read_only, target = target_of(tree), tables = tables_of(tree) }
end

return M
