-- SHOW, DESCRIBE and their kin: answered from the catalog, without the engine.
local errors = require "lib.errors"
local metadata = require "adapters.local.iceberg.metadata"
local names = require "lib.sql.names"
local quote = require "lib.sql.quote"
local resolve = require "adapters.local.warehouse.resolve"
local sql = require "lib.sql"
local store_module = require "adapters.local.iceberg.store"

local M = {}

---@class Listing
---@field columns table[]  {{name, type}}
---@field rows table[]     lists of texts, false for NULL

local function listing(column_names, rows)
  local columns = {}
  for i, name in ipairs(column_names) do columns[i] = { name = name, type = "string" } end
  return { columns = columns, rows = rows }
end

local function literally(text) return (text:gsub("[%^%$%(%)%.%[%]%*%+%-%?%%]", "%%%0")) end

-- LIKE of SQL: % and _.
local function like_pattern(text)
  return "^" .. text:gsub(".", function(c)
    if c == "%" then return ".*" elseif c == "_" then return "." end
    return literally(c)
  end) .. "$"
end

-- LIKE of SQL, or Athena's pattern with * or .* and |, as a test. After LIKE people write either.
local function matcher(tree)
  local text = tree.pattern or tree.like
  if not text then return function() return true end end
  local parts = { tree.like and like_pattern(tree.like) }
  for part in (text .. "|"):gmatch("([^|]*)|") do
    parts[#parts + 1] = "^" .. literally((part:lower():gsub("%.%*", "*"))):gsub("%%%*", ".*") .. "$"
  end
  return function(name)
    for _, part in ipairs(parts) do
      if name:find(part) then return true end
    end
    return false
  end
end

local function filtered(tree, list)
  local keep, rows = matcher(tree), {}
  for _, name in ipairs(list) do
    if keep(name) then rows[#rows + 1] = { name } end
  end
  return rows
end

local show = {}

function show.databases(lake, tree)
  local list, err = lake.catalog:databases()
  if not list then return nil, err end
  return listing({ "database_name" }, filtered(tree, list))
end

function show.tables(lake, tree, resolver)
  local database = tree.from and names.database(tree.from) or resolver.database
  if not database then return nil, errors.new("BadParam", "SHOW TABLES needs a database: SHOW TABLES IN name") end
  if not lake.catalog:has_database(database) then return nil, lake.store:no_table(database, "") end
  local list = {}
  for i, row in ipairs(lake.catalog:tables(database, {}) or {}) do list[i] = row.name end
  return listing({ "tab_name" }, filtered(tree, list))
end

function show.views() return listing({ "views" }, {}) end

-- Those of the dialect that can be called here.
function show.functions(_, tree)
  return listing({ "Function" }, filtered(tree, sql.function_names()))
end

function show.catalogs() return listing({ "Catalog" }, { { "awsdatacatalog" } }) end

local function located(resolver, tree)
  local ref, message = names.table_ref(tree.target)
  if not ref then return nil, errors.new("SyntaxError", message) end
  return resolver:name(ref)
end

function show.columns(lake, tree, resolver)
  local database, name = located(resolver, tree)
  if not database then return nil, name end
  local columns, err = resolve.columns(lake, database, name)
  if not columns then return nil, err end
  local list = {}
  for i, c in ipairs(columns) do list[i] = c.name end
  return listing({ "field" }, filtered(tree, list))
end

function show.partitions(lake, tree, resolver)
  local database, name = located(resolver, tree)
  if not database then return nil, name end
  local entry = lake.catalog:parquet(database, name)
  if not entry or #entry.partition_keys == 0 then
    local ok, err = resolve.columns(lake, database, name)
    if not ok then return nil, err end
    return nil, errors.new("NotSupported", ("table '%s.%s' has no partition folders"):format(database, name))
  end
  local seen, rows = {}, {}
  for _, file in ipairs(resolve.parquet_files(entry)) do
    local folder = file.key:match("^(.*)/[^/]*$")
    if folder and not seen[folder] then
      seen[folder] = true
      rows[#rows + 1] = { folder }
    end
  end
  return listing({ "partition" }, rows)
end

local function sorted_properties(properties)
  local rows = {}
  for key, value in pairs(properties) do
    if key ~= store_module.CREATED then rows[#rows + 1] = { key, tostring(value) } end
  end
  table.sort(rows, function(a, b) return a[1] < b[1] end)
  return rows
end

function show.properties(lake, tree, resolver)
  local database, name = located(resolver, tree)
  if not database then return nil, name end
  if lake.catalog:parquet(database, name) then return listing({ "prpt_name", "prpt_value" }, { { "classification", "parquet" },
    { "EXTERNAL", "TRUE" } }) end
  local table_, err = lake.store:load(database, name)
  if not table_ then return nil, err end
  local rows = sorted_properties(table_.meta.properties)
  rows[#rows + 1] = { "metadata_location", table_.metadata_location }
  rows[#rows + 1] = { "table_type", "ICEBERG" }
  return listing({ "prpt_name", "prpt_value" }, rows)
end

local function column_lines(columns)
  local lines = {}
  for i, c in ipairs(columns) do lines[i] = ("  %s %s%s"):format(c.name, c.type, i < #columns and "," or ")") end
  return lines
end

function show.create_table(lake, tree, resolver)
  local database, name = located(resolver, tree)
  if not database then return nil, name end
  local entry, properties = lake.catalog:parquet(database, name), nil
  local columns, err = resolve.columns(lake, database, name)
  if not columns then return nil, err end
  local location, lines = entry and entry.location, { ("CREATE %sTABLE %s.%s ("):format(entry and "EXTERNAL " or "", database, name) }
  if entry then
    for _ in ipairs(entry.partition_keys) do columns[#columns] = nil end
  else
    local table_ = assert(lake.store:load(database, name))
    location, properties = table_.location, sorted_properties(table_.meta.properties)
  end
  for _, line in ipairs(column_lines(columns)) do lines[#lines + 1] = line end
  if entry and #entry.partition_keys > 0 then
    local keys = {}
    for i, key in ipairs(entry.partition_keys) do keys[i] = key.name .. " " .. key.type end
    lines[#lines + 1] = "PARTITIONED BY (" .. table.concat(keys, ", ") .. ")"
  end
  if entry then lines[#lines + 1] = "STORED AS PARQUET" end
  lines[#lines + 1] = ("LOCATION '%s'"):format(location)
  if properties then
    lines[#lines + 1] = "TBLPROPERTIES ("
    lines[#lines + 1] = "  'table_type'='ICEBERG'" .. (#properties > 0 and "," or "")
    for i, p in ipairs(properties) do
      lines[#lines + 1] = ("  %s=%s%s"):format(quote.text(p[1]), quote.text(p[2]), i < #properties and "," or "")
    end
    lines[#lines + 1] = ")"
  end
  local rows = {}
  for i, line in ipairs(lines) do rows[i] = { line } end
  return listing({ "createtab_stmt" }, rows)
end

---@return Listing|nil listing, Error? err
function M.show(lake, tree, resolver)
  local answer = show[tree.what]
  if not answer then return nil, errors.new("NotSupported", ("SHOW %s is not offered here"):format((tree.what:upper():gsub("_", " ")))) end
  return answer(lake, tree, resolver)
end

---@return Listing|nil listing, Error? err
function M.describe(lake, tree, resolver)
  local database, name = located(resolver, tree)
  if not database then return nil, name end
  local columns, err = resolve.columns(lake, database, name)
  if not columns then return nil, err end
  local entry, keys, rows = lake.catalog:parquet(database, name), {}, {}
  for _, key in ipairs(entry and entry.partition_keys or {}) do keys[key.name] = true end
  for i, c in ipairs(columns) do rows[i] = { c.name, c.type, keys[c.name] and "partition key" or c.comment or "" } end
  if tree.formatted and not entry then
    local table_ = assert(lake.store:load(database, name))
    rows[#rows + 1] = { "# location", table_.location, "" }
    rows[#rows + 1] = { "# snapshots", tostring(#table_.meta.snapshots), "" }
    local current = metadata.current(table_.meta)
    rows[#rows + 1] = { "# rows", current and current.summary["total-records"] or "0", "" }
  end
  return listing({ "col_name", "data_type", "comment" }, rows)
end

return M
