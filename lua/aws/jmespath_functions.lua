-- The functions of JMESPath with their argument types, and what its values are.
local json = require "sm.json"

local M = {}

local null = json.null

-- A reference to an expression: only functions take it.
local Reference = {}

---@param node table
---@return table
function M.reference(node) return setmetatable({ node = node }, Reference) end

---@param value any
---@return boolean
function M.is_list(value) return type(value) == "table" and getmetatable(value) ~= Reference and json.is_array(value) end

---@param value any
---@return boolean
function M.is_object(value) return type(value) == "table" and getmetatable(value) ~= Reference and not json.is_array(value) end

local function type_of(value)
  if value == null or value == nil then return "null" end
  if type(value) ~= "table" then return type(value) end
  if getmetatable(value) == Reference then return "expression" end
  return json.is_array(value) and "array" or "object"
end

---Deep; 1 and 1.0 are equal.
---@param a any
---@param b any
---@return boolean
function M.equal(a, b)
  if a == b then return true end
  local kind = type_of(a)
  if kind ~= type_of(b) or type(a) ~= "table" then return false end
  for key, value in pairs(a) do
    if b[key] == nil or not M.equal(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

-- Objects have no order; one is needed for the same expression to give the same list.
local function sorted_keys(object)
  if M.keys_of then
    local given = M.keys_of(object)
    return json.array(table.move(given, 1, #given, 1, {}))
  end
  local keys = json.array()
  for key in pairs(object) do
    if type(key) == "string" then keys[#keys + 1] = key end
  end
  table.sort(keys)
  return keys
end

---Values in the order of their keys.
---@param object table
---@return table
function M.sorted_values(object)
  local out = json.array()
  for i, key in ipairs(sorted_keys(object)) do out[i] = object[key] end
  return out
end

local function fail(kind, message) error({ jmespath_error = kind, message = message }, 0) end

-- ---- argument types ----

local function all_are(list, kind)
  for _, item in ipairs(list) do
    if type_of(item) ~= kind then return false end
  end
  return true
end

-- "array-number" is a list of numbers only, "any" is any value but an expression.
local function fits(value, wanted)
  local kind = type_of(value)
  for option in wanted:gmatch("[^|]+") do
    local item_kind = option:match("^array%-(.*)$")
    if item_kind then
      if kind == "array" and all_are(value, item_kind) then return true end
    elseif option == kind or option == "any" and kind ~= "expression" then
      return true
    end
  end
  return false
end

-- ---- texts ----

local function characters(text)
  local out = {}
  if not utf8.len(text) then
    for i = 1, #text do out[i] = text:sub(i, i) end
    return out
  end
  for _, code in utf8.codes(text) do out[#out + 1] = utf8.char(code) end
  return out
end

local function reversed(list)
  local out = json.array()
  for i = #list, 1, -1 do out[#out + 1] = list[i] end
  return out
end

-- ---- by key ----

-- The key of each item; all numbers or all texts.
local function keys_by(name, list, reference, run)
  local keys, kind = {}, nil
  for i, item in ipairs(list) do
    keys[i] = run(reference.node, item)
    local found = type_of(keys[i])
    if found ~= "number" and found ~= "string" or kind and found ~= kind then
      fail("invalid-type", name .. ": the expression gives neither numbers only nor texts only")
    end
    kind = found
  end
  return keys
end

local function best(list, keys, better)
  local at
  for i = 1, #list do
    if not at or better(keys[i], keys[at]) then at = i end
  end
  return at and list[at] or null
end

-- Equal keys keep their order.
local function sorted(list, keys)
  local order = {}
  for i = 1, #list do order[i] = i end
  table.sort(order, function(a, b)
    if keys[a] == keys[b] then return a < b end
    return keys[a] < keys[b]
  end)
  local out = json.array()
  for i, at in ipairs(order) do out[i] = list[at] end
  return out
end

local function less(a, b) return a < b end
local function more(a, b) return a > b end

local function sum(numbers)
  local total = 0
  for _, number in ipairs(numbers) do total = total + number end
  return total
end

-- ---- the functions: argument types (one with "..." repeats), what they do ----

local function to_number(value)
  if type_of(value) == "number" then return value end
  if type_of(value) ~= "string" or not value:find("^%-?%d+%.?%d*[eE]?[+-]?%d*$") then return null end
  return tonumber(value) or null
end

local FUNCTIONS <const> = {
  abs = { { "number" }, math.abs },
  avg = { { "array-number" }, function(list) return #list > 0 and sum(list) / #list or null end },
  ceil = { { "number" }, math.ceil },
  floor = { { "number" }, math.floor },
  contains = { { "array|string", "any" }, function(value, wanted)
    if type(value) == "string" then return type(wanted) == "string" and value:find(wanted, 1, true) ~= nil end
    for _, item in ipairs(value) do
      if M.equal(item, wanted) then return true end
    end
    return false
  end },
  starts_with = { { "string", "string" }, function(text, start) return text:sub(1, #start) == start end },
  ends_with = { { "string", "string" }, function(text, tail) return tail == "" or text:sub(-#tail) == tail end },
  join = { { "string", "array-string" }, function(glue, list) return table.concat(list, glue) end },
  keys = { { "object" }, sorted_keys },
  values = { { "object" }, M.sorted_values },
  length = { { "string|array|object" }, function(value)
    if type(value) == "string" then return utf8.len(value) or #value end
    return json.is_array(value) and #value or #sorted_keys(value)
  end },
  map = { { "expression", "array" }, function(reference, list, run)
    local out = json.array()
    for i, item in ipairs(list) do out[i] = run(reference.node, item) end
    return out
  end },
  max = { { "array-number|array-string" }, function(list) return best(list, list, more) end },
  min = { { "array-number|array-string" }, function(list) return best(list, list, less) end },
  max_by = { { "array", "expression" }, function(list, reference, run)
    return best(list, keys_by("max_by", list, reference, run), more)
  end },
  min_by = { { "array", "expression" }, function(list, reference, run)
    return best(list, keys_by("min_by", list, reference, run), less)
  end },
  sort = { { "array-number|array-string" }, function(list) return sorted(list, list) end },
  sort_by = { { "array", "expression" }, function(list, reference, run)
    return sorted(list, keys_by("sort_by", list, reference, run))
  end },
  merge = { { "object", "..." }, function(objects)
    local out = {}
    for _, object in ipairs(objects) do
      for key, value in pairs(object) do out[key] = value end
    end
    return out
  end },
  not_null = { { "any", "..." }, function(values)
    for _, value in ipairs(values) do
      if value ~= null then return value end
    end
    return null
  end },
  reverse = { { "array|string" }, function(value)
    if type(value) == "string" then return table.concat(reversed(characters(value))) end
    return reversed(value)
  end },
  sum = { { "array-number" }, sum },
  to_array = { { "any" }, function(value) return type_of(value) == "array" and value or json.array { value } end },
  to_number = { { "any" }, to_number },
  to_string = { { "any" }, function(value) return type(value) == "string" and value or json.encode(value, { sorted = true }) end },
  type = { { "any" }, type_of },
}

local function check(name, wanted, arguments)
  local repeats = wanted[#wanted] == "..."
  if repeats and #arguments < 1 or not repeats and #arguments ~= #wanted then
    fail("invalid-arity", ("%s: %d arguments, not %s"):format(name, #arguments, repeats and "1 or more" or #wanted))
  end
  for i, argument in ipairs(arguments) do
    local kind = repeats and wanted[1] or wanted[i]
    if not fits(argument, kind) then
      fail("invalid-type", ("%s: argument %d is a %s, not %s"):format(name, i, type_of(argument), kind))
    end
  end
  return repeats
end

---@param name string
---@param arguments table
---@param run function  evaluates a referenced expression: run(node, value)
---@return any
function M.call(name, arguments, run)
  local found = FUNCTIONS[name] or fail("unknown-function", "there is no function '" .. name .. "'")
  if check(name, found[1], arguments) then return found[2](arguments) end
  arguments[#arguments + 1] = run
  return found[2](table.unpack(arguments))
end

return M
