-- Signature Version 4, header and query form: canonical request, string to sign, signature.
local json = require "lib.json"
local request_text = require "conformance.support.request_text"
local signing = require "conformance.support.signing"
local sigv4 = require "sm.sigv4"
local time = require "sm.time"

local M = { name = "sigv4" }

-- What the case's context says, for both forms.
local function options_of(request, context)
  local keys = context.credentials
  return {
    method = request.method, path = request.path, query = request.query, headers = request.headers, body = request.body,
    access_key = keys.access_key_id, secret_key = keys.secret_access_key, session_token = keys.token,
    region = context.region, service = context.service, time = time.parse_iso(context.timestamp),
    normalize = context.normalize, double_encode = true, omit_session_token = context.omit_session_token,
    expires = context.expiration_in_seconds, debug = true,
  }
end

local function run_header(at, options, sign_body)
  options.sign_hash = sign_body
  local headers, _, seen = sigv4.sign(options)
  if not headers then return false, _ end
  local wanted = signing.read(at .. "/header-signed-request.txt") or ""
  return signing.compare {
    { "canonical request", seen.canonical, signing.read(at .. "/header-canonical-request.txt") },
    { "string to sign", seen.string_to_sign, signing.read(at .. "/header-string-to-sign.txt") },
    { "signature", seen.signature, signing.read(at .. "/header-signature.txt") },
    { "authorization", headers.authorization, wanted:match("\nAuthorization: *([^\n]+)") },
  }
end

local function sorted_query(text)
  local out = {}
  for part in text:gmatch("[^&]+") do out[#out + 1] = part end
  table.sort(out)
  return table.concat(out, "&")
end

local function run_query(at, options)
  options.sign_hash = false
  local query, seen = sigv4.presign(options)
  if not query then return false, seen end
  local wanted = signing.read(at .. "/query-signed-request.txt"):match("^[^\n]-%?([^\n]*) HTTP/")
  local again = wanted and sigv4.query(request_text.parse("GET /?" .. wanted .. " HTTP/1.1").query)
  return signing.compare {
    { "canonical request", seen.canonical, signing.read(at .. "/query-canonical-request.txt") },
    { "string to sign", seen.string_to_sign, signing.read(at .. "/query-string-to-sign.txt") },
    { "signature", seen.signature, signing.read(at .. "/query-signature.txt") },
    { "query", sorted_query(query), again and sorted_query(again) },
  }
end

local function run_case(folder, name, report)
  local at = folder .. "/" .. name
  local context = assert(json.decode(signing.read(at .. "/context.json")))
  local request = request_text.parse(signing.read(at .. "/request.txt"))
  local options = options_of(request, context)
  report(name .. " header", run_header(at, options, context.sign_body))
  report(name .. " query", run_query(at, options_of(request, context)))
end

-- These give no keys for the canonical request, and one of them no date that fits its own text.
local function run_plain_case(folder, name, report)
  local at = folder .. "/" .. name
  local canonical = signing.read(at .. "/header-canonical-request.txt")
  local scope = (signing.read(at .. "/header-string-to-sign.txt") or ""):match("\n(%d+/[^\n]+)\n")
  local region, service = (scope or ""):match("^%d+/([^/]+)/([^/]+)/")
  local stamp = canonical:match("\nx%-amz%-date:(%w+)\n")
  local request = request_text.parse(signing.read(at .. "/request.txt"))
  local _, _, seen = sigv4.sign {
    method = request.method, path = request.path, query = request.query, headers = request.headers, body = request.body,
    access_key = "AKIDEXAMPLE", secret_key = "unknown", region = region or "us-east-1", service = service or "service", debug = true,
    time = time.parse_iso((stamp:gsub("^(%d%d%d%d)(%d%d)(%d%d)T(%d%d)(%d%d)(%d%d)Z$", "%1-%2-%3T%4:%5:%6Z"))),
  }
  report("smithy-rs " .. name, signing.compare {
    { "canonical request", seen.canonical, canonical },
    { "string to sign", seen.string_to_sign, signing.read(at .. "/header-string-to-sign.txt") },
  })
end

---@param dir string
---@param report fun(case: string, ok: boolean, why: string?)
function M.run(dir, report)
  local folder, other = dir .. "/sigv4/aws-c-auth/v4", dir .. "/sigv4/smithy-rs/v4"
  for _, name in ipairs(signing.cases(folder)) do run_case(folder, name, report) end
  for _, name in ipairs(signing.cases(other)) do run_plain_case(other, name, report) end
end

return M
