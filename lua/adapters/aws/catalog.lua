-- Port catalog on Glue. Databases and tables come page by page; the tables of several databases are fetched side by side
-- when somebody goes through all of them, and one that we may not read is shown empty instead of spoiling the rest.
local errors = require "lib.errors"
local failures = require "adapters.aws.failures"
local hive_types = require "adapters.aws.hive_types"
local iceberg = require "adapters.aws.iceberg"
local log = require "lib.log"
local partitions = require "adapters.aws.partitions"
local s3_uri = require "adapters.aws.s3_uri"
local suggest = require "lib.suggest"
local task = require "sm.task"

local M = {}

local PAGE <const> = 100
local AHEAD <const>, AHEAD_SECONDS <const> = 8, 5   -- databases read ahead, and how long that is good for
local MAX_SAMPLE <const> = 1000

local Catalog = {}
Catalog.__index = Catalog

-- Every entry of a paged operation.
local function all(self, operation, params, field)
  local list = {}
  params.MaxResults = PAGE
  repeat
    local output, failure = self.api:call("glue", operation, params)
    if not output then return nil, failure end
    for _, one in ipairs(output[field] or {}) do list[#list + 1] = one end
    params.NextToken = output.NextToken
  until not params.NextToken or params.NextToken == ""
  return list
end

function Catalog:databases()
  local found, failure = all(self, "get_databases", {}, "DatabaseList")
  if not found then return nil, failures.error(failure, "list databases") end
  local names = {}
  for i, database in ipairs(found) do names[i] = database.Name end
  table.sort(names)
  self.names = names
  return names
end

local function kind_of(entry)
  local kind = ((entry.Parameters or {}).table_type or ""):lower()
  if kind == "iceberg" then return "iceberg" end
  return entry.TableType == "VIRTUAL_VIEW" and "view" or "parquet"
end

local function fetch_tables(self, database)
  local found, failure = all(self, "get_tables", { DatabaseName = database }, "TableList")
  if not found then return nil, failure end
  local items = {}
  for i, entry in ipairs(found) do items[i] = { name = entry.Name, type = kind_of(entry) } end
  table.sort(items, function(a, b) return a.name < b.name end)
  return items
end

-- Who lists one database of many goes on to the next ones: those are fetched meanwhile.
local function read_ahead(self, database)
  local at
  for i, name in ipairs(self.names or {}) do
    if name == database then at = i end
  end
  local now = self.clock.now()
  for i = (at or 0) + 1, at and math.min(#self.names, at + AHEAD) or 0 do
    local name = self.names[i]
    local known = self.ahead[name]
    if not known or known.till < now then
      self.ahead[name] = { till = now + AHEAD_SECONDS, task = task.spawn(function() return { fetch_tables(self, name) } end) }
    end
  end
end

local function tables_of(self, database, alone)
  local ahead = self.ahead[database]
  self.ahead[database] = nil
  if not alone then read_ahead(self, database) end
  if ahead and ahead.till >= self.clock.now() then
    local result = ahead.task:join()
    if result then return result[1], result[2] end
  end
  return fetch_tables(self, database)
end

local function no_database(self, database)
  local names = self:databases() or {}
  return errors.new("NotFound", ("there is no database '%s'%s"):format(database, suggest.hint(database, names)))
end

function Catalog:tables(database, options)
  options = options or {}
  local items, failure = tables_of(self, database, options.limit ~= nil)
  if not items then
    if failures.is_missing(failure) then return nil, no_database(self, database) end
    if not failures.is_denied(failure) then return nil, failures.error(failure, "list the tables of " .. database) end
    log.warn("database_denied", { database = database, message = tostring(failure) })
    return { items = {} }
  end
  local kept, search = {}, options.search and options.search:lower()
  for _, item in ipairs(items) do
    if (not options.cursor or item.name > options.cursor) and (not search or item.name:lower():find(search, 1, true)) then
      if options.limit and #kept == options.limit then return { items = kept, next = kept[#kept].name } end
      kept[#kept + 1] = item
    end
  end
  return { items = kept }
end

-- Columns that a table had once stay in Glue; Iceberg marks them.
local function columns_of(entry, is_iceberg)
  local list = {}
  for _, column in ipairs(entry.StorageDescriptor and entry.StorageDescriptor.Columns or {}) do
    if (column.Parameters or {})["iceberg.field.current"] ~= "false" then
      list[#list + 1] = { name = column.Name, type = hive_types.to_trino(column.Type or "string", is_iceberg),
        comment = column.Comment ~= "" and column.Comment or nil }
    end
  end
  return list
end

local function keys_of(entry)
  local list = {}
  for i, key in ipairs(entry.PartitionKeys or {}) do list[i] = { name = key.Name, type = hive_types.to_trino(key.Type or "string") } end
  return list
end

local HIDDEN <const> = { metadata_location = true, previous_metadata_location = true }

local function shown_properties(entry)
  local shown = {}
  for name, value in pairs(entry.Parameters or {}) do
    if not HIDDEN[name] and not name:find("^sewing%.") then shown[name] = value end
  end
  return shown
end

-- What Iceberg knows of itself; without it (no permission, a file that is gone) the rest is still worth telling.
local function counts_of(self, entry)
  local location = (entry.Parameters or {}).metadata_location
  if not location then return {} end
  local metadata, err = iceberg.read(self.api, location)
  if metadata then return iceberg.counts(metadata) end
  log.warn("metadata_unreadable", { table = entry.Name, message = tostring(err) })
  return {}
end

local function no_table(self, database, name)
  local names = {}
  for i, item in ipairs(fetch_tables(self, database) or {}) do names[i] = item.name end
  return errors.new("NotFound", ("there is no table %s.%s%s"):format(database, name, suggest.hint(name, names)))
end

--- The entry as Glue has it.
function Catalog:entry(database, name)
  local output, failure = self.api:call("glue", "get_table", { DatabaseName = database, Name = name })
  if output then return output.Table end
  if failures.is_missing(failure) then return nil, no_table(self, database, name) end
  return nil, failures.error(failure, ("read the table %s.%s"):format(database, name))
end

local function latest(...)
  local last
  for _, time in pairs { ... } do
    if type(time) == "number" and (not last or time > last) then last = time end
  end
  return last
end

function Catalog:table(database, name)
  local entry, err = self:entry(database, name)
  if not entry then return nil, err end
  local kind = kind_of(entry)
  local columns, keys = columns_of(entry, kind == "iceberg"), keys_of(entry)
  for _, key in ipairs(keys) do columns[#columns + 1] = key end
  local counts = kind == "iceberg" and counts_of(self, entry) or {}
  return { database = database, name = entry.Name, type = kind, columns = columns, partition_keys = keys,
    location = entry.StorageDescriptor and entry.StorageDescriptor.Location, row_count = counts.rows, byte_count = counts.bytes,
    snapshot_id = counts.snapshot_id, created_at = entry.CreateTime, updated_at = latest(counts.at, entry.UpdateTime, entry.CreateTime),
    properties = shown_properties(entry) }
end

function Catalog:sample(database, name, count)
  local quote = require "lib.sql.quote"
  local sql = ("SELECT * FROM %s.%s LIMIT %d"):format(quote.name(database), quote.name(name), math.min(count or 20, MAX_SAMPLE))
  local done, err = self.warehouse.run { sql = sql, database = database, caller = "internal", purpose = "query" }
  if not done then return nil, err end
  return self.warehouse.results(done.id, { max_rows = MAX_SAMPLE })
end

--- Where a new table of this database belongs: in its layer, else below the lake's own prefix.
function Catalog:location(database, name)
  local base = self.prefixes[database]
  if not base or base == "" or base:find("{run}", 1, true) then base = self.lake and self.lake:gsub("/*$", "/") .. database end
  if not base then base = self.output and self.output:gsub("/*$", "/") .. "tables/" .. database end
  return base and ("%s/%s/"):format(base:gsub("/+$", ""), name) or ("s3://unknown/%s/%s/"):format(database, name)
end

function Catalog:register_partition(request)
  local bucket, wrong = s3_uri.split(request.location)
  if not bucket then return nil, wrong end
  return partitions.register(self.api, request)
end

---@class aws.CatalogOptions
---@field api table
---@field clock table
---@field warehouse table
---@field prefixes table<string, string?>  layer -> s3:// prefix
---@field lake string?                     s3:// prefix of all other databases
---@field output string?

---@param options aws.CatalogOptions
---@return table catalog  port catalog
function M.new(options)
  local self = setmetatable({ api = options.api, clock = options.clock, warehouse = options.warehouse, prefixes = options.prefixes,
    lake = options.lake, output = options.output, ahead = {} }, Catalog)
  local port = {}
  for _, name in ipairs { "databases", "tables", "table", "entry", "sample", "location", "register_partition" } do
    port[name] = function(...) return self[name](self, ...) end
  end
  return port
end

return M
