-- An HTTP server that checks AWS signatures as the services do, for tests: simulators take any. It derives every signature
-- anew from the request as it arrived, in Lua on HMAC and SHA-256 alone, and shares no code with what it judges.
--
--   local server = verifying.start { keys = { AKID = "secret" }, answer = function(req, seen) return { body = "{}" } end }
--   local server = verifying.start { keys = ..., forward = "http://127.0.0.1:5000" }     what fits goes on to that address
--   server.url, server.port, server.seen (a list: { ok, why, form, access_key, service, region, req }), server.stop()
--
-- A request that does not fit gets 403 and the reason; nothing is forwarded.
local crypto = require "sm.crypto"
local http = require "sm.http"
local listen = require("sm.server").listen
local time = require "sm.time"

local M = {}

local EMPTY_HASH <const> = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
local MAX_SKEW <const> = 300
local S3 <const> = { s3 = true, ["s3-outposts"] = true, ["s3-object-lambda"] = true, s3express = true }

local function sha256(text) return crypto.hex(crypto.sha256(text)) end

local function encode(text, keep)
  return (text:gsub("[^%w%-._~" .. (keep or "") .. "]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function decode(text) return (text:gsub("%%(%x%x)", function(h) return string.char(tonumber(h, 16)) end)) end

local function trim(value) return (value:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", "")) end

-- ---- the canonical request, from what arrived ----

local function canonical_path(path, service)
  if S3[service] then return path end
  local kept = {}
  for part in path:gmatch("[^/]+") do
    if part == ".." then table.remove(kept) elseif part ~= "." then kept[#kept + 1] = part end
  end
  local text = "/" .. table.concat(kept, "/")
  if path:find("/$") and text ~= "/" then text = text .. "/" end
  return encode(text, "/")
end

local function parameters(query)
  local out = {}
  for part in (query or ""):gmatch("[^&]+") do
    local name, value = part:match("^([^=]*)=?(.*)$")
    out[#out + 1] = { encode(decode(name)), encode(decode(value)) }
  end
  table.sort(out, function(a, b)
    if a[1] ~= b[1] then return a[1] < b[1] end
    return a[2] < b[2]
  end)
  return out
end

local function canonical_query(list, without)
  local out = {}
  for _, pair in ipairs(list) do
    if not without[pair[1]] then out[#out + 1] = pair[1] .. "=" .. pair[2] end
  end
  return table.concat(out, "&")
end

local function header_values(req)
  local out = {}
  for _, pair in ipairs(req.header_list) do
    local name = pair[1]:lower()
    out[name] = out[name] and out[name] .. "," .. trim(pair[2]) or trim(pair[2])
  end
  return out
end

local function canonical_headers(values, names)
  local out = {}
  for name in names:gmatch("[^;]+") do out[#out + 1] = name .. ":" .. (values[name] or "(absent)") .. "\n" end
  return table.concat(out)
end

-- ---- what is claimed ----

local function claim_of_header(values)
  local algorithm, rest = (values.authorization or ""):match("^(%S+) (.*)$")
  if not algorithm then return nil end
  return {
    form = "header", algorithm = algorithm, credential = rest:match("Credential=([^, ]+)"), names = rest:match("SignedHeaders=([^, ]+)"),
    signature = rest:match("Signature=(%x+)"), date = values["x-amz-date"], token = values["x-amz-security-token"],
  }
end

local function claim_of_query(list)
  local found = {}
  for _, pair in ipairs(list) do found[decode(pair[1])] = decode(pair[2]) end
  if not found["X-Amz-Algorithm"] then return nil end
  return {
    form = "query", algorithm = found["X-Amz-Algorithm"], credential = found["X-Amz-Credential"], names = found["X-Amz-SignedHeaders"],
    signature = found["X-Amz-Signature"], date = found["X-Amz-Date"], expires = tonumber(found["X-Amz-Expires"]), token = found["X-Amz-Security-Token"],
  }
end

local function seconds_of(stamp)
  local text, count = (stamp or ""):gsub("^(%d%d%d%d)(%d%d)(%d%d)T(%d%d)(%d%d)(%d%d)Z$", "%1-%2-%3T%4:%5:%6Z")
  return count == 1 and time.parse_iso(text) or nil
end

local function check_time(claim, now)
  local at = seconds_of(claim.date)
  if not at then return nil, "InvalidRequest", "the date is missing or malformed" end
  if claim.form == "query" then
    if not claim.expires or claim.expires < 1 or claim.expires > 604800 then return nil, "AuthorizationQueryParametersError", "expiry out of range" end
    if now > at + claim.expires then return nil, "AccessDenied", "the URL has expired" end
    if at > now + MAX_SKEW then return nil, "AccessDenied", "the URL is of the future" end
    return at
  end
  if math.abs(now - at) > MAX_SKEW then return nil, "RequestTimeTooSkewed", "the clocks differ" end
  return at
end

-- Everything that starts with x-amz- must be covered, and host.
local function check_names(values, claim)
  local covered, last = {}, ""
  for name in claim.names:gmatch("[^;]+") do
    if name <= last then return "the signed headers are not sorted" end
    last, covered[name] = name, true
  end
  if not covered.host then return "host is not signed" end
  for name in pairs(values) do
    if name:find("^x%-amz%-") and not covered[name] and name ~= "x-amz-s3session-token" then return name .. " is not signed" end
  end
end

local function signing_key(secret, day, region, service)
  local key = crypto.hmac_sha256("AWS4" .. secret, day)
  for _, part in ipairs { region, service, "aws4_request" } do key = crypto.hmac_sha256(key, part) end
  return key
end

-- ---- bodies ----

-- The chunks of an aws-chunked body: signatures checked when there are some. Gives the decoded body, or nil and why.
local function unchunk(req, values, claim, key, scope, kind)
  local signed, body, at, out, before = kind:find("^STREAMING%-AWS4") ~= nil, req.body, 1, {}, claim.signature
  while true do
    local size, extension, stop = body:match("^(%x+)([^\r\n]*)\r\n()", at)
    if not size then return nil, "a chunk has no size" end
    local length = tonumber(size, 16)
    local data = body:sub(stop, stop + length - 1)
    if signed then
      local text = table.concat({ "AWS4-HMAC-SHA256-PAYLOAD", claim.date, scope, before, EMPTY_HASH, sha256(data) }, "\n")
      before = crypto.hex(crypto.hmac_sha256(key, text))
      if extension ~= ";chunk-signature=" .. before then return nil, "the signature of a chunk does not fit" end
    end
    out[#out + 1] = data
    at = stop + length + (length > 0 and 2 or 0)
    if length == 0 then break end
  end
  local text = table.concat(out)
  if tostring(#text) ~= values["x-amz-decoded-content-length"] then return nil, "x-amz-decoded-content-length is wrong" end
  return text, nil, body:sub(at), before
end

local CHECKSUMS <const> = {
  ["x-amz-checksum-crc32"] = function(text) return (">I4"):pack(crypto.crc32(text)) end,
  ["x-amz-checksum-sha256"] = crypto.sha256, ["x-amz-checksum-sha1"] = crypto.sha1, ["x-amz-checksum-md5"] = crypto.md5,
}

local function check_checksum(name, value, text)
  local of = CHECKSUMS[name]
  if of and crypto.base64(of(text)) ~= value then return name .. " does not fit the body" end
end

local function check_trailers(values, text, rest, claim, key, scope, before)
  local wanted = values["x-amz-trailer"]
  if not wanted then return nil end
  local value = rest:match("^" .. wanted:gsub("%-", "%%-") .. ":([^\r\n]*)\r?\n")
  if not value then return "the trailer " .. wanted .. " is missing" end
  local signature = rest:match("x%-amz%-trailer%-signature:(%x+)")
  if signature then
    local covered = wanted .. ":" .. value .. "\n"
    local to_sign = table.concat({ "AWS4-HMAC-SHA256-TRAILER", claim.date, scope, before, sha256(covered) }, "\n")
    if crypto.hex(crypto.hmac_sha256(key, to_sign)) ~= signature then return "the signature of the trailer does not fit" end
  end
  return check_checksum(wanted, value, text)
end

-- The payload hash that was signed, and whether the body is what it says. Gives hash, or nil and why.
local function payload(req, values, claim, service)
  local stated = values["x-amz-content-sha256"]
  if claim.form == "query" then return stated or (S3[service] and "UNSIGNED-PAYLOAD" or sha256(req.body or "")) end
  if S3[service] and not stated then return nil, "x-amz-content-sha256 is missing" end
  if not stated then return sha256(req.body or "") end
  if stated:find("^%x+$") and stated ~= sha256(req.body or "") then return nil, "x-amz-content-sha256 is not that of the body" end
  return stated
end

-- ---- judging ----

local function refuse(seen, code, why)
  seen.ok, seen.code, seen.why = false, code, why
  return seen
end

local function check_body(req, values, claim, key, scope, stated)
  local text = req.body or ""
  if stated:find("^STREAMING%-") then
    local decoded, why, rest, before = unchunk(req, values, claim, key, scope, stated)
    if not decoded then return nil, why end
    text = decoded
    local bad = check_trailers(values, text, rest, claim, key, scope, before)
    if bad then return nil, bad end
  end
  for name, value in pairs(values) do
    local bad = CHECKSUMS[name] and check_checksum(name, value, text)
    if bad then return nil, bad end
  end
  return text
end

---@param req table  of sm.server
---@param options table  keys: access key -> secret, or -> { secret, session_token }
---@return table seen  ok, why, code, form, access_key, region, service, body (decoded)
function M.judge(req, options)
  local values, list = header_values(req), parameters(req.query)
  local claim = claim_of_query(list) or claim_of_header(values)
  local seen = { method = req.method, path = req.path, query = req.query, headers = values, body = req.body }
  if not claim then
    seen.form = "none"
    if options.unsigned then
      seen.ok = true
      return seen
    end
    return refuse(seen, "MissingAuthenticationToken", "the request is not signed")
  end
  local access_key, day, region, service = (claim.credential or ""):match("^([^/]+)/(%d+)/([^/]+)/([^/]+)/aws4_request$")
  seen.form, seen.access_key, seen.region, seen.service = claim.form, access_key, region, service
  if claim.algorithm ~= "AWS4-HMAC-SHA256" or not access_key or not claim.names or not claim.signature then
    return refuse(seen, "IncompleteSignature", "the authorization is malformed")
  end
  local held = options.keys[access_key]
  if not held then return refuse(seen, "InvalidAccessKeyId", "no such access key") end
  if type(held) == "string" then held = { secret = held } end
  if (held.session_token or "") ~= (claim.token or "") then return refuse(seen, "InvalidToken", "the session token is not that of the key") end
  local at, code, why = check_time(claim, (options.now or time.now)())
  if not at then return refuse(seen, code, why) end
  if claim.date:sub(1, 8) ~= day then return refuse(seen, "SignatureDoesNotMatch", "the day of scope and date differ") end
  why = check_names(values, claim)
  if why then return refuse(seen, "AccessDenied", why) end
  local hash
  hash, why = payload(req, values, claim, service)
  if not hash then return refuse(seen, "XAmzContentSHA256Mismatch", why) end
  local canonical = table.concat({
    req.method, canonical_path(req.path, service), canonical_query(list, { ["X-Amz-Signature"] = claim.form == "query" }),
    canonical_headers(values, claim.names), claim.names, hash,
  }, "\n")
  local scope = table.concat({ day, region, service, "aws4_request" }, "/")
  local key = signing_key(held.secret, day, region, service)
  local to_sign = table.concat({ claim.algorithm, claim.date, scope, sha256(canonical) }, "\n")
  if crypto.hex(crypto.hmac_sha256(key, to_sign)) ~= claim.signature then
    seen.canonical = canonical
    return refuse(seen, "SignatureDoesNotMatch", "the signature does not fit; the canonical request is\n" .. canonical)
  end
  local body
  body, why = check_body(req, values, claim, key, scope, hash)
  if not body then return refuse(seen, "BadDigest", why) end
  seen.ok, seen.decoded = true, body
  return seen
end

-- ---- the server ----

local function refusal(seen)
  if seen.service and S3[seen.service] or (seen.headers["x-amz-content-sha256"] and not seen.headers["x-amz-target"]) then
    local text = ("<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>%s</Message></Error>"):format(seen.code,
      (seen.why:gsub("[<>&]", { ["<"] = "&lt;", [">"] = "&gt;", ["&"] = "&amp;" })))
    return { status = 403, headers = { ["content-type"] = "application/xml" }, body = text }
  end
  local json = require "lib.json"
  return {
    status = 403, headers = { ["content-type"] = "application/x-amz-json-1.0", ["x-amzn-errortype"] = seen.code },
    body = json.encode { __type = seen.code, message = seen.why },
  }
end

local HOP <const> = { connection = true, ["keep-alive"] = true, ["transfer-encoding"] = true, ["content-length"] = true, te = true, trailer = true, upgrade = true, expect = true }

-- Sends the request on as it came; the simulators look at the host for bucket names.
local function forward(req, address)
  local headers = {}
  for name, value in pairs(req.headers) do
    if not HOP[name] then headers[name] = value end
  end
  local answer, message = http.request {
    method = req.method, url = address .. req.path .. (req.query and "?" .. req.query or ""), headers = headers,
    body = (req.body or "") ~= "" and req.body or ((req.method == "POST" or req.method == "PUT") and "" or nil), timeout = 60,
  }
  if not answer then return { status = 502, body = message } end
  local out = {}
  for name, value in pairs(answer.headers) do
    if not HOP[name] then out[name] = value end
  end
  return { status = answer.status, headers = out, body = answer.body }
end

---@param options table  keys, answer(req, seen) or forward = URL; now(), unsigned = requests without signature are let through
---@return table server  url, port, seen, stop()
function M.start(options)
  local self = { seen = {} }
  local function on_request(req)
    local seen = M.judge(req, options)
    self.seen[#self.seen + 1] = seen
    if not seen.ok then return refusal(seen) end
    if options.answer then return options.answer(req, seen) end
    return forward(req, options.forward)
  end
  local server = assert(listen { host = "127.0.0.1", port = options.port, on_request = on_request, max_body_bytes = 64 * 1024 * 1024 })
  self.port, self.url = server.port, "http://127.0.0.1:" .. server.port
  function self.stop() return server.stop(0) end
  ---The first request that did not fit, in words; nil when all did.
  function self.complaint()
    for i, seen in ipairs(self.seen) do
      if not seen.ok then return ("request %d (%s %s): %s"):format(i, seen.method, seen.path, seen.why) end
    end
  end
  return self
end

return M
