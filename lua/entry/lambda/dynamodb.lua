-- Changes of a DynamoDB table, in order. The input is the new item (the old one, or the keys, when there is no new one) as plain
-- values; a use case that declares `event` gets { name, keys, new_item, old_item } there.
local fields = require "entry.lambda.fields"
local json = require "lib.json"

local M = {}

M.partial = "first"

local plain

local function plain_map(map)
  local out = {}
  for name, value in pairs(map) do out[name] = plain(value) end
  return out
end

local function plain_list(list)
  local out = {}
  for i, value in ipairs(list) do out[i] = plain(value) end
  return json.list(out)
end

-- Numbers come as text of up to 38 digits; those that do not fit stay text.
local function number(text)
  if type(text) ~= "string" then return text end
  local n = tonumber(text)
  if math.type(n) == "integer" then return n end
  if not n or n ~= n or #text > 17 then return text end
  return n
end

local function set_of(read)
  return function(list)
    local out = {}
    for i, value in ipairs(list) do out[i] = read(value) end
    return json.list(out)
  end
end

local function as_it_is(value) return value end

local function bytes(text) return type(text) == "string" and require("sm.crypto").unbase64(text) or text end

local readers = { S = as_it_is, N = number, BOOL = as_it_is, B = bytes, M = plain_map, L = plain_list,
  SS = set_of(as_it_is), NS = set_of(number), BS = set_of(bytes), NULL = function() return json.null end }

local WANTS <const> = { S = "string", N = "string", BOOL = "boolean", B = "string", M = "table", L = "table", SS = "table", NS = "table",
  BS = "table", NULL = "boolean" }

-- { N = "1" } -> 1. What is no such pair is left out.
plain = function(value)
  local kind, inner = next(fields.within(value))
  if kind == nil or type(inner) ~= WANTS[kind] then return nil end
  return readers[kind](inner)
end

local function image(change, name)
  local map = fields.object(change[name])
  return map and plain_map(map)
end

---@param event table
---@param use_case table
---@return table[] items
function M.items(event, use_case)
  local items = {}
  local wants_event = use_case.input and use_case.input.field_shapes and use_case.input.field_shapes.event
  for i, record in ipairs(fields.records(event.Records)) do
    local change = fields.within(record.dynamodb)
    local new, old, keys = image(change, "NewImage"), image(change, "OldImage"), image(change, "Keys")
    local input = wants_event and { event = { name = record.eventName, keys = keys, new_item = new, old_item = old } }
      or new or old or keys or {}
    items[i] = { item = change.SequenceNumber,
      calls = { { input = input, id = record.eventID, caller = "stream", record = record } } }
  end
  return items
end

return M
