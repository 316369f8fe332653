-- Where tables are: SQLite in the schema of Iceberg's SQL (JDBC) catalog, so other Iceberg readers open it, and beside
-- it what that schema has no place for: plain Parquet tables, the locations we made, and the ones still to be removed.
local errors = require "lib.errors"
local json = require "lib.json"

local M = {}

M.NAME = "lake" -- catalog_name of every row

local SCHEMA = [[
CREATE TABLE IF NOT EXISTS iceberg_tables (
  catalog_name VARCHAR(255) NOT NULL,
  table_namespace VARCHAR(255) NOT NULL,
  table_name VARCHAR(255) NOT NULL,
  metadata_location VARCHAR(1000),
  previous_metadata_location VARCHAR(1000),
  iceberg_type VARCHAR(5),
  PRIMARY KEY (catalog_name, table_namespace, table_name)
);
CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (
  catalog_name VARCHAR(255) NOT NULL,
  namespace VARCHAR(255) NOT NULL,
  property_key VARCHAR(255) NOT NULL,
  property_value VARCHAR(1000) NOT NULL,
  PRIMARY KEY (catalog_name, namespace, property_key)
);
CREATE TABLE IF NOT EXISTS parquet_tables (
  database TEXT NOT NULL,
  name TEXT NOT NULL,
  columns TEXT NOT NULL,
  partition_keys TEXT NOT NULL,
  location TEXT NOT NULL,
  uniform INTEGER NOT NULL,
  created_at REAL NOT NULL,
  updated_at REAL NOT NULL,
  PRIMARY KEY (database, name)
);
CREATE TABLE IF NOT EXISTS table_locations (
  location TEXT NOT NULL PRIMARY KEY,
  dropped INTEGER NOT NULL
);
]]

local Catalog = {}
Catalog.__index = Catalog

---@param db table  an open sm.sqlite connection
---@return table|nil catalog, Error? err
function M.open(db)
  local ok, message, code = db:script(SCHEMA)
  if not ok then return nil, errors.from(message, code, "catalog") end
  return setmetatable({ db = db }, Catalog)
end

-- The first result of a database call, or nil, err.
local function checked(result, message, code)
  if result == nil and message then return nil, errors.from(message, code, "catalog") end
  return result
end

---@return string[] names in order
function Catalog:databases()
  local rows, err = checked(self.db:rows([[
    SELECT namespace AS name FROM iceberg_namespace_properties WHERE catalog_name = ?1
    UNION SELECT table_namespace FROM iceberg_tables WHERE catalog_name = ?1
    UNION SELECT database FROM parquet_tables ORDER BY 1]], M.NAME))
  if not rows then return nil, err end
  local names = {}
  for i, row in ipairs(rows) do names[i] = row.name end
  return names
end

function Catalog:has_database(name)
  return self.db:row([[
    SELECT 1 AS found FROM iceberg_namespace_properties WHERE catalog_name = ?1 AND namespace = ?2
    UNION SELECT 1 FROM iceberg_tables WHERE catalog_name = ?1 AND table_namespace = ?2
    UNION SELECT 1 FROM parquet_tables WHERE database = ?2]], M.NAME, name) ~= nil
end

function Catalog:create_database(name)
  return checked(self.db:exec("INSERT OR IGNORE INTO iceberg_namespace_properties VALUES (?, ?, 'exists', 'true')", M.NAME, name))
end

function Catalog:drop_database(name)
  return checked(self.db:exec("DELETE FROM iceberg_namespace_properties WHERE catalog_name = ? AND namespace = ?", M.NAME, name))
end

-- One page of tables in order of name: {{name, type}}.
---@param database string
---@param options {search: string?, after: string?, limit: integer?}
function Catalog:tables(database, options)
  local search = options.search and ("%%%s%%"):format((options.search:lower():gsub("[%%_\\]", "\\%0"))) or "%"
  return checked(self.db:rows([[
    SELECT name, type FROM (
      SELECT table_name AS name, 'iceberg' AS type FROM iceberg_tables
        WHERE catalog_name = ?1 AND table_namespace = ?2 AND coalesce(iceberg_type, 'TABLE') = 'TABLE'
      UNION ALL SELECT name, 'parquet' FROM parquet_tables WHERE database = ?2)
    WHERE name LIKE ?3 ESCAPE '\' AND name > ?4 ORDER BY name LIMIT ?5]],
    M.NAME, database, search, options.after or "", options.limit or 100000))
end

-- Every table as {database, name, location | metadata_location}.
function Catalog:all()
  return checked(self.db:rows([[
    SELECT table_namespace AS database, table_name AS name FROM iceberg_tables WHERE catalog_name = ?1
    UNION ALL SELECT database, name FROM parquet_tables ORDER BY 1, 2]], M.NAME))
end

---@return {metadata_location: string}|nil row
function Catalog:iceberg(database, name)
  return self.db:row("SELECT metadata_location FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?",
    M.NAME, database, name)
end

-- Registers a new table; Conflict when the name is taken.
function Catalog:insert(database, name, metadata_location)
  local changes, err = checked(self.db:exec([[
    INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location, iceberg_type)
    SELECT ?1, ?2, ?3, ?4, 'TABLE' WHERE NOT EXISTS (SELECT 1 FROM parquet_tables WHERE database = ?2 AND name = ?3)
    ON CONFLICT DO NOTHING]], M.NAME, database, name, metadata_location))
  if not changes then return nil, err end
  if changes == 0 then return nil, errors.new("Conflict", ("table '%s.%s' exists already"):format(database, name)) end
  return true
end

-- The commit: moves the pointer when it is still where the writer saw it. False when somebody else was first.
---@return boolean|nil moved, Error? err
function Catalog:swap(database, name, expected, new)
  local changes, err = checked(self.db:exec([[
    UPDATE iceberg_tables SET metadata_location = ?4, previous_metadata_location = ?5
    WHERE catalog_name = ?1 AND table_namespace = ?2 AND table_name = ?3 AND metadata_location = ?5]],
    M.NAME, database, name, new, expected))
  if not changes then return nil, err end
  return changes == 1
end

-- Takes a table out of the catalog when it still points where the caller saw it, and marks its location for removal.
function Catalog:drop(database, name, expected, location)
  return checked(self.db:transaction(function(tx)
    local changes, message, code = tx:exec([[
      DELETE FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? AND metadata_location = ?]],
      M.NAME, database, name, expected)
    if not changes then return nil, message, code end
    if changes == 1 then tx:exec("UPDATE table_locations SET dropped = 1 WHERE location = ?", location) end
    return changes
  end))
end

function Catalog:rename(database, name, new_database, new_name)
  if not self:has_database(new_database) then return nil, errors.new("NotFound", ("database '%s' does not exist"):format(new_database)) end
  local changes, err = checked(self.db:exec([[
    UPDATE OR IGNORE iceberg_tables SET table_namespace = ?4, table_name = ?5
    WHERE catalog_name = ?1 AND table_namespace = ?2 AND table_name = ?3
      AND NOT EXISTS (SELECT 1 FROM parquet_tables WHERE database = ?4 AND name = ?5)]],
    M.NAME, database, name, new_database, new_name))
  if not changes then return nil, err end
  if changes == 0 then return nil, errors.new("Conflict", ("table '%s.%s' exists already"):format(new_database, new_name)) end
  return true
end

-- The location of another table that lies inside of this one or around it: dropping one would take the other.
---@return string?
function Catalog:nested_location(location)
  local row = self.db:row([[
    SELECT location FROM (SELECT location FROM table_locations UNION ALL SELECT location FROM parquet_tables)
    WHERE substr(location, 1, length(?1) + 1) = ?1 || '/' OR substr(?1, 1, length(location) + 1) = location || '/' LIMIT 1]], location)
  return row and row.location
end

-- Takes a location for a new table; false when it is taken, also by a dropped table whose files are still there.
---@return boolean|nil taken, Error? err
function Catalog:claim_location(location)
  local changes, err = checked(self.db:exec("INSERT INTO table_locations VALUES (?, 0) ON CONFLICT DO NOTHING", location))
  if not changes then return nil, err end
  return changes == 1
end

function Catalog:forget_location(location)
  return checked(self.db:exec("DELETE FROM table_locations WHERE location = ? AND dropped = 1", location))
end

function Catalog:mark_dropped(location)
  return checked(self.db:exec("UPDATE table_locations SET dropped = 1 WHERE location = ?", location))
end

-- Locations of dropped tables whose files are still to be removed.
function Catalog:dropped_locations()
  local found = {}
  for i, row in ipairs(self.db:rows("SELECT location FROM table_locations WHERE dropped = 1") or {}) do found[i] = row.location end
  return found
end

-- Locations of a CREATE that a dead process never ended: no table points below them. They count as dropped from now on.
-- Only for the start, when nobody is creating a table.
function Catalog:abandon_unfinished()
  return checked(self.db:exec([[
    UPDATE table_locations SET dropped = 1 WHERE dropped = 0 AND NOT EXISTS (
      SELECT 1 FROM iceberg_tables WHERE substr(metadata_location, 1, length(location) + 1) = location || '/')]]))
end

---@return table|nil entry {columns = {{name, type}}, partition_keys = {{name, type}}, location, uniform, created_at, updated_at}
function Catalog:parquet(database, name)
  local row = self.db:row("SELECT * FROM parquet_tables WHERE database = ? AND name = ?", database, name)
  if not row then return nil end
  row.columns, row.partition_keys, row.uniform = json.decode(row.columns), json.decode(row.partition_keys), row.uniform == 1
  return row
end

function Catalog:put_parquet(database, name, entry)
  return checked(self.db:exec([[
    INSERT INTO parquet_tables VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)
    ON CONFLICT (database, name) DO UPDATE SET columns = ?3, partition_keys = ?4, location = ?5, uniform = ?6, updated_at = ?7]],
    database, name, assert(json.encode(json.list(entry.columns))), assert(json.encode(json.list(entry.partition_keys))), entry.location,
    entry.uniform and 1 or 0, entry.now))
end

function Catalog:drop_parquet(database, name)
  return checked(self.db:exec("DELETE FROM parquet_tables WHERE database = ? AND name = ?", database, name))
end

function Catalog:close() self.db:close() end

return M
