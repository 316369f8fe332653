-- The functions a statement may call: what is not in this list does not exist. Each entry tells the arguments it takes,
-- the type it gives, and the engine SQL that computes it.
--
-- Arguments are a word with a letter for each: x anything, s text, y text or bytes, i whole number, n number, b boolean,
-- d date or timestamp, u any of date/time/timestamp, B bytes, a array, m map, j json, v interval, l lambda;
-- ? after a letter: may be left out; + : one or more.
-- The result is a type's text, "=1" (type of the first argument), "elem" (element of the first), "common" (of all), or a
-- function of the argument types.

local type_parser = require("lib.sql.parse.type")
local types = require("lib.sql.types")

local M = { scalar = {}, aggregate = {}, window = {} }

local accepts = {
  x = function() return true end,
  s = types.is_text,
  y = function(t) return types.is_text(t) or t.name == "varbinary" end,
  i = types.is_whole,
  n = types.is_number,
  b = function(t) return t.name == "boolean" end,
  d = function(t) return t.name == "date" or types.is_timestamp(t) end,
  u = types.is_temporal,
  B = function(t) return t.name == "varbinary" end,
  a = function(t) return t.name == "array" end,
  m = function(t) return t.name == "map" end,
  j = function(t) return t.name == "json" or types.is_text(t) end,
  v = types.is_interval,
  l = function(t) return t.name == "function" end,
}

local shown = {
  x = "any", s = "varchar", y = "varchar or varbinary", i = "bigint", n = "number", b = "boolean", d = "date or timestamp",
  u = "date, time or timestamp", B = "varbinary", a = "array", m = "map", j = "json", v = "interval", l = "function",
}

local function compile_arguments(word)
  local arguments = { least = 0, most = 0 }
  for letter, mark in word:gmatch("(%a)([?+]?)") do
    arguments[#arguments + 1] = letter
    arguments.most = arguments.most + 1
    if mark ~= "?" then arguments.least = arguments.least + 1 end
    if mark == "+" then arguments.most, arguments.repeated = math.huge, letter end
  end
  return arguments
end

local function compile_result(result)
  if type(result) == "function" then return result end
  if result == "elem" then return function(list) return list[1].element end end
  if result == "common" then return function(list) return types.common_of(list) end end
  local index = result:match("^=(%d)$")
  if index then
    index = tonumber(index)
    return function(list) return list[index] end
  end
  local t = assert(type_parser.parse(result))
  return function() return t end
end

local function entry(name, arguments, result, make)
  return { name = name, arguments = compile_arguments(arguments), result = compile_result(result), make = make }
end

-- Adds functions: { name, arguments, result, template or function(self, args, node) -> piece }.
-- Several entries of one name are tried in order.
local function adder(kind)
  return function(entries)
    for _, e in ipairs(entries) do
      local list = M[kind][e[1]] or {}
      local made = entry(e[1], e[2], e[3], e[4])
      made.lambda, made.try = e.lambda, e.try
      list[#list + 1] = made
      M[kind][e[1]] = list
    end
  end
end
M.scalars = adder("scalar")
M.aggregates = adder("aggregate")
M.windows = adder("window")

-- name -> other name, same meaning
function M.alias(kind, pairs_of_names)
  for other, name in pairs(pairs_of_names) do M[kind][other] = assert(M[kind][name], name) end
end

-- What an argument without a known type is taken for.
function M.assumed(e, index, t)
  if t.name ~= "any" then return t end
  local letter = e.arguments[index] or e.arguments.repeated
  return letter == "a" and types.array(types.any) or letter == "m" and types.map(types.any, types.any) or t
end

---@param e table
---@param list SqlType[]
---@return boolean
function M.fits(e, list)
  local arguments = e.arguments
  if #list < arguments.least or #list > arguments.most then return false end
  for i, t in ipairs(list) do
    local letter = arguments[i] or arguments.repeated
    if t.name ~= "unknown" and t.name ~= "any" and not accepts[letter](t) then return false end
    if t.name == "unknown" and letter == "l" then return false end
  end
  return true
end

-- "split_part(varchar, varchar, bigint)" for messages.
function M.signature(e)
  local list = {}
  for i, letter in ipairs(e.arguments) do list[i] = shown[letter] end
  return ("%s(%s)"):format(e.name, table.concat(list, ", "))
end

function M.names()
  local list = {}
  for _, kind in ipairs { "scalar", "aggregate", "window" } do
    for name in pairs(M[kind]) do list[#list + 1] = name end
  end
  return list
end

return M
