-- Trino's types as tables, their text, and the rules that join them. A type table is never changed after it was made.
--   {name="decimal", precision=12, scale=2}  {name="varchar", length=10}  {name="timestamp", precision=3}
--   {name="array", element=T}  {name="map", key=T, value=T}  {name="row", fields={{name=?, type=T}}}

local quote = require("lib.sql.quote")

local M = {}

---@class SqlType
---@field name string
---@field precision integer?
---@field scale integer?
---@field length integer?
---@field element SqlType?
---@field key SqlType?
---@field value SqlType?
---@field fields {name: string?, type: SqlType}[]?
---@field zone string?    a timestamp with time zone whose zone is known from the text of the statement

M.MAX_PRECISION = 38

-- `any` is the type of columns that nobody described (line mode): it fits everywhere and is never cast.

local simple = {}
for name in ([[boolean tinyint smallint integer bigint real double varchar varbinary date json uuid ipaddress unknown
  hyperloglog function any]]):gmatch("%S+") do
  simple[name] = { name = name }
  M[name] = simple[name]
end
M.interval_day = { name = "interval day to second" }
M.interval_year = { name = "interval year to month" }

function M.decimal(precision, scale)
  return { name = "decimal", precision = math.max(1, math.min(M.MAX_PRECISION, precision)), scale = scale }
end
function M.varchar_of(length) return { name = "varchar", length = length } end
function M.char(length) return { name = "char", length = length } end
function M.timestamp(precision) return { name = "timestamp", precision = precision or 3 } end
function M.timestamp_tz(precision, zone)
  return { name = "timestamp with time zone", precision = precision or 3, zone = zone }
end
function M.time(precision) return { name = "time", precision = precision or 3 } end
function M.time_tz(precision) return { name = "time with time zone", precision = precision or 3 } end
function M.array(element) return { name = "array", element = element } end
function M.map(key, value) return { name = "map", key = key, value = value } end
function M.row(fields) return { name = "row", fields = fields } end

local function field_text(field)
  if not field.name then return M.text(field.type) end
  local name = field.name
  if not name:find("^[%a_][%w_]*$") then name = quote.name(name) end
  return name .. " " .. M.text(field.type)
end

local composed = {
  decimal = function(t) return ("decimal(%d,%d)"):format(t.precision, t.scale) end,
  varchar = function(t) return t.length and ("varchar(%d)"):format(t.length) or "varchar" end,
  char = function(t) return ("char(%d)"):format(t.length) end,
  timestamp = function(t) return ("timestamp(%d)"):format(t.precision) end,
  time = function(t) return ("time(%d)"):format(t.precision) end,
  ["timestamp with time zone"] = function(t) return ("timestamp(%d) with time zone"):format(t.precision) end,
  ["time with time zone"] = function(t) return ("time(%d) with time zone"):format(t.precision) end,
  array = function(t) return ("array(%s)"):format(M.text(t.element)) end,
  map = function(t) return ("map(%s, %s)"):format(M.text(t.key), M.text(t.value)) end,
  row = function(t)
    local parts = {}
    for i, field in ipairs(t.fields) do parts[i] = field_text(field) end
    return ("row(%s)"):format(table.concat(parts, ", "))
  end,
}

-- Trino's text of a type: bigint, varchar(10), array(row(a bigint)).
---@param t SqlType
---@return string
function M.text(t)
  local compose = composed[t.name]
  return compose and compose(t) or t.name
end

local whole_digits = { tinyint = 3, smallint = 5, integer = 10, bigint = 19 }
local number_rank = { tinyint = 1, smallint = 2, integer = 3, bigint = 4, decimal = 5, real = 6, double = 7 }

function M.is_whole(t) return t ~= nil and whole_digits[t.name] ~= nil end
function M.is_number(t) return t ~= nil and number_rank[t.name] ~= nil end
function M.is_float(t) return t ~= nil and (t.name == "double" or t.name == "real") end
function M.is_text(t) return t ~= nil and (t.name == "varchar" or t.name == "char") end
function M.is_interval(t) return t ~= nil and t.name:find("^interval") ~= nil end
function M.is_timestamp(t) return t ~= nil and t.name:find("^timestamp") ~= nil end
function M.is_temporal(t) return t ~= nil and (t.name == "date" or t.name:find("^time") ~= nil) end

-- The decimal that holds every value of a whole-number type.
function M.as_decimal(t)
  if t.name == "decimal" then return t end
  return whole_digits[t.name] and M.decimal(whole_digits[t.name], 0) or nil
end

function M.equal(a, b)
  return a == b or (a ~= nil and b ~= nil and M.text(a) == M.text(b))
end

local function common_number(a, b)
  if number_rank[a.name] < number_rank[b.name] then a, b = b, a end
  if a.name ~= "decimal" then return a end
  local other = M.as_decimal(b)
  local scale = math.max(a.scale, other.scale)
  return M.decimal(math.max(a.precision - a.scale, other.precision - other.scale) + scale, scale)
end

local temporal_rank = { date = 1, timestamp = 2, ["timestamp with time zone"] = 3 }
local time_rank = { time = 1, ["time with time zone"] = 2 }

local function finer(a, b, ranks)
  local precision = math.max(a.precision or 0, b.precision or 0)
  local zone = a.zone == b.zone and a.zone or nil
  if ranks[a.name] < ranks[b.name] then a = b end
  return a.precision and { name = a.name, precision = precision, zone = zone } or a
end

local function common_text(a, b)
  if a.name == "char" and b.name == "char" then return M.char(math.max(a.length, b.length)) end
  if a.name == "char" and not b.length then return M.varchar end
  if b.name == "char" and not a.length then return M.varchar end
  if a.length and b.length then
    local length = math.max(a.length, b.length)
    if a.name == "char" or b.name == "char" then return M.char(length) end
    return M.varchar_of(length)
  end
  return M.varchar
end

local function common_row(a, b)
  if #a.fields ~= #b.fields then return nil end
  local fields = {}
  for i, field in ipairs(a.fields) do
    local other = b.fields[i]
    local joined = M.common(field.type, other.type)
    if not joined then return nil end
    local same_name = field.name and other.name and field.name:lower() == other.name:lower()
    fields[i] = { name = same_name and field.name or nil, type = joined }
  end
  return M.row(fields)
end

-- The type both can become without a CAST, or nil.
---@param a SqlType
---@param b SqlType
---@return SqlType?
function M.common(a, b)
  if a == b or a.name == "unknown" then return b end
  if b.name == "unknown" then return a end
  if a.name == "any" or b.name == "any" then return M.any end
  if number_rank[a.name] and number_rank[b.name] then return common_number(a, b) end
  if M.is_text(a) and M.is_text(b) then return common_text(a, b) end
  if temporal_rank[a.name] and temporal_rank[b.name] then return finer(a, b, temporal_rank) end
  if time_rank[a.name] and time_rank[b.name] then return finer(a, b, time_rank) end
  if a.name ~= b.name then return nil end
  if a.name == "array" then
    local element = M.common(a.element, b.element)
    return element and M.array(element)
  elseif a.name == "map" then
    local key, value = M.common(a.key, b.key), M.common(a.value, b.value)
    return key and value and M.map(key, value)
  elseif a.name == "row" then
    return common_row(a, b)
  end
  return a
end

-- Is a part of the type not known?
function M.has_any(t)
  if t.name == "any" then return true end
  if t.name == "array" then return M.has_any(t.element) end
  if t.name == "map" then return M.has_any(t.key) or M.has_any(t.value) end
  for _, field in ipairs(t.fields or {}) do
    if M.has_any(field.type) then return true end
  end
  return false
end

-- The type of several, or nil when two of them cannot meet.
function M.common_of(list)
  local joined = M.unknown
  for _, t in ipairs(list) do
    joined = M.common(joined, t)
    if not joined then return nil end
  end
  return joined
end

local engine_names = {
  real = "FLOAT", varchar = "VARCHAR", char = "VARCHAR", varbinary = "BLOB", json = "JSON", uuid = "UUID",
  ipaddress = "VARCHAR", unknown = "INTEGER", ["time with time zone"] = "TIMETZ", time = "TIME",
  ["timestamp with time zone"] = "TIMESTAMPTZ", ["interval day to second"] = "INTERVAL",
  ["interval year to month"] = "INTERVAL",
}

-- The engine's name for a type. Timestamps are microseconds inside of a statement; see M.engine_output.
---@param t SqlType
---@return string
function M.engine(t)
  if t.name == "decimal" then return ("DECIMAL(%d,%d)"):format(t.precision, t.scale) end
  if t.name == "timestamp" then return t.precision > 6 and "TIMESTAMP_NS" or "TIMESTAMP" end
  if t.name == "array" then return M.engine(t.element) .. "[]" end
  if t.name == "map" then return ("MAP(%s, %s)"):format(M.engine(t.key), M.engine(t.value)) end
  if t.name == "row" then
    local parts = {}
    for i, field in ipairs(t.fields) do parts[i] = quote.name(M.field_name(field, i)) .. " " .. M.engine(field.type) end
    return ("STRUCT(%s)"):format(table.concat(parts, ", "))
  end
  return engine_names[t.name] or t.name:upper()
end

-- Rows without names get these in the engine.
function M.field_name(field, index) return field.name or ("field" .. (index - 1)) end

-- The engine type of a result column: here the digits of a timestamp matter.
function M.engine_output(t)
  if t.name == "timestamp" then
    if t.precision == 0 then return "TIMESTAMP_S" end
    return t.precision <= 3 and "TIMESTAMP_MS" or M.engine(t)
  elseif t.name == "array" then
    return M.engine_output(t.element) .. "[]"
  end
  return M.engine(t)
end

return M
