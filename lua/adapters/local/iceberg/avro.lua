-- Avro binary encoding, driven by a schema table (the decoded JSON of an Avro schema). A codec is compiled once per
-- schema into closures. Null is nil, a record is a table by field name, a map-typed Iceberg field arrives here as what
-- Avro sees: an array of {key, value} records.
local M = {}

local pack, unpack = string.pack, string.unpack

-- Zigzag, then seven bits per byte, lowest first.
local function write_long(out, value)
  local n = (value << 1) ~ (value >> 63 == 0 and 0 or -1)
  while n & ~0x7f ~= 0 do
    out[#out + 1] = string.char((n & 0x7f) | 0x80)
    n = n >> 7
  end
  out[#out + 1] = string.char(n)
end

---@param text string
---@param at integer
---@return integer value, integer next
local function read_long(text, at)
  local n, shift = 0, 0
  while true do
    local byte = text:byte(at)
    if not byte or shift > 63 then error("avro: cut off or overlong integer at byte " .. at, 0) end
    n = n | ((byte & 0x7f) << shift)
    at = at + 1
    if byte < 0x80 then break end
    shift = shift + 7
  end
  return (n >> 1) ~ -(n & 1), at
end

local function write_bytes(out, value)
  write_long(out, #value)
  out[#out + 1] = value
end

local function read_bytes(text, at)
  local length
  length, at = read_long(text, at)
  if length < 0 or at + length - 1 > #text then error("avro: cut off value at byte " .. at, 0) end
  return text:sub(at, at + length - 1), at + length
end

local primitives = {
  null = { write = function() end, read = function(_, at) return nil, at end },
  boolean = {
    write = function(out, v) out[#out + 1] = v and "\1" or "\0" end,
    read = function(text, at) return text:byte(at) == 1, at + 1 end,
  },
  int = { write = write_long, read = read_long },
  long = { write = write_long, read = read_long },
  float = {
    write = function(out, v) out[#out + 1] = pack("<f", v) end,
    read = function(text, at) return unpack("<f", text, at) end,
  },
  double = {
    write = function(out, v) out[#out + 1] = pack("<d", v) end,
    read = function(text, at) return unpack("<d", text, at) end,
  },
  bytes = { write = write_bytes, read = read_bytes },
  string = { write = write_bytes, read = read_bytes },
}

local compile

local function compile_record(schema, named)
  local codec = {}
  if schema.name then named[schema.name] = codec end
  local fields = {}
  for i, field in ipairs(schema.fields) do
    fields[i] = { name = field.name, codec = compile(field.type, named) }
  end
  function codec.write(out, record)
    for _, field in ipairs(fields) do
      local ok, err = pcall(field.codec.write, out, record[field.name])
      if not ok then error(("avro: field '%s': %s"):format(field.name, tostring(err)), 0) end
    end
  end
  function codec.read(text, at)
    local record = {}
    for _, field in ipairs(fields) do record[field.name], at = field.codec.read(text, at) end
    return record, at
  end
  return codec
end

-- Blocks of items until a block of none. A negative count is followed by the block's size in bytes.
local function read_blocks(text, at, item)
  while true do
    local count
    count, at = read_long(text, at)
    if count == 0 then return at end
    if count < 0 then
      count = -count
      local _
      _, at = read_long(text, at)
    end
    for _ = 1, count do at = item(at) end
  end
end

local function compile_array(schema, named)
  local items = compile(schema.items, named)
  return {
    write = function(out, list)
      if #list > 0 then
        write_long(out, #list)
        for _, item in ipairs(list) do items.write(out, item) end
      end
      write_long(out, 0)
    end,
    read = function(text, at)
      local list = {}
      at = read_blocks(text, at, function(from)
        list[#list + 1], from = items.read(text, from)
        return from
      end)
      return list, at
    end,
  }
end

local function compile_map(schema, named)
  local values = compile(schema.values, named)
  return {
    write = function(out, map)
      local keys = {}
      for key in pairs(map) do keys[#keys + 1] = key end
      table.sort(keys)
      if #keys > 0 then
        write_long(out, #keys)
        for _, key in ipairs(keys) do
          write_bytes(out, key)
          values.write(out, map[key])
        end
      end
      write_long(out, 0)
    end,
    read = function(text, at)
      local map = {}
      at = read_blocks(text, at, function(from)
        local key
        key, from = read_bytes(text, from)
        map[key], from = values.read(text, from)
        return from
      end)
      return map, at
    end,
  }
end

-- Writing knows the one union Iceberg has: null and one other type.
local function compile_union(branches, named)
  local codecs, null_at, other_at = {}, nil, nil
  for i, branch in ipairs(branches) do
    codecs[i] = compile(branch, named)
    if branch == "null" then null_at = i else other_at = i end
  end
  return {
    write = function(out, value)
      local at = value == nil and null_at or other_at
      if not at then error("avro: no branch of the union fits", 0) end
      write_long(out, at - 1)
      codecs[at].write(out, value)
    end,
    read = function(text, at)
      local branch
      branch, at = read_long(text, at)
      local codec = codecs[branch + 1]
      if not codec then error("avro: union branch " .. branch .. " does not exist", 0) end
      return codec.read(text, at)
    end,
  }
end

local function compile_fixed(schema, named)
  local size = schema.size
  local codec = {
    write = function(out, value)
      if #value ~= size then error(("avro: fixed of %d bytes got %d"):format(size, #value), 0) end
      out[#out + 1] = value
    end,
    read = function(text, at)
      if at + size - 1 > #text then error("avro: cut off value at byte " .. at, 0) end
      return text:sub(at, at + size - 1), at + size
    end,
  }
  if schema.name then named[schema.name] = codec end
  return codec
end

local function compile_enum(schema, named)
  local codec = {
    write = function(out, value)
      for i, symbol in ipairs(schema.symbols) do
        if symbol == value then return write_long(out, i - 1) end
      end
      error("avro: '" .. tostring(value) .. "' is not in the enum", 0)
    end,
    read = function(text, at)
      local index
      index, at = read_long(text, at)
      return schema.symbols[index + 1], at
    end,
  }
  if schema.name then named[schema.name] = codec end
  return codec
end

local complex = { record = compile_record, array = compile_array, map = compile_map, fixed = compile_fixed, enum = compile_enum }

function compile(schema, named)
  if type(schema) == "string" then
    return primitives[schema] or named[schema] or error("avro: unknown type '" .. schema .. "'", 0)
  end
  local kind = schema.type
  if kind == nil then return compile_union(schema, named) end
  if type(kind) == "table" then return compile(kind, named) end
  if complex[kind] then return complex[kind](schema, named) end
  return compile(kind, named) -- {"type": "long", "logicalType": ...}
end

M.write_long = write_long
M.read_long = read_long
M.write_bytes = write_bytes
M.read_bytes = read_bytes

-- A codec with write(out, value), which appends pieces of text to the list out, and read(text, at) -> value, next.
-- Both raise on values that do not fit and on cut-off text; avro_file turns that into nil, message.
---@param schema table|string
---@return {write: fun(out: string[], value: any), read: fun(text: string, at: integer): any, integer}
function M.codec(schema)
  return compile(schema, {})
end

return M
