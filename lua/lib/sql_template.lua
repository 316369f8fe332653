-- SQL statements with typed holes. A template declares each parameter and its kind in its header; only a value that
-- fits its kind is ever written into the text, by the one encoder below. There is no kind for raw text.
--
--   -- Rows of one run, newest first.
--   -- @param table qualified_name
--   -- @param run date
--   -- @param columns list(name identifier, type sql_type)
--   SELECT {each columns ", "}CAST({columns.name} AS {columns.type}) AS {columns.name}{end}
--   FROM {table} WHERE run = {run}
--
-- Kinds: identifier, qualified_name, integer, decimal, text, date, timestamp, location, sql_type, one_of(a, b),
-- checked_select (only M.checked makes one, and only domain/lakehouse/sql_guard calls it), list(field kind, ...).
local errors = require "lib.errors"
local shape = require "lib.shape"

local M = {}

local MAX_IDENTIFIER <const> = 128

-- Encoding ---------------------------------------------------------------------------------------------------------

local Checked = { __name = "CheckedSelect" }

--- Marks a statement as judged. For the guard alone.
---@param sql string
---@return table
function M.checked(sql) return setmetatable({ sql = sql }, Checked) end

---@param value any
---@return boolean
function M.is_checked(value) return type(value) == "table" and getmetatable(value) == Checked end

--- The grammar of names we make: lower case, digits, underscore.
---@param value any
---@return boolean
function M.is_identifier(value)
  return type(value) == "string" and #value <= MAX_IDENTIFIER and value:find("^[a-z_][a-z0-9_]*$") ~= nil
end

local plain_types = { boolean = true, tinyint = true, smallint = true, integer = true, bigint = true, real = true,
  double = true, date = true, varchar = true, varbinary = true, timestamp = true, ["timestamp(3)"] = true,
  ["timestamp(6)"] = true }

--- Scalar types a declared column may have.
---@param value any
---@return boolean
function M.is_type(value)
  if type(value) ~= "string" then return false end
  if plain_types[value] then return true end
  local length = value:match("^varchar%((%d+)%)$") or value:match("^char%((%d+)%)$")
  if length then return tonumber(length) >= 1 and tonumber(length) <= 65535 end
  local precision, scale = value:match("^decimal%((%d+),(%d+)%)$")
  if precision then return tonumber(precision) >= 1 and tonumber(precision) <= 38 and tonumber(scale) <= tonumber(precision) end
  return false
end

local function text_literal(value)
  if type(value) ~= "string" then return nil, "must be text" end
  if value:find("\0", 1, true) then return nil, "must not hold a NUL byte" end
  if not utf8.len(value) then return nil, "is not valid UTF-8" end
  return "'" .. value:gsub("'", "''") .. "'"
end

local encode = {}

function encode.identifier(value)
  if not M.is_identifier(value) then return nil, "must be a name of a-z, 0-9 and _ that does not begin with a digit" end
  return '"' .. value .. '"'
end

function encode.qualified_name(value)
  local parts = {}
  if type(value) == "string" then
    for part in (value .. "."):gmatch("([^.]*)%.") do parts[#parts + 1] = encode.identifier(part) or false end
  end
  for _, part in ipairs(parts) do if not part then parts = {} end end
  if #parts < 2 or #parts > 3 then return nil, "must be a name like database.table" end
  return table.concat(parts, ".")
end

function encode.integer(value)
  local n = type(value) == "number" and math.tointeger(value)
  if not n then return nil, "must be a whole number" end
  return ("%d"):format(n)
end

function encode.decimal(value)
  local text = type(value) == "number" and ("%.17g"):format(value) or value
  if type(text) ~= "string" or not (text:find("^%-?%d+$") or text:find("^%-?%d+%.%d+$")) or #text > 40 then
    return nil, "must be a decimal number"
  end
  return "DECIMAL '" .. text .. "'"
end

encode.text = text_literal

function encode.date(value)
  if type(value) ~= "string" or not shape.is_date(value) then return nil, "must be a real date, YYYY-MM-DD" end
  return "DATE '" .. value .. "'"
end

function encode.timestamp(value)
  local day, clock, fraction = nil, nil, ""
  if type(value) == "string" then
    day, clock, fraction = value:match("^(%d%d%d%d%-%d%d%-%d%d)[ T](%d%d:%d%d:%d%d)(%.?%d*)Z?$")
  end
  local h, m, s = (clock or ""):match("^(%d%d):(%d%d):(%d%d)$")
  local sound = day and shape.is_date(day) and tonumber(h) < 24 and tonumber(m) < 60 and tonumber(s) < 60
  if not sound or not (fraction == "" or fraction:find("^%.%d%d?%d?%d?%d?%d?$")) then
    return nil, "must be a time, YYYY-MM-DD HH:MM:SS with up to six decimals"
  end
  return ("TIMESTAMP '%s %s.%s'"):format(day, clock, (fraction:sub(2) .. "000000"):sub(1, 6))
end

-- Where tables may lie: Athena knows s3, the embedded engine file, a Trino cluster all of them.
local STORES <const> = { s3 = true, file = true, gs = true, abfs = true, abfss = true, hdfs = true, ["local"] = true }

function encode.location(value)
  local scheme = type(value) == "string" and value:match("^(%a[%w+]*)://")
  if not STORES[scheme] then return nil, "must begin with s3://, file:// or another store's scheme (gs, abfs, abfss, hdfs, local)" end
  if value:find("[%c'\"\\]") or value:find("..", 1, true) and value:find("/%.%.") then
    return nil, "must not hold quotes, control characters or '..'"
  end
  return text_literal(value)
end

function encode.sql_type(value)
  if not M.is_type(value) then return nil, "must be a plain type such as integer, varchar or decimal(12,2)" end
  return value
end

function encode.checked_select(value)
  if not M.is_checked(value) then return nil, "must be a statement that the guard accepted" end
  return value.sql
end

-- Writes one value; kind is { name, choices?, fields? }.
local function encode_value(kind, value)
  if kind.name == "one_of" then
    for _, choice in ipairs(kind.choices) do
      if value == choice then return choice end
    end
    return nil, "must be one of " .. table.concat(kind.choices, ", ")
  end
  return encode[kind.name](value)
end

-- Parsing ----------------------------------------------------------------------------------------------------------

local function parse_kind(text)
  local choices = text:match("^one_of%((.+)%)$")
  if choices then
    local list = {}
    for choice in choices:gmatch("[^,%s]+") do
      if not choice:find("^[%w_]+$") then return nil, "one_of takes words" end
      list[#list + 1] = choice
    end
    return { name = "one_of", choices = list }
  end
  local fields = text:match("^list%((.+)%)$")
  if fields then
    local list = {}
    for field in (fields .. ","):gmatch("%s*(.-)%s*,") do
      local name, kind = field:match("^([%w_]+)%s+([%w_]+)$")
      if not name or not encode[kind] then return nil, ("list field '%s' has no known kind"):format(field) end
      list[name] = { name = kind }
    end
    return { name = "list", fields = list }
  end
  if not encode[text] then return nil, ("unknown kind '%s'"):format(text) end
  return { name = text }
end

-- Header comments and the body below them.
local function split_header(source)
  local params, position, purpose = {}, 1, nil
  while true do
    local line, after = source:match("^%s*%-%-([^\n]*)\n?()", position)
    if not line then break end
    local name, kind = line:match("^%s*@param%s+([%w_]+)%s+(.-)%s*$")
    if name then
      local parsed, problem = parse_kind(kind)
      if not parsed then return nil, ("@param %s: %s"):format(name, problem) end
      params[name] = parsed
    elseif line:find("@param", 1, true) then
      return nil, "a @param line needs a name and a kind:" .. line
    else
      purpose = purpose or line:match("^%s*(.-)%s*$")
    end
    position = after
  end
  if not purpose then return nil, "the header says nothing about the purpose" end
  return params, source:sub(position):gsub("%s+$", ""), purpose
end

-- The kind of a hole, which inside a loop may be a field of the list.
local function kind_of(params, hole, loop)
  local list, field = hole:match("^([%w_]+)%.([%w_]+)$")
  if list then
    if list ~= loop then return nil, ("{%s} stands outside of {each %s}"):format(hole, list) end
    local kind = params[list].fields[field]
    if not kind then return nil, ("list '%s' has no field '%s'"):format(list, field) end
    return kind, field
  end
  local kind = params[hole]
  if not kind then return nil, ("{%s} is not declared with @param"):format(hole) end
  if kind.name == "list" then return nil, ("{%s} is a list: use {each %s}"):format(hole, hole) end
  return kind
end

local function parse_body(params, body)
  local root = {}
  local parts, loop, used = root, nil, {}
  local position = 1
  while true do
    local start, stop, inside = body:find("{(.-)}", position)
    parts[#parts + 1] = body:sub(position, (start or #body + 1) - 1)
    if not start then break end
    local list, separator = inside:match('^each ([%w_]+) "([^"]*)"$')
    if not list then list, separator = inside:match("^each ([%w_]+)$"), "" end
    if list then
      if loop then return nil, "{each} inside {each}" end
      if not params[list] or params[list].name ~= "list" then return nil, ("'%s' is not a declared list"):format(list) end
      loop, used[list] = list, true
      local inner = {}
      root[#root + 1] = { each = list, separator = separator, parts = inner }
      parts = inner
    elseif inside == "end" then
      if not loop then return nil, "{end} without {each}" end
      loop, parts = nil, root
    else
      local kind, field = kind_of(params, inside, loop)
      if not kind then return nil, field end
      used[inside:match("^[%w_]+")] = true
      parts[#parts + 1] = { hole = inside, kind = kind, field = field }
    end
    position = stop + 1
  end
  if loop then return nil, ("{each %s} has no {end}"):format(loop) end
  for name in pairs(params) do
    if not used[name] then return nil, ("parameter '%s' is declared and never used"):format(name) end
  end
  return root
end

---@class SqlTemplate
---@field name string
---@field purpose string
---@field params table<string, table>

--- Reads a template. Every fault of the file is found here, at start.
---@param name string     for messages
---@param source string   the text of the .sql file
---@return SqlTemplate|nil, Error?
function M.parse(name, source)
  local params, body, purpose = split_header(source)
  if not params then return nil, errors.new("BadSetting", ("SQL template %s: %s"):format(name, body)) end
  local parts, problem = parse_body(params, body)
  if not parts then return nil, errors.new("BadSetting", ("SQL template %s: %s"):format(name, problem)) end
  if body:gsub("'[^']*'", ""):find(";") then
    return nil, errors.new("BadSetting", ("SQL template %s: one statement, and no semicolon"):format(name))
  end
  return { name = name, purpose = purpose, params = params, parts = parts }
end

-- Rendering --------------------------------------------------------------------------------------------------------

local write_parts

local function write_loop(part, values, out)
  for i, item in ipairs(values[part.each]) do
    if i > 1 then out[#out + 1] = part.separator end
    local problem = write_parts(part.parts, values, out, item)
    if problem then return problem end
  end
end

function write_parts(parts, values, out, item)
  for _, part in ipairs(parts) do
    local problem
    if type(part) == "string" then
      out[#out + 1] = part
    elseif part.each then
      problem = write_loop(part, values, out)
    else
      local value = values[part.hole]
      if part.field then value = item[part.field] end
      out[#out + 1], problem = encode_value(part.kind, value)
      if problem then problem = ("%s %s"):format(part.hole, problem) end
    end
    if problem then return problem end
  end
end

local function check_names(template, values)
  for name, kind in pairs(template.params) do
    if values[name] == nil then return ("needs a value for '%s'"):format(name) end
    if kind.name == "list" and type(values[name]) ~= "table" then return ("needs a list for '%s'"):format(name) end
  end
  for name in pairs(values) do
    if not template.params[name] then return ("takes no value '%s'"):format(tostring(name)) end
  end
end

--- Writes the statement. Missing, extra and unfit values are errors; nothing is guessed.
---@param template SqlTemplate
---@param values table<string, any>
---@return string|nil sql, Error?
function M.render(template, values)
  local problem = check_names(template, values)
  local out = {}
  problem = problem or write_parts(template.parts, values, out)
  if problem then return nil, errors.new("BadParam", ("SQL template %s: %s"):format(template.name, problem)) end
  return table.concat(out)
end

return M
