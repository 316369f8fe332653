-- Declared input. A shape says what is accepted, checks a value (all problems at once, a fresh table out) and writes
-- itself as JSON Schema. Fields are snake_case here; callers send camelCase, and snake_case is tolerated.
--
--   local input = shape.object{
--     sql      = shape.string{ min = 1, max = 100000, doc = "the statement" },
--     max_rows = shape.integer{ min = 1, max = 1000, default = 500, clamp = true, coerce = true },
--     mode     = shape.enum({ "append", "replace" }, { default = "append", fold_case = true }),
--     target   = shape.object{ db = shape.string{}, table = shape.string{} },
--   }
--   local clean, err = shape.check(input, decoded)
--
-- Options of every shape:
--   doc       one sentence for people            example   a value for the API document
--   optional  may be absent                      default   used when absent (implies optional)
--   aliases   further accepted names             name      public name, when it is not the camelCase of the field
--   coerce    accept text that reads as the type ("5"); text places (path, query, headers) always do
--   blank_is_absent   "" counts as absent        falsy_is_absent   "", 0 and false count as absent
--   code      error code of this field when its value is refused (default BadParam)
-- JSON null always counts as absent. Unknown fields are ignored, but one that looks like a slip of a declared name is
-- refused with that name; `strict = true` in an object's options refuses every unknown field.
local errors = require "lib.errors"
local suggest = require "lib.suggest"
local text = require "lib.text"

local M = {}

local MAX_DEPTH <const> = 32
local MAX_PROBLEMS <const> = 50
local MAX_QUOTED <const> = 60
local MAX_UNKNOWN <const> = 20

---@class Shape
---@field kind string

local function new(kind, options, extra)
  local s = { kind = kind }
  for key, value in pairs(options or {}) do s[key] = value end
  for key, value in pairs(extra or {}) do s[key] = value end
  return s
end

---@param options table?  min, max (characters), trim, test = function(s) -> true | nil, why, format (for the document)
---@return Shape
function M.string(options) return new("string", options) end

---@param options table?  min, max, clamp
---@return Shape
function M.integer(options) return new("integer", options) end

---@param options table?  min, max, clamp
---@return Shape
function M.number(options) return new("number", options) end

---@return Shape
function M.boolean(options) return new("boolean", options) end

-- A real calendar day, "YYYY-MM-DD".
---@return Shape
function M.date(options) return new("date", options) end

---@param values string[]
---@param options table?  fold_case
---@return Shape
function M.enum(values, options) return new("enum", options, { values = values }) end

---@param item Shape
---@param options table?  min, max (items)
---@return Shape
function M.list(item, options) return new("list", options, { item = item }) end

-- An object with free keys and values of one shape.
---@param value Shape
---@param options table?  max (entries), key_test = function(key) -> true | nil, why
---@return Shape
function M.map(value, options) return new("map", options, { value = value }) end

-- Any JSON value, copied as it is.
---@return Shape
function M.any(options) return new("any", options) end

-- fields: name -> Shape. Names are resolved here, once.
---@param fields table<string, Shape>
---@param options table?  strict
---@return Shape
function M.object(fields, options)
  local list, known, field_shapes = {}, {}, {}
  for _, field in ipairs(text.sorted_keys(fields)) do
    local s = fields[field]
    field_shapes[field] = s
    local public = s.name or text.camel(field)
    local names = { public }
    if field ~= public then names[2] = field end
    for _, alias in ipairs(s.aliases or {}) do names[#names + 1] = alias end
    for _, name in ipairs(names) do known[#known + 1] = name end
    list[#list + 1] = { field = field, public = public, names = names, shape = s }
  end
  local by_name = {}
  for _, name in ipairs(known) do by_name[name] = true end
  return new("object", options, { fields = list, known = known, by_name = by_name, field_shapes = field_shapes })
end

M.empty = M.object({})

-- A calendar check without the host's clock.
local days_in_month = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

---@param s string
---@return boolean
function M.is_date(s)
  if #s ~= 10 then return false end
  local year, month, day = s:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)$")
  if not year then return false end
  year, month, day = tonumber(year), tonumber(month), tonumber(day)
  local last = days_in_month[month]
  if month == 2 and year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0) then last = 29 end
  return year >= 1 and last ~= nil and day >= 1 and day <= last
end

-- Checking ---------------------------------------------------------------------------------------------------------

local function pointer(path, name)
  return path .. "/" .. tostring(name):gsub("~", "~0"):gsub("/", "~1")
end

local function refuse(problems, path, code, message)
  if #problems < MAX_PROBLEMS then
    problems[#problems + 1] = { path = path == "" and "/" or path, code = code, message = message }
  end
  return nil
end

local function bad(problems, path, s, message)
  return refuse(problems, path, s.code or "BadParam", message)
end

local function quoted(value)
  if type(value) ~= "string" then return type(value) == "table" and "a structure" or tostring(value) end
  return "'" .. text.cut(value, MAX_QUOTED):gsub("%c", "?") .. "'"
end

local function bounds(s, unit)
  local what = unit or ""
  if s.min and s.max then return (" from %s to %s%s"):format(s.min, s.max, what) end
  if s.min then return (" of at least %s%s"):format(s.min, what) end
  if s.max then return (" of at most %s%s"):format(s.max, what) end
  return ""
end

local check -- check(shape, value, path, problems, coerce, depth) -> clean value

local function outside(s, n)
  return (s.min and n < s.min) or (s.max and n > s.max)
end

local function clamped(s, n)
  if s.min and n < s.min then return s.min end
  if s.max and n > s.max then return s.max end
  return n
end

local function check_number(s, value, path, problems, coerce, read, what)
  local n
  if type(value) == "number" then
    n = read(value)
  elseif type(value) == "string" and (coerce or s.coerce) and #value <= 40 and value:find("^%s*[-+]?%d[%d.eE+-]*%s*$") then
    n = read(tonumber(value))
  end
  if not n then return bad(problems, path, s, ("must be %s%s, not %s"):format(what, bounds(s), quoted(value))) end
  if s.clamp then return clamped(s, n) end
  if outside(s, n) then return bad(problems, path, s, ("must be %s%s, not %s"):format(what, bounds(s), n)) end
  return n
end

local function finite(n)
  if n and n == n and n < math.huge and n > -math.huge then return n end
end

local function integer(n) return n and math.tointeger(n) end

local kinds = {}

function kinds.string(s, value, path, problems)
  if type(value) ~= "string" then
    return bad(problems, path, s, "must be text, not " .. quoted(value))
  end
  local clean = s.trim and text.trim(value) or value
  local length = utf8.len(clean)
  if not length then return bad(problems, path, s, "is not valid UTF-8") end
  if (s.min and length < s.min) or (s.max and length > s.max) then
    return bad(problems, path, s, ("must be text%s, not %d"):format(bounds(s, " characters"), length))
  end
  if s.test then
    local ok, why = s.test(clean)
    if not ok then return bad(problems, path, s, why or ("is not acceptable: " .. quoted(clean))) end
  end
  return clean
end

function kinds.integer(s, value, path, problems, coerce)
  return check_number(s, value, path, problems, coerce, integer, "a whole number")
end

function kinds.number(s, value, path, problems, coerce)
  return check_number(s, value, path, problems, coerce, finite, "a number")
end

local words = { ["true"] = true, ["1"] = true, ["yes"] = true, ["false"] = false, ["0"] = false, ["no"] = false }

function kinds.boolean(s, value, path, problems, coerce)
  if type(value) == "boolean" then return value end
  local read
  if type(value) == "string" and (coerce or s.coerce) then read = words[value:lower()] end
  if read ~= nil then return read end
  return bad(problems, path, s, "must be true or false, not " .. quoted(value))
end

function kinds.date(s, value, path, problems)
  if type(value) == "string" and M.is_date(value) then return value end
  return bad(problems, path, s, "must be a calendar day written YYYY-MM-DD, not " .. quoted(value))
end

function kinds.enum(s, value, path, problems)
  if type(value) == "string" then
    for _, allowed in ipairs(s.values) do
      if value == allowed or (s.fold_case and value:lower() == allowed:lower()) then return allowed end
    end
  end
  local hint = type(value) == "string" and suggest.hint(value, s.values) or ""
  return bad(problems, path, s, ("must be one of %s, not %s%s"):format(table.concat(s.values, ", "), quoted(value), hint))
end

-- A decoded JSON list: 1..n without holes. An empty table may be either.
local function is_list(value)
  if type(value) ~= "table" then return false end
  local n = 0
  for _ in pairs(value) do n = n + 1 end
  return n == #value
end

function kinds.list(s, value, path, problems, coerce, depth)
  if not is_list(value) then return bad(problems, path, s, "must be a list, not " .. quoted(value)) end
  if outside(s, #value) then
    return bad(problems, path, s, ("must be a list%s, not %d"):format(bounds(s, " items"), #value))
  end
  local out = {}
  for i, item in ipairs(value) do out[i] = check(s.item, item, pointer(path, i - 1), problems, coerce, depth) end
  return out
end

function kinds.map(s, value, path, problems, coerce, depth)
  if type(value) ~= "table" or #value > 0 then
    return bad(problems, path, s, "must be an object, not " .. (type(value) == "table" and "a list" or quoted(value)))
  end
  local out, count = {}, 0
  for _, key in ipairs(text.sorted_keys(value)) do
    count = count + 1
    local ok, why = true, nil
    if s.key_test then ok, why = s.key_test(key) end
    if ok then
      out[key] = check(s.value, value[key], pointer(path, key), problems, coerce, depth)
    else
      bad(problems, pointer(path, key), s, why or "is not an acceptable name")
    end
  end
  if s.max and count > s.max then return bad(problems, path, s, "must have at most " .. s.max .. " entries") end
  return out
end

function kinds.any(s, value, path, problems, coerce, depth)
  if type(value) ~= "table" then return value end
  if depth > MAX_DEPTH then return bad(problems, path, s, "is nested too deeply") end
  local out = setmetatable({}, getmetatable(value))
  for key, item in pairs(value) do out[key] = kinds.any(s, item, path, problems, coerce, depth + 1) end
  return out
end

-- Fields that are not declared, in order; the first few only: looking for the nearest name is work, and a caller
-- decides how many there are.
local function unknown_fields(s, value)
  local unknown = {}
  for key in pairs(value) do
    if not s.by_name[key] then unknown[#unknown + 1] = tostring(key) end
    if #unknown >= MAX_UNKNOWN then break end
  end
  table.sort(unknown)
  return unknown
end

local function report_unknown(s, value, path, problems)
  for _, key in ipairs(unknown_fields(s, value)) do
    local hint = suggest.hint(key, s.known)
    if s.strict or hint ~= "" then
      refuse(problems, pointer(path, key), "BadParam", "is not a field of this request" .. hint)
    end
  end
end

-- The JSON codec's null is a light userdata; knowing it by its type keeps this file free of the codec.
local function absent(value, s)
  if value == nil or type(value) == "userdata" then return true end
  if s.falsy_is_absent and (value == "" or value == 0 or value == false) then return true end
  return s.blank_is_absent == true and type(value) == "string" and text.trim(value) == ""
end

local function pick(entry, value)
  for _, name in ipairs(entry.names) do
    local found = value[name]
    if not absent(found, entry.shape) then return found, name end
  end
end

function kinds.object(s, value, path, problems, coerce, depth)
  if type(value) ~= "table" or #value > 0 then
    local what = type(value) == "table" and "a list" or quoted(value)
    return refuse(problems, path, s.code or "BadRequest", "must be an object, not " .. what)
  end
  local out = {}
  for _, entry in ipairs(s.fields) do
    local found, name = pick(entry, value)
    local field = entry.shape
    if name then
      out[entry.field] = check(field, found, pointer(path, name), problems, coerce, depth)
    elseif field.default ~= nil then
      out[entry.field] = field.default
    elseif not field.optional then
      refuse(problems, pointer(path, entry.public), "MissingParam", "is required")
    end
  end
  if next(value) ~= nil then report_unknown(s, value, path, problems) end
  return out
end

check = function(s, value, path, problems, coerce, depth)
  if depth > MAX_DEPTH then return bad(problems, path, s, "is nested too deeply") end
  return kinds[s.kind](s, value, path, problems, coerce, depth + 1)
end

-- The code of the whole: wrong structure first, then what is missing, then what is wrong.
local function verdict(problems)
  for _, code in ipairs { "BadRequest", "MissingParam" } do
    for _, problem in ipairs(problems) do
      if problem.code == code then return code end
    end
  end
  return problems[1].code
end

---@param problems table[]  { path, code, message }
---@return Error
function M.problems_error(problems)
  local lines = {}
  for i, problem in ipairs(problems) do
    if i > 5 then lines[i] = ("and %d more"):format(#problems - 5); break end
    local where = problem.path == "/" and "the request" or "field '" .. problem.path:sub(2) .. "'"
    lines[i] = where .. " " .. problem.message
  end
  return errors.new(verdict(problems), table.concat(lines, "; "), { fields = problems })
end

---@param s Shape
---@param value any
---@param options table?  coerce: the values are text (path, query, headers)
---@return any? clean
---@return Error?
function M.check(s, value, options)
  local problems = {}
  local clean = check(s, value, "", problems, options and options.coerce, 0)
  if #problems > 0 then return nil, M.problems_error(problems) end
  return clean
end

-- JSON Schema -------------------------------------------------------------------------------------------------------

local function copy_into(schema, s, names)
  for from, to in pairs(names) do schema[to] = s[from] end
  return schema
end

local writers = {}

function writers.string(s)
  return copy_into({ type = "string" }, s, { min = "minLength", max = "maxLength", format = "format" })
end

function writers.integer(s)
  return copy_into({ type = "integer" }, s, not s.clamp and { min = "minimum", max = "maximum" } or {})
end

function writers.number(s)
  return copy_into({ type = "number" }, s, not s.clamp and { min = "minimum", max = "maximum" } or {})
end

function writers.boolean() return { type = "boolean" } end

function writers.date() return { type = "string", format = "date" } end

function writers.enum(s) return { type = "string", enum = table.move(s.values, 1, #s.values, 1, {}) } end

function writers.list(s)
  return copy_into({ type = "array", items = M.schema(s.item) }, s, { min = "minItems", max = "maxItems" })
end

function writers.map(s)
  return copy_into({ type = "object", additionalProperties = M.schema(s.value) }, s, { max = "maxProperties" })
end

-- An empty JSON Schema means anything; the description keeps it from being an empty table.
function writers.any(s) return { description = s.doc or "any JSON value" } end

function writers.object(s)
  local schema, required = { type = "object" }, {}
  for _, entry in ipairs(s.fields) do
    schema.properties = schema.properties or {}
    schema.properties[entry.public] = M.schema(entry.shape)
    if not entry.shape.optional and entry.shape.default == nil then required[#required + 1] = entry.public end
  end
  if #required > 0 then schema.required = required end
  if s.strict then schema.additionalProperties = false end
  return schema
end

---@param s Shape
---@return table  a JSON Schema (2020-12), a fresh table
function M.schema(s)
  local schema = writers[s.kind](s)
  local notes = { s.doc }
  if s.clamp and (s.min or s.max) then notes[#notes + 1] = "Values are brought into the range" .. bounds(s) .. "." end
  if #notes > 0 then schema.description = table.concat(notes, " ") end
  schema.default = s.default
  schema.example = s.example
  if s.nullable and type(schema.type) == "string" then schema.type = { schema.type, "null" } end
  return schema
end

return M
