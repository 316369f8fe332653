-- Reads gzip files, the form in which botocore's package carries the larger service descriptions. For the generator only:
-- a few megabytes a second.
local M = {}

local byte, char, unpack_string = string.byte, string.char, string.unpack

-- ---- bits, lowest first ----

local Bits = {}
Bits.__index = Bits

local function fail(what) error({ inflate_error = what }, 0) end

function Bits:need(count)
  while self.count < count do
    local next_byte = byte(self.text, self.at)
    if not next_byte then fail("the data end too early") end
    self.value = self.value | next_byte << self.count
    self.count = self.count + 8
    self.at = self.at + 1
  end
end

function Bits:take(count)
  if count == 0 then return 0 end
  self:need(count)
  local value = self.value & (1 << count) - 1
  self.value = self.value >> count
  self.count = self.count - count
  return value
end

-- ---- Huffman codes ----

local MAX_BITS <const> = 15

local function reversed(code, length)
  local out = 0
  for _ = 1, length do
    out = out << 1 | code & 1
    code = code >> 1
  end
  return out
end

-- Table from the next bits (as many as the longest code has) to symbol * 16 + length.
local function make_codes(lengths)
  local counts, longest = {}, 1
  for i = 0, MAX_BITS do counts[i] = 0 end
  for _, length in ipairs(lengths) do
    counts[length] = counts[length] + 1
    if length > longest then longest = length end
  end
  local next_code, code = {}, 0
  counts[0] = 0
  for length = 1, MAX_BITS do
    code = code + counts[length - 1] << 1
    next_code[length] = code
  end
  local codes = { longest = longest }
  for i, length in ipairs(lengths) do
    if length > 0 then
      for slot = reversed(next_code[length], length), (1 << longest) - 1, 1 << length do codes[slot] = (i - 1) * 16 + length end
      next_code[length] = next_code[length] + 1
    end
  end
  return codes
end

local function symbol(bits, codes)
  local longest = codes.longest
  while bits.count < longest do
    local next_byte = byte(bits.text, bits.at) or 0 -- the last code may be shorter than the longest
    bits.value = bits.value | next_byte << bits.count
    bits.count = bits.count + 8
    bits.at = bits.at + 1
  end
  local found = codes[bits.value & (1 << longest) - 1] or fail("unknown code")
  local length = found & 15
  bits.value = bits.value >> length
  bits.count = bits.count - length
  return found >> 4
end

local function fixed_codes()
  local lengths = {}
  for i = 0, 287 do lengths[i + 1] = i < 144 and 8 or i < 256 and 9 or i < 280 and 7 or 8 end
  local distances = {}
  for i = 1, 30 do distances[i] = 5 end
  return make_codes(lengths), make_codes(distances)
end

local ORDER <const> = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15 }

local function read_lengths(bits, codes, count)
  local lengths = {}
  while #lengths < count do
    local what = symbol(bits, codes)
    if what < 16 then
      lengths[#lengths + 1] = what
    else
      local value = what == 16 and (lengths[#lengths] or fail("nothing to repeat")) or 0
      local times = what == 16 and 3 + bits:take(2) or what == 17 and 3 + bits:take(3) or 11 + bits:take(7)
      for _ = 1, times do lengths[#lengths + 1] = value end
    end
  end
  return lengths
end

local function dynamic_codes(bits)
  local literals, distances, given = bits:take(5) + 257, bits:take(5) + 1, bits:take(4) + 4
  local lengths = {}
  for i = 1, 19 do lengths[i] = 0 end
  for i = 1, given do lengths[ORDER[i] + 1] = bits:take(3) end
  local all = read_lengths(bits, make_codes(lengths), literals + distances)
  return make_codes(table.move(all, 1, literals, 1, {})), make_codes(table.move(all, literals + 1, literals + distances, 1, {}))
end

-- ---- blocks ----

-- Base and number of extra bits of length and distance symbols.
local function ranges(count, first, step)
  local bases, extras, base = {}, {}, first
  for i = 0, count - 1 do
    local extra = math.max(0, i // step - 1)
    bases[i], extras[i] = base, extra
    base = base + (1 << extra)
  end
  return bases, extras
end

local LENGTH_BASE, LENGTH_EXTRA = ranges(29, 3, 4)
LENGTH_BASE[28], LENGTH_EXTRA[28] = 258, 0
local DISTANCE_BASE, DISTANCE_EXTRA = ranges(30, 1, 2)

local function copy_back(out, length, distance)
  local count = #out
  if distance > count then fail("distance beyond the start") end
  for i = count + 1, count + length do out[i] = out[i - distance] end
end

local function compressed_block(bits, out, literals, distances)
  while true do
    local what = symbol(bits, literals)
    if what < 256 then
      out[#out + 1] = what
    elseif what == 256 then
      return
    else
      local length = LENGTH_BASE[what - 257] + bits:take(LENGTH_EXTRA[what - 257])
      local far = symbol(bits, distances)
      copy_back(out, length, DISTANCE_BASE[far] + bits:take(DISTANCE_EXTRA[far]))
    end
  end
end

local function stored_block(bits, out)
  bits:take(bits.count & 7)
  local length = bits:take(16)
  bits:take(16)
  for _ = 1, length do out[#out + 1] = bits:take(8) end
end

local function inflate(text, from)
  local bits = setmetatable({ text = text, at = from, value = 0, count = 0 }, Bits)
  local out = {}
  repeat
    local last, kind = bits:take(1), bits:take(2)
    if kind == 0 then
      stored_block(bits, out)
    elseif kind == 1 then
      compressed_block(bits, out, fixed_codes())
    elseif kind == 2 then
      compressed_block(bits, out, dynamic_codes(bits))
    else
      fail("unknown kind of block")
    end
  until last == 1
  return out
end

local function as_text(bytes)
  local parts = {}
  for from = 1, #bytes, 4096 do parts[#parts + 1] = char(table.unpack(bytes, from, math.min(from + 4095, #bytes))) end
  return table.concat(parts)
end

-- Where the compressed bytes of a gzip member start.
local function after_header(text)
  if text:sub(1, 3) ~= "\31\139\8" then fail("not a gzip file") end
  local flags, at = byte(text, 4), 11
  if flags & 4 ~= 0 then at = at + 2 + unpack_string("<I2", text, at) end
  if flags & 8 ~= 0 then at = text:find("\0", at, true) + 1 end
  if flags & 16 ~= 0 then at = text:find("\0", at, true) + 1 end
  return flags & 2 ~= 0 and at + 2 or at
end

---@param text string  a gzip file with one member
---@return string? content
---@return string? message
function M.gunzip(text)
  local ok, content = pcall(function() return as_text(inflate(text, after_header(text))) end)
  if not ok then
    if type(content) == "table" and content.inflate_error then return nil, content.inflate_error end
    error(content, 0)
  end
  if #content & 0xFFFFFFFF ~= unpack_string("<I4", text, #text - 3) then return nil, "the length does not fit the data" end
  return content
end

return M
