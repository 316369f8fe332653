-- Catalog and table store on Glue together with an Athena that runs statements (athena_fixture): the embedded engine keeps
-- the tables, and after every statement Glue (moto) learns of them as Athena would have told it. Before a statement the engine
-- takes over what was changed in Glue, so that a swap is seen by the next query.
local athena_fixture = require "athena_fixture"
local aws = require "aws_fixture"
local files = require "sm.files"
local iceberg_columns = require "adapters.aws.iceberg_columns"
local json = require "sm.json"

local M = {}

local function inner(root, uri) return uri:sub(#("file://" .. root) + 1) end

-- Metadata files lie in the bucket as in the lake's folder, and name their neighbours there.
local function upload(f, location)
  local root = f.under.lake.root
  local path = location:gsub("^file://", "")
  local text = assert(files.read(path)):gsub(("file://" .. root):gsub("%p", "%%%0"), "s3://" .. f.bucket)
  assert(f.api:call("s3", "put_object", { Bucket = f.bucket, Key = (inner(root, location):gsub("^/", "")), Body = text }))
  return "s3://" .. f.bucket .. inner(root, location), assert(json.decode(text))
end

local function glue_tables(f, database)
  local found = {}
  for _, entry in ipairs(assert(f.api:call("glue", "get_tables", { DatabaseName = database })).TableList) do found[entry.Name] = entry end
  return found
end

local function tell_glue(f, database, name, known)
  local location = f.under.lake.catalog:iceberg(database, name).metadata_location
  local remote = "s3://" .. f.bucket .. inner(f.under.lake.root, location)
  if known and known.Parameters.metadata_location == remote then return end
  local _, metadata = upload(f, location)
  local parameters = known and known.Parameters or { table_type = "ICEBERG" }
  parameters.previous_metadata_location = known and known.Parameters.metadata_location or nil
  parameters.metadata_location = remote
  local input = { Name = name, TableType = "EXTERNAL_TABLE", Parameters = parameters, StorageDescriptor = { Location = metadata.location,
    Columns = iceberg_columns.of(metadata) } }
  assert(f.api:call("glue", known and "update_table" or "create_table", { DatabaseName = database, TableInput = input }))
end

--- Tells Glue of the engine's tables as they are.
function M.push(f)
  local databases = {}
  for _, one in ipairs(assert(f.api:call("glue", "get_databases", {})).DatabaseList) do databases[one.Name] = true end
  for _, database in ipairs(f.under.lake.catalog:databases()) do
    if not databases[database] then assert(f.api:call("glue", "create_database", { DatabaseInput = { Name = database } })) end
    local known = glue_tables(f, database)
    for _, item in ipairs(f.under.lake.catalog:tables(database, {})) do
      if item.type == "iceberg" then tell_glue(f, database, item.name, known[item.name]) end
      known[item.name] = nil
    end
    for gone, entry in pairs(known) do
      if entry.Parameters.metadata_location then assert(f.api:call("glue", "delete_table", { DatabaseName = database, Name = gone })) end
    end
  end
end

local function pull(f)
  local lake = f.under.lake
  for _, one in ipairs(assert(f.api:call("glue", "get_databases", {})).DatabaseList) do
    local known = glue_tables(f, one.Name)
    for _, item in ipairs(lake.catalog:tables(one.Name, {})) do
      if not known[item.name] then lake.catalog.db:exec("DELETE FROM iceberg_tables WHERE table_namespace = ? AND table_name = ?", one.Name, item.name) end
    end
    for name, entry in pairs(known) do
      local there = "file://" .. lake.root .. entry.Parameters.metadata_location:gsub("^s3://[^/]+", "")
      local row = lake.catalog:iceberg(one.Name, name)
      if not row then assert(lake.catalog:insert(one.Name, name, there))
      elseif row.metadata_location ~= there then assert(lake.catalog:swap(one.Name, name, row.metadata_location, there)) end
    end
  end
end

---@param options table?
function M.open(options)
  aws.reset_moto()
  local f = athena_fixture.open(options)
  local clock = require("adapters.local.clock").new()
  f.catalog = require("adapters.aws.catalog").new { api = f.api, clock = clock, warehouse = f.warehouse,
    prefixes = { gold = "s3://lake/gold/" }, lake = "s3://lake/" }
  f.table_store = require("adapters.aws.table_store").new { api = f.api, catalog = f.catalog }
  local run = f.warehouse.run
  local function around(work)
    return function(...)
      pull(f)
      local result = table.pack(work(...))
      M.push(f)
      return table.unpack(result, 1, result.n)
    end
  end
  f.warehouse.run, f.warehouse.export = around(run), around(f.warehouse.export)
  return f
end

return M
