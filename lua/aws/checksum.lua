-- Integrity of requests and answers. By default as current SDKs do: a CRC32 on everything that can carry one, answers checked
-- when they carry a value; "when_required" leaves only what a service insists on.
--
-- A body that is a text carries its checksum in a header. A streamed one carries it behind the body (aws/body.lua).
local checksum = require "sm.checksum"
local failure = require "aws.failure"

local M = {}

local DEFAULT <const> = "crc32"
-- What we can compute; the first that an answer carries is checked.
local PRIORITY <const> = { "crc64nvme", "crc32c", "crc32", "sha256", "sha1", "sha512", "md5" }
local KNOWN <const> = {}
for _, name in ipairs(PRIORITY) do KNOWN[name] = true end
-- Headers of the family that are no values.
local NO_VALUE <const> = { ["x-amz-checksum-algorithm"] = true, ["x-amz-checksum-mode"] = true, ["x-amz-checksum-type"] = true }

local function has_value(headers)
  for name in pairs(headers) do
    if name:find("^x%-amz%-checksum%-") and not NO_VALUE[name] then return true end
  end
  return false
end

-- The header of a member of the operation's input.
local function header_of(model, operation, member)
  if not member or not operation.input then return nil end
  local ref = model:shape(operation.input.shape).by_name[member]
  return ref and ref.locationName and ref.locationName:lower()
end

-- The algorithm for a request: the caller's, the default, or none.
local function algorithm_of(model, operation, params, config, headers)
  local trait = operation.httpChecksum or {}
  local member = trait.requestAlgorithmMember
  local chosen = member and params[member]
  if chosen then return tostring(chosen):lower() end
  local required = trait.requestChecksumRequired or operation.httpChecksumRequired
  if not required and not (member and config.request_checksum ~= "when_required") then return nil end
  local header = header_of(model, operation, member)
  if header then headers[header] = DEFAULT:upper() end
  return DEFAULT
end

local function ask_for_validation(model, operation, params, config, headers)
  local member = operation.httpChecksum and operation.httpChecksum.requestValidationModeMember
  if not member or params[member] ~= nil or config.response_checksum == "when_required" then return end
  local header = header_of(model, operation, member)
  if header then headers[header] = "ENABLED" end
end

---Adds what the request must carry. Once per call, after serializing; never for presigned URLs.
---@param request aws.Request
---@param model aws.Model
---@param operation table
---@param params table
---@param config aws.Config
---@return boolean? done
---@return aws.Failure? failure
function M.prepare(request, model, operation, params, config)
  if not operation.httpChecksum and not operation.httpChecksumRequired then return true end
  local headers = request.headers
  ask_for_validation(model, operation, params, config, headers)
  if has_value(headers) then return true end
  if operation.httpChecksumRequired and not operation.httpChecksum and type(request.body or "") == "string" then
    -- The older trait names no algorithm: it means MD5. Beside it goes what current SDKs send.
    headers["content-md5"] = headers["content-md5"] or checksum.base64("md5", request.body or "")
  end
  local algorithm = algorithm_of(model, operation, params, config, headers)
  if not algorithm then return true end
  if not KNOWN[algorithm] then
    return failure.refuse("unsupported", "ChecksumAlgorithm",
      ("the checksum %s cannot be computed here; send its value, or choose another"):format(algorithm:upper()))
  end
  if type(request.body or "") == "string" then
    headers["x-amz-checksum-" .. algorithm] = checksum.base64(algorithm, request.body or "")
  else
    request.stream_checksum = algorithm
  end
  return true
end

-- ---- answers ----

local function mismatch(name, wanted, got)
  return failure.new {
    kind = "response", code = "ChecksumMismatch", retryable = true,
    message = ("the answer does not fit its checksum (%s says %s, the body has %s)"):format(name, wanted, got),
  }
end

-- The first value of the answer that can be checked. One with "-" is made of parts' values and says nothing of the whole.
local function value_of(headers, offered)
  for _, name in ipairs(PRIORITY) do
    local value = offered[name] and headers["x-amz-checksum-" .. name]
    if value and not value:find("-", 1, true) then return name, value end
  end
end

-- Reads on, and compares when the end is reached.
local function checked_reader(read, name, wanted)
  local state, ended = checksum.new(name), false
  return function(max)
    if ended then return nil end
    local piece, message, code = read(max)
    if piece then
      state:add(piece)
      return piece
    end
    ended = true
    if message then return nil, message, code end
    local got = require("sm.crypto").base64(state:value())
    if got ~= wanted then return nil, mismatch("x-amz-checksum-" .. name, wanted, got).message, "invalid" end
    return nil
  end
end

-- DynamoDB: the CRC-32 of the bytes as they were sent.
local function check_crc32(response)
  local wanted = response.headers["x-amz-crc32"]
  if not wanted or type(response.body) ~= "string" then return nil end
  local got = (">I4"):unpack(checksum.of("crc32", response.body))
  if tostring(got) ~= wanted then return mismatch("x-amz-crc32", wanted, tostring(got)) end
end

local function offered_by(operation)
  local out = {}
  for _, name in ipairs(operation.httpChecksum and operation.httpChecksum.responseAlgorithms or {}) do out[name:lower()] = true end
  return out
end

---Checks an answer, or makes its reader check at the end.
---@param response aws.Answer  changed: body
---@param request aws.Request  as it was sent
---@param operation table
---@return aws.Failure? failure
function M.check(response, request, operation)
  local bad = check_crc32(response)
  if bad then return bad end
  if response.status >= 300 or request.headers["x-amz-checksum-mode"] ~= "ENABLED" then return nil end
  local name, wanted = value_of(response.headers, offered_by(operation))
  if not name then return nil end
  if type(response.body) ~= "string" then
    response.body = checked_reader(response.body, name, wanted)
    return nil
  end
  if request.method == "HEAD" then return nil end
  local got = checksum.base64(name, response.body)
  if got ~= wanted then return mismatch("x-amz-checksum-" .. name, wanted, got) end
end

return M
