-- Results and errors -> the public JSON: snake_case becomes camelCase here and nowhere else.
local errors = require "lib.errors"
local json = require "lib.json"
local status = require "entry.status"
local text = require "lib.text"

local M = {}

local MAX_NAMES <const> = 2000
local SORTED <const> = { sorted = true } -- the same answer is the same bytes, so that entity tags mean something

local names, name_count = {}, 0 -- field name -> public name, filled as they are met

local function public_name(name)
  local known = names[name]
  if known then return known end
  known = text.camel(name)
  if name_count < MAX_NAMES then names[name], name_count = known, name_count + 1 end
  return known
end

local convert

local function convert_list(value, shape)
  local item, out = shape and shape.item, {}
  for i = 1, #value do out[i] = convert(value[i], item) end
  return json.list(out)
end

-- Fields that the declared answer calls nullable are written as null when they are absent.
local function fill_nulls(out, shape)
  for _, entry in ipairs(shape.fields) do
    if entry.shape.nullable and out[entry.public] == nil then out[entry.public] = json.null end
  end
end

-- True for a table whose names are public already and whose values are no tables: it can be written as it is.
local function is_public(value)
  for key, item in next, value do
    if type(item) == "table" or names[key] ~= key then return false end
  end
  return true
end

local function convert_object(value, shape)
  local fields = shape and shape.field_shapes
  if not fields and is_public(value) then return value end
  local out = {}
  for key, item in pairs(value) do
    if key == "rows_text" then
      out.rows = json.raw("[" .. table.concat(item, ",") .. "]")
    elseif type(key) == "string" then
      local field = fields and fields[key]
      out[field and field.name or public_name(key)] = type(item) == "table" and convert(item, field) or item
    end
  end
  if fields then fill_nulls(out, shape) end
  return out
end

convert = function(value, shape)
  if type(value) ~= "table" then return value end
  local kind = shape and shape.kind
  if kind == "list" or json.is_list(value) or #value > 0 then return convert_list(value, shape) end
  if kind == "map" or kind == "any" or getmetatable(value) ~= nil then return value end
  return convert_object(value, shape)
end

-- A result as the table that is written: camelCase, lists marked, declared nulls filled in.
---@param result any
---@param shape Shape?  the use case's `output`
---@return any
function M.public(result, shape)
  return convert(result, shape)
end

---@param result any
---@param shape Shape?
---@return string? body
---@return Error?
function M.encode(result, shape)
  local body, message = json.encode(convert(result, shape), SORTED)
  if not body then return nil, errors.new("InternalError", "the answer cannot be written as JSON: " .. tostring(message)) end
  return body .. "\n" -- a shell's prompt starts on a line of its own
end

-- The state's own statements are for the log.
local function without_statement(message) return (message:gsub("%s*%(in: .*%)$", "")) end

local function envelope(err, request_id)
  local http = status.of[err.code] or 500
  local inner = { code = err.code, message = http >= 500 and without_statement(err.message) or err.message }
  local whole = { error = inner }
  local details = err.details and convert(err.details) or nil
  if http >= 500 then inner.requestId = request_id end
  if details and status.siblings[err.code] then
    for key, value in pairs(details) do whole[key] = value end
  elseif details and next(details) ~= nil then
    inner.details = details
  end
  return whole, http
end

-- An error as status, body and extra headers.
---@param err Error
---@param request_id string?
---@return integer status
---@return string body
---@return table? headers
function M.of_error(err, request_id)
  local whole, http = envelope(err, request_id)
  local body = json.encode(whole, SORTED)
  if not body then
    body = json.encode { error = { code = err.code, message = "the details of this error cannot be shown", requestId = request_id } }
  end
  body = body .. "\n"
  local headers
  local wait = err.details and err.details.retry_after_seconds
  if wait then
    headers = { ["Retry-After"] = tostring(math.max(0, math.ceil(wait))) }
  elseif http == 401 then
    headers = { ["WWW-Authenticate"] = "Bearer" }
  end
  return http, body, headers
end

return M
