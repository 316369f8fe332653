-- S3's published signing examples: header form, presigned, chunked, chunked with trailers.
local json = require "lib.json"
local request_text = require "conformance.support.request_text"
local signing = require "conformance.support.signing"
local sigv4 = require "sm.sigv4"
local time = require "sm.time"

local M = { name = "s3_signing" }

local function base_of(vectors)
  local stamp = vectors.timestamp:gsub("^(%d%d%d%d)(%d%d)(%d%d)T(%d%d)(%d%d)(%d%d)Z$", "%1-%2-%3T%4:%5:%6Z")
  return {
    access_key = vectors.access_key_id, secret_key = vectors.secret_access_key, region = vectors.region,
    service = vectors.service, time = time.parse_iso(stamp),
  }
end

local function options_of(case, base)
  local options = {
    method = case.method, path = case.path, headers = case.headers, payload_hash = case.payload_hash,
    double_encode = false, normalize = false, debug = true,
  }
  for name, value in pairs(base) do options[name] = value end
  options.query = {}
  for _, pair in ipairs(request_text.parse("GET /?" .. case.query .. " HTTP/1.1").query) do
    if not pair[1]:find("^X%-Amz%-") then options.query[#options.query + 1] = pair end
    if pair[1] == "X-Amz-Expires" then options.expires = math.tointeger(tonumber(pair[2])) end
  end
  return options
end

local function run_chunks(case, base, report)
  local chain = { signature = case.signature }
  for name, value in pairs(base) do chain[name] = value end
  for i, chunk in ipairs(case.chunks) do
    chain.signature = sigv4.chunk(chain, chunk.fill:rep(chunk.length))
    report(("%s chunk %d"):format(case.id, i), signing.compare { { "signature", chain.signature, chunk.signature } })
  end
  if not case.trailer then return end
  local signature = sigv4.trailer(chain, case.trailer.text)
  report(case.id .. " trailer", signing.compare { { "signature", signature, case.trailer.signature } })
end

local function run_case(case, base, report)
  local options = options_of(case, base)
  local seen
  if options.expires then seen = select(2, sigv4.presign(options)) else seen = select(3, sigv4.sign(options)) end
  report(case.id, signing.compare {
    { "canonical request", seen.canonical, case.canonical_request },
    { "string to sign", seen.string_to_sign, case.string_to_sign },
    { "signature", seen.signature, case.signature },
  })
  if case.chunks then run_chunks(case, base, report) end
end

---@param dir string
---@param report fun(case: string, ok: boolean, why: string?)
function M.run(dir, report)
  local text = signing.read(dir .. "/extra/s3-signing-examples.json")
  if not text then return end
  local vectors = assert(json.decode(text))
  local base = base_of(vectors)
  for _, case in ipairs(vectors.cases) do run_case(case, base, report) end
end

return M
