-- DEFLATE decompression (RFC 1951), for manifests that other writers compressed. Manifests are small; this is for
-- correctness, not for speed.
local M = {}

local LENGTH_BASE = { 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258 }
local LENGTH_BITS = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0 }
local DISTANCE_BASE = { 1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073,
  4097, 6145, 8193, 12289, 16385, 24577 }
local DISTANCE_BITS = { 0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13 }
local CODE_LENGTH_ORDER = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15 }

local Bits = {}
Bits.__index = Bits

function Bits:need(count)
  while self.held < count do
    local byte = self.text:byte(self.at)
    if not byte then error("deflate: the data is cut off", 0) end
    self.value = self.value | (byte << self.held)
    self.held = self.held + 8
    self.at = self.at + 1
  end
end

function Bits:take(count)
  if count == 0 then return 0 end
  self:need(count)
  local value = self.value & ((1 << count) - 1)
  self.value = self.value >> count
  self.held = self.held - count
  return value
end

-- Canonical code: lengths[symbol] (0-based) -> { [length] = { [code] = symbol } }.
local function huffman(lengths, count)
  local per_length, codes, code = {}, {}, 0
  for symbol = 0, count - 1 do
    local length = lengths[symbol] or 0
    if length > 0 then per_length[length] = (per_length[length] or 0) + 1 end
  end
  local next_code = {}
  for length = 1, 15 do
    code = (code + (per_length[length - 1] or 0)) << 1
    next_code[length] = code
    codes[length] = {}
  end
  for symbol = 0, count - 1 do
    local length = lengths[symbol] or 0
    if length > 0 then
      codes[length][next_code[length]] = symbol
      next_code[length] = next_code[length] + 1
    end
  end
  return codes
end

local function symbol_of(bits, codes)
  local code = 0
  for length = 1, 15 do
    code = (code << 1) | bits:take(1)
    local symbol = codes[length][code]
    if symbol then return symbol end
  end
  error("deflate: a code that is not in the table", 0)
end

local function fixed_tables()
  local lengths, distances = {}, {}
  for i = 0, 287 do lengths[i] = i < 144 and 8 or i < 256 and 9 or i < 280 and 7 or 8 end
  for i = 0, 29 do distances[i] = 5 end
  return huffman(lengths, 288), huffman(distances, 30)
end

local function dynamic_tables(bits)
  local literals, distances, sizes = bits:take(5) + 257, bits:take(5) + 1, bits:take(4) + 4
  local size_lengths = {}
  for i = 1, sizes do size_lengths[CODE_LENGTH_ORDER[i]] = bits:take(3) end
  local codes, lengths, n = huffman(size_lengths, 19), {}, 0
  local function repeat_length(value, times)
    for _ = 1, times do
      lengths[n] = value
      n = n + 1
    end
  end
  while n < literals + distances do
    local symbol = symbol_of(bits, codes)
    if symbol < 16 then repeat_length(symbol, 1)
    elseif symbol == 16 then repeat_length(lengths[n - 1] or error("deflate: nothing to repeat", 0), 3 + bits:take(2))
    elseif symbol == 17 then repeat_length(0, 3 + bits:take(3))
    else repeat_length(0, 11 + bits:take(7)) end
  end
  local distance_lengths = {}
  for i = 0, distances - 1 do distance_lengths[i] = lengths[literals + i] end
  return huffman(lengths, literals), huffman(distance_lengths, distances)
end

local function stored_block(bits, out)
  bits.value, bits.held = 0, 0
  local length = bits:take(16)
  bits:take(16)
  for _ = 1, length do out[#out + 1] = bits:take(8) end
end

local function coded_block(bits, out, literals, distances, max_bytes)
  while true do
    local symbol = symbol_of(bits, literals)
    if symbol == 256 then return end
    if symbol < 256 then
      out[#out + 1] = symbol
    else
      if symbol > 285 then error("deflate: length code " .. symbol .. " does not exist", 0) end
      local length = LENGTH_BASE[symbol - 256] + bits:take(LENGTH_BITS[symbol - 256])
      local code = symbol_of(bits, distances) + 1
      if code > 30 then error("deflate: distance code " .. code - 1 .. " does not exist", 0) end
      local from = #out - DISTANCE_BASE[code] - bits:take(DISTANCE_BITS[code])
      if from < 0 then error("deflate: a reference before the beginning", 0) end
      for i = 1, length do out[#out + 1] = out[from + i] end
    end
    if #out > max_bytes then error("deflate: the data is larger than " .. max_bytes .. " bytes", 0) end
  end
end

local function to_text(bytes)
  local parts = {}
  for i = 1, #bytes, 4096 do
    parts[#parts + 1] = string.char(table.unpack(bytes, i, math.min(i + 4095, #bytes)))
  end
  return table.concat(parts)
end

-- Raw deflate data -> text. Raises on damaged data and beyond max_bytes.
---@param text string
---@param max_bytes integer?  default 64 MiB
---@return string
function M.inflate(text, max_bytes)
  local bits, out = setmetatable({ text = text, at = 1, value = 0, held = 0 }, Bits), {}
  max_bytes = max_bytes or 64 << 20
  repeat
    local last, kind = bits:take(1), bits:take(2)
    if kind == 0 then stored_block(bits, out)
    elseif kind == 3 then error("deflate: unknown block type", 0)
    else
      local literals, distances
      if kind == 1 then literals, distances = fixed_tables() else literals, distances = dynamic_tables(bits) end
      coded_block(bits, out, literals, distances, max_bytes)
    end
  until last == 1
  return to_text(out)
end

return M
