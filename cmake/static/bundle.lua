-- bundle.lua ROOT OUTPUT: compiles the Lua files that AWS needs into the one file that core/bundle.c reads (its format is
-- told there). Run by the Lua of the release itself, built for this machine: bytecode belongs to one version of Lua.
-- Line numbers stay in, so that errors keep file and line; names of variables do not (see slim.lua).
local root, output = arg[1], arg[2]
package.path = root .. "/cmake/static/?.lua"
local files = require "files"
local slim = require "slim"

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

-- 64-bit FNV-1a, as sm_bundle_hash.
local function hash_of(text)
  local hash = 0xcbf29ce484222325
  for i = 1, #text do hash = (hash ~ text:byte(i)) * 0x100000001b3 end
  return hash
end

-- The time that the package gives a file is made of its content, so that an edited file of the same size has another one.
-- Even seconds of the year 2020 and some days: what a zip archive can hold.
local function mtime_of(hash) return 1577836800 + 2 * (hash & 0xffffff) end

local function compiled(name, text)
  if not name:find("%.lua$") then return text, 0 end
  return slim(string.dump(assert(load(text, "@" .. name, "t")))), 1
end

local names = files.list(root, "bundle")
local HEAD <const>, ENTRY <const> = 16, 40
local at = HEAD + #names * ENTRY
local index, data, times = {}, {}, {}
local function add(bytes)
  local here = at
  data[#data + 1] = bytes
  at = at + #bytes
  return here
end

-- What a search or a start reads lies together: each page group that is touched is resident memory and a fault. So all names
-- stand in front, and of the rest what runs before the first event.
local name_at = {}
for i, name in ipairs(names) do name_at[i] = add(name) end

local function place_of(i, early)
  local name = names[i]
  if (name:find("^entry/") ~= nil) ~= early then return end
  local text = read(root .. "/lua/" .. name)
  local bytes, is_bytecode = compiled(name, text)
  local hash = hash_of(text)
  index[i] = string.pack("<I4I4I4I4i8I4I4I4I4", name_at[i], #name, add(bytes), #bytes, hash, #text, mtime_of(hash), is_bytecode, 0)
  times[i] = ("%d %s"):format(mtime_of(hash), name)
end
for i = 1, #names do place_of(i, true) end
for i = 1, #names do place_of(i, false) end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  assert(file:close())
end
write(output, string.pack("<c4I4I8", "SMB1", #names, 0) .. table.concat(index) .. table.concat(data))
write(output .. ".times", table.concat(times, "\n") .. "\n") -- for the package
