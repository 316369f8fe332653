-- Grammar of type names: Trino's row(a bigint), array(varchar(10)), timestamp(6) with time zone, and Hive's
-- struct<a:int>, array<string> that Athena's CREATE TABLE uses.

local Cursor = require("lib.sql.parse.cursor")
local types = require("lib.sql.types")

local synonyms = {
  int = "integer", string = "varchar", float = "real", binary = "varbinary", numeric = "decimal", dec = "decimal",
  long = "bigint", bool = "boolean",
}
local plain = {
  boolean = true, tinyint = true, smallint = true, integer = true, bigint = true, real = true, double = true,
  varbinary = true, date = true, json = true, uuid = true, ipaddress = true, unknown = true, hyperloglog = true,
}

-- "(" integer ")" or nil
local function optional_length(self)
  if not self:accept("(") then return nil end
  local length = self:integer()
  self:expect(")")
  return length
end

local function timestamp_or_time(self, name, pos)
  local precision = optional_length(self) or 3
  if precision > 12 then self:fail(("%s precision must be in range [0, 12]: %d"):format(name:upper(), precision), pos) end
  local with = self:accept_words("WITH", "TIME", "ZONE")
  if not with then self:accept_words("WITHOUT", "TIME", "ZONE") end
  if name == "time" then return with and types.time_tz(precision) or types.time(precision) end
  return with and types.timestamp_tz(precision) or types.timestamp(precision)
end

local function decimal(self, pos)
  if not self:accept("(") then return types.decimal(38, 0) end
  local precision, scale = self:integer(), 0
  if self:accept(",") then scale = self:integer() end
  self:expect(")")
  if precision < 1 or precision > 38 then self:fail(("DECIMAL precision must be in range [1, 38]: %d"):format(precision), pos) end
  if scale > precision then self:fail(("DECIMAL scale must be in range [0, precision (%d)]: %d"):format(precision, scale), pos) end
  return types.decimal(precision, scale)
end

-- One field of row(...): `name type`, or a type alone.
local function row_field(self)
  if self:at_name() then
    local after = self:peek()
    local no_name = after.key == "," or after.key == ")" or after.key == "(" or after.key == "<"
      or (after.key == "ARRAY" and self:peek(2).key ~= "(" and self:peek(2).key ~= "<")
      or (self.token.key == "DOUBLE" and after.key == "PRECISION") or after.key == "WITH"
    if not no_name then return { name = self:identifier().name, type = self:type() } end
  end
  return { type = self:type() }
end

local function struct_field(self)
  local name = self:identifier().name
  self:expect(":")
  return { name = name, type = self:type() }
end

local function between_angles(self, rule)
  self:expect("<")
  local items = self:list(rule)
  if not self:accept("<>") then self:expect(">") end
  return items
end

local function type_rule(self) return self:type() end

local composite = {
  array = function(self)
    if self:is("<") then return types.array(between_angles(self, type_rule)[1]) end
    return types.array(self:bracketed_list(type_rule)[1])
  end,
  map = function(self, pos)
    local pair = self:is("<") and between_angles(self, type_rule) or self:bracketed_list(type_rule)
    if #pair ~= 2 then self:fail("map needs a key type and a value type", pos) end
    return types.map(pair[1], pair[2])
  end,
  row = function(self) return types.row(self:bracketed_list(row_field)) end,
  struct = function(self) return types.row(between_angles(self, struct_field)) end,
}

local function interval(self)
  local from = self:advance().key
  self:expect("TO")
  local to = self:advance().key
  if from == "YEAR" and to == "MONTH" then return types.interval_year end
  if from == "DAY" and to == "SECOND" then return types.interval_day end
  self:mismatch()
end

local function named_type(self, token)
  local written = token.value:lower()
  local name = synonyms[written] or written
  if composite[name] then return composite[name](self, token.pos) end
  if name == "timestamp" or name == "time" then return timestamp_or_time(self, name, token.pos) end
  if name == "decimal" then return decimal(self, token.pos) end
  if name == "interval" then return interval(self) end
  if name == "varchar" then
    local length = optional_length(self)
    return length and types.varchar_of(length) or types.varchar
  end
  if name == "char" then return types.char(optional_length(self) or 1) end
  if name == "double" then self:accept("PRECISION") end
  if plain[name] then return types[name] end
  self:fail(("Unknown type: %s"):format(written), token.pos)
end

---@return SqlType
function Cursor:type()
  self:enter()
  local token = self.token
  if token.kind ~= "word" and token.kind ~= "quoted" then self:mismatch("<type>") end
  self:advance()
  local t = named_type(self, token)
  while self:accept("ARRAY") do t = types.array(t) end
  self:leave()
  return t
end

local M = {}
local known = setmetatable({}, { __mode = "v" })

-- A type from its text, as catalogs give it. Texts repeat, so results are remembered.
---@param text string
---@return SqlType? t, string? message
function M.parse(text)
  if known[text] then return known[text] end
  local ok, result = pcall(function()
    local cursor = Cursor.new(text)
    local t = cursor:type()
    if cursor.token.kind ~= "end" then cursor:mismatch() end
    return t
  end)
  if not ok then
    if type(result) == "table" and result.message then return nil, result.message end
    error(result, 0)
  end
  known[text] = result
  return result
end

return M
