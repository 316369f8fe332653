-- The tables of one statement: from a name to text the engine can read, each pinned to one snapshot for as long as the
-- statement runs. The same name means the same snapshot throughout.
local errors = require "lib.errors"
local files = require "sm.files"
local metadata = require "adapters.local.iceberg.metadata"
local scan = require "adapters.local.iceberg.scan"
local store_module = require "adapters.local.iceberg.store"
local suggest = require "lib.suggest"
local time = require "sm.time"

local M = {}

local CATALOGS = { awsdatacatalog = true, lake = true }

local Resolver = {}
Resolver.__index = Resolver

---@param lake Lake
---@param database string?  of names that come without one
function M.new(lake, database)
  return setmetatable({ lake = lake, database = database and database:lower(), bytes = 0, known = {},
    tables = {}, unpin = {} }, Resolver)
end

-- Lets the snapshots go. Harmless twice.
function Resolver:close()
  for _, release in ipairs(self.unpin) do release() end
  self.unpin = {}
  self.lake.store:remove_dropped_soon()
end
Resolver.__close = Resolver.close

---@param ref {catalog: string?, database: string?, table: string}
---@return string|nil database, string|Error name
function Resolver:name(ref)
  if ref.catalog and not CATALOGS[ref.catalog] then
    return nil, errors.new("NotFound", ("catalog '%s' does not exist (awsdatacatalog is the only one)"):format(ref.catalog))
  end
  local database = ref.database or self.database
  if not database then
    return nil, errors.new("BadParam", ("table '%s' needs its database in front (or send one with the request)"):format(ref.table))
  end
  return database, ref.table
end

-- The Parquet files of a plain table: {{path, bytes}}, found as they lie in its folders.
---@param entry table
function M.parquet_files(entry)
  local root, found = store_module.path(entry.location), {}
  for _, file in ipairs(files.walk(root) or {}) do
    local hidden = file.name:find("^[._]") or file.name:find("/[._]")
    if not hidden and file.name:lower():find("%.parquet$") then
      found[#found + 1] = { path = root .. "/" .. file.name, bytes = file.size, key = file.name, mtime = file.mtime }
    end
  end
  return found
end

-- A table as the whole statement sees it: a target and a source of the same name are the same version.
function Resolver:load(database, name)
  local key = database .. "\0" .. name
  local known = self.tables[key]
  if known then return known end
  local table_, err = self.lake.store:load(database, name)
  self.tables[key] = table_
  return table_, err
end

function Resolver:iceberg(database, name, ref)
  local store = self.lake.store
  local table_, err = self:load(database, name)
  if not table_ then return nil, err end
  local snapshot
  snapshot, err = store.snapshot(table_, ref.as_of)
  if err then return nil, err end
  self.unpin[#self.unpin + 1] = store:pin(table_, snapshot)
  if ref.suffix then return scan.metadata_table(store, table_, ref.suffix:gsub("^%$", ""), snapshot) end
  return scan.snapshot(store, table_, snapshot)
end

local function parquet(database, name, entry, ref)
  if ref.suffix or ref.as_of then
    return nil, errors.new("NotSupported", ("table '%s.%s' is plain Parquet: it has no snapshots"):format(database, name))
  end
  return scan.parquet(entry, M.parquet_files(entry))
end

local schema_tables = {}

-- information_schema, as far as tools ask for it.
local function text_relation(names, rows)
  local list, texts, columns, nulls = {}, {}, {}, {}
  for i, name in ipairs(names) do
    list[i], columns[i], nulls[i] = scan.quote(name), { name = name, type = name == "ordinal_position" and "bigint" or "varchar" }, "NULL"
  end
  for i, row in ipairs(rows) do
    for j, cell in ipairs(row) do row[j] = type(cell) == "number" and ("CAST(%d AS BIGINT)"):format(cell) or scan.literal(cell) end
    texts[i] = "(" .. table.concat(row, ", ") .. ")"
  end
  local none = #rows == 0
  if none then texts[1] = "(" .. table.concat(nulls, ", ") .. ")" end
  return { sql = ("(SELECT * FROM (VALUES %s) AS v(%s)%s)"):format(table.concat(texts, ", "), table.concat(list, ", "), none
    and " WHERE false" or ""),
    columns = columns, bytes = 0, rows = #rows }
end

function schema_tables.schemata(lake)
  local rows = {}
  for i, name in ipairs(lake.catalog:databases() or {}) do rows[i] = { "awsdatacatalog", name } end
  return text_relation({ "catalog_name", "schema_name" }, rows)
end

function schema_tables.tables(lake)
  local rows = {}
  for i, t in ipairs(lake.catalog:all() or {}) do rows[i] = { "awsdatacatalog", t.database, t.name, "BASE TABLE" } end
  return text_relation({ "table_catalog", "table_schema", "table_name", "table_type" }, rows)
end

function schema_tables.columns(lake)
  local rows = {}
  for _, t in ipairs(lake.catalog:all() or {}) do
    for i, c in ipairs(M.columns(lake, t.database, t.name) or {}) do
      rows[#rows + 1] = { "awsdatacatalog", t.database, t.name, c.name, i, c.type }
    end
  end
  return text_relation({ "table_catalog", "table_schema", "table_name", "column_name", "ordinal_position", "data_type" }, rows)
end

local function information(self, name)
  local make = schema_tables[name]
  if make then return make(self.lake) end
  return nil, errors.new("NotFound", ("table 'information_schema.%s' does not exist%s"):format(name, suggest.hint(name, { "schemata",
    "tables", "columns" })))
end

-- The columns of any table, {{name, type, comment?}}, partition keys last.
---@return table[]|nil columns, Error? err
function M.columns(lake, database, name)
  local entry = lake.catalog:parquet(database, name)
  if entry then
    local relation, err = scan.parquet(entry, {})
    return relation and relation.columns, err
  end
  local table_, err = lake.store:load(database, name)
  return table_ and scan.columns_of(metadata.schema(table_.meta).fields), err
end

-- What the translator asks for each table of a statement.
---@param ref {catalog: string?, database: string?, table: string, suffix: string?, as_of: table?}
---@return Relation|nil relation, Error? err
function Resolver:table(ref)
  local database, name = self:name(ref)
  if not database then return nil, name end
  local moment = ref.as_of and tostring(ref.as_of.snapshot_id or -ref.as_of.timestamp_ms) or ""
  local key = table.concat({ database, name, ref.suffix or "", moment }, "\0")
  local known = self.known[key]
  if known then return known end
  local relation, err
  local entry = database ~= "information_schema" and self.lake.catalog:parquet(database, name)
  if database == "information_schema" then relation, err = information(self, name)
  elseif entry then relation, err = parquet(database, name, entry, ref)
  else relation, err = self:iceberg(database, name, ref) end
  if not relation then return nil, err end
  self.known[key] = relation
  self.bytes = self.bytes + relation.bytes
  return relation
end

-- The context that lib.sql's translator wants.
---@param parameters string[]?
function Resolver:context(parameters)
  return { database = self.database, parameters = parameters or {}, now = time.now(), table = function(ref) return self:table(ref) end }
end

return M
