-- Port catalog on this machine: databases, tables and their columns as callers see them.
local files = require "sm.files"
local lake_module = require "adapters.local.lake"
local metadata = require "adapters.local.iceberg.metadata"
local resolve = require "adapters.local.warehouse.resolve"
local results = require "adapters.local.warehouse.results"
local scan = require "adapters.local.iceberg.scan"
local store_module = require "adapters.local.iceberg.store"
local types = require "adapters.local.iceberg.types"

local M = {}

local MAX_SAMPLE <const> = 1000

local function page(list, limit)
  local next_cursor
  if limit and #list > limit then
    list[#list] = nil
    next_cursor = list[#list].name
  end
  return { items = list, next = next_cursor }
end

local function shown_properties(meta)
  local shown = {}
  for key, value in pairs(meta.properties) do
    if key ~= store_module.CREATED then shown[key] = value end
  end
  return shown
end

local function iceberg_table(lake, database, name)
  local table_, err = lake.store:load(database, name)
  if not table_ then return nil, err end
  local meta, current = table_.meta, metadata.current(table_.meta)
  local summary = current and current.summary or {}
  local log, rows, bytes = meta["snapshot-log"], tonumber(summary["total-records"]), tonumber(summary["total-files-size"])
  local first = meta.snapshots[1] or log[1]
  return {
    database = database, name = name, type = "iceberg", columns = scan.columns_of(metadata.schema(meta).fields), partition_keys = {},
    location = table_.location, row_count = math.tointeger(rows or 0), byte_count = math.tointeger(bytes or 0),
    snapshot_id = current and tostring(current["snapshot-id"]) or nil,
    created_at = (tonumber(meta.properties[store_module.CREATED]) or (first and first["timestamp-ms"]) or meta["last-updated-ms"]) / 1000,
    updated_at = meta["last-updated-ms"] / 1000, properties = shown_properties(meta),
  }
end

-- Row counts of plain Parquet come from the files' footers, once per file.
local function parquet_rows(lake, found)
  if #found == 0 then return 0 end
  local con <close>, err = lake.engine:connect()
  if not con then return nil, err end
  local list = {}
  for i, file in ipairs(found) do list[i] = types.literal(file.path) end
  local result
  result, err = con:query(("SELECT CAST(sum(num_rows) AS BIGINT) FROM parquet_file_metadata([%s])"):format(table.concat(list, ", ")))
  return result and result.rows[1][1], err
end

local function parquet_table(lake, entry, database, name)
  local relation, err = scan.parquet(entry, {})
  if not relation then return nil, err end
  local found, bytes = resolve.parquet_files(entry), 0
  for _, file in ipairs(found) do bytes = bytes + file.bytes end
  local keys = {}
  for i, key in ipairs(entry.partition_keys) do keys[i] = { name = key.name, type = key.type } end
  return {
    database = database, name = name, type = "parquet", columns = relation.columns, partition_keys = keys, location = entry.location,
    row_count = parquet_rows(lake, found), byte_count = bytes, created_at = entry.created_at, updated_at = entry.updated_at,
      properties = {},
  }
end

-- The columns of a registered folder together with those known before: new ones are added, changed types follow the newest.
local function merged(entry, columns)
  if not entry then return columns, true end
  local by_name, list, uniform = {}, {}, #entry.columns == #columns
  for i, c in ipairs(entry.columns) do
    list[i] = { name = c.name, type = c.type }
    by_name[c.name] = list[i]
  end
  for _, c in ipairs(columns) do
    local known = by_name[c.name]
    if not known then
      list[#list + 1] = c
      uniform = false
    elseif known.type ~= c.type then
      known.type, uniform = c.type, false
    end
  end
  return list, uniform and entry.uniform
end

local function valid_columns(columns)
  local list = {}
  for i, c in ipairs(columns) do
    local kind, err = types.from_engine(c.type, function() return 0 end)
    if not kind then return nil, err end
    list[i] = { name = c.name, type = types.to_trino(kind), comment = c.comment }
  end
  return list
end

---@param lake Lake
---@return table port
function M.new(lake)
  local port = {}

  function port.databases() return lake.catalog:databases() end

  function port.tables(database, options)
    options = options or {}
    if not lake.catalog:has_database(database) then return nil, lake.store:no_table(database, "") end
    local list, err = lake.catalog:tables(database, { search = options.search, after = options.cursor, limit = options.limit
      and options.limit + 1 })
    if not list then return nil, err end
    return page(list, options.limit)
  end

  function port.table(database, name)
    local entry = lake.catalog:parquet(database, name)
    if entry then return parquet_table(lake, entry, database, name) end
    return iceberg_table(lake, database, name)
  end

  function port.sample(database, name, count)
    local resolver <close> = resolve.new(lake, database)
    local relation, err = resolver:table { database = database, table = name }
    if not relation then return nil, err end
    local con <close>, refused = lake.engine:connect()
    if not con then return nil, refused end
    local cursor <close>, failed = con:stream(("SELECT * FROM %s AS t LIMIT %d"):format(relation.sql, math.min(count or 20, MAX_SAMPLE)))
    if not cursor then return nil, failed end
    local rows = {}
    while true do
      local text, problem = cursor:render("rows", 1 << 20)
      if not text then
        if problem then return nil, problem end
        break
      end
      for line in text:gmatch("[^\n]+") do rows[#rows + 1] = line end
    end
    local columns, names, kinds = results.column_list(cursor:columns()), {}, {}
    for i, c in ipairs(columns) do names[i], kinds[i] = c.name, c.type end
    return { columns = names, column_types = kinds, rows_text = rows }
  end

  function port.location(database, name) return lake_module.location(lake, database, name) end

  function port.register_partition(request)
    local columns, err = valid_columns(request.columns)
    if not columns then return nil, err end
    local keys, depth = {}, 0
    for key in pairs(request.partition or {}) do
      keys[#keys + 1] = { name = key, type = key == "run" and "date" or "varchar" }
      depth = depth + 1
    end
    table.sort(keys, function(a, b) return a.name < b.name end)
    local location = request.location:gsub("/+$", "")
    for _ = 1, depth do location = location:gsub("/[^/]*$", "") end
    local entry = lake.catalog:parquet(request.database, request.table)
    local list, uniform = merged(entry, columns)
    local ok
    ok, err = lake.catalog:create_database(request.database)
    if not ok then return nil, err end
    ok, err = lake.catalog:put_parquet(request.database, request.table,
      { columns = list, partition_keys = keys, location = store_module.uri(store_module.path(location)), uniform = uniform,
        now = lake.now() })
    return ok and true, err
  end

  -- The files that make up a table now: {{path, bytes, rows?, modified_at}}, for the listing of layers.
  function port.files(database, name)
    local entry, found = lake.catalog:parquet(database, name), {}
    if entry then
      for i, file in ipairs(resolve.parquet_files(entry)) do found[i] = { path = file.path, bytes = file.bytes,
        modified_at = file.mtime } end
      return found
    end
    local table_, err = lake.store:load(database, name)
    if not table_ then return nil, err end
    local list
    list, err = lake.store:files(metadata.current(table_.meta))
    if not list then return nil, err end
    for i, file in ipairs(list) do
      local path = store_module.path(file.path)
      local stat = files.stat(path)
      found[i] = { path = path, bytes = file.bytes, rows = file.rows, modified_at = stat and stat.mtime }
    end
    return found
  end

  return port
end

return M
