-- The columns of an Iceberg table's metadata as Glue wants them, so that its entry shows what the version has.
local json = require "lib.json"

local M = {}

local NAMES <const> = { long = "bigint", uuid = "string", timestamptz = "timestamp", fixed = "binary", time = "string" }

local hive

local nested = {
  list = function(kind) return "array<" .. hive(kind.element) .. ">" end,
  map = function(kind) return ("map<%s,%s>"):format(hive(kind.key), hive(kind.value)) end,
  struct = function(kind)
    local fields = {}
    for i, field in ipairs(kind.fields) do fields[i] = field.name .. ":" .. hive(field.type) end
    return "struct<" .. table.concat(fields, ",") .. ">"
  end,
}

function hive(kind)
  if type(kind) == "table" then return nested[kind.type] and nested[kind.type](kind) or "string" end
  local base = kind:match("^%a+")
  if base == "decimal" then return (kind:gsub("%s", "")) end
  return NAMES[base] or base
end

local function schema_of(metadata)
  for _, schema in ipairs(metadata.schemas or {}) do
    if schema["schema-id"] == metadata["current-schema-id"] then return schema end
  end
  return metadata.schema
end

---@param metadata table
---@return table[]|nil columns
function M.of(metadata)
  local schema = schema_of(metadata)
  if not schema then return nil end
  local columns = {}
  for i, field in ipairs(schema.fields) do
    columns[i] = { Name = field.name, Type = hive(field.type), Comment = field.doc, Parameters = {
      ["iceberg.field.id"] = tostring(field.id), ["iceberg.field.optional"] = tostring(not field.required),
      ["iceberg.field.current"] = "true" } }
  end
  return json.list(columns)
end

return M
