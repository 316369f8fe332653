-- Reading the vector folder, and comparing what came out with what should.
local files = require "sm.files"
local json = require "sm.json"
local ordered = require "aws.generate.ordered_json"

local M = {}

---@param path string
---@return any? value  decoded with sm.json; nil when there is no such file
function M.read_json(path)
  local text = files.read(path)
  if not text then return nil end
  local value, message = json.decode(text)
  if value == nil then error(path .. ": " .. message, 0) end
  return value
end

---The same with the order of keys kept (aws.generate.ordered_json).
---@param path string
---@return any?
function M.read_ordered(path)
  local text = files.read(path)
  if not text then return nil end
  local value, message = ordered.decode(text)
  if value == nil then error(path .. ": " .. message, 0) end
  return value
end

---@param folder string
---@param pattern string?  Lua pattern of the names
---@return string[] names, sorted
function M.names(folder, pattern)
  local out = {}
  for _, entry in ipairs(files.list(folder) or {}) do
    if not pattern or entry.name:find(pattern) then out[#out + 1] = entry.name end
  end
  return out
end

local function short(value)
  local text = type(value) == "table" and json.encode(value, { sorted = true }) or tostring(value)
  return #text > 200 and text:sub(1, 200) .. "..." or text
end

---The first difference of two values, as text; nil when they are equal. Numbers are compared by value, 1 == 1.0.
---@param expected any
---@param got any
---@param path string?
---@return string?
function M.difference(expected, got, path)
  path = path or "value"
  if type(expected) ~= "table" or type(got) ~= "table" then
    if expected == got or (expected ~= expected and got ~= got) then return nil end
    return ("%s: expected %s, got %s"):format(path, short(expected), short(got))
  end
  for key, value in pairs(expected) do
    local found = M.difference(value, got[key], path .. "." .. tostring(key))
    if found then return found end
  end
  for key, value in pairs(got) do
    if expected[key] == nil then return ("%s.%s: not expected: %s"):format(path, tostring(key), short(value)) end
  end
end

return M
