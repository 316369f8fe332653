-- zip.lua OUTPUT: a zip archive of files that are compressed already. Lines on standard input, in the order of the archive:
-- MODE TIME NAME GZIP-FILE, with tabs between; mode octal, time in seconds since 1970. Nothing else goes into the bytes.
local output = arg[1]

local function read(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read("a")
  file:close()
  return bytes
end

-- The raw stream inside a gzip file without optional fields, as zopfli writes it; checksum and size are its trailer.
local function unwrap(gzip, path)
  assert(gzip:sub(1, 4) == "\x1f\x8b\x08\0", path .. " is no plain gzip file")
  local crc, size = string.unpack("<I4I4", gzip, #gzip - 7)
  return gzip:sub(11, -9), crc, size
end

-- Two seconds are the unit of an archive's clock, 1980 its beginning.
local function dos_time(seconds)
  local t = os.date("!*t", seconds)
  return t.hour << 11 | t.min << 5 | t.sec // 2, (t.year - 1980) << 9 | t.month << 5 | t.day
end

local body, directory, at, count = {}, {}, 0, 0
for line in io.lines() do
  local mode, seconds, name, path = line:match("^(%d+)\t(%d+)\t([^\t]+)\t([^\t]+)$")
  assert(mode, "not an entry: " .. line)
  local data, crc, size = unwrap(read(path), path)
  local time, date = dos_time(tonumber(seconds))
  local common = string.pack("<I2I2I2I2I2I4I4I4I2I2", 20, 0, 8, time, date, crc, #data, size, #name, 0)
  local header = "PK\3\4" .. common .. name
  directory[#directory + 1] = "PK\1\2" .. string.pack("<I2", 3 << 8 | 20) .. common ..
    string.pack("<I2I2I2I4I4", 0, 0, 0, (tonumber(mode, 8) | 0x8000) << 16, at) .. name
  body[#body + 1] = header .. data
  at, count = at + #header + #data, count + 1
end
local listing = table.concat(directory)
local file = assert(io.open(output, "wb"))
assert(file:write(table.concat(body), listing, "PK\5\6", string.pack("<I2I2I2I2I4I4I2", 0, 0, count, count, #listing, at, 0)))
assert(file:close())
