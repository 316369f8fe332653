-- Signature Version 4a: canonical request and string to sign are compared, signatures verified with the public key
-- (they differ on each run).
local crypto = require "sm.crypto"
local json = require "lib.json"
local request_text = require "conformance.support.request_text"
local signing = require "conformance.support.signing"
local sigv4 = require "sm.sigv4"
local time = require "sm.time"

local M = { name = "sigv4a" }

local function options_of(request, context)
  local keys = context.credentials
  return {
    method = request.method, path = request.path, query = request.query, headers = request.headers, body = request.body,
    access_key = keys.access_key_id, secret_key = keys.secret_access_key, session_token = keys.token,
    region = context.region, service = context.service, time = time.parse_iso(context.timestamp),
    normalize = context.normalize, double_encode = true, omit_session_token = context.omit_session_token,
    expires = context.expiration_in_seconds, v4a = true, debug = true,
  }
end

-- One number of a DER pair as 32 bytes, and where the next begins.
local function number_at(der, at)
  local len = der:byte(at + 1)
  local bytes = der:sub(at + 2, at + 1 + len):gsub("^\0+", "")
  return ("\0"):rep(32 - #bytes) .. bytes, at + 2 + len
end

local function fits(at, text, signature)
  local key = assert(json.decode(signing.read(at .. "/public-key.json")))
  local jwk = { kty = "EC", x = crypto.base64url(crypto.unhex(key.X)), y = crypto.base64url(crypto.unhex(key.Y)) }
  local der = crypto.unhex(signature)
  local r, next_at = number_at(der, 3)
  local s = number_at(der, next_at)
  return crypto.verify("ES256", jwk, text, r .. s)
end

local function check(at, form, seen)
  local ok, why = signing.compare {
    { "canonical request", seen.canonical, signing.read(at .. "/" .. form .. "-canonical-request.txt") },
    { "string to sign", seen.string_to_sign, signing.read(at .. "/" .. form .. "-string-to-sign.txt") },
  }
  if not ok then return ok, why end
  local fit, message = fits(at, seen.string_to_sign, seen.signature)
  if not fit then return false, message end
  local theirs = signing.read(at .. "/" .. form .. "-signature.txt")
  return not theirs or fits(at, seen.string_to_sign, theirs), "the vector's own signature does not fit"
end

-- Some cases are a request without its answer; there is nothing to judge in them.
local function run_case(folder, name, report)
  local at = folder .. "/" .. name
  if not signing.read(at .. "/header-canonical-request.txt") then return end
  local context = assert(json.decode(signing.read(at .. "/context.json")))
  local options = options_of(request_text.parse(signing.read(at .. "/request.txt")), context)
  options.sign_hash = context.sign_body
  local _, _, seen = sigv4.sign(options)
  report(name .. " header", check(at, "header", seen))
  options.sign_hash = false
  local _, presigned = sigv4.presign(options)
  report(name .. " query", check(at, "query", presigned))
end

---@param dir string
---@param report fun(case: string, ok: boolean, why: string?)
function M.run(dir, report)
  local folder = dir .. "/sigv4/aws-c-auth/v4a"
  for _, name in ipairs(signing.cases(folder)) do run_case(folder, name, report) end
end

return M
