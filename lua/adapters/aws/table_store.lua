-- Port table_store on Glue: the entry of an Iceberg table names its newest metadata file, and everything else follows from
-- that file. So replacing a table is one write of that name, which Glue does only when nobody was faster (VersionId):
-- readers see the old table or the new one, never none. Athena itself has no statement that could do it (there is no
-- INSERT OVERWRITE for Iceberg, and DROP + CREATE + RENAME leaves a gap).
--
-- Undo is the same write with the name of an earlier file. Files of the versions before stay where they are; which file a
-- replaced table had is kept in the entry (sewing.replaced), because the new file knows nothing of it. Of what was replaced
-- longer ago than the versions that are kept, the files are removed, when they lie in a folder that we made for a build.
--
-- The staged table's entry goes first: once the target has its files, a DROP of the staged table would delete them.
local errors = require "lib.errors"
local failures = require "adapters.aws.failures"
local iceberg = require "adapters.aws.iceberg"
local json = require "lib.json"
local log = require "lib.log"
local objects = require "adapters.aws.objects"
local partitions = require "adapters.aws.partitions"

local M = {}

local REPLACED <const> = "sewing.replaced" -- JSON, newest first: {of = table-uuid of the new file, file = the replaced one}
local MOST_FILES_BACK <const> = 20 -- looked at for the version before
local KEEP_VERSIONS <const> = 3

local function copy(from)
  local out = {}
  for name, value in pairs(from or {}) do out[name] = value end
  return out
end

local function not_iceberg(database, name)
  return errors.new("NotSupported", ("%s.%s is no Iceberg table, which has no versions"):format(database, name))
end

-- What has been replaced, newest first.
local function replaced(parameters)
  local list = json.decode(parameters[REPLACED] or "[]")
  return type(list) == "table" and list or {}
end

-- The file that a table had before the one with this uuid took its place.
local function file_replaced_by(parameters, uuid)
  for _, one in ipairs(replaced(parameters)) do
    if one.of == uuid then return one.file end
  end
end

-- s3://lake/gold/t__build_0123456789ab/metadata/x.json -> s3://lake/gold/t__build_0123456789ab/, when the folder is of a build
local function build_folder(file)
  local folder = file:match("^(s3://.+/[^/]+/)metadata/[^/]+$")
  local token = folder and folder:match("__build_(%x+)/$")
  return token and #token == 12 and folder or nil
end

---@param options {api: table, catalog: table, keep_versions: integer?}   catalog: with entry(database, name)
---@return table port
function M.new(options)
  local api, port = options.api, {}

  local function load(database, name)
    local entry, err = options.catalog.entry(database, name)
    if not entry then return nil, err end
    local location = (entry.Parameters or {}).metadata_location
    if not location then return nil, not_iceberg(database, name) end
    return entry, location
  end

  -- The entry with another metadata file; refused when somebody has changed the table since it was read.
  local function point_at(database, entry, parameters, storage)
    local input = partitions.input(entry)
    input.Parameters, input.StorageDescriptor = parameters, storage
    local output, failure = api:call("glue", "update_table", { DatabaseName = database, TableInput = input, VersionId = entry.VersionId })
    if output then return true end
    if failure.code == "ConcurrentModificationException" or failure.code:find("VersionMismatch") then
      return nil, errors.new("Conflict", ("%s.%s was changed meanwhile; try again"):format(database, entry.Name))
    end
    return nil, failures.error(failure, ("change the table %s.%s"):format(database, entry.Name))
  end

  local function version_of(location)
    local metadata, err = iceberg.read(api, location)
    if not metadata then
      log.warn("metadata_unreadable", { location = location, message = tostring(err) })
      return {}
    end
    local counts = iceberg.counts(metadata)
    return { version = counts.snapshot_id, rows = counts.rows or 0 }, metadata
  end

  -- The file that comes before one: the log in it, else the table that was replaced.
  local function before(metadata, parameters)
    return iceberg.file_before(metadata) or file_replaced_by(parameters, metadata["table-uuid"])
  end

  function port.versions(database, name)
    local entry, location = load(database, name)
    if not entry then return nil, location end
    local list, looked = {}, 0
    while location and looked < MOST_FILES_BACK do
      local metadata, err = iceberg.read(api, location)
      if not metadata then
        if #list == 0 then return nil, err end
        break
      end
      for _, version in ipairs(iceberg.versions(metadata)) do list[#list + 1] = version end
      location, looked = file_replaced_by(entry.Parameters, metadata["table-uuid"]), looked + 1
    end
    return list
  end

  local function drop_entry(database, name)
    local output, failure = api:call("glue", "delete_table", { DatabaseName = database, Name = name })
    if output or failures.is_missing(failure) then return true end
    return nil, failures.error(failure, ("remove the entry of %s.%s"):format(database, name))
  end

  local function create_entry(database, name, entry)
    local input = partitions.input(entry)
    input.Name = name
    local output, failure = api:call("glue", "create_table", { DatabaseName = database, TableInput = input })
    if output then return true end
    return nil, failures.error(failure, ("make the table %s.%s"):format(database, name))
  end

  -- Files in a folder of a build that no kept version has.
  local function remove_files(file, kept)
    local folder = build_folder(file)
    if not folder then return end
    for _, other in ipairs(kept) do
      if other:sub(1, #folder) == folder then return end
    end
    local ok, err = objects.remove_all(api, folder)
    if not ok then log.warn("replaced_files_kept", { folder = folder, message = tostring(err) }) end
  end

  -- The list with one more at its head, and the files that fall off its end.
  local function remembered(parameters, uuid, file)
    local list, gone = { { of = uuid, file = file } }, {}
    for _, one in ipairs(replaced(parameters)) do
      if #list < (options.keep_versions or KEEP_VERSIONS) then list[#list + 1] = one else gone[#gone + 1] = one.file end
    end
    return list, gone
  end

  -- The target's entry with the staged table's file; the target's own is remembered for undo.
  local function replace(database, target, staged)
    local parameters, old, new = copy(target.Parameters), target.Parameters.metadata_location, staged.Parameters.metadata_location
    local _, metadata = version_of(new)
    parameters.metadata_location, parameters.previous_metadata_location = new, old
    local list, gone = remembered(parameters, metadata and metadata["table-uuid"], old)
    parameters[REPLACED] = assert(json.encode(json.list(list)))
    local ok, err = point_at(database, target, parameters, staged.StorageDescriptor)
    if not ok then return nil, err end
    local kept = { new }
    for _, one in ipairs(list) do kept[#kept + 1] = one.file end
    for _, file in ipairs(gone) do remove_files(file, kept) end
    return true
  end

  function port.swap(database, name, staged_name)
    local staged, file = load(database, staged_name)
    if not staged then return nil, file end
    local target, err = options.catalog.entry(database, name)
    if not target and err.code ~= "NotFound" then return nil, err end
    if target and not (target.Parameters or {}).metadata_location then return nil, not_iceberg(database, name) end
    local ok
    ok, err = drop_entry(database, staged_name)
    if not ok then return nil, err end
    if target then ok, err = replace(database, target, staged) else ok, err = create_entry(database, name, staged) end
    if ok then return (version_of(file)) end
    -- As it was: the staged table is there, and whoever built it removes it with its files.
    local back, problem = create_entry(database, staged_name, staged)
    if not back then
      log.error("staged_table_lost", { database = database, table = staged_name, file = file, message = tostring(problem) })
    end
    return nil, err
  end

  -- A table that was just made may have a file before its first rows: nobody means that one.
  local function is_beginning(metadata) return iceberg.current(metadata) == nil end

  local function same_version(a, b)
    return a["table-uuid"] == b["table-uuid"] and a["current-snapshot-id"] == b["current-snapshot-id"]
  end

  -- The newest earlier file that shows other rows.
  local function earlier(parameters, location)
    local current, err = iceberg.read(api, location)
    if not current then return nil, err end
    local at, seen = current, {}
    for _ = 1, MOST_FILES_BACK do
      local file = before(at, parameters)
      if not file or seen[file] then return nil end
      seen[file] = true
      at, err = iceberg.read(api, file)
      if not at then return nil, err end
      if not same_version(at, current) and not is_beginning(at) then return file, at end
    end
    return nil
  end

  function port.undo(database, name)
    local entry, location = load(database, name)
    if not entry then return nil, location end
    local file, metadata = earlier(entry.Parameters, location)
    if not file then
      return nil, metadata or errors.new("Conflict", ("%s.%s has no earlier version"):format(database, name))
    end
    local parameters, storage = copy(entry.Parameters), copy(entry.StorageDescriptor)
    parameters.metadata_location, parameters.previous_metadata_location = file, location
    storage.Location = metadata.location or storage.Location
    storage.Columns = require("adapters.aws.iceberg_columns").of(metadata) or storage.Columns
    local ok, err = point_at(database, entry, parameters, storage)
    if not ok then return nil, err end
    local counts = iceberg.counts(metadata)
    return { version = counts.snapshot_id, rows = counts.rows or 0 }
  end

  return port
end

return M
