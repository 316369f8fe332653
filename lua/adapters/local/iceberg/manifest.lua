-- Manifests (which data files) and manifest lists (which manifests), format version 2: their Avro schemas with
-- Iceberg's field ids, and the way between their records and plain tables.
local avro_file = require "adapters.local.iceberg.avro_file"
local errors = require "lib.errors"
local json = require "lib.json"

local M = {}

M.EXISTING, M.ADDED, M.DELETED = 0, 1, 2

local function field(id, name, kind) return { name = name, type = kind, ["field-id"] = id } end
local function optional(id, name, kind)
  return { name = name, type = { "null", kind }, default = json.null, ["field-id"] = id }
end

-- A map with integer keys, which Avro does not have: an array of pairs that says it is a map.
local function int_map(key_id, value_id, value)
  return {
    type = "array", logicalType = "map",
    items = { type = "record", name = ("k%d_v%d"):format(key_id, value_id), fields = { field(key_id, "key", "int"), field(value_id,
      "value", value) } },
  }
end

local function data_file_schema()
  return {
    type = "record", name = "r2",
    fields = {
      field(134, "content", "int"),
      field(100, "file_path", "string"),
      field(101, "file_format", "string"),
      field(102, "partition", { type = "record", name = "r102", fields = json.list() }),
      field(103, "record_count", "long"),
      field(104, "file_size_in_bytes", "long"),
      optional(108, "column_sizes", int_map(117, 118, "long")),
      optional(109, "value_counts", int_map(119, 120, "long")),
      optional(110, "null_value_counts", int_map(121, 122, "long")),
      optional(137, "nan_value_counts", int_map(138, 139, "long")),
      optional(125, "lower_bounds", int_map(126, 127, "bytes")),
      optional(128, "upper_bounds", int_map(129, 130, "bytes")),
      optional(131, "key_metadata", "bytes"),
      optional(132, "split_offsets", { type = "array", items = "long", ["element-id"] = 133 }),
      optional(135, "equality_ids", { type = "array", items = "int", ["element-id"] = 136 }),
      optional(140, "sort_order_id", "int"),
    },
  }
end

local function entry_schema()
  return {
    type = "record", name = "manifest_entry",
    fields = {
      field(0, "status", "int"),
      optional(1, "snapshot_id", "long"),
      optional(3, "sequence_number", "long"),
      optional(4, "file_sequence_number", "long"),
      field(2, "data_file", data_file_schema()),
    },
  }
end

local function list_schema()
  local summary = {
    type = "record", name = "r508",
    fields = { field(509, "contains_null", "boolean"), optional(518, "contains_nan", "boolean"), optional(510, "lower_bound", "bytes"),
      optional(511, "upper_bound", "bytes") },
  }
  return {
    type = "record", name = "manifest_file",
    fields = {
      field(500, "manifest_path", "string"),
      field(501, "manifest_length", "long"),
      field(502, "partition_spec_id", "int"),
      field(517, "content", "int"),
      field(515, "sequence_number", "long"),
      field(516, "min_sequence_number", "long"),
      field(503, "added_snapshot_id", "long"),
      field(504, "added_files_count", "int"),
      field(505, "existing_files_count", "int"),
      field(506, "deleted_files_count", "int"),
      field(512, "added_rows_count", "long"),
      field(513, "existing_rows_count", "long"),
      field(514, "deleted_rows_count", "long"),
      optional(507, "partitions", { type = "array", items = summary, ["element-id"] = 508 }),
      optional(519, "key_metadata", "bytes"),
    },
  }
end

---@class DataFile
---@field path string           URI
---@field rows integer
---@field bytes integer
---@field column_sizes table?   {{key = field id, value = n}}, as are the next ones
---@field value_counts table?
---@field null_counts table?
---@field nan_counts table?
---@field lower table?
---@field upper table?
---@field split_offsets integer[]?
---@field snapshot_id integer?  which snapshot added it
---@field sequence integer?
---@field file_sequence integer?

local function to_record(entry)
  local f = entry.file
  return {
    status = entry.status, snapshot_id = entry.snapshot_id, sequence_number = entry.sequence, file_sequence_number = entry.file_sequence,
    data_file = {
      content = 0, file_path = f.path, file_format = "PARQUET", partition = {}, record_count = f.rows, file_size_in_bytes = f.bytes,
      column_sizes = f.column_sizes, value_counts = f.value_counts, null_value_counts = f.null_counts, nan_value_counts = f.nan_counts,
      lower_bounds = f.lower, upper_bounds = f.upper, split_offsets = f.split_offsets, sort_order_id = 0,
    },
  }
end

local function from_record(record)
  local d = record.data_file
  return {
    status = record.status, snapshot_id = record.snapshot_id, sequence = record.sequence_number,
      file_sequence = record.file_sequence_number,
    content = d.content or 0,
    format = d.file_format,
    file = {
      path = d.file_path, rows = d.record_count, bytes = d.file_size_in_bytes, column_sizes = d.column_sizes, value_counts = d.value_counts,
      null_counts = d.null_value_counts, nan_counts = d.nan_value_counts, lower = d.lower_bounds, upper = d.upper_bounds,
        split_offsets = d.split_offsets,
    },
  }
end

-- entries: {{status, snapshot_id, sequence?, file_sequence?, file = DataFile}}. A new file's sequence numbers stay
-- empty: they are inherited from the manifest list, so a manifest survives a retried commit.
---@param entries table[]
---@param schema table     the table's current schema
---@param marker string    16 random bytes
---@return string
function M.write(entries, schema, marker)
  local records = {}
  for i, entry in ipairs(entries) do records[i] = to_record(entry) end
  local metadata = {
    schema = assert(json.encode(schema)), ["schema-id"] = tostring(schema["schema-id"]), ["partition-spec"] = "[]",
      ["partition-spec-id"] = "0",
    ["format-version"] = "2", content = "data",
  }
  return avro_file.write(entry_schema(), metadata, records, marker)
end

---@param text string
---@return table[]|nil entries, Error? err
function M.read(text)
  local file, message = avro_file.read(text)
  if not file then return nil, errors.new("ExternalServiceError", "manifest: " .. message) end
  local entries = {}
  for i, record in ipairs(file.records) do
    local entry = from_record(record)
    if entry.content ~= 0 then
      return nil, errors.new("NotSupported",
        "this table has row-level delete files, which cannot be read here: compact it with the engine that wrote it")
    end
    if entry.format:upper() ~= "PARQUET" then
      return nil, errors.new("NotSupported", ("this table has %s data files; only Parquet can be read here"):format(entry.format))
    end
    entries[i] = entry
  end
  return entries
end

---@class ManifestFile
---@field path string
---@field length integer
---@field sequence integer
---@field min_sequence integer
---@field snapshot_id integer   the snapshot that wrote it
---@field added_files integer
---@field existing_files integer
---@field deleted_files integer
---@field added_rows integer
---@field existing_rows integer
---@field deleted_rows integer

---@param manifests ManifestFile[]
---@param snapshot {id: integer, parent: integer?, sequence: integer}
---@param marker string
---@return string
function M.write_list(manifests, snapshot, marker)
  local records = {}
  for i, m in ipairs(manifests) do
    records[i] = {
      manifest_path = m.path, manifest_length = m.length, partition_spec_id = m.spec_id or 0, content = 0, sequence_number = m.sequence,
      min_sequence_number = m.min_sequence, added_snapshot_id = m.snapshot_id, added_files_count = m.added_files,
        existing_files_count = m.existing_files,
      deleted_files_count = m.deleted_files, added_rows_count = m.added_rows, existing_rows_count = m.existing_rows,
        deleted_rows_count = m.deleted_rows,
      partitions = m.partitions or {},
    }
  end
  local metadata = {
    ["snapshot-id"] = tostring(snapshot.id), ["parent-snapshot-id"] = snapshot.parent and tostring(snapshot.parent) or "null",
    ["sequence-number"] = tostring(snapshot.sequence), ["format-version"] = "2",
  }
  return avro_file.write(list_schema(), metadata, records, marker)
end

---@param text string
---@return ManifestFile[]|nil manifests, Error? err
function M.read_list(text)
  local file, message = avro_file.read(text)
  if not file then return nil, errors.new("ExternalServiceError", "manifest list: " .. message) end
  local manifests = {}
  for i, r in ipairs(file.records) do
    if (r.content or 0) ~= 0 then
      return nil, errors.new("NotSupported",
        "this table has row-level delete files, which cannot be read here: compact it with the engine that wrote it")
    end
    manifests[i] = {
      path = r.manifest_path, length = r.manifest_length, spec_id = r.partition_spec_id, sequence = r.sequence_number or 0,
        min_sequence = r.min_sequence_number or 0,
      snapshot_id = r.added_snapshot_id, added_files = r.added_files_count or r.added_data_files_count,
        existing_files = r.existing_files_count or r.existing_data_files_count,
      deleted_files = r.deleted_files_count or r.deleted_data_files_count, added_rows = r.added_rows_count,
        existing_rows = r.existing_rows_count,
      deleted_rows = r.deleted_rows_count, partitions = r.partitions,
    }
  end
  return manifests
end

return M
