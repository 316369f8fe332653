-- Port catalog on a Trino cluster: one Iceberg catalog holds the lake; plain Parquet folders (bronze) are tables of a Hive
-- catalog on the same metastore, to which the Iceberg catalog redirects (iceberg.hive-catalog-name).
local dialect = require "adapters.trino.dialect"
local errors = require "lib.errors"
local quote = require "lib.sql.quote"
local suggest = require "lib.suggest"
local values = require "adapters.trino.values"

local M = {}

local MAX_SAMPLE <const> = 1000
local HIDDEN <const> = { information_schema = true, system = true }

local function full_name(...)
  local parts = {}
  for i = 1, select("#", ...) do parts[i] = quote.name((select(i, ...))) end
  return table.concat(parts, ".")
end

local Catalog = {}
Catalog.__index = Catalog

local function rows_of(self, sql)
  local result, err = self.client:run(sql)
  return result and result.rows, err
end

-- Names ---------------------------------------------------------------------------------------------------------------

function Catalog:databases()
  local rows, err = rows_of(self, "SHOW SCHEMAS FROM " .. quote.name(self.catalog))
  if not rows then return nil, err end
  local list = {}
  for _, row in ipairs(rows) do
    if not HIDDEN[row[1]] then list[#list + 1] = row[1] end
  end
  table.sort(list)
  return list
end

local function no_database(self, database)
  local hint = suggest.hint(database, self:databases() or {})
  return errors.new("NotFound", ("there is no database '%s'%s"):format(database, hint))
end

-- Names of a database's tables, in order; nil, NotFound when there is no such database.
local function table_names(self, database)
  local rows, err = rows_of(self, ("SELECT table_name FROM %s.information_schema.tables WHERE table_schema = %s ORDER BY 1"):format(
    quote.name(self.catalog), quote.text(database)))
  if not rows then return nil, err end
  local list = {}
  for i, row in ipairs(rows) do list[i] = row[1] end
  if #list > 0 then return list end
  local known
  known, err = self:databases()
  if not known then return nil, err end
  for _, name in ipairs(known) do
    if name == database then return list end
  end
  return nil, no_database(self, database)
end

function Catalog:tables(database, options)
  options = options or {}
  local names, err = table_names(self, database)
  if not names then return nil, err end
  local items, next_cursor = {}, nil
  for _, name in ipairs(names) do
    local wanted = (not options.cursor or name > options.cursor)
      and (not options.search or name:find(options.search:lower(), 1, true))
    if wanted and options.limit and #items == options.limit then
      next_cursor = items[#items].name
      break
    end
    if wanted then items[#items + 1] = { name = name, type = self:is_plain(database, name) and "parquet" or "iceberg" } end
  end
  return { items = items, next = next_cursor }
end

-- Tables of the Hive catalog that are no Iceberg tables. Read once a moment; the cluster answers for all at once.
function Catalog:is_plain(database, name)
  if not self.hive then return false end
  local now = self.now()
  local known = self.plain[database]
  if not known or now - known.at > 5 then
    known = { at = now }
    -- the Iceberg catalog shows columns of its own tables only, so what has none there lives elsewhere
    for _, row in ipairs(rows_of(self, ("SELECT table_name FROM %s.information_schema.columns WHERE table_schema = %s"):format(
      quote.name(self.hive), quote.text(database))) or {}) do known[row[1]] = true end
    self.plain[database] = known
  end
  return known[name] or false
end

-- One table --------------------------------------------------------------------------------------------------------------

local function columns_of(self, catalog, database, name)
  local rows, err = rows_of(self, ("SELECT column_name, data_type, comment FROM %s.information_schema.columns WHERE table_schema = %s "
    .. "AND table_name = %s ORDER BY ordinal_position"):format(quote.name(catalog), quote.text(database), quote.text(name)))
  if not rows then return nil, err end
  local list = {}
  for i, row in ipairs(rows) do list[i] = { name = row[1], type = row[2], comment = row[3] ~= require("lib.json").null and row[3] or nil } end
  return list
end

local function no_table(self, database, name)
  local names, err = table_names(self, database)
  if not names then return err end
  return errors.new("NotFound", ("there is no table '%s.%s'%s"):format(database, name, suggest.hint(name, names)))
end

local function first_cell(self, sql)
  local rows, err = rows_of(self, sql)
  if not rows then return nil, err end
  return rows[1] and rows[1][1], nil, rows[1]
end

local function location_of(self, target)
  local text = first_cell(self, "SHOW CREATE TABLE " .. target) or ""
  return text:match("location = '([^']*)'"), text:match("partitioned_by = ARRAY%[([^%]]*)%]")
end

local function iceberg_table(self, database, name, columns)
  local target = full_name(self.catalog, database, name)
  local function meta(suffix) return full_name(self.catalog, database, name .. suffix) end
  local rows, err = first_cell(self, "SELECT count(*) FROM " .. target) -- the cluster counts from metadata when no row was deleted
  if err then return nil, err end
  local bytes
  bytes, err = first_cell(self, ("SELECT sum(file_size_in_bytes) FROM %s WHERE content = 0"):format(meta "$files"))
  if err then return nil, err end
  local _, problem, history = first_cell(self, ("SELECT to_unixtime(min(made_current_at)), to_unixtime(max(made_current_at)), "
    .. "CAST(max_by(snapshot_id, made_current_at) AS varchar) FROM %s"):format(meta "$history"))
  if problem then return nil, problem end
  local location = location_of(self, target)
  return { database = database, name = name, type = "iceberg", columns = columns, partition_keys = {}, location = location,
    row_count = rows, byte_count = math.type(bytes) == "integer" and bytes or 0, snapshot_id = type(history[3]) == "string" and history[3] or nil,
    created_at = tonumber(history[1]), updated_at = tonumber(history[2]), properties = {} }
end

local function plain_table(self, database, name)
  local columns, err = columns_of(self, self.hive, database, name)
  if not columns then return nil, err end
  local target = full_name(self.hive, database, name)
  local location, keys_text = location_of(self, target)
  local is_key, keys = {}, {}
  for key in (keys_text or ""):gmatch("'([^']*)'") do is_key[key] = true end
  for _, c in ipairs(columns) do
    if is_key[c.name] then keys[#keys + 1] = { name = c.name, type = c.type } end
  end
  local rows, problem = first_cell(self, "SELECT count(*) FROM " .. target)
  if problem then return nil, problem end
  return { database = database, name = name, type = "parquet", columns = columns, partition_keys = keys, location = location, row_count = rows,
    properties = {} }
end

function Catalog:table(database, name)
  if self:is_plain(database, name) then return plain_table(self, database, name) end
  local columns, err = columns_of(self, self.catalog, database, name)
  if not columns then return nil, err end
  if #columns == 0 then return nil, no_table(self, database, name) end
  return iceberg_table(self, database, name, columns)
end

function Catalog:sample(database, name, count)
  local found, err = self:table(database, name)
  if not found then return nil, err end
  local result
  result, err = self.client:run(("SELECT * FROM %s LIMIT %d"):format(full_name(self.catalog, database, name), math.min(count or 20, MAX_SAMPLE)))
  if not result then return nil, err end
  local names, kinds, lines = {}, {}, {}
  for i, c in ipairs(result.columns) do names[i], kinds[i] = c.name, values.type_name(c.type) end
  for i, row in ipairs(result.rows) do lines[i] = values.line(row, result.columns) end
  return { columns = names, column_types = kinds, rows_text = lines }
end

-- Where the files of a new table belong: below SEWING_TRINO_LOCATION, or where the cluster's catalog puts them.
function Catalog:location(database, name)
  if not self.base then return dialect.MANAGED end
  return ("%s/%s/%s-%s"):format(self.base:gsub("/+$", ""), database, name, self.new_id())
end

-- Bronze ------------------------------------------------------------------------------------------------------------------

local function declared(columns)
  local parts = {}
  for i, c in ipairs(columns) do parts[i] = quote.name(c.name:lower()) .. " " .. c.type end
  return table.concat(parts, ", ")
end

-- A place in the lake's folder as this machine names it, and as the cluster does.
local function seen_here(self, path)
  local shared = self.shared_root
  return path:sub(1, #shared) == shared and self.local_root .. path:sub(#shared + 1) or path
end

local function seen_by_cluster(self, location)
  local path = location:gsub("^file://", "")
  local mine = self.local_root
  if path:sub(1, #mine) == mine then return self.shared_root .. path:sub(#mine + 1) end
  return location
end

local function ensure_table(self, request, keys, location)
  local statements = {
    ("CREATE SCHEMA IF NOT EXISTS %s"):format(full_name(self.hive, request.database)),
    ("CREATE TABLE IF NOT EXISTS %s (%s, %s) WITH (external_location = %s, format = 'PARQUET', partitioned_by = ARRAY[%s])"):format(
      full_name(self.hive, request.database, request.table), declared(request.columns), declared(keys.columns), quote.text(location), keys.names),
  }
  for _, sql in ipairs(statements) do
    local ok, err = self.client:run(sql)
    if not ok then return nil, err end
  end
  self.plain[request.database] = nil
  return true
end

-- Columns that a later load brought.
local function add_columns(self, request)
  local there, err = columns_of(self, self.hive, request.database, request.table)
  if not there then return nil, err end
  local known = {}
  for _, c in ipairs(there) do known[c.name] = true end
  for _, c in ipairs(request.columns) do
    if not known[c.name:lower()] then
      local ok, problem = self.client:run(("ALTER TABLE %s ADD COLUMN %s"):format(full_name(self.hive, request.database, request.table),
        declared { c }))
      if not ok then return nil, problem end
    end
  end
  return true
end

local function partition_keys(partition)
  local list, names, texts, literals, depth = {}, {}, {}, {}, 0
  for key in pairs(partition) do names[#names + 1] = key end
  table.sort(names)
  for i, key in ipairs(names) do
    list[i] = { name = key, type = key == "run" and "date" or "varchar" }
    texts[i], literals[i], depth = quote.text(key), quote.text(partition[key]), depth + 1
  end
  return { columns = list, names = table.concat(texts, ", "), values = table.concat(literals, ", "), depth = depth }
end

function Catalog:register_partition(request)
  if not self.hive then
    return nil, errors.new("BadSetting", "bronze is plain Parquet: name a Hive catalog of the cluster in SEWING_TRINO_HIVE_CATALOG")
  end
  local folder = seen_by_cluster(self, request.location):gsub("/+$", "")
  local keys = partition_keys(request.partition)
  local ok, err = ensure_table(self, request, keys, (folder:gsub(("/[^/]*"):rep(keys.depth) .. "$", "")))
  if ok then ok, err = add_columns(self, request) end
  if not ok then return nil, err end
  ok, err = self.client:run(("CALL %s.system.register_partition(%s, %s, ARRAY[%s], ARRAY[%s], %s)"):format(quote.name(self.hive),
    quote.text(request.database), quote.text(request.table), keys.names, keys.values, quote.text(folder)))
  if ok or err.message:find("already registered", 1, true) then return true end
  return nil, err
end

-- The files that make up an Iceberg table now, for the listing of layers.
function Catalog:files(database, name)
  local rows, err = rows_of(self, ("SELECT f.file_path, f.file_size_in_bytes, f.record_count FROM %s f WHERE f.content = 0 ORDER BY 1"):format(
    full_name(self.catalog, database, name .. "$files")))
  if not rows then return nil, err end
  local list = {}
  for i, row in ipairs(rows) do list[i] = { path = seen_here(self, row[1]), bytes = row[2], rows = row[3] } end
  return list
end

-- Names of the tables of a database; empty when it cannot be told.
---@param client TrinoClient
---@param catalog string
---@return fun(database: string): string[]
function M.names_of(client, catalog)
  return function(database) return table_names({ client = client, catalog = catalog, databases = Catalog.databases }, database) or {} end
end

---@param options {client: TrinoClient, catalog: string, hive: string?, base: string?, local_root: string, shared_root: string,
---  new_id: (fun(): string), now: (fun(): number)?}
---  base: where new tables go; local_root, shared_root: the lake's folder as this machine and as the cluster names it
---@return table port
function M.new(options)
  local self = setmetatable({ client = options.client, catalog = options.catalog, hive = options.hive, base = options.base, plain = {},
    local_root = options.local_root, shared_root = options.shared_root, new_id = options.new_id, now = options.now or require("sm.time").monotonic },
    Catalog)
  local port = {}
  for _, method in ipairs { "databases", "tables", "table", "sample", "location", "register_partition", "files" } do
    port[method] = function(...) return self[method](self, ...) end
  end
  return port
end

return M
