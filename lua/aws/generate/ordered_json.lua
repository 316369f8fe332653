-- Reads JSON and remembers the order of an object's keys, which a service model gives a meaning (the order of XML
-- elements and of form fields). For the generator and the conformance suites; everything else decodes with sm.json.
local json = require "sm.json"

local M = {}

local find, sub = string.find, string.sub
local orders = setmetatable({}, { __mode = "k" })

local ESCAPES <const> = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/" }

local function fail(at, what) error({ json_error = ("%s at byte %d"):format(what, at) }, 0) end

local function code_unit(text, at)
  local hex = text:match("^%x%x%x%x", at)
  if not hex then fail(at, "four hexadecimal digits expected") end
  return tonumber(hex, 16)
end

-- The character of the \u escape whose digits start here, and where it ends. Half a pair is kept as U+FFFD.
local function unicode(text, at)
  local code = code_unit(text, at)
  if code >= 0xD800 and code <= 0xDBFF and text:sub(at + 4, at + 5) == "\\u" then
    local low = code_unit(text, at + 6)
    if low >= 0xDC00 and low <= 0xDFFF then return utf8.char(0x10000 + (code - 0xD800) * 0x400 + low - 0xDC00), at + 10 end
  end
  if code >= 0xD800 and code <= 0xDFFF then code = 0xFFFD end
  return utf8.char(code), at + 4
end

local function escaped_string(text, from)
  local parts, at = {}, from
  while true do
    local stop = find(text, '["\\]', at)
    if not stop then fail(from, "string without an end") end
    parts[#parts + 1] = sub(text, at, stop - 1)
    if sub(text, stop, stop) == '"' then return table.concat(parts), stop + 1 end
    local letter = sub(text, stop + 1, stop + 1)
    if letter == "u" then
      parts[#parts + 1], at = unicode(text, stop + 2)
    else
      parts[#parts + 1] = ESCAPES[letter] or fail(stop, "unknown escape")
      at = stop + 2
    end
  end
end

local function read_string(text, at)
  local stop = find(text, '["\\]', at + 1)
  if stop and sub(text, stop, stop) == '"' then return sub(text, at + 1, stop - 1), stop + 1 end
  return escaped_string(text, at + 1)
end

local read_value

local function read_object(text, at)
  local object, order = {}, {}
  orders[object] = order
  at = find(text, "%S", at + 1) or at
  if sub(text, at, at) == "}" then return object, at + 1 end
  while true do
    if sub(text, at, at) ~= '"' then fail(at, "key expected") end
    local key
    key, at = read_string(text, at)
    at = find(text, "%S", at)
    if not at or sub(text, at, at) ~= ":" then fail(at or #text, "colon expected") end
    if object[key] == nil then order[#order + 1] = key end
    object[key], at = read_value(text, at + 1)
    at = find(text, "%S", at) or #text + 1
    local mark = sub(text, at, at)
    if mark == "}" then return object, at + 1 end
    if mark ~= "," then fail(at, "comma or } expected") end
    at = find(text, "%S", at + 1) or #text + 1
  end
end

local function read_array(text, at)
  local array, count = json.array(), 0
  at = find(text, "%S", at + 1) or at
  if sub(text, at, at) == "]" then return array, at + 1 end
  while true do
    count = count + 1
    array[count], at = read_value(text, at)
    at = find(text, "%S", at) or #text + 1
    local mark = sub(text, at, at)
    if mark == "]" then return array, at + 1 end
    if mark ~= "," then fail(at, "comma or ] expected") end
    at = at + 1
  end
end

local WORDS <const> = { ["true"] = true, ["false"] = false, null = json.null }

function read_value(text, at)
  at = find(text, "%S", at) or #text + 1
  local first = sub(text, at, at)
  if first == '"' then return read_string(text, at) end
  if first == "{" then return read_object(text, at) end
  if first == "[" then return read_array(text, at) end
  local word = text:match("^%a+", at)
  if word and WORDS[word] ~= nil then return WORDS[word], at + #word end
  local number = text:match("^-?%d+%.?%d*[eE]?[+-]?%d*", at)
  local value = number and tonumber(number)
  if not value then fail(at, "value expected") end
  return value, at + #number
end

---@param text string
---@return any value objects know the order of their keys; null is json.null
---@return string? message
function M.decode(text)
  local ok, value, at = pcall(read_value, text, 1)
  if not ok then
    if type(value) == "table" and value.json_error then return nil, value.json_error end
    error(value, 0)
  end
  local rest = find(text, "%S", at)
  if rest then return nil, "text after the value at byte " .. rest end
  return value
end

---The keys of an object in the order they were read; of any other table in the order of their bytes.
---@param object table
---@return string[]
function M.keys(object)
  local known = orders[object]
  if known then return known end
  local keys = {}
  for key in pairs(object) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

---Says the order of an object made by hand.
---@generic T : table
---@param object T
---@param keys string[]
---@return T
function M.order(object, keys)
  orders[object] = keys
  return object
end

return M
