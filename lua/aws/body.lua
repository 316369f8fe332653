-- Bodies that are no texts: read whole when they must be hashed, or sent in chunks (aws-chunked) when the service takes that.
--
-- A body is a function() -> chunk | nil (it can be sent once), or a table { read = function(max) -> chunk | nil, length = bytes?,
-- rewind = function() -> bool? }. In chunks, each may be signed with a chain of signatures, and a checksum may follow at the end.
local checksum = require "sm.checksum"
local failure = require "aws.failure"
local sigv4 = require "sm.sigv4"

local M = {}

local CHUNK <const> = 64 * 1024
local MAX_WHOLE <const> = 64 * 1024 * 1024 -- of a body that must be read whole
local SIGNATURE <const> = #";chunk-signature=" + 64
local TRAILER_SIGNATURE <const> = #"x-amz-trailer-signature:" + 64 + 2

local VALUE_BYTES <const> = { crc32 = 8, crc32c = 8, crc64nvme = 12, md5 = 24, sha1 = 28, sha256 = 44, sha512 = 88 } -- as base64

---@param body any
---@return boolean
function M.is_stream(body) return body ~= nil and type(body) ~= "string" end

-- A reader of pieces of any size.
local function reader_of(body)
  if type(body) == "function" then return body end
  return function() return body.read(CHUNK) end
end

-- The whole body as a text. A reader may give a message when it fails.
local function read_whole(body)
  local read, parts, size = reader_of(body), {}, 0
  while true do
    local piece, message = read()
    if not piece then
      if message then return failure.refuse("transport", "BodyFailed", tostring(message)) end
      return table.concat(parts)
    end
    parts[#parts + 1], size = piece, size + #piece
    if size > MAX_WHOLE then
      return failure.refuse("validation", "BodyTooLarge",
        ("a body of unknown length may have %d bytes; give a reader with its length"):format(MAX_WHOLE))
    end
  end
end

-- The length that is known: of the reader, or what the caller put into the header.
local function length_of(request)
  local body = request.body
  local length = type(body) == "table" and body.length or tonumber(request.headers["content-length"])
  return length and math.tointeger(length)
end

---Makes a text of a body that cannot be sent as a stream: of unknown length, or to a service that wants its hash.
---@param request aws.Request  changed
---@param chunks boolean  the service takes aws-chunked (S3)
---@param unsigned boolean  the service takes a body without hash
---@return boolean? done
---@return aws.Failure?
function M.settle(request, chunks, unsigned)
  if not M.is_stream(request.body) then return true end
  local length = length_of(request)
  if length and (chunks or unsigned) then
    request.length, request.headers["content-length"] = length, tostring(length)
    return true
  end
  local text, err = read_whole(request.body)
  if not text then return nil, err end
  request.body, request.headers["content-length"] = text, nil
  return true
end

-- ---- aws-chunked ----

local function chunk_overhead(size, signed) return #("%x"):format(size) + 4 + (signed and SIGNATURE or 0) end

-- Bytes of the body as it is sent.
local function encoded_length(length, signed, algorithm)
  local full, rest = length // CHUNK, length % CHUNK
  local size = length + full * chunk_overhead(CHUNK, signed) + (rest > 0 and chunk_overhead(rest, signed) or 0)
  size = size + chunk_overhead(0, signed) - 2 -- the last has no data and so no line end behind it
  if algorithm then
    size = size + #"x-amz-checksum-" + #algorithm + 1 + VALUE_BYTES[algorithm] + 2
    if signed then size = size + TRAILER_SIGNATURE end
  end
  return size + 2
end

---What must be in the headers before signing. Only for streams that settle() left as they are.
---@param request aws.Request  changed: headers, payload_hash
---@param signed boolean  each chunk is signed (over http)
function M.announce(request, signed)
  local headers, algorithm = request.headers, request.stream_checksum
  local encoding = headers["content-encoding"]
  headers["content-encoding"] = encoding and encoding ~= "" and encoding .. ",aws-chunked" or "aws-chunked"
  headers["x-amz-decoded-content-length"] = tostring(request.length)
  headers["content-length"] = tostring(encoded_length(request.length, signed, algorithm))
  if algorithm then headers["x-amz-trailer"] = "x-amz-checksum-" .. algorithm end
  if signed then
    request.payload_hash = algorithm and "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" or "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
  else
    request.payload_hash = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
  end
end

-- Pieces of any size become pieces of one size; the last may be shorter.
local function even_reader(read)
  local held, ended = "", false
  return function()
    while #held < CHUNK and not ended do
      local piece, message = read()
      if piece then held = held .. piece else ended = true end
      if message then error(message, 0) end
    end
    local out = held:sub(1, CHUNK)
    held = held:sub(CHUNK + 1)
    return out
  end
end

local function head_of(data, chain)
  if not chain then return ("%x\r\n"):format(#data) end
  chain.signature = sigv4.chunk(chain, data)
  return ("%x;chunk-signature=%s\r\n"):format(#data, chain.signature)
end

local function trailer_of(algorithm, state, chain)
  if not algorithm then return "\r\n" end
  local line = ("x-amz-checksum-%s:%s"):format(algorithm, require("sm.crypto").base64(state:value()))
  if not chain then return line .. "\r\n\r\n" end
  return ("%s\r\nx-amz-trailer-signature:%s\r\n\r\n"):format(line, sigv4.trailer(chain, line .. "\n"))
end

---The body as it is sent, chunk by chunk; after signing.
---@param request aws.Request
---@param chain sm.sigv4.Chain?  the seed signature and what it was made with; nil: chunks are not signed
---@return fun(): string?
function M.chunks(request, chain)
  local read, algorithm = even_reader(reader_of(request.body)), request.stream_checksum
  local state = algorithm and checksum.new(algorithm)
  local ended = false
  return function()
    if ended then return nil end
    local data = read()
    if state then state:add(data) end
    local head = head_of(data, chain)
    if data ~= "" then return head .. data .. "\r\n" end
    ended = true
    return head .. trailer_of(algorithm, state, chain)
  end
end

return M
