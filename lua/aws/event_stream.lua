-- The frames of event streams (application/vnd.amazon.eventstream): lengths, typed headers and a payload, each under a CRC.
--
-- A message is { headers = { { name, type, value }, ... }, values = { name = value }, payload = bytes }. Types: "boolean",
-- "byte", "short", "integer", "long", "bytes", "string", "timestamp" (milliseconds), "uuid" (text).
local crypto = require "sm.crypto"

local M = {}

local pack, unpack = string.pack, string.unpack
local crc32 = crypto.crc32

M.HEADERS_MAX = 131072         -- bytes, from the specification
M.MESSAGE_MAX = 25165824       -- bytes of a frame: 24 MiB

local OVERHEAD <const> = 16    -- prelude, its CRC, the message's CRC
local UUID <const> = "^(%x%x%x%x%x%x%x%x)%-(%x%x%x%x)%-(%x%x%x%x)%-(%x%x%x%x)%-(%x%x%x%x%x%x%x%x%x%x%x%x)$"

-- Type number -> name and how its value is packed.
local TYPES <const> = {
  [2] = { "byte", ">i1" }, [3] = { "short", ">i2" }, [4] = { "integer", ">i4" }, [5] = { "long", ">i8" }, [6] = { "bytes", ">s2" },
  [7] = { "string", ">s2" }, [8] = { "timestamp", ">i8" },
}
local NUMBERS <const> = {}
for number, form in pairs(TYPES) do NUMBERS[form[1]] = { number, form[2] } end

local function uuid_text(bytes)
  local hex = crypto.hex(bytes)
  return ("%s-%s-%s-%s-%s"):format(hex:sub(1, 8), hex:sub(9, 12), hex:sub(13, 16), hex:sub(17, 20), hex:sub(21))
end

-- ---- reading ----

-- The value of a header at `at`: type, value, where the next header begins. Raises what string.unpack raises.
local function read_value(text, at)
  local number
  number, at = unpack("B", text, at)
  if number <= 1 then return "boolean", number == 0, at end
  if number == 9 then
    local bytes
    bytes, at = unpack("c16", text, at)
    return "uuid", uuid_text(bytes), at
  end
  local form = TYPES[number]
  if not form then error(("unknown type %d of a header"):format(number), 0) end
  local value
  value, at = unpack(form[2], text, at)
  return form[1], value, at
end

local function read_headers(text)
  local list, values, at = {}, {}, 1
  while at <= #text do
    local name, kind, value
    name, at = unpack("s1", text, at)
    if name == "" then error("a header without a name", 0) end
    kind, value, at = read_value(text, at)
    list[#list + 1] = { name = name, type = kind, value = value }
    values[name] = value
  end
  return list, values
end

-- Bytes of the frame whose first 12 bytes are at `at`, or nil and why it is none.
local function frame_length(text, at)
  local total, headers, checksum = unpack(">I4I4I4", text, at)
  if crc32(text:sub(at, at + 7)) ~= checksum then return nil, "the checksum of the prelude does not fit" end
  if headers > M.HEADERS_MAX then return nil, "the headers are too long" end
  if total > M.MESSAGE_MAX then return nil, "the message is too long" end
  if headers + OVERHEAD > total then return nil, "the lengths do not fit" end
  return total, headers
end

-- The message that begins at `at` (default 1) and where the next begins. nil without a message: more bytes are needed.
---@param text string
---@param at integer?
---@return table? message
---@return integer|string next_or_message
function M.decode(text, at)
  at = at or 1
  if #text - at + 1 < 12 then return nil end
  local total, headers_length = frame_length(text, at)
  if not total then return nil, headers_length end
  if #text - at + 1 < total then return nil end
  local last = at + total - 1
  if crc32(text:sub(at, last - 4)) ~= unpack(">I4", text, last - 3) then
    return nil, "the checksum of the message does not fit"
  end
  local ok, list, values = pcall(read_headers, text:sub(at + 12, at + 11 + headers_length))
  if not ok then return nil, "the headers cannot be read: " .. tostring(list) end
  return { headers = list, values = values, payload = text:sub(at + 12 + headers_length, last - 4) }, last + 1
end

-- Gives the messages of a stream one by one, however its bytes are cut.
---@param read fun(): string?, string?  the next bytes | nil at the end | nil, message
---@return fun(): table?, string?  a message | nil at the end | nil, why not
function M.messages(read)
  local buffer, at, over = "", 1, nil
  return function()
    if over then return nil, over ~= true and over or nil end
    while true do
      local message, next_or_why = M.decode(buffer, at)
      if message then
        at = next_or_why
        return message
      end
      if next_or_why then
        over = next_or_why
        return nil, over
      end
      -- Pieces are joined once for each message, however large it is and small they are.
      local parts, have = { buffer:sub(at) }, #buffer - at + 1
      local need = have >= 12 and unpack(">I4", buffer, at) or 12
      while have < need do
        local piece, why = read()
        if not piece then
          over = why or have > 0 and "the stream ends within a message" or true
          return nil, over ~= true and over or nil
        end
        parts[#parts + 1], have = piece, have + #piece
      end
      buffer, at = table.concat(parts), 1
    end
  end
end

-- ---- writing ----

local function write_value(header)
  local kind, value = header.type, header.value
  if kind == "boolean" then return value and "\0" or "\1" end
  if kind == "uuid" then
    return "\9" .. crypto.unhex(table.concat({ value:match(UUID) }))
  end
  local form = NUMBERS[kind]
  return pack("B", form[1]) .. pack(form[2], value)
end

---@param headers table[]  { name, type, value } in order
---@param payload string
---@return string
function M.encode(headers, payload)
  local out = {}
  for i, header in ipairs(headers) do out[i] = pack("s1", header.name) .. write_value(header) end
  local text = table.concat(out)
  local prelude = pack(">I4I4", #text + #payload + OVERHEAD, #text)
  local message = prelude .. pack(">I4", crc32(prelude)) .. text .. payload
  return message .. pack(">I4", crc32(message))
end

return M
