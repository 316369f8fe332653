-- Tables on disk: loads metadata, lists the files of a snapshot, commits. Everything a reader follows is immutable,
-- so what was read once is kept by its path; only the catalog's pointer is looked up each time.
local crypto = require "sm.crypto"
local errors = require "lib.errors"
local files = require "sm.files"
local json = require "lib.json"
local manifest = require "adapters.local.iceberg.manifest"
local metadata = require "adapters.local.iceberg.metadata"
local suggest = require "lib.suggest"
local task = require "sm.task"
local types = require "adapters.local.iceberg.types"

local M = {}

M.CREATED = "sewing.created-ms" -- a property: Iceberg itself does not keep when a table was made

local CACHE_ENTRIES = 512
local APPEND_ATTEMPTS = 20
local MERGE_MANIFESTS_AT = 24 -- an append beyond this many manifests writes them anew as one

local Store = {}
Store.__index = Store

---@class Table
---@field database string
---@field name string
---@field metadata_location string
---@field meta table        Iceberg metadata
---@field location string   URI

---@class Change             what one commit does
---@field operation string    append, overwrite, delete or replace
---@field added DataFile[]
---@field removed table<string, boolean>|"all"|nil   paths of files that are no longer the table's
---@field strict boolean?     computed from the rows that were there: does not hold on others
---@field schema {fields: table[], last_column_id: integer}?
---@field summary table?      more entries for the snapshot's summary

---@param options {root: string, catalog: table, now: fun(): number}
function M.new(options)
  return setmetatable({ root = options.root, catalog = options.catalog, now = options.now, keep_versions = options.keep_versions or 1,
    cache = {}, cached = 0, pins = {} }, Store)
end

function M.path(uri) return (uri:gsub("^file://", "")) end
function M.uri(path) return "file://" .. path end

local function now_ms(self) return math.floor(self.now() * 1000) end
Store.now_ms = now_ms

function M.new_id()
  return string.unpack("<i8", crypto.random(8)) & math.maxinteger
end

-- A file that is not what it should be: whoever asks learns which one, and a fault of the disk is not one of ours.
local function unreadable(uri, err)
  if errors.is(err) and err.code == "NotSupported" then return err end
  return errors.new("ExternalServiceError", ("%s is damaged: %s"):format(uri, errors.is(err) and err.message or tostring(err)))
end

-- Reads something immutable once.
function Store:cached_read(uri, decode)
  local hit = self.cache[uri]
  if hit then return hit end
  local text, message, code = files.read(M.path(uri))
  if not text then return nil, errors.from(message, code == "not_found" and "io" or code, "read " .. uri) end
  local ok, value, err = pcall(decode, text)
  if not ok or not value then return nil, unreadable(uri, ok and err or value) end
  if self.cached >= CACHE_ENTRIES then self.cache, self.cached = {}, 0 end
  self.cache[uri] = value
  self.cached = self.cached + 1
  return value
end

local function decode_metadata(text)
  local meta, message = json.decode(text)
  if not meta then return nil, errors.new("ExternalServiceError", "table metadata: " .. tostring(message)) end
  return metadata.check(meta)
end

function Store:no_table(database, name)
  local names = {}
  for i, row in ipairs(self.catalog:tables(database, {}) or {}) do names[i] = row.name end
  if #names == 0 and not self.catalog:has_database(database) then
    local nearest = suggest.nearest(database, self.catalog:databases() or {})
    return errors.new("NotFound", ("database '%s' does not exist%s"):format(database, nearest
      and (" (did you mean '%s'?)"):format(nearest) or ""), { no_database = database, nearest = nearest })
  end
  local nearest = suggest.nearest(name, names)
  return errors.new("NotFound", ("table '%s.%s' does not exist%s"):format(database, name, nearest
    and (" (did you mean '%s'?)"):format(nearest) or ""),
    { nearest = nearest })
end

---@return Table|nil table, Error? err
function Store:load(database, name)
  local row = self.catalog:iceberg(database, name)
  if not row then return nil, self:no_table(database, name) end
  local meta, err = self:cached_read(row.metadata_location, decode_metadata)
  if not meta then return nil, err end
  return { database = database, name = name, metadata_location = row.metadata_location, meta = meta, location = meta.location }
end

-- The manifests of a snapshot, then their live entries with inherited numbers filled in.
function Store:manifests(snapshot)
  if not snapshot then return {} end
  return self:cached_read(snapshot["manifest-list"], manifest.read_list)
end

local function inherit(entries, from)
  for _, entry in ipairs(entries) do
    entry.snapshot_id = entry.snapshot_id or from.snapshot_id
    entry.sequence = entry.sequence or from.sequence
    entry.file_sequence = entry.file_sequence or from.sequence
  end
  return entries
end

function Store:entries(from)
  return self:cached_read(from.path, function(text)
    local entries, err = manifest.read(text)
    if not entries then return nil, err end
    return inherit(entries, from)
  end)
end

---@param snapshot table?
---@return DataFile[]|nil files in a stable order, Error? err
function Store:files(snapshot)
  local manifests, err = self:manifests(snapshot)
  if not manifests then return nil, err end
  local found = {}
  for _, m in ipairs(manifests) do
    local entries
    entries, err = self:entries(m)
    if not entries then return nil, err end
    for _, entry in ipairs(entries) do
      if entry.status ~= manifest.DELETED then found[#found + 1] = entry.file end
    end
  end
  return found
end

-- The file's folder first, then the file: a crash in between leaves an orphan, never a pointer to nothing.
local function write_new(uri, text)
  local ok, message, code = files.write_atomic(M.path(uri), text)
  if not ok then return nil, errors.from(message, code, "write " .. uri) end
  return true
end

function Store.write_metadata(meta, version)
  local out = {}
  for key, value in pairs(meta) do out[key] = value end
  out.partitioned = nil
  local uri = ("%s/metadata/%05d-%s.metadata.json"):format(meta.location, version, crypto.uuid())
  local text, message = json.encode(out)
  if not text then return nil, errors.new("InternalError", "table metadata: " .. tostring(message)) end
  local ok, err = write_new(uri, text)
  if not ok then return nil, err end
  return uri
end

local function version_of(metadata_location)
  return math.tointeger(tonumber(metadata_location:match("/(%d+)%-[^/]*$") or "0"))
end

-- A new table without rows.
---@param options {database: string, name: string, location: string, fields: table[], last_column_id: integer, properties: table?}
---@return Table|nil table, Error? err
function Store:create(options)
  local table_, err = self:prepare(options)
  if not table_ then return nil, err end
  return self:publish(table_)
end

-- The wanted location, or the same with a number behind when something lies there or somebody else was first.
local function claim(self, wanted)
  local candidate, n = wanted, 1
  local other = self.catalog:nested_location(wanted)
  if other then return nil, errors.new("BadParam", ("location '%s' overlaps with a table at '%s'"):format(wanted, other)) end
  while true do
    if not files.exists(M.path(candidate)) then
      local taken, err = self.catalog:claim_location(candidate)
      if taken == nil then return nil, err end
      if taken then return candidate end
    end
    n = n + 1
    candidate = wanted .. "-" .. n
  end
end

-- The first half of create: metadata in memory, folders on disk, nothing visible.
---@param options table  as create takes; the location is a wish
function Store:prepare(options)
  local location, refused = claim(self, options.location)
  if not location then return nil, refused end
  local meta = metadata.new {
    uuid = crypto.uuid(), location = location, fields = options.fields, last_column_id = options.last_column_id,
    properties = options.properties, now_ms = now_ms(self),
  }
  meta.properties[M.CREATED] = tostring(meta["last-updated-ms"])
  for _, folder in ipairs { "data", "metadata" } do
    local ok, message, code = files.mkdir(M.path(location) .. "/" .. folder)
    if not ok then return nil, errors.from(message, code, "create table folder") end
  end
  return { database = options.database, name = options.name, meta = meta, location = location }
end

-- The second half: writes the metadata and takes the name.
function Store:publish(table_)
  local uri, err = self.write_metadata(table_.meta, 0)
  if not uri then return nil, err end
  local ok
  ok, err = self.catalog:insert(table_.database, table_.name, uri)
  if not ok then return nil, err end
  return { database = table_.database, name = table_.name, meta = table_.meta, location = table_.location, metadata_location = uri }
end

function Store:discard(table_)
  self.catalog:mark_dropped(table_.location)
  self:remove_dropped()
end

-- Moves the pointer to new metadata. False, without an error, when another writer was first.
function Store:swap(table_, meta)
  local uri, err = self.write_metadata(meta, version_of(table_.metadata_location) + 1)
  if not uri then return nil, err end
  local moved
  moved, err = self.catalog:swap(table_.database, table_.name, table_.metadata_location, uri)
  if moved == nil then return nil, err end
  if not moved then
    files.remove(M.path(uri))
    return false
  end
  return { database = table_.database, name = table_.name, meta = meta, location = table_.location, metadata_location = uri }
end

local function conflict(table_)
  return errors.new("Conflict", ("table '%s.%s' was changed by another statement meanwhile: nothing was written, run it again")
    :format(table_.database, table_.name), { retryable = true })
end

-- A commit without new files, as ALTER TABLE makes: meta -> meta, tried again on what the other writer left.
---@param change fun(meta: table, now_ms: integer, previous: string): table|nil, Error?
function Store:alter(database, name, change)
  for _ = 1, APPEND_ATTEMPTS do
    local table_, err = self:load(database, name)
    if not table_ then return nil, err end
    local meta
    meta, err = change(table_.meta, now_ms(self), table_.metadata_location)
    if not meta then return nil, err end
    if meta == table_.meta then return table_ end
    local done
    done, err = self:swap(table_, meta)
    if done == nil then return nil, err end
    if done then return done end
  end
  return nil, errors.new("Conflict", ("table '%s.%s' is being changed too often to alter it"):format(database, name))
end

local function totals(list)
  local rows, bytes = 0, 0
  for _, f in ipairs(list) do rows, bytes = rows + f.rows, bytes + f.bytes end
  return rows, bytes
end

local function summary_of(change, parent, removed)
  local added_rows, added_bytes = totals(change.added)
  local removed_rows, removed_bytes = totals(removed)
  local before = parent and parent.summary or {}
  local function total(key, plus) return tostring((math.tointeger(tonumber(before[key] or 0)) or 0) + plus) end
  local s = {
    operation = change.operation,
    ["total-data-files"] = total("total-data-files", #change.added - #removed),
    ["total-records"] = total("total-records", added_rows - removed_rows),
    ["total-files-size"] = total("total-files-size", added_bytes - removed_bytes),
    ["total-delete-files"] = "0", ["total-position-deletes"] = "0", ["total-equality-deletes"] = "0",
  }
  if #change.added > 0 then
    s["added-data-files"], s["added-records"], s["added-files-size"] = tostring(#change.added), tostring(added_rows), tostring(added_bytes)
  end
  if #removed > 0 then
    s["deleted-data-files"], s["deleted-records"], s["removed-files-size"] = tostring(#removed), tostring(removed_rows),
      tostring(removed_bytes)
  end
  for key, value in pairs(change.summary or {}) do s[key] = value end
  return s
end

-- Which manifests stay as they are, and the entries of the one written anew.
function Store:plan_entries(parent, change, snapshot_id)
  local manifests, err = self:manifests(parent)
  if not manifests then return nil, err end
  local kept, entries, removed = {}, {}, {}
  local rewrite_all = #manifests >= MERGE_MANIFESTS_AT
  for _, m in ipairs(manifests) do
    local list
    list, err = self:entries(m)
    if not list then return nil, err end
    local live, hit = {}, false
    for _, entry in ipairs(list) do
      if entry.status ~= manifest.DELETED then
        live[#live + 1] = entry
        if change.removed and (change.removed == "all" or change.removed[entry.file.path]) then hit = true end
      end
    end
    if not hit and not rewrite_all then
      if #live > 0 then kept[#kept + 1] = m end
    else
      for _, entry in ipairs(live) do
        local gone = change.removed and (change.removed == "all" or change.removed[entry.file.path])
        if gone then removed[#removed + 1] = entry.file end
        entries[#entries + 1] = {
          status = gone and manifest.DELETED or manifest.EXISTING, snapshot_id = gone and snapshot_id or entry.snapshot_id,
          sequence = entry.sequence, file_sequence = entry.file_sequence, file = entry.file,
        }
      end
    end
  end
  return { kept = kept, entries = entries, removed = removed }
end

local function count_entries(entries, sequence)
  local c = { added_files = 0, existing_files = 0, deleted_files = 0, added_rows = 0, existing_rows = 0, deleted_rows = 0,
    min_sequence = sequence }
  local kinds = { [manifest.ADDED] = "added", [manifest.EXISTING] = "existing", [manifest.DELETED] = "deleted" }
  for _, entry in ipairs(entries) do
    local kind = kinds[entry.status]
    c[kind .. "_files"] = c[kind .. "_files"] + 1
    c[kind .. "_rows"] = c[kind .. "_rows"] + entry.file.rows
    if entry.sequence and entry.status ~= manifest.DELETED then c.min_sequence = math.min(c.min_sequence, entry.sequence) end
  end
  return c
end

function Store.write_manifest(meta, entries, snapshot_id, sequence)
  local uri = ("%s/metadata/%s-m0.avro"):format(meta.location, crypto.uuid())
  local text = manifest.write(entries, metadata.schema(meta), crypto.random(16))
  local ok, err = write_new(uri, text)
  if not ok then return nil, err end
  local m = count_entries(entries, sequence)
  m.path, m.length, m.sequence, m.snapshot_id, m.spec_id, m.partitions = uri, #text, sequence, snapshot_id, 0, {}
  return m
end

-- The metadata that follows meta with one more snapshot; writes the manifest and the manifest list.
function Store:with_snapshot(meta, change, previous_location)
  local parent, snapshot_id, sequence = metadata.current(meta), M.new_id(), meta["last-sequence-number"] + 1
  local plan, err = self:plan_entries(parent, change, snapshot_id)
  if not plan then return nil, err end
  for _, f in ipairs(change.added) do plan.entries[#plan.entries + 1] = { status = manifest.ADDED, snapshot_id = snapshot_id, file = f } end
  local list = plan.kept
  if #plan.entries > 0 then
    local m
    m, err = self.write_manifest(meta, plan.entries, snapshot_id, sequence)
    if not m then return nil, err end
    table.insert(list, 1, m)
  end
  local uri = ("%s/metadata/snap-%d-1-%s.avro"):format(meta.location, snapshot_id, crypto.uuid())
  local head = { id = snapshot_id, parent = parent and parent["snapshot-id"], sequence = sequence }
  local ok
  ok, err = write_new(uri, manifest.write_list(list, head, crypto.random(16)))
  if not ok then return nil, err end
  local snapshot = { id = snapshot_id, manifest_list = uri, summary = summary_of(change, parent, plan.removed) }
  return metadata.add_snapshot(meta, snapshot, now_ms(self), previous_location)
end

-- Whether a change that was planned on one version of a table still holds on a newer one. An append always does, as long as
-- the columns are the same; what was computed from the rows only when those are the same: VACUUM and properties do no harm.
local function still_holds(change, before, now)
  for _, key in ipairs { "table-uuid", "current-schema-id" } do
    if now[key] ~= before[key] then return false end
  end
  return not (change.removed or change.strict) or now["current-snapshot-id"] == before["current-snapshot-id"]
end

-- Makes written files the table's. When another writer was first, the change is made on top of its commit, or fails as a
-- Conflict when it does not hold any more.
---@param table_ Table
---@param change Change
---@return Table|nil table, Error? err
function Store:commit(table_, change)
  for _ = 1, APPEND_ATTEMPTS do
    local base = table_.meta
    if change.schema then base = metadata.replace_schema(base, change.schema.fields, change.schema.last_column_id) end
    local meta, err = self:with_snapshot(base, change, table_.metadata_location)
    if not meta then return nil, err end
    local done
    done, err = self:swap(table_, meta)
    if done == nil then return nil, err end
    if done then return done end
    local before = table_.meta
    table_, err = self:load(table_.database, table_.name)
    if not table_ then return nil, err end
    if not still_holds(change, before, table_.meta) then return nil, conflict(table_) end
  end
  return nil, conflict(table_)
end

-- A table created together with its first rows: visible with them or not at all.
---@param table_ table   what prepare gave
---@param added DataFile[]
function Store:publish_with(table_, added)
  local first = {}
  for key, value in pairs(table_) do first[key] = value end
  if #added > 0 then
    local meta, err = self:with_snapshot(table_.meta, { operation = "append", added = added }, nil)
    if not meta then return nil, err end
    first.meta = meta
  end
  return self:publish(first)
end

-- Readers --------------------------------------------------------------------------------------------------------

-- The snapshot a reference means: the current one, or what FOR TIMESTAMP / VERSION AS OF names.
---@param as_of {timestamp_ms: integer?, snapshot_id: integer?}?
function Store.snapshot(table_, as_of)
  local meta = table_.meta
  if not as_of then return metadata.current(meta) end
  if as_of.snapshot_id then
    local found = metadata.snapshot(meta, as_of.snapshot_id)
    if found then return found end
    return nil, errors.new("QueryFailed", ("table '%s.%s' has no snapshot %d (\"%s$snapshots\" lists them)"):format(table_.database,
      table_.name, as_of.snapshot_id, table_.name))
  end
  local found = metadata.snapshot_at(meta, as_of.timestamp_ms)
  if found then return found end
  return nil, errors.new("QueryFailed", ("table '%s.%s' has no version that old"):format(table_.database, table_.name))
end

-- Holds a snapshot against VACUUM and DROP until the returned function is called.
---@return fun()
function Store:pin(table_, snapshot)
  local uuid, id = table_.meta["table-uuid"], snapshot and snapshot["snapshot-id"] or -1
  local pinned = self.pins[uuid] or { count = 0, location = table_.location }
  self.pins[uuid] = pinned
  pinned.count = pinned.count + 1
  pinned[id] = (pinned[id] or 0) + 1
  local held = true
  return function()
    if not held then return end
    held = false
    pinned.count = pinned.count - 1
    pinned[id] = pinned[id] > 1 and pinned[id] - 1 or nil
    if pinned.count == 0 then self.pins[uuid] = nil end
  end
end

function Store:pinned_snapshots(table_)
  local ids = {}
  for id in pairs(self.pins[table_.meta["table-uuid"]] or {}) do
    if math.type(id) == "integer" then ids[id] = true end
  end
  return ids
end

-- Removes the files of dropped tables that nobody reads any more.
function Store:remove_dropped()
  local busy = {}
  for _, pinned in pairs(self.pins) do busy[pinned.location] = true end
  self.dropped_waits = false
  for _, location in ipairs(self.catalog:dropped_locations()) do
    if busy[location] then self.dropped_waits = true
    elseif M.path(location):sub(1, #self.root + 1) == self.root .. "/" then
      if files.remove_tree(M.path(location)) then self.catalog:forget_location(location) end
    end
  end
end

-- The same when the last reader of a dropped table has gone, in a task of its own.
function Store:remove_dropped_soon()
  if self.dropped_waits then task.spawn(function() self:remove_dropped() end) end
end

---@return boolean|nil dropped, Error? err
function Store:drop(database, name)
  local table_, err = self:load(database, name)
  if not table_ then return nil, err end
  local changes
  changes, err = self.catalog:drop(database, name, table_.metadata_location, table_.location)
  if not changes then return nil, err end
  if changes == 0 then return nil, conflict(table_) end
  self:remove_dropped()
  return true
end

M.quote, M.literal = types.quote, types.literal

return M
