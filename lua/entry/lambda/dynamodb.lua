-- Changes of a DynamoDB table, in order. The input is the new item (the old one, or the keys, when there is no new one) as plain
-- values; a use case that declares `event` gets { name, keys, new_item, old_item } there.
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

local function bytes(text) return require("sm.crypto").unbase64(text) or text end

local readers = { S = as_it_is, N = number, BOOL = as_it_is, B = bytes, M = plain_map, L = plain_list,
  SS = set_of(as_it_is), NS = set_of(number), BS = set_of(bytes), NULL = function() return json.null end }

plain = function(value)
  local kind, inner = next(value)
  local read = readers[kind]
  return read and read(inner) or nil
end

local function image(record, name)
  local map = record.dynamodb[name]
  return type(map) == "table" and plain_map(map) or nil
end

---@param event table
---@param use_case table
---@return table[] items
function M.items(event, use_case)
  local items = {}
  local wants_event = use_case.input and use_case.input.field_shapes and use_case.input.field_shapes.event
  for i, record in ipairs(event.Records) do
    if type(record.dynamodb) ~= "table" then record.dynamodb = {} end
    local new, old, keys = image(record, "NewImage"), image(record, "OldImage"), image(record, "Keys")
    local input = wants_event and { event = { name = record.eventName, keys = keys, new_item = new, old_item = old } }
      or new or old or keys or {}
    items[i] = { item = record.dynamodb.SequenceNumber,
      calls = { { input = input, id = record.eventID, caller = "stream", record = record } } }
  end
  return items
end

return M
