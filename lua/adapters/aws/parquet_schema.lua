-- The columns of a Parquet file on S3, from its footer: what bronze is registered with, because Athena reads a file only by the
-- types that it really has. The footer is Thrift in the compact protocol; of it only the schema is read.
local errors = require "lib.errors"
local failures = require "adapters.aws.failures"
local s3_uri = require "adapters.aws.s3_uri"

local M = {}

local TAIL_BYTES <const> = 64 << 10
local MOST_BYTES <const> = 16 << 20
local MAGIC <const> = "PAR1"

-- Thrift --------------------------------------------------------------------------------------------------------------

local BOOLEAN_TRUE <const>, BOOLEAN_FALSE <const>, BYTE <const>, DOUBLE <const>, BINARY <const>, LIST <const>, SET <const>, MAP <const>,
  STRUCT <const> = 1, 2, 3, 7, 8, 9, 10, 11, 12

local Reader = {}
Reader.__index = Reader

function Reader:byte()
  local value = self.text:byte(self.at)
  if not value then error("the footer ends early", 0) end
  self.at = self.at + 1
  return value
end

function Reader:varint()
  local value, shift = 0, 0
  while true do
    local byte = self:byte()
    value, shift = value | (byte & 0x7f) << shift, shift + 7
    if byte < 0x80 then return value end
  end
end

function Reader:integer()
  local n = self:varint()
  return n >> 1 ~ -(n & 1)
end

function Reader:bytes(count)
  if count < 0 or self.at + count - 1 > #self.text then error("the footer ends early", 0) end
  self.at = self.at + count
  return self.text:sub(self.at - count, self.at - 1)
end

local values = {
  [BOOLEAN_TRUE] = function() return true end, [BOOLEAN_FALSE] = function() return false end,
  [BYTE] = function(r) return r:byte() end, [4] = Reader.integer, [5] = Reader.integer, [6] = Reader.integer,
  [DOUBLE] = function(r) return r:bytes(8) end, [BINARY] = function(r) return r:bytes(r:varint()) end,
}

local function list(r)
  local head = r:byte()
  local count, kind = head >> 4, head & 15
  if count == 15 then count = r:varint() end
  local out = {}
  for i = 1, count do
    -- booleans of lists are bytes
    if kind == BOOLEAN_TRUE or kind == BOOLEAN_FALSE then out[i] = r:byte() == 1 else out[i] = values[kind](r) end
  end
  return out
end

local function map(r)
  local count = r:varint()
  if count == 0 then return {} end
  local kinds = r:byte()
  for _ = 1, count do
    values[kinds >> 4](r)
    values[kinds & 15](r)
  end
  return {}
end

-- Fields by number; `last` ends the reading after that field.
local function struct(r, last)
  local fields, number = {}, 0
  while true do
    local head = r:byte()
    if head == 0 then return fields end
    local kind, step = head & 15, head >> 4
    number = step > 0 and number + step or r:integer()
    local read = values[kind] or error("the footer holds a value of an unknown kind", 0)
    fields[number] = read(r)
    if number == last then return fields end
  end
end

values[LIST], values[SET], values[MAP], values[STRUCT] = list, list, map, function(r) return struct(r) end

-- Types ---------------------------------------------------------------------------------------------------------------

local LOGICAL_DECIMAL <const>, LOGICAL_TIMESTAMP <const> = 5, 8
local CONVERTED_DECIMAL <const>, CONVERTED_DATE <const> = 5, 6
local TIMESTAMPS <const> = { [9] = true, [10] = true }
local SMALL <const> = { [15] = "tinyint", [16] = "smallint" }

local by_physical = {
  [0] = function() return "boolean" end,
  function(e) return e[6] == CONVERTED_DATE and "date" or SMALL[e[6]] or "int" end,
  function(e, logical) return (TIMESTAMPS[e[6]] or logical[LOGICAL_TIMESTAMP]) and "timestamp" or "bigint" end,
  function() return "timestamp" end, function() return "float" end, function() return "double" end,
  function() return "string" end, function() return "binary" end,
}

-- A schema element as Hive names its type; nil for what is no plain column.
local function type_of(element)
  local logical = element[10] or {}
  local decimal = logical[LOGICAL_DECIMAL]
  if element[6] == CONVERTED_DECIMAL or decimal then
    return ("decimal(%d,%d)"):format(element[8] or decimal[2], element[7] or decimal[1] or 0)
  end
  local of = by_physical[element[1]]
  return of and of(element, logical)
end

--- The columns that a footer describes, or nil when one of them is nested.
---@param footer string   FileMetaData
---@return {name: string, type: string}[]|nil columns, string? message
function M.columns(footer)
  local ok, metadata = pcall(struct, setmetatable({ text = footer, at = 1 }, Reader), 2)
  if not ok then return nil, tostring(metadata) end
  local elements, columns = metadata[2] or {}, {}
  for i = 2, #elements do
    local element = elements[i]
    local kind = not element[5] and type_of(element)
    if not kind then return nil, ("column %s is no plain one"):format(tostring(element[4])) end
    columns[#columns + 1] = { name = element[4]:lower(), type = kind }
  end
  return columns
end

-- Files ---------------------------------------------------------------------------------------------------------------

local function text_of(body)
  if type(body) == "string" then return body end
  local parts = {}
  for piece in function() return body(1 << 20) end do
    if piece == "" then break end
    parts[#parts + 1] = piece
  end
  return table.concat(parts)
end

local function tail(api, bucket, key, bytes)
  local output, failure = api:call("s3", "get_object", { Bucket = bucket, Key = key, Range = ("bytes=-%d"):format(bytes) })
  if not output then return nil, failures.error(failure, "read " .. s3_uri.join(bucket, key)) end
  return text_of(output.Body)
end

-- The metadata before the last eight bytes: its length and the magic.
local function footer_of(api, bucket, key)
  local text, err = tail(api, bucket, key, TAIL_BYTES)
  if not text then return nil, err end
  local none = errors.new("ExternalServiceError", s3_uri.join(bucket, key) .. " is no Parquet file")
  if text:sub(-4) ~= MAGIC or #text < 12 then return nil, none end
  local length = ("<I4"):unpack(text, #text - 7)
  if length > MOST_BYTES then return nil, none end
  if length + 8 > #text then text, err = tail(api, bucket, key, length + 8) end
  if not text or #text < length + 8 then return nil, err or none end
  return text:sub(#text - 7 - length, #text - 8)
end

--- The columns of the first Parquet file in a folder; nil when there is no file, or when its columns are not plain.
---@param api table
---@param location string   s3://bucket/folder/
---@return {name: string, type: string}[]|nil columns, Error?
function M.of_folder(api, location)
  local bucket, prefix = s3_uri.split(location, true)
  if not bucket then return nil, prefix end
  local output, failure = api:call("s3", "list_objects_v2", { Bucket = bucket, Prefix = prefix, MaxKeys = 50 })
  if not output then return nil, failures.error(failure, "list " .. location) end
  for _, object in ipairs(output.Contents or {}) do
    if object.Key:lower():sub(-8) == ".parquet" then
      local footer, err = footer_of(api, bucket, object.Key)
      if not footer then return nil, err end
      return (M.columns(footer))
    end
  end
end

return M
