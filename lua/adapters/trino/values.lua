-- A value of Trino's JSON rows as the text that a result cell shows: what Athena's results show, since its engine is Trino.
local json = require "lib.json"

local M = {}

-- A double as Java writes it: "1.5", "1.0E20". `shortest` is its shortest text, "1e+20".
local function java_double(value)
  if value ~= value then return "NaN" end
  if value == math.huge or value == -math.huge then return value > 0 and "Infinity" or "-Infinity" end
  local size = math.abs(value)
  local shortest = assert(json.encode(value))
  if size == 0 or (size >= 1e-3 and size < 1e7) then
    if not shortest:find("e", 1, true) then return shortest end
    return (("%.10f"):format(value):gsub("0+$", ""))
  end
  local sign, digits, exponent = shortest:match("^(%-?)([%d.]+)e?([-+]?%d*)$")
  local whole, fraction = digits:match("^(%d+)%.?(%d*)$")
  local power = (math.tointeger(tonumber(exponent)) or 0) + #whole - 1
  local all = whole .. fraction
  local zeros = #all:match("^0*")
  if zeros == #all then return sign .. "0.0" end
  all, power = all:sub(zeros + 1), power - zeros
  all = all:gsub("0+$", "")
  local rest = all:sub(2)
  return ("%s%s.%sE%d"):format(sign, all:sub(1, 1), rest ~= "" and rest or "0", power)
end

local function hex(bytes)
  local parts = {}
  for i = 1, #bytes do parts[i] = ("%02x"):format(bytes:byte(i)) end
  return table.concat(parts, " ")
end

local text

local function list(values, signature)
  local parts = {}
  for i = 1, #values do parts[i] = text(values[i], signature.arguments[1].value) or "null" end
  return "[" .. table.concat(parts, ", ") .. "]"
end

local function map(values, signature)
  local keys, parts = {}, {}
  for key in pairs(values) do keys[#keys + 1] = key end
  table.sort(keys)
  for i, key in ipairs(keys) do
    parts[i] = key .. "=" .. (text(values[key], signature.arguments[2].value) or "null")
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

local function row(values, signature)
  local parts = {}
  for i, argument in ipairs(signature.arguments) do
    local field = argument.value
    local name = field.fieldName and field.fieldName ~= json.null and field.fieldName.name or ("field%d"):format(i - 1)
    parts[i] = name .. "=" .. (text(values[i], field.typeSignature) or "null")
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

local composed = { array = list, map = map, row = row }

-- The text of a value; nil for NULL.
---@param value any        as decoded from the answer
---@param signature table  typeSignature of its column: {rawType, arguments}
---@return string?
function text(value, signature)
  if value == nil or value == json.null then return nil end
  local kind = signature.rawType
  if composed[kind] then return composed[kind](value, signature) end
  if kind == "varbinary" then return hex(require("sm.crypto").unbase64(value) or "") end
  if kind == "double" or kind == "real" then return type(value) == "number" and java_double(value * 1.0) or tostring(value) end
  return tostring(value)
end
M.text = text

-- The name of a type as results show it: without length and precision.
---@param type_text string  "decimal(12,2)"
---@return string
function M.type_name(type_text)
  local name = type_text:gsub("%b()", "")
  return name == "real" and "float" or name
end

-- One line of a result page: a JSON array of texts and nulls.
---@param values table
---@param columns table[]   of the answer
---@return string
function M.line(values, columns)
  local cells = json.list()
  for i, column in ipairs(columns) do cells[i] = text(values[i], column.typeSignature) or json.null end
  return assert(json.encode(cells))
end

return M
