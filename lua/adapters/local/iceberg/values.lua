-- Column bounds: the text of a minimum or maximum, as COPY's statistics give it, to the bytes Iceberg's manifests
-- keep (its "single-value serialization"). A bound is optional: what cannot be told exactly is left out.
local M = {}

local TRUNCATE_AT = 16 -- characters of a text bound, as other writers do

local function days(y, m, d)
  y = m <= 2 and y - 1 or y
  local era = y // 400
  local yoe = y - era * 400
  local doy = (153 * (m > 2 and m - 3 or m + 9) + 2) // 5 + d - 1
  return era * 146097 + yoe * 365 + yoe // 4 - yoe // 100 + doy - 719468
end

local function date_days(text)
  local y, m, d = text:match("^(%d+)-(%d%d)-(%d%d)")
  if not y or text:find("BC") then return nil end
  return days(math.tointeger(tonumber(y)), math.tointeger(tonumber(m)), math.tointeger(tonumber(d)))
end

local function time_micros(text)
  local h, m, s, fraction = text:match("(%d%d):(%d%d):(%d%d)%.?(%d*)")
  if not h then return nil end
  local micros = math.tointeger(tonumber((fraction .. "000000"):sub(1, 6)))
  return ((math.tointeger(tonumber(h)) * 60 + math.tointeger(tonumber(m))) * 60 + math.tointeger(tonumber(s))) * 1000000 + micros
end

local function timestamp_micros(text)
  local day, time = date_days(text), time_micros(text)
  if not day or not time then return nil end
  local micros = day * 86400000000 + time
  local sign, hours, minutes = text:match("%d([+-])(%d%d):?(%d*)$")
  if sign and text:find(":%d%d[%.%d]*[+-]") then
    local offset = (tonumber(hours) * 60 + (tonumber(minutes) or 0)) * 60000000
    micros = micros - math.tointeger(sign == "+" and offset or -offset)
  end
  return micros
end

-- Decimal digits (with sign and point) -> unscaled two's complement, big endian, as short as it gets.
local function decimal_bytes(text, scale)
  local sign, whole, fraction = text:match("^(-?)(%d+)%.?(%d*)$")
  if not whole or #fraction > scale then return nil end
  local digits = whole .. fraction .. ("0"):rep(scale - #fraction)
  local bytes = { 0 } -- base 256, lowest first
  for digit in digits:gmatch("%d") do
    local carry = math.tointeger(tonumber(digit))
    for i = 1, #bytes do
      carry = bytes[i] * 10 + carry
      bytes[i] = carry & 0xff
      carry = carry >> 8
    end
    if carry > 0 then bytes[#bytes + 1] = carry end
  end
  bytes[#bytes + 1] = 0
  if sign == "-" then
    local carry = 1
    for i = 1, #bytes do
      carry = (~bytes[i] & 0xff) + carry
      bytes[i] = carry & 0xff
      carry = carry >> 8
    end
  end
  while #bytes > 1 do -- drop bytes that only repeat the sign
    local top, below = bytes[#bytes], bytes[#bytes - 1]
    if not ((top == 0 and below < 0x80) or (top == 0xff and below >= 0x80)) then break end
    bytes[#bytes] = nil
  end
  local out = {}
  for i = #bytes, 1, -1 do out[#out + 1] = string.char(bytes[i]) end
  return table.concat(out)
end

-- A lower bound may be cut; an upper bound that is cut must grow, in its last character that can.
local function text_bound(text, upper)
  local length = utf8.len(text)
  if not length then return nil end
  if length <= TRUNCATE_AT then return text end
  local cut = text:sub(1, utf8.offset(text, TRUNCATE_AT + 1) - 1)
  if not upper then return cut end
  for i = TRUNCATE_AT, 1, -1 do
    local at = utf8.offset(cut, i)
    local code = utf8.codepoint(cut, at) + 1
    if code == 0xD800 then code = 0xE000 end
    if code <= 0x10FFFF then return cut:sub(1, at - 1) .. utf8.char(code) end
  end
  return nil
end

local function integer_bytes(format)
  return function(text)
    local n = math.tointeger(tonumber(text))
    return n and string.pack(format, n)
  end
end

local function float_bytes(format)
  return function(text)
    local n = tonumber(text)
    return n and n == n and string.pack(format, n)
  end
end

local function of_number(number, format)
  return function(text)
    local n = number(text)
    return n and string.pack(format, n)
  end
end

local encoders = {
  boolean = function(text) return (text == "1" or text == "true") and "\1" or "\0" end,
  int = integer_bytes("<i4"),
  long = integer_bytes("<i8"),
  float = float_bytes("<f"),
  double = float_bytes("<d"),
  date = of_number(date_days, "<i4"),
  time = of_number(time_micros, "<i8"),
  timestamp = of_number(timestamp_micros, "<i8"),
  timestamptz = of_number(timestamp_micros, "<i8"),
  string = text_bound,
  uuid = function(text)
    local hex = text:gsub("-", "")
    if #hex ~= 32 or hex:find("%X") then return nil end
    return (hex:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
  end,
}

---@param kind string     Iceberg primitive type
---@param text string     the value as the engine prints it
---@param upper boolean?  true for an upper bound
---@return string?        bytes, or nil when there is no honest bound
function M.bound(kind, text, upper)
  local scale = kind:match("^decimal%(%d+,%s*(%d+)%)$")
  if scale then return decimal_bytes(text, math.tointeger(tonumber(scale))) end
  local encode = encoders[kind]
  return encode and encode(text, upper) or nil
end

return M
