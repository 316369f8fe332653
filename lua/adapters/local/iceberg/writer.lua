-- Rows to Parquet files of a table: one COPY, its statistics as data files for the manifest, everything on disk before
-- anybody is told. Files that no commit takes up are removed here, or by VACUUM after a crash.
local crypto = require "sm.crypto"
local errors = require "lib.errors"
local files = require "sm.files"
local metadata = require "adapters.local.iceberg.metadata"
local store = require "adapters.local.iceberg.store"
local task = require "sm.task"
local types = require "adapters.local.iceberg.types"
local values = require "adapters.local.iceberg.values"

local M = {}

M.FILE_BYTES = 128 << 20 -- a file is closed when it has grown beyond this

local function integer(text) return math.tointeger(tonumber(text)) end

local function sorted_pairs(map)
  local list = {}
  for id, value in pairs(map) do list[#list + 1] = { key = id, value = value } end
  if #list == 0 then return nil end
  table.sort(list, function(a, b) return a.key < b.key end)
  return list
end

-- COPY's statistics of one file -> the manifest's maps by field id.
---@param row {filename: string, count: integer, file_size_bytes: integer, column_statistics: table}
---@return DataFile
function M.data_file(row, leaves)
  local sizes, counts, nulls, nans, lower, upper = {}, {}, {}, {}, {}, {}
  for path, stats in pairs(row.column_statistics) do
    local leaf = leaves[path]
    if leaf then
      sizes[leaf.id] = integer(stats.column_size_bytes)
      counts[leaf.id] = integer(stats.num_values)
      if leaf.top then nulls[leaf.id] = integer(stats.null_count) end
      local has_nan = stats.has_nan == "true"
      if stats.has_nan == "false" then nans[leaf.id] = 0 end
      if leaf.top and stats.min and stats.max and not has_nan then
        lower[leaf.id], upper[leaf.id] = values.bound(leaf.type, stats.min, false), values.bound(leaf.type, stats.max, true)
      end
    end
  end
  return {
    path = store.uri(row.filename), rows = integer(row.count), bytes = integer(row.file_size_bytes), column_sizes = sorted_pairs(sizes),
    value_counts = sorted_pairs(counts), null_counts = sorted_pairs(nulls), nan_counts = sorted_pairs(nans), lower = sorted_pairs(lower),
      upper = sorted_pairs(upper),
  }
end

local CODECS = { zstd = "zstd", snappy = "snappy", gzip = "gzip" }

local function statement(folder, prefix, fields, select_sql, file_bytes, codec)
  return ("COPY (%s) TO %s (FORMAT parquet, COMPRESSION %s, FILE_SIZE_BYTES %d, APPEND true, FILENAME_PATTERN %s, " ..
    "RETURN_STATS true, FIELD_IDS %s)"):format(
      select_sql, types.literal(folder), CODECS[codec or ""] or "zstd", file_bytes, types.literal(prefix .. "-{uuid}"),
      types.field_ids(fields))
end

-- The rows of a COPY with RETURN_STATS, by name.
local function run_copy(con, sql)
  local result, err = con:query(sql)
  if not result then return nil, err end
  local rows = {}
  for i, row in ipairs(result.rows) do
    rows[i] = {}
    for j, column in ipairs(result.columns) do rows[i][column.name] = row[j] end
  end
  return rows
end

local function sync_all(folder, list)
  local jobs = {}
  for i, file in ipairs(list) do
    jobs[i] = function()
      local f <close>, message, code = files.open(store.path(file.path), "r")
      if not f then return nil, errors.from(message, code, "sync " .. file.path) end
      local ok, sync_message, sync_code = f:sync()
      if not ok then return nil, errors.from(sync_message, sync_code, "sync " .. file.path) end
      return true
    end
  end
  if #jobs > 0 then
    local done, err = task.parallel(jobs, { limit = 4 })
    if not done then return nil, err end
  end
  return files.sync_dir(folder)
end

-- Removes what an unfinished COPY or a lost commit left behind.
function M.remove(list)
  for _, file in ipairs(list) do files.remove(store.path(file.path)) end
end

local function remove_prefix(folder, prefix)
  for _, entry in ipairs(files.list(folder) or {}) do
    if entry.name:sub(1, #prefix) == prefix or entry.name:sub(1, #prefix + 4) == "tmp_" .. prefix then files.remove(folder .. "/"
      .. entry.name) end
  end
end

---@param con table         an engine connection
---@param location string   URI of the table
---@param fields table[]    the columns, in the order of select_sql
---@param select_sql string
---@param file_bytes integer?
---@param codec string?      zstd (default), snappy, gzip
---@return DataFile[]|nil files, Error? err
function M.copy(con, location, fields, select_sql, file_bytes, codec)
  local folder, prefix = store.path(location) .. "/data", crypto.hex(crypto.random(6))
  local written <close> = setmetatable({}, { __close = function(state)
    if not state.done then remove_prefix(folder, prefix) end
  end })
  local rows, err = run_copy(con, statement(folder, prefix, fields, select_sql, file_bytes or M.FILE_BYTES, codec))
  if not rows then return nil, err end
  local leaves, list = types.leaves(fields), {}
  for _, row in ipairs(rows) do
    if integer(row.count) > 0 then list[#list + 1] = M.data_file(row, leaves) else files.remove(row.filename) end
  end
  local ok
  ok, err = sync_all(folder, list)
  if not ok then
    return nil, errors.is(err) and err or errors.new("InternalError", "could not make the new files durable: " .. tostring(err))
  end
  written.done = true
  return list
end

--- The rows of a query as files of a table, as its properties want them.
---@param con table
---@param table_ table          a loaded table
---@param select_sql string     gives the table's columns in order
---@param fields table[]?       the columns when they are not those of the current schema
---@return DataFile[]|nil files, Error? err
function M.write(con, table_, select_sql, fields)
  local properties = table_.meta.properties
  return M.copy(con, table_.location, fields or metadata.schema(table_.meta).fields, select_sql,
    integer(properties.write_target_data_file_size_bytes), properties["write.parquet.compression-codec"])
end

---@param list DataFile[]
---@return integer
function M.count(list)
  local rows = 0
  for _, file in ipairs(list) do rows = rows + file.rows end
  return rows
end

return M
