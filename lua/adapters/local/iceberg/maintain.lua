-- Upkeep of tables: VACUUM (old snapshots, files nobody points to), OPTIMIZE (many small files into few), and what
-- materialise needs (replace all rows, go back a version).
local errors = require "lib.errors"
local files = require "sm.files"
local json = require "lib.json"
local metadata = require "adapters.local.iceberg.metadata"
local scan = require "adapters.local.iceberg.scan"
local store_module = require "adapters.local.iceberg.store"
local writer = require "adapters.local.iceberg.writer"

local M = {}

local MAX_SNAPSHOT_AGE_SECONDS = 432000 -- Athena's default, five days
local ORPHAN_AGE_SECONDS = 86400
local SMALL_FILE_PART = 0.75 -- files below this part of the target size are put together

local function setting(table_, key, default)
  return math.tointeger(tonumber(table_.meta.properties[key])) or default
end

-- Every file that the metadata file and its kept snapshots lead to.
local function reachable(store, table_)
  local found = { [table_.metadata_location] = true }
  for _, entry in ipairs(table_.meta["metadata-log"]) do found[entry["metadata-file"]] = true end
  for _, snapshot in ipairs(table_.meta.snapshots) do
    found[snapshot["manifest-list"]] = true
    local manifests, err = store:manifests(snapshot)
    if not manifests then return nil, err end
    for _, m in ipairs(manifests) do
      found[m.path] = true
      local entries
      entries, err = store:entries(m)
      if not entries then return nil, err end
      for _, entry in ipairs(entries) do
        if entry.status ~= 2 then found[entry.file.path] = true end
      end
    end
  end
  return found
end

-- Old metadata files beyond the log's tail are let go with the snapshots.
local function trim_log(meta, keep)
  local log, kept = meta["metadata-log"], json.list()
  for i = math.max(1, #log - keep + 1), #log do kept[#kept + 1] = log[i] end
  meta["metadata-log"] = kept
end

-- Files of the expired snapshots go at once when no kept one needs them; strangers only after orphan_age_seconds, since
-- they may belong to a commit that is being made.
local function remove_unreachable(store, table_, expired_files, orphan_age_seconds)
  local keep, err = reachable(store, table_)
  if not keep then return nil, err end
  local root, oldest, removed = store_module.path(table_.location), store.now() - orphan_age_seconds, 0
  for _, folder in ipairs { "data", "metadata" } do
    for _, entry in ipairs(files.walk(root .. "/" .. folder) or {}) do
      local path = root .. "/" .. folder .. "/" .. entry.name
      local uri = store_module.uri(path)
      if not keep[uri] and (expired_files[uri] or entry.mtime < oldest) then
        if files.remove(path) then removed = removed + 1 end
      end
    end
  end
  return removed
end

local function files_of_snapshots(store, meta, ids)
  local found = {}
  for _, id in ipairs(ids) do
    local snapshot = metadata.snapshot(meta, id)
    found[snapshot["manifest-list"]] = true
    for _, m in ipairs(store:manifests(snapshot) or {}) do
      found[m.path] = true
      for _, entry in ipairs(store:entries(m) or {}) do found[entry.file.path] = true end
    end
  end
  return found
end

---@param options {min_snapshots: integer?, max_age_seconds: integer?, orphan_age_seconds: integer?}?  over the table's properties
---@return {snapshots: integer, files: integer}|nil done, Error? err
function M.vacuum(store, database, name, options)
  options = options or {}
  local expired, before = {}, {}
  local table_, err = store:alter(database, name, function(meta, now_ms, previous)
    local current = { meta = meta }
    local out
    out, expired = metadata.expire(meta, {
      min_keep = options.min_snapshots or setting(current, "vacuum_min_snapshots_to_keep", store.keep_versions),
      max_age_ms = (options.max_age_seconds or setting(current, "vacuum_max_snapshot_age_seconds", MAX_SNAPSHOT_AGE_SECONDS)) * 1000,
      now_ms = now_ms, pinned = store:pinned_snapshots(current),
    }, previous)
    if not out then return meta end
    before = files_of_snapshots(store, meta, expired)
    for _, entry in ipairs(meta["metadata-log"]) do before[entry["metadata-file"]] = true end
    trim_log(out, #out.snapshots)
    return out
  end)
  if not table_ then return nil, err end
  local removed
  removed, err = remove_unreachable(store, table_, before, options.orphan_age_seconds or ORPHAN_AGE_SECONDS)
  if not removed then return nil, err end
  return { snapshots = #expired, files = removed }
end

---@return {files_before: integer, files_after: integer, rows: integer}|nil done, Error? err
function M.optimize(store, con, database, name)
  local table_, err = store:load(database, name)
  if not table_ then return nil, err end
  if table_.meta.partitioned then return nil, errors.new("NotSupported", "a table partitioned by another writer cannot be written here") end
  local all
  all, err = store:files(metadata.current(table_.meta))
  if not all then return nil, err end
  local target = setting(table_, "write_target_data_file_size_bytes", writer.FILE_BYTES)
  local small, removed = {}, {}
  for _, file in ipairs(all) do
    if file.bytes < target * SMALL_FILE_PART then
      small[#small + 1] = file
      removed[file.path] = true
    end
  end
  if #small < 2 then return { files_before = #all, files_after = #all, rows = 0 } end
  local fields = metadata.schema(table_.meta).fields
  local rows
  rows, err = scan.rows(fields, small)
  if not rows then return nil, err end
  local added
  added, err = writer.write(con, table_, ("SELECT %s FROM %s"):format(scan.names(fields), rows))
  if not added then return nil, err end
  local done
  done, err = store:commit(table_, { operation = "replace", added = added, removed = removed })
  if not done then
    writer.remove(added)
    return nil, err
  end
  return { files_before = #all, files_after = #all - #small + #added, rows = writer.count(added) }
end

-- Versions that undo can go back to: the current snapshot and its ancestors that are still kept, newest first.
function M.versions(table_)
  local found, at = {}, metadata.current(table_.meta)
  while at do
    found[#found + 1] = {
      version = tostring(at["snapshot-id"]), at = at["timestamp-ms"] / 1000, operation = at.summary.operation,
      rows = math.tointeger(tonumber(at.summary["total-records"])),
    }
    at = at["parent-snapshot-id"] and metadata.snapshot(table_.meta, at["parent-snapshot-id"])
  end
  return found
end

---@return Table|nil table, Error? err
function M.undo(store, database, name)
  return store:alter(database, name, function(meta, now_ms, previous)
    local current = metadata.current(meta)
    local parent = current and current["parent-snapshot-id"] and metadata.snapshot(meta, current["parent-snapshot-id"])
    if not parent then
      return nil, errors.new("Conflict", ("table '%s.%s' has no earlier version to go back to"):format(database, name))
    end
    local out = metadata.roll_back(meta, parent["snapshot-id"], now_ms, previous)
    out["current-schema-id"] = parent["schema-id"] or out["current-schema-id"]
    return out
  end)
end

return M
