-- A snapshot as text the engine can read: `(SELECT columns FROM read_parquet([files], ...))`. The files are named one by
-- one, so a running query keeps what it began with whatever is committed meanwhile.
local errors = require "lib.errors"
local metadata = require "adapters.local.iceberg.metadata"
local store = require "adapters.local.iceberg.store"
local time = require "sm.time"
local types = require "adapters.local.iceberg.types"

local M = {}

local quote, literal = types.quote, types.literal

---@class Relation
---@field sql string
---@field columns table[]   {{name, type}}, Trino's type names
---@field bytes integer     size of the files behind it
---@field rows integer?

local function columns_of(fields)
  local columns = {}
  for i, field in ipairs(fields) do columns[i] = { name = field.name, type = types.to_trino(field.type), comment = field.doc } end
  return columns
end

local function file_list(files)
  local parts = {}
  for i, file in ipairs(files) do parts[i] = literal(store.path(file.path)) end
  return "[" .. table.concat(parts, ", ") .. "]"
end

local function names(fields)
  local parts = {}
  for i, field in ipairs(fields) do parts[i] = quote(field.name) end
  return table.concat(parts, ", ")
end
M.names, M.quote, M.literal = names, quote, literal

-- A relation of these columns without rows.
local function empty(fields, row_key)
  local parts = {}
  for i, field in ipairs(fields) do parts[i] = ("CAST(NULL AS %s) AS %s"):format(types.to_duckdb(field.type), quote(field.name)) end
  if row_key then parts[#parts + 1] = 'CAST(NULL AS BIGINT) AS "$row"' end
  return ("(SELECT %s WHERE false)"):format(table.concat(parts, ", "))
end

-- Where a row lies: its file's place in the list and its number in the file, in one integer. `places` gives the
-- files' places in a longer list of which this is a part.
local ROW_BITS = 40
M.ROW_BITS = ROW_BITS

local function row_key(files, places)
  if #files == 1 then
    local place = places and places[1] or 0
    if place == 0 then return "file_row_number" end
    return ("(file_row_number + %d)"):format(place << ROW_BITS)
  end
  local index = "CAST(file_index AS BIGINT)"
  if places then index = ("([%s]::BIGINT[])[CAST(file_index AS BIGINT) + 1]"):format(table.concat(places, ", ")) end
  return ("(%s * %d + file_row_number)"):format(index, 1 << ROW_BITS)
end

-- The rows of some data files, with "$row" when they are to be found again.
---@param fields table[]        columns of the Iceberg schema to read with
---@param files DataFile[]
---@param options {row_key: boolean?, places: integer[]?}?
---@return string|nil sql, Error? err
function M.rows(fields, files, options)
  options = options or {}
  if #files == 0 then return empty(fields, options.row_key) end
  local schema, err = types.read_schema(fields)
  if not schema then return nil, err end
  local key = options.row_key and (", %s AS \"$row\""):format(row_key(files, options.places)) or ""
  return ("(SELECT %s%s FROM read_parquet(%s, schema = %s))"):format(names(fields), key, file_list(files), schema)
end

---@param self table        the store
---@param table_ Table
---@param snapshot table?   nil: a table without rows
---@return Relation|nil relation, Error? err
function M.snapshot(self, table_, snapshot)
  local files, err = self:files(snapshot)
  if not files then return nil, err end
  local fields = metadata.schema(table_.meta, snapshot and snapshot["schema-id"]).fields
  -- A column added after the last commit is there, and NULL.
  if snapshot == metadata.current(table_.meta) then fields = metadata.schema(table_.meta).fields end
  local sql
  sql, err = M.rows(fields, files)
  if not sql then return nil, err end
  local bytes, rows = 0, 0
  for _, file in ipairs(files) do bytes, rows = bytes + file.bytes, rows + file.rows end
  return { sql = sql, columns = columns_of(fields), bytes = bytes, rows = rows }
end

-- Metadata tables ("t$snapshots") -----------------------------------------------------------------------------------

local function stamp(ms)
  return ("CAST(%s AS TIMESTAMPTZ)"):format(literal(time.iso(ms / 1000, 3)))
end

local function text_map(map)
  local keys, values = {}, {}
  for key in pairs(map or {}) do keys[#keys + 1] = key end
  table.sort(keys)
  for i, key in ipairs(keys) do keys[i], values[i] = literal(key), literal(tostring(map[key])) end
  return ("MAP([%s]::VARCHAR[], [%s]::VARCHAR[])"):format(table.concat(keys, ", "), table.concat(values, ", "))
end

local function number_or_null(n) return n and tostring(n) or "NULL" end

local function values_relation(columns, rows)
  local list, texts = {}, {}
  for i, column in ipairs(columns) do list[i] = ("CAST(%s AS %s) AS %s"):format("c" .. i, column[3], quote(column[1])) end
  if #rows == 0 then
    local nulls = {}
    for i in ipairs(columns) do nulls[i] = "NULL" end
    texts[1] = "(" .. table.concat(nulls, ", ") .. ")"
  end
  for i, row in ipairs(rows) do texts[i] = "(" .. table.concat(row, ", ") .. ")" end
  local aliases, shown = {}, {}
  for i, column in ipairs(columns) do aliases[i], shown[i] = "c" .. i, { name = column[1], type = column[2] } end
  local sql = ("(SELECT %s FROM (VALUES %s) AS v(%s)%s)"):format(table.concat(list, ", "), table.concat(texts, ", "),
    table.concat(aliases, ", "), #rows == 0 and " WHERE false" or "")
  return { sql = sql, columns = shown, bytes = 0, rows = #rows }
end

local BIGINT, TEXT = { "bigint", "BIGINT" }, { "varchar", "VARCHAR" }
local STAMP = { "timestamp(3) with time zone", "TIMESTAMPTZ" }
local function column(name, kind) return { name, kind[1], kind[2] } end

local suffixes = {}

function suffixes.snapshots(_, table_)
  local rows = {}
  for i, s in ipairs(table_.meta.snapshots) do
    rows[i] = { stamp(s["timestamp-ms"]), tostring(s["snapshot-id"]), number_or_null(s["parent-snapshot-id"]),
      literal(s.summary and s.summary.operation or ""), literal(s["manifest-list"]), text_map(s.summary) }
  end
  return values_relation({ column("committed_at", STAMP), column("snapshot_id", BIGINT), column("parent_id", BIGINT), column("operation",
    TEXT),
    column("manifest_list", TEXT), { "summary", "map(varchar, varchar)", "MAP(VARCHAR, VARCHAR)" } }, rows)
end

function suffixes.history(_, table_)
  local ancestors, at = {}, metadata.current(table_.meta)
  while at do
    ancestors[at["snapshot-id"]] = true
    at = at["parent-snapshot-id"] and metadata.snapshot(table_.meta, at["parent-snapshot-id"])
  end
  local rows = {}
  for i, entry in ipairs(table_.meta["snapshot-log"]) do
    local s = metadata.snapshot(table_.meta, entry["snapshot-id"])
    rows[i] = { stamp(entry["timestamp-ms"]), tostring(entry["snapshot-id"]), number_or_null(s and s["parent-snapshot-id"]),
      ancestors[entry["snapshot-id"]] and "true" or "false" }
  end
  return values_relation({ column("made_current_at", STAMP), column("snapshot_id", BIGINT), column("parent_id", BIGINT),
    { "is_current_ancestor", "boolean", "BOOLEAN" } }, rows)
end

function suffixes.files(self, _, snapshot)
  local files, err = self:files(snapshot)
  if not files then return nil, err end
  local rows = {}
  for i, f in ipairs(files) do rows[i] = { "0", literal(f.path), "'PARQUET'", tostring(f.rows), tostring(f.bytes) } end
  return values_relation({ { "content", "integer", "INTEGER" }, column("file_path", TEXT), column("file_format", TEXT),
    column("record_count", BIGINT),
    column("file_size_in_bytes", BIGINT) }, rows)
end

function suffixes.refs(_, table_)
  local rows = {}
  for name, ref in pairs(table_.meta.refs) do rows[#rows + 1] = { literal(name), literal(ref.type:upper()),
    tostring(ref["snapshot-id"]) } end
  return values_relation({ column("name", TEXT), column("type", TEXT), column("snapshot_id", BIGINT) }, rows)
end

function suffixes.properties(_, table_)
  local rows = {}
  for key, value in pairs(table_.meta.properties) do rows[#rows + 1] = { literal(key), literal(tostring(value)) } end
  return values_relation({ column("key", TEXT), column("value", TEXT) }, rows)
end

---@param suffix string  "snapshots", "history", "files", "refs", "properties"
---@return Relation|nil relation, Error? err
function M.metadata_table(self, table_, suffix, snapshot)
  local make = suffixes[suffix]
  if not make then
    return nil, errors.new("NotSupported",
      ("there is no metadata table \"%s$%s\" (snapshots, history, files, refs, properties)"):format(table_.name, suffix))
  end
  return make(self, table_, snapshot)
end

-- Plain Parquet tables -------------------------------------------------------------------------------------------

-- Columns and files of a table that is only folders of Parquet files; partition values come from the folders' names.
---@param entry table   what the catalog keeps: columns, partition_keys, uniform
---@param files {path: string, bytes: integer}[]
---@return Relation|nil relation, Error? err
function M.parquet(entry, files)
  local fields, hive, columns, count = {}, {}, {}, 0
  local function next_id()
    count = count + 1
    return count
  end
  for _, group in ipairs { entry.columns, entry.partition_keys } do
    for _, c in ipairs(group) do
      local found, err = types.from_engine(c.type, next_id)
      if not found then return nil, err end
      local duck = types.to_duckdb(found)
      fields[#fields + 1] = { name = c.name, type = found }
      columns[#columns + 1] = { name = c.name, type = types.to_trino(found), comment = c.comment }
      if group == entry.partition_keys then hive[#hive + 1] = ("%s: %s"):format(literal(c.name), literal(duck)) end
    end
  end
  local bytes = 0
  for _, file in ipairs(files) do bytes = bytes + file.bytes end
  if #files == 0 then return { sql = empty(fields), columns = columns, bytes = 0 } end
  local list = {}
  for i, field in ipairs(fields) do list[i] = ("CAST(%s AS %s) AS %s"):format(quote(field.name), types.to_duckdb(field.type),
    quote(field.name)) end
  local hive_option = #hive > 0 and (", hive_partitioning = true, hive_types = {%s}"):format(table.concat(hive, ", ")) or ""
  local sql = ("(SELECT %s FROM read_parquet(%s%s%s))"):format(table.concat(list, ", "), file_list(files), hive_option,
    entry.uniform and "" or ", union_by_name = true")
  return { sql = sql, columns = columns, bytes = bytes }
end

M.columns_of = columns_of

return M
