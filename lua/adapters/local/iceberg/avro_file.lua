-- Avro object container files: header with metadata, then blocks of records, each followed by a marker.
-- We write them uncompressed; we read them uncompressed or deflated.
local avro = require "adapters.local.iceberg.avro"
local json = require "lib.json"

local M = {}

local MAGIC = "Obj\1"
local META = { type = "map", values = "bytes" }

---@param schema table            Avro schema; field-id attributes are kept
---@param metadata table<string, string>
---@param records table[]
---@param marker string           16 random bytes
---@return string
function M.write(schema, metadata, records, marker)
  local header = { ["avro.schema"] = assert(json.encode(schema)), ["avro.codec"] = "null" }
  for key, value in pairs(metadata) do header[key] = value end
  local out, block = { MAGIC }, {}
  avro.codec(META).write(out, header)
  out[#out + 1] = marker
  local codec = avro.codec(schema)
  for _, record in ipairs(records) do codec.write(block, record) end
  if #records > 0 then
    avro.write_long(out, #records)
    avro.write_bytes(out, table.concat(block))
    out[#out + 1] = marker
  end
  return table.concat(out)
end

local decoders = {
  null = function(data) return data end,
  deflate = function(data) return require("adapters.local.iceberg.inflate").inflate(data) end,
}

local function read_header(text)
  if text:sub(1, 4) ~= MAGIC then error("not an Avro container file", 0) end
  local metadata, at = avro.codec(META).read(text, 5)
  local decode = decoders[metadata["avro.codec"] or "null"]
  if not decode then error(("Avro codec '%s' cannot be read here (null and deflate can)"):format(metadata["avro.codec"]), 0) end
  local schema, message = json.decode(metadata["avro.schema"] or "")
  if not schema then error("Avro schema: " .. tostring(message), 0) end
  return metadata, schema, decode, at
end

local function read_all(text)
  local metadata, schema, decode, at = read_header(text)
  local codec, marker, records = avro.codec(schema), text:sub(at, at + 15), {}
  at = at + 16
  while at <= #text do
    local count, data
    count, at = avro.read_long(text, at)
    data, at = avro.read_bytes(text, at)
    if text:sub(at, at + 15) ~= marker then error("Avro block without its marker at byte " .. at, 0) end
    at = at + 16
    data = decode(data)
    local from = 1
    for _ = 1, count do records[#records + 1], from = codec.read(data, from) end
  end
  return { metadata = metadata, schema = schema, records = records }
end

---@param text string
---@return {metadata: table<string, string>, schema: table, records: table[]}|nil file, string? message
function M.read(text)
  local ok, result = pcall(read_all, text)
  if ok then return result end
  return nil, tostring(result)
end

return M
