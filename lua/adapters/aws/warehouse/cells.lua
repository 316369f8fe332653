-- Rows of Athena's results as the port gives them (JSON arrays of texts) and as lines of NDJSON (objects with numbers).
local json = require "lib.json"

local M = {}

local NUMBERS <const> = { tinyint = true, smallint = true, integer = true, bigint = true, double = true, float = true, real = true,
  decimal = true }

--- Names and types of the columns.
---@param output table  of GetQueryResults
---@return string[] names, string[] types
function M.columns(output)
  local names, types = {}, {}
  local metadata = output.ResultSet and output.ResultSet.ResultSetMetadata or {}
  for i, column in ipairs(metadata.ColumnInfo or {}) do
    names[i] = column.Label and column.Label ~= "" and column.Label or column.Name
    types[i] = column.Type
    if column.Type == "decimal" then types[i] = ("decimal(%d,%d)"):format(column.Precision or 38, column.Scale or 0)
    elseif column.Type == "timestamp" or column.Type == "time" then types[i] = ("%s(%d)"):format(column.Type, column.Precision or 3)
    elseif column.Type == "float" then types[i] = "real" end
  end
  return names, types
end

--- The cells of a row; NULL is false.
---@param row table
---@param count integer
---@return (string|false)[]
function M.texts(row, count)
  local cells, data = {}, row.Data or {}
  for i = 1, count do
    local value = data[i] and data[i].VarCharValue
    if value == nil then value = false end
    cells[i] = value
  end
  return cells
end

--- ["1",null]
function M.line(row, count)
  local cells = M.texts(row, count)
  for i = 1, count do
    if cells[i] == false then cells[i] = json.null end
  end
  return assert(json.encode(json.list(cells)))
end

local function json_text(value, kind)
  if value == false then return "null" end
  local base = kind:match("^%a+")
  if NUMBERS[base] and value:find("^%-?%d+%.?%d*[eE]?[-+]?%d*$") then return (value:gsub("^(%-?)0+(%d)", "%1%2")) end
  if base == "boolean" then return value end
  return assert(json.encode(value))
end

--- {"a":1,"b":"x"}
function M.object(row, names, types)
  local cells, parts = M.texts(row, #names), {}
  for i, name in ipairs(names) do parts[i] = assert(json.encode(name)) .. ":" .. json_text(cells[i], types[i]) end
  return "{" .. table.concat(parts, ",") .. "}"
end

return M
