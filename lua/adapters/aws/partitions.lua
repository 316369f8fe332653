-- A folder of Parquet files as a partition of a table in Glue, which is made or widened when it has to be. Every step may be
-- repeated: what is there already stays, what points elsewhere is set right.
local failures = require "adapters.aws.failures"
local hive_types = require "adapters.aws.hive_types"
local json = require "lib.json"

local M = {}

local FORMAT <const> = {
  InputFormat = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
  OutputFormat = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
  SerdeInfo = { SerializationLibrary = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
    Parameters = { ["serialization.format"] = "1" } },
}
-- What UpdateTable takes of what GetTable gives.
local INPUT_FIELDS <const> = { "Name", "Description", "Owner", "Retention", "StorageDescriptor", "PartitionKeys", "ViewOriginalText",
  "ViewExpandedText", "TableType", "Parameters", "TargetTable" }

local function exists(failure) return failure.code == "AlreadyExistsException" end

--- The part of an entry that can be written back.
---@param entry table
---@return table
function M.input(entry)
  local input = {}
  for _, field in ipairs(INPUT_FIELDS) do input[field] = entry[field] end
  return input
end

local function descriptor(columns, location)
  return { Columns = json.list(columns), Location = location, InputFormat = FORMAT.InputFormat, OutputFormat = FORMAT.OutputFormat,
    SerdeInfo = FORMAT.SerdeInfo }
end

local function hive_columns(columns)
  local list = {}
  for i, column in ipairs(columns) do
    list[i] = { Name = column.name, Type = hive_types.to_hive(column.type), Comment = column.comment }
  end
  return list
end

-- Keys in order of their names; the day of a run is a date.
local function keys_of(partition)
  local keys, values = {}, {}
  for name in pairs(partition or {}) do keys[#keys + 1] = { Name = name, Type = name == "run" and "date" or "string" } end
  table.sort(keys, function(a, b) return a.Name < b.Name end)
  for i, key in ipairs(keys) do values[i] = partition[key.Name] end
  return keys, values
end

local function make_database(api, name)
  local output, failure = api:call("glue", "create_database", { DatabaseInput = { Name = name } })
  if output or exists(failure) then return true end
  return nil, failures.error(failure, "make the database " .. name)
end

local function base_of(location, depth)
  local base = location:gsub("/+$", "")
  for _ = 1, depth do base = base:gsub("/[^/]*$", "") end
  return base .. "/"
end

local function make_table(api, request, columns, keys)
  local ok, err = make_database(api, request.database)
  if not ok then return nil, err end
  local output, failure = api:call("glue", "create_table", { DatabaseName = request.database, TableInput = { Name = request.table,
    TableType = "EXTERNAL_TABLE", Parameters = { classification = "parquet", EXTERNAL = "TRUE" }, PartitionKeys = json.list(keys),
    StorageDescriptor = descriptor(columns, base_of(request.location, #keys)) } })
  if output or exists(failure) then return true end
  return nil, failures.error(failure, ("make the table %s.%s"):format(request.database, request.table))
end

-- New columns come at the end; a changed type follows the newest load.
local function widened(known, columns)
  local by_name, list, changed = {}, {}, false
  for i, column in ipairs(known or {}) do
    list[i] = column
    by_name[column.Name] = column
  end
  for _, column in ipairs(columns) do
    local old = by_name[column.Name]
    if not old then
      list[#list + 1], changed = column, true
    elseif old.Type ~= column.Type then
      old.Type, changed = column.Type, true
    end
  end
  return list, changed
end

local function widen_table(api, request, entry, columns)
  local list, changed = widened(entry.StorageDescriptor and entry.StorageDescriptor.Columns, columns)
  if not changed then return true end
  local input = M.input(entry)
  input.StorageDescriptor.Columns = json.list(list)
  local output, failure = api:call("glue", "update_table", { DatabaseName = request.database, TableInput = input, SkipArchive = true })
  if output then return true end
  return nil, failures.error(failure, ("add columns to %s.%s"):format(request.database, request.table))
end

local function ensure_table(api, request, columns, keys)
  local output, failure = api:call("glue", "get_table", { DatabaseName = request.database, Name = request.table })
  if output then return widen_table(api, request, output.Table, columns) end
  if failures.is_missing(failure) then return make_table(api, request, columns, keys) end
  return nil, failures.error(failure, ("read the table %s.%s"):format(request.database, request.table))
end

-- The folder holds one run only: days that pointed at it before show nothing of this run.
local function drop_others(api, request, values)
  local output, failure = api:call("glue", "get_partitions", { DatabaseName = request.database, TableName = request.table })
  if not output then return nil, failures.error(failure, "read partitions") end
  local others = {}
  for _, one in ipairs(output.Partitions or {}) do
    local location = one.StorageDescriptor and one.StorageDescriptor.Location
    if location == request.location and table.concat(one.Values, "\0") ~= table.concat(values, "\0") then
      others[#others + 1] = { Values = one.Values }
    end
  end
  if #others == 0 then return true end
  output, failure = api:call("glue", "batch_delete_partition", { DatabaseName = request.database, TableName = request.table,
    PartitionsToDelete = json.list(others) })
  if output then return true end
  return nil, failures.error(failure, "let go of partitions that the load has replaced")
end

local function put_partition(api, request, columns, values)
  local input = { Values = json.list(values), StorageDescriptor = descriptor(columns, request.location) }
  local target = { DatabaseName = request.database, TableName = request.table, PartitionInput = input }
  local output, failure = api:call("glue", "create_partition", target)
  if output then return true end
  if exists(failure) then
    target.PartitionValueList = json.list(values)
    output, failure = api:call("glue", "update_partition", target)
    if output then return true end
  end
  return nil, failures.error(failure, ("register the partition of %s.%s"):format(request.database, request.table))
end

--- Port catalog's register_partition; `sole`: the folder is used by one partition at a time.
---@param api table
---@param request table
---@return boolean|nil, Error?
function M.register(api, request)
  local columns = hive_columns(request.columns)
  local keys, values = keys_of(request.partition)
  local ok, err = ensure_table(api, request, columns, keys)
  if not ok then return nil, err end
  if #keys == 0 then return true end
  if request.sole then
    ok, err = drop_others(api, request, values)
    if not ok then return nil, err end
  end
  return put_partition(api, request, columns, values)
end

return M
