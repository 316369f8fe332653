-- What WITH (...) and TBLPROPERTIES (...) may say about a table: a typed list. What is not on it is refused by name.
local errors = require "lib.errors"
local suggest = require "lib.suggest"

local M = {}

local function one_of(...)
  local accepted = {}
  for _, word in ipairs { ... } do accepted[word] = true end
  local shown = table.concat({ ... }, ", ")
  return function(value)
    local word = type(value) == "string" and value:upper()
    if accepted[word] then return word end
    return nil, "must be one of: " .. shown
  end
end

local function integer(value)
  local n = math.tointeger(tonumber(value))
  if n and n >= 0 then return tostring(n) end
  return nil, "must be a whole number, 0 or more"
end

local function text(value)
  if type(value) == "string" then return value end
  return nil, "must be a text"
end

local function boolean(value)
  local word = tostring(value):lower()
  if word == "true" or word == "false" then return word end
  return nil, "must be true or false"
end

-- name -> { check, kept in the table's metadata? }
local known = {
  table_type = { one_of "ICEBERG" }, format = { one_of "PARQUET" }, location = { text }, is_external = { boolean },
  write_compression = { one_of("ZSTD", "SNAPPY", "GZIP") }, compression_level = { integer },
  write_target_data_file_size_bytes = { integer, true }, vacuum_min_snapshots_to_keep = { integer, true },
  vacuum_max_snapshot_age_seconds = { integer, true }, optimize_rewrite_min_data_file_size_bytes = { integer, true },
  optimize_rewrite_max_data_file_size_bytes = { integer, true }, optimize_rewrite_data_file_threshold = { integer, true },
  optimize_rewrite_delete_file_threshold = { integer, true }, comment = { text, true },
}

local names = {}
for name in pairs(known) do names[#names + 1] = name end
table.sort(names)

-- The value of a literal of the statement.
local function literal(node)
  if type(node) ~= "table" then return node end
  if node.kind == "string" or node.kind == "boolean" then return node.value end
  if node.value ~= nil and type(node.value) ~= "table" then return node.value end
  return node.text
end

---@param lists table[]?   properties and text_properties of the tree: {{name, value}}
---@return {location: string?, kept: table<string, string>}|nil properties, Error? err
function M.read(...)
  local found, kept = {}, {}
  for i = 1, select("#", ...) do
    for _, item in ipairs((select(i, ...)) or {}) do
      local name = item.name:lower()
      local rule = known[name]
      if not rule then
        if name == "partitioning" or name == "partitioned_by" or name == "bucketed_by" then
          return nil, errors.new("NotSupported", ("property '%s': partitioned tables cannot be written here"):format(name))
        end
        return nil, errors.new("BadParam", ("unknown table property '%s'%s"):format(item.name, suggest.hint(name, names)))
      end
      local value, problem = rule[1](literal(item.value))
      if value == nil then return nil, errors.new("BadParam", ("property '%s' %s"):format(name, problem)) end
      found[name] = value
      if rule[2] then kept[name] = value end
    end
  end
  if found.write_compression then kept["write.parquet.compression-codec"] = found.write_compression:lower() end
  return { location = found.location, kept = kept }
end

return M
