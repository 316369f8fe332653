-- Addresses for files of one bucket, many at a time: where the bucket is and which keys sign is found out once, then each
-- address costs one signature.
local failures = require "adapters.aws.failures"
local sigv4 = require "sm.sigv4"

local M = {}

local LONGEST_SECONDS <const> = 604800
local PROBE_KEY <const> = "k"

-- Everything of a GetObject but its key: {base, host, scheme, options of the signer}
local function prepare(api, bucket)
  local client, failure = api:client "s3"
  if not client then return nil, failure end
  local call_of = require "aws.call"
  local operation = client.model:operation "GetObject"
  local call
  call, failure = call_of.build(client, operation, { Bucket = bucket, Key = PROBE_KEY }, {})
  if not call then return nil, failure end
  local credentials
  credentials, failure = call_of.provider(client):get()
  if not credentials then return nil, failure end
  local sign, request = require "aws.sign", call.request
  local placed
  placed, failure = sign.place(request, call.endpoint, call.config)
  if not placed then return nil, failure end
  local options
  options, failure = sign.options({ method = "GET", query = {}, headers = { host = request.host } }, call.endpoint.signing, credentials,
    require("aws.skew").now())
  if not options then return nil, failure end
  options.payload_hash = "UNSIGNED-PAYLOAD"
  return { options = options, base = request.sent_path:sub(1, -#PROBE_KEY - 1), origin = request.scheme .. "://" .. request.host,
    credentials = credentials }
end

--- A function that signs addresses for the files of a bucket, and when those end: after the time asked for, or with the
--- credentials that sign them.
---@param api table
---@return fun(bucket: string, ttl_seconds: number): fun(key: string): string | nil, number | Error
function M.new(api)
  return function(bucket, ttl_seconds)
    local place, failure = prepare(api, bucket)
    if not place then return nil, failures.error(failure, "sign addresses of " .. bucket) end
    local options, base, origin = place.options, place.base, place.origin
    local ends, own_end = math.floor(options.time) + ttl_seconds, place.credentials.expires_at
    if own_end and own_end < ends then ends = math.floor(own_end) end
    options.expires = math.max(1, math.min(LONGEST_SECONDS, math.floor(ends - options.time + 0.5)))
    return function(key)
      local path = base .. sigv4.encode(key, true)
      options.path = path
      return origin .. path .. "?" .. assert(sigv4.presign(options))
    end, ends
  end
end

return M
