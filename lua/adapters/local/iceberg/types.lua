-- Column types in three spellings: Iceberg's (table metadata), Trino's (what callers read and write) and DuckDB's (what
-- the engine computes with). One reader takes all notations, and Hive's (`array<string>`, `struct<a:int>`), since DDL uses it.
local errors = require "lib.errors"
local quoting = require "lib.sql.quote"

local M = {}

-- Name without arguments, lower case -> Iceberg primitive.
local primitives = {
  boolean = "boolean", bool = "boolean",
  int = "int", integer = "int", int4 = "int",
  bigint = "long", long = "long", int8 = "long", hugeint = "long", uinteger = "long", ubigint = "long", uhugeint = "long",
  real = "float", float = "float", float4 = "float",
  double = "double", ["double precision"] = "double", float8 = "double",
  varchar = "string", string = "string", text = "string",
  varbinary = "binary", binary = "binary", blob = "binary", bytea = "binary",
  date = "date", time = "time",
  timestamp = "timestamp", datetime = "timestamp", timestamp_s = "timestamp", timestamp_ms = "timestamp", timestamp_ns = "timestamp",
  ["timestamp with time zone"] = "timestamptz", timestamptz = "timestamptz",
  uuid = "uuid",
}

-- What Iceberg has no type for, with the way out. The engine's own small integers are widened (from_engine), a
-- declared one is refused, as Athena does.
local refused = {
  tinyint = "integer", smallint = "integer", utinyint = "integer", usmallint = "integer", char = "varchar", json = "varchar",
  interval = "varchar", ipaddress = "varchar", unknown = "a type of its own: CAST(NULL AS varchar)",
    ["\"null\""] = "a type of its own: CAST(NULL AS varchar)",
  enum = "varchar", bit = "varchar", hyperloglog = "varbinary", ["time with time zone"] = "time",
}

local widened = { tinyint = "int", smallint = "int", utinyint = "int", usmallint = "int", enum = "string", ["\"null\""] = "int",
  json = "string" }

local Reader = {}
Reader.__index = Reader

local function fail(message) error(errors.new("NotSupported", message), 0) end

function Reader:space() self.at = self.text:find("%S", self.at) or #self.text + 1 end

function Reader:accept(pattern)
  self:space()
  local from, to, capture = self.text:find("^" .. pattern, self.at)
  if not from then return nil end
  self.at = to + 1
  return capture or self.text:sub(from, to)
end

function Reader:expect(pattern, what)
  local found = self:accept(pattern)
  if not found then fail(("type '%s': expected %s at character %d"):format(self.text, what, self.at)) end
  return found
end

function Reader:field_name()
  self:space()
  if self.text:sub(self.at, self.at) == '"' then
    local name = {}
    self.at = self.at + 1
    while true do
      local part = self:raw('[^"]*')
      name[#name + 1] = part
      self.at = self.at + 1
      if self.text:sub(self.at, self.at) ~= '"' then return table.concat(name) end
      name[#name + 1] = '"'
      self.at = self.at + 1
    end
  end
  return self:expect("[%w_$]+", "a field name")
end

-- Like accept, without skipping blanks first.
function Reader:raw(pattern)
  local from, to = self.text:find("^" .. pattern, self.at)
  if not from or self.at > #self.text then fail(("type '%s' ends too early"):format(self.text)) end
  self.at = to + 1
  return self.text:sub(from, to)
end

-- Ids are given out breadth first by Iceberg's own writers; any unique number is as good, so nested ids follow.
local function list_of(reader, element)
  return { type = "list", ["element-id"] = reader.next_id(), element = element, ["element-required"] = false }
end

function Reader:struct(close)
  local fields = {}
  repeat
    local name = self:field_name()
    self:accept(":")
    fields[#fields + 1] = { id = self.next_id(), name = name, required = false, type = self:type() }
  until not self:accept(",")
  self:expect(close, "')' or '>'")
  return { type = "struct", fields = fields }
end

function Reader:map(close)
  local key_id, value_id = self.next_id(), self.next_id()
  local key = self:type()
  self:expect(",", "','")
  local value = self:type()
  self:expect(close, "')' or '>'")
  return { type = "map", ["key-id"] = key_id, key = key, ["value-id"] = value_id, value = value, ["value-required"] = false }
end

function Reader:decimal()
  local precision, scale = 38, 0
  if self:accept("%(") then
    precision = math.tointeger(tonumber(self:expect("%d+", "a precision")))
    if self:accept(",") then scale = math.tointeger(tonumber(self:expect("%d+", "a scale"))) end
    self:expect("%)", "')'")
  elseif self.engine then
    precision, scale = 18, 3
  end
  if precision < 1 or precision > 38 or scale > precision then
    fail(("type '%s': a decimal has 1 to 38 digits and a scale within them"):format(self.text))
  end
  return ("decimal(%d, %d)"):format(precision, scale)
end

-- `timestamp(6) with time zone`, `double precision`, `varchar(10)`: the words and numbers around a plain name.
function Reader:plain(name)
  local args = self:accept("%([^)]*%)")
  if self:accept("[wW][iI][tT][hH]%s+[tT][iI][mM][eE]%s+[zZ][oO][nN][eE]") then name = name .. " with time zone"
  elseif self:accept("[wW][iI][tT][hH][oO][uU][tT]%s+[tT][iI][mM][eE]%s+[zZ][oO][nN][eE]") then name = name .. ""
  elseif name == "double" and self:accept("[pP][rR][eE][cC][iI][sS][iI][oO][nN]") then name = "double" end
  if name == "timestamp" or name == "timestamp with time zone" or name == "time" then
    local digits = tonumber(args and args:match("%d+"))
    if digits and digits > 6 then fail(("type '%s': Iceberg tables keep 6 digits of a second"):format(self.text)) end
  end
  local found = primitives[name] or (self.engine and widened[name])
  if found then return found end
  if refused[name] then
    fail(("type '%s' cannot be stored in an Iceberg table: use %s"):format(self.text, refused[name]))
  end
  fail(("unknown type '%s'"):format(self.text))
end

function Reader:base()
  if self:accept('"[nN][uU][lL][lL]"') then return self:plain('"null"') end
  local name = self:expect("[%a_][%w_]*", "a type name"):lower()
  if name == "decimal" or name == "numeric" or name == "dec" then return self:decimal() end
  if name == "array" or name == "list" then
    local close = self:accept("%(") and "%)" or (self:expect("<", "'(' or '<'") and ">")
    local element = self:type()
    self:expect(close, "')' or '>'")
    return list_of(self, element)
  end
  if name == "map" then return self:map(self:accept("%(") and "%)" or (self:expect("<", "'(' or '<'") and ">")) end
  if name == "row" or name == "struct" then
    return self:struct(self:accept("%(") and "%)" or (self:expect("<", "'(' or '<'") and ">"))
  end
  return self:plain(name)
end

function Reader:type()
  local found = self:base()
  while self:accept("%[%d*%]") do found = list_of(self, found) end -- DuckDB: INTEGER[]
  return found
end

local function parse(text, next_id, engine)
  local reader = setmetatable({ text = text, at = 1, next_id = next_id, engine = engine }, Reader)
  local ok, result = pcall(function()
    local found = reader:type()
    reader:space()
    if reader.at <= #text then fail(("type '%s': unexpected text at character %d"):format(text, reader.at)) end
    return found
  end)
  if ok then return result end
  if errors.is(result) then return nil, result end
  error(result, 0)
end

---@param text string               Trino or Hive notation
---@param next_id fun(): integer    gives ids to nested fields
---@return table|string|nil type, Error? err
function M.parse(text, next_id) return parse(text, next_id, false) end

-- The same for types as the engine names them: what Iceberg lacks is widened.
function M.from_engine(text, next_id) return parse(text, next_id, true) end

local quote, literal = quoting.name, quoting.text
M.quote, M.literal = quote, literal

local trino = {
  int = "integer", long = "bigint", float = "real", string = "varchar", binary = "varbinary", time = "time(6)",
  timestamp = "timestamp(6)", timestamptz = "timestamp(6) with time zone",
}

---@param t table|string
---@return string
function M.to_trino(t)
  if type(t) == "string" then
    local precision, scale = t:match("^decimal%((%d+),%s*(%d+)%)$")
    if precision then return ("decimal(%s,%s)"):format(precision, scale) end
    if t:find("^fixed") then return "varbinary" end
    return trino[t] or t
  end
  if t.type == "list" then return ("array(%s)"):format(M.to_trino(t.element)) end
  if t.type == "map" then return ("map(%s, %s)"):format(M.to_trino(t.key), M.to_trino(t.value)) end
  local parts = {}
  for i, field in ipairs(t.fields) do
    local name = field.name:find("^[a-z_][a-z0-9_]*$") and field.name or quote(field.name)
    parts[i] = name .. " " .. M.to_trino(field.type)
  end
  return ("row(%s)"):format(table.concat(parts, ", "))
end

local duckdb = {
  boolean = "BOOLEAN", int = "INTEGER", long = "BIGINT", float = "FLOAT", double = "DOUBLE", string = "VARCHAR", binary = "BLOB",
  date = "DATE", time = "TIME", timestamp = "TIMESTAMP", timestamptz = "TIMESTAMP WITH TIME ZONE", uuid = "UUID",
}

---@param t table|string
---@return string|nil type, Error? err
function M.to_duckdb(t)
  if type(t) == "string" then
    local precision, scale = t:match("^decimal%((%d+),%s*(%d+)%)$")
    if precision then return ("DECIMAL(%s,%s)"):format(precision, scale) end
    if t:find("^fixed") then return "BLOB" end
    if duckdb[t] then return duckdb[t] end
    return nil, errors.new("NotSupported", ("the Iceberg type '%s' cannot be read here"):format(t))
  end
  if t.type == "list" then
    local element, err = M.to_duckdb(t.element)
    return element and element .. "[]", err
  end
  if t.type == "map" then
    local key, err = M.to_duckdb(t.key)
    if not key then return nil, err end
    local value
    value, err = M.to_duckdb(t.value)
    return value and ("MAP(%s, %s)"):format(key, value), err
  end
  local parts = {}
  for i, field in ipairs(t.fields) do
    local inner, err = M.to_duckdb(field.type)
    if not inner then return nil, err end
    parts[i] = quote(field.name) .. " " .. inner
  end
  return ("STRUCT(%s)"):format(table.concat(parts, ", "))
end

-- The FIELD_IDS value of one field for COPY: a number, or a struct with the ids of what is nested.
local function field_id(id, t)
  if type(t) == "string" then return tostring(id) end
  local parts = { ("__duckdb_field_id: %d"):format(id) }
  if t.type == "list" then
    parts[2] = "element: " .. field_id(t["element-id"], t.element)
  elseif t.type == "map" then
    parts[2] = "key: " .. field_id(t["key-id"], t.key)
    parts[3] = "value: " .. field_id(t["value-id"], t.value)
  else
    for _, field in ipairs(t.fields) do parts[#parts + 1] = literal(field.name) .. ": " .. field_id(field.id, field.type) end
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

---@param fields table[]   the fields of an Iceberg schema
---@return string          value of FIELD_IDS in COPY
function M.field_ids(fields)
  local parts = {}
  for i, field in ipairs(fields) do parts[i] = literal(field.name) .. ": " .. field_id(field.id, field.type) end
  return "{" .. table.concat(parts, ", ") .. "}"
end

-- The `schema` argument of read_parquet: columns are found by field id, so renamed and added ones read rightly.
---@param fields table[]
---@return string|nil text, Error? err
function M.read_schema(fields)
  local parts = {}
  for i, field in ipairs(fields) do
    local found, err = M.to_duckdb(field.type)
    if not found then return nil, err end
    parts[i] = ("%d: {name: %s, type: %s, default_value: NULL}"):format(field.id, literal(field.name), literal(found))
  end
  return "MAP {" .. table.concat(parts, ", ") .. "}"
end

-- Every leaf of a schema: path as COPY's statistics name it ('"a"."element"') -> {id, type}.
---@param fields table[]
---@return table<string, {id: integer, type: string, top: boolean}>
function M.leaves(fields)
  local found = {}
  local function walk(path, id, t, top)
    if type(t) == "string" then found[path] = { id = id, type = t, top = top }
    elseif t.type == "list" then walk(path .. '."element"', t["element-id"], t.element)
    elseif t.type == "map" then
      walk(path .. '."key"', t["key-id"], t.key)
      walk(path .. '."value"', t["value-id"], t.value)
    else
      for _, field in ipairs(t.fields) do walk(path .. "." .. quote(field.name), field.id, field.type) end
    end
  end
  for _, field in ipairs(fields) do walk(quote(field.name), field.id, field.type, true) end
  return found
end

return M
