-- Values of a model's shapes as JSON has them, and back: names on the wire, base64, times, NaN.
local crypto = require "sm.crypto"
local json = require "sm.json"

local M = {}

-- Loaded by the first time that is met: most calls have none.
local timestamp
local function times()
  timestamp = timestamp or require "aws.timestamp"
  return timestamp
end

local null, tointeger, huge = json.null, math.tointeger, math.huge
local base64, unbase64 = crypto.base64, crypto.unbase64

-- Per shape: references by their name on the wire, names on the wire by ours, and whether any differs.
local wires = setmetatable({}, { __mode = "k" })
local function wire_of(model, shape)
  local wire = wires[shape]
  if not wire then
    wire = { refs = {}, names = {}, renamed = false }
    for _, ref in ipairs(shape.members) do
      local name = ref.locationName or ref.shape and model:shape(ref.shape).locationName or ref.name
      wire.refs[name], wire.names[ref.name] = ref, name
      wire.renamed = wire.renamed or name ~= ref.name
    end
    wires[shape] = wire
  end
  return wire
end

-- ---- to JSON ----

local encode -- by type, below

local function encode_structure(model, ref, value)
  local shape = model:shape(ref.shape)
  if shape.document then return value end
  local by_name, names, out = shape.by_name, wire_of(model, shape).names, {}
  for name, member in next, value do
    if member ~= null then
      local member_ref = by_name[name]
      local writer = encode[member_ref.type]
      if writer then member = writer(model, member_ref, member) end
      out[names[name]] = member
    end
  end
  return out
end

local function encode_list(model, ref, value)
  local member = model:shape(ref.shape).member
  local writer, out = encode[member.type], {}
  for i = 1, #value do
    local item = value[i]
    if writer and item ~= null then item = writer(model, member, item) end
    out[i] = item
  end
  return out[1] == nil and json.array(out) or out
end

local function encode_map(model, ref, value)
  local of, out = model:shape(ref.shape).value, {}
  local writer = encode[of.type]
  for key, item in next, value do
    if writer and item ~= null then item = writer(model, of, item) end
    out[key] = item
  end
  return out
end

local function encode_float(_, _, value)
  if value ~= value then return "NaN" end
  if value == huge then return "Infinity" end
  if value == -huge then return "-Infinity" end
  return value
end

local function encode_integer(_, _, value) return tointeger(value) end
local function encode_blob(_, _, value) return base64(value) end
local function encode_big(_, _, value) return type(value) == "string" and json.raw(value) or value end

local function encode_timestamp(_, ref, value)
  local format = times().format_name(ref.timestampFormat or "unixTimestamp")
  local time = times().parse(value, format)
  if format == "unixtimestamp" then return times().epoch(time) end
  return times().format(time, format)
end

-- Strings, booleans and documents stay as they are.
encode = {
  structure = encode_structure, list = encode_list, map = encode_map, float = encode_float, double = encode_float,
  integer = encode_integer, long = encode_integer, short = encode_integer, byte = encode_integer, blob = encode_blob,
  bigInteger = encode_big, bigDecimal = encode_big, timestamp = encode_timestamp,
}

-- The value of a reference as a table (or scalar) for sm.json.encode.
---@param model aws.Model
---@param ref table
---@param value any
---@return any
function M.encode(model, ref, value)
  local writer = encode[ref.type]
  if writer then return writer(model, ref, value) end
  return value
end

-- ---- from JSON ----

local decode -- by type, below

-- A union with a member that the model does not know is reported by name.
local function unknown_union(value, names)
  local unknown
  for key, member in next, value do
    if member ~= null and key ~= "__type" then
      if names[key] then return nil end
      unknown = key
    end
  end
  return unknown and { SDK_UNKNOWN_MEMBER = { name = unknown } }
end

-- Decoded tables are ours: members are changed in place, unless names differ.
local function decode_structure(model, ref, value)
  local shape = model:shape(ref.shape)
  if shape.document then return value end
  if type(value) ~= "table" then return nil end
  local wire = wire_of(model, shape)
  local names = wire.refs
  if shape.union then
    local unknown = unknown_union(value, names)
    if unknown then return unknown end
  end
  local out = wire.renamed and {} or value
  for key, member in next, value do
    local member_ref = names[key]
    if member_ref == nil or member == null then
      if out == value then value[key] = nil end
    else
      local reader = decode[member_ref.type]
      if reader then member = reader(model, member_ref, member) end
      out[member_ref.name] = member
    end
  end
  return out
end

local function decode_list(model, ref, value)
  if type(value) ~= "table" then return nil end
  local member = model:shape(ref.shape).member
  local reader = decode[member.type]
  if reader then
    for i = 1, #value do
      local item = value[i]
      if item ~= null then
        local read = reader(model, member, item)
        if read == nil then read = null end
        value[i] = read
      end
    end
  end
  return value
end

local function decode_map(model, ref, value)
  if type(value) ~= "table" then return nil end
  local shape = model:shape(ref.shape)
  local of, sparse = shape.value, shape.sparse
  local reader = decode[of.type]
  for key, item in next, value do
    if item == null then
      if not sparse then value[key] = nil end
    elseif reader then
      value[key] = reader(model, of, item)
    end
  end
  return value
end

local SPECIAL <const> = { NaN = 0 / 0, Infinity = huge, ["-Infinity"] = -huge }

local function decode_float(_, _, value)
  if type(value) == "string" then return SPECIAL[value] or tonumber(value) end
  return value
end

local function decode_integer(_, _, value) return tointeger(tonumber(value)) or tonumber(value) end

-- What is not base64 or no time stays as it came: one odd member does not spoil an answer.
local function decode_blob(_, _, value)
  if type(value) ~= "string" then return nil end
  return unbase64(value) or unbase64((value:gsub("%s", ""))) or value
end

local function decode_timestamp(_, ref, value)
  if type(value) ~= "number" and type(value) ~= "string" then return nil end
  return times().parse(value, ref.timestampFormat or "unixTimestamp") or value
end

local function decode_boolean(_, _, value)
  if type(value) == "string" then return value:lower() == "true" end
  return value
end

decode = {
  structure = decode_structure, list = decode_list, map = decode_map, float = decode_float, double = decode_float,
  integer = decode_integer, long = decode_integer, short = decode_integer, byte = decode_integer, blob = decode_blob,
  timestamp = decode_timestamp, boolean = decode_boolean,
}

-- What the caller gets for a decoded JSON value, which is changed.
---@param model aws.Model
---@param ref table
---@param value any
---@return any
function M.decode(model, ref, value)
  if value == null then return nil end
  local reader = decode[ref.type]
  if reader then return reader(model, ref, value) end
  return value
end

return M
