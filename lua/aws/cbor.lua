-- CBOR (RFC 8949) as AWS's rpc-v2-cbor uses it: integers, texts, bytes, lists, maps with text keys, floats, times (tag 1).
--
-- Reading gives Lua values: exact integers, both kinds of strings as strings, null and undefined as json.null, lists marked
-- as lists. An integer beyond 64 bits with sign is a float, or with `exact` its digits.
local json = require "sm.json"

local M = {}

local pack, unpack, byte = string.pack, string.unpack, string.byte
local null, array = json.null, json.array

local DEPTH_MAX <const> = 200
local MAJOR <const> = { uint = 0, negint = 1, bytes = 2, text = 3, list = 4, map = 5, tag = 6 }

-- ---- writing ----

-- The initial byte and the argument n, as short as possible.
local function head(major, n)
  major = major << 5
  if n >= 0 and n < 24 then return string.char(major | n) end
  if n >= 0 and n < 256 then return pack("BB", major | 24, n) end
  if n >= 0 and n < 65536 then return pack(">BI2", major | 25, n) end
  if n >= 0 and n < 4294967296 then return pack(">BI4", major | 26, n) end
  return pack(">Bi8", major | 27, n)
end

---@param value integer
---@return string
function M.integer(value)
  if value >= 0 then return head(MAJOR.uint, value) end
  return head(MAJOR.negint, ~value) -- -1 - value
end

---@param value string
---@return string
function M.text(value) return head(MAJOR.text, #value) .. value end

---@param value string
---@return string
function M.bytes(value) return head(MAJOR.bytes, #value) .. value end

---@param value boolean
---@return string
function M.boolean(value) return value and "\xf5" or "\xf4" end

M.NULL = "\xf6"

---@param value number
---@param single boolean?  four bytes instead of eight
---@return string
function M.float(value, single)
  if value ~= value then return "\xf9\x7e\x00" end
  if value == math.huge then return "\xf9\x7c\x00" end
  if value == -math.huge then return "\xf9\xfc\x00" end
  return single and "\xfa" .. pack(">f", value) or "\xfb" .. pack(">d", value)
end

-- Begins a list of so many items.
---@param count integer
---@return string
function M.list(count) return head(MAJOR.list, count) end

-- Begins a map of so many pairs.
---@param count integer
---@return string
function M.map(count) return head(MAJOR.map, count) end

-- A time (tag 1): whole seconds as an integer.
---@param seconds number
---@return string
function M.time(seconds)
  local whole = math.tointeger(seconds)
  return head(MAJOR.tag, 1) .. (whole and M.integer(whole) or M.float(seconds))
end

-- ---- reading ----

local function fail(at, what) error({ cbor_error = ("%s at byte %d"):format(what, at) }, 0) end

local ARGUMENT <const> = { [24] = ">I1", [25] = ">I2", [26] = ">I4", [27] = ">i8" }
local SIZES <const> = { [24] = 1, [25] = 2, [26] = 4, [27] = 8 }

-- The argument of an initial byte, and where the item goes on. Eight bytes come as they are: they may look negative.
local function argument(state, info, at)
  if info < 24 then return info, at end
  local size = SIZES[info]
  if not size then fail(at - 1, "an argument that is not allowed here") end
  if at + size - 1 > #state.text then fail(at, "the text ends within an argument") end
  return unpack(ARGUMENT[info], state.text, at)
end

-- The decimal digits of an unsigned 64-bit number plus one or none.
local function digits(n, plus)
  if n == -1 and plus == 1 then return "18446744073709551616" end
  n = n + plus
  if n >= 0 then return ("%d"):format(n) end
  local tens = (n >> 1) // 5
  return ("%d%d"):format(tens, n - tens * 10)
end

local function big(state, text)
  if state.exact then return text end
  return tonumber(text .. ".0")
end

local read_item

local function read_uint(state, info, at)
  local n, after = argument(state, info, at)
  if n < 0 then return big(state, digits(n, 0)), after end
  return n, after
end

local function read_negint(state, info, at)
  local n, after = argument(state, info, at)
  if n < 0 then return big(state, "-" .. digits(n, 1)), after end
  return ~n, after
end

local function read_definite(state, info, at)
  local length, from = argument(state, info, at)
  if length < 0 or length > #state.text - from + 1 then fail(at, "a string longer than the text") end
  return state.text:sub(from, from + length - 1), from + length
end

local function read_chunks(state, major, at)
  local parts = {}
  while true do
    local initial = byte(state.text, at)
    if not initial then fail(at, "a string without an end") end
    if initial == 0xff then return table.concat(parts), at + 1 end
    if initial >> 5 ~= major or initial & 31 == 31 then fail(at, "a piece of another kind within a string") end
    parts[#parts + 1], at = read_definite(state, initial & 31, at + 1)
  end
end

local function read_string(state, info, at, _, major)
  if info == 31 then return read_chunks(state, major, at) end
  return read_definite(state, info, at)
end

local function read_list(state, info, at, depth)
  local out = {}
  if info == 31 then
    while byte(state.text, at) ~= 0xff do out[#out + 1], at = read_item(state, at, depth) end
    return out[1] == nil and array(out) or out, at + 1
  end
  local count
  count, at = argument(state, info, at)
  if count < 0 or count > #state.text - at + 1 then fail(at, "a list longer than the text") end
  for i = 1, count do out[i], at = read_item(state, at, depth) end
  return out[1] == nil and array(out) or out, at
end

local function read_pair(state, at, depth, out)
  local initial = byte(state.text, at)
  if initial and initial >> 5 ~= MAJOR.text then fail(at, "a key that is no text") end
  local key, value
  key, at = read_item(state, at, depth)
  value, at = read_item(state, at, depth)
  out[key] = value
  return at
end

local function read_map(state, info, at, depth)
  local out = {}
  if info == 31 then
    while byte(state.text, at) ~= 0xff do at = read_pair(state, at, depth, out) end
    return out, at + 1
  end
  local count
  count, at = argument(state, info, at)
  if count < 0 or count > #state.text - at + 1 then fail(at, "a map longer than the text") end
  for _ = 1, count do at = read_pair(state, at, depth, out) end
  return out, at
end

local function read_tag(state, info, at, depth)
  local id, from = argument(state, info, at)
  local value, after = read_item(state, from, depth)
  if state.tags then return { tag = id < 0 and big(state, digits(id, 0)) or id, value = value }, after end
  if id == 1 and type(value) ~= "number" then fail(at, "a time that is no number") end
  return value, after
end

-- A half: 1 bit sign, 5 bits exponent, 10 bits fraction.
local function half(bits)
  local sign, exponent, fraction = bits >> 15 == 1 and -1.0 or 1.0, bits >> 10 & 31, bits & 1023
  if exponent == 31 then return fraction == 0 and sign * math.huge or 0 / 0 end
  if exponent == 0 then return sign * fraction * 2.0 ^ -24 end
  return sign * (1024 + fraction) * 2.0 ^ (exponent - 25)
end

local FLOATS <const> = { [26] = ">f", [27] = ">d" }

local function read_simple(state, info, at)
  if info == 20 then return false, at end
  if info == 21 then return true, at end
  if info == 22 or info == 23 then return null, at end
  if info < 25 or info > 27 then fail(at - 1, "a simple value that is not known") end
  if at + SIZES[info] - 1 > #state.text then fail(at, "the text ends within a float") end
  if info == 25 then
    local bits, after = unpack(">I2", state.text, at)
    return half(bits), after
  end
  return unpack(FLOATS[info], state.text, at)
end

local READERS <const> = {
  [0] = read_uint, read_negint, read_string, read_string, read_list, read_map, read_tag, read_simple,
}

read_item = function(state, at, depth)
  local initial = byte(state.text, at)
  if not initial then fail(at, "the text ends where an item is due") end
  if depth >= DEPTH_MAX then fail(at, "items are nested too deeply") end
  local major = initial >> 5
  return READERS[major](state, initial & 31, at + 1, depth + 1, major)
end

-- exact: integers beyond 64 bits as digits; tags: tagged items as { tag, value } instead of the value.
---@param text string
---@param options {exact: boolean?, tags: boolean?}?
---@return any value  null is json.null
---@return string? message
function M.decode(text, options)
  local state = { text = text, exact = options and options.exact, tags = options and options.tags }
  local ok, value, after = pcall(read_item, state, 1, 0)
  if not ok then
    if type(value) == "table" and value.cbor_error then return nil, "invalid CBOR: " .. value.cbor_error end
    error(value, 0)
  end
  if after <= #text then return nil, ("invalid CBOR: more than one item, at byte %d"):format(after) end
  return value
end

return M
