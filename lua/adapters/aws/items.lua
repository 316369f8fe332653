-- Lua values as DynamoDB writes them, and back. Whole numbers stay whole; a list must be marked (lib.json.list) or have
-- entries; nil and empty fields are left out, because an item has no holes.
local json = require "lib.json"

local M = {}

local function number_text(n)
  if math.type(n) == "integer" then return ("%d"):format(n) end
  if n == math.floor(n) and math.abs(n) < 2 ^ 53 then return ("%d"):format(math.tointeger(n)) end
  return ("%.17g"):format(n)
end

---@param value any
---@return table  {S = ...}, {N = ...}, ...
function M.value(value)
  local kind = type(value)
  if kind == "string" then return { S = value } end
  if kind == "number" then return { N = number_text(value) } end
  if kind == "boolean" then return { BOOL = value } end
  if value == json.null then return { NULL = true } end
  if kind ~= "table" then error("a " .. kind .. " cannot be stored", 2) end
  if json.is_list(value) or #value > 0 then
    local list = {}
    for i, one in ipairs(value) do list[i] = M.value(one) end
    return { L = json.list(list) }
  end
  return { M = M.item(value) }
end

---@param record table<string, any>
---@return table<string, table>
function M.item(record)
  local item = {}
  for name, value in pairs(record) do item[name] = M.value(value) end
  return item
end

local readers = {
  S = function(v) return v end,
  N = function(v)
    local n = tonumber(v)
    return math.tointeger(n) or n
  end,
  BOOL = function(v) return v end,
  NULL = function() return nil end,
  L = function(v)
    local list = {}
    for i, one in ipairs(v) do list[i] = M.read_value(one) end
    return json.list(list)
  end,
  M = function(v) return M.read(v) end,
}

---@param stored table
---@return any
function M.read_value(stored)
  local kind, value = next(stored)
  local reader = readers[kind]
  return reader and reader(value)
end

---@param item table<string, table>
---@return table<string, any>
function M.read(item)
  local record = {}
  for name, stored in pairs(item) do record[name] = M.read_value(stored) end
  return record
end

return M
