-- The older signing suite: NAME.req, .creq (canonical request), .sts (string to sign), .authz, .sreq (signed request).
-- All cases share keys, date, region and service.
local request_text = require "conformance.support.request_text"
local signing = require "conformance.support.signing"
local sigv4 = require "sm.sigv4"
local time = require "sm.time"

local M = { name = "sigv4_botocore" }

local function header_of(text, name) return text and ("\n" .. text):match("\n" .. name .. ": *([^\n]+)") end

-- A token in the signed request that its signature does not cover was added after signing.
local function token_of(signed)
  local token = header_of(signed, "[Xx]%-[Aa]mz%-[Ss]ecurity%-[Tt]oken")
  local names = (header_of(signed, "Authorization") or ""):match("SignedHeaders=([^,]+)") or ""
  return token, token ~= nil and not names:find("x-amz-security-token", 1, true)
end

local function run_case(folder, name, report)
  local at = folder .. "/" .. name .. "/" .. name
  local text, signed = signing.read(at .. ".req"), signing.read(at .. ".sreq")
  local request = request_text.parse(text)
  local token, after = token_of(signed)
  local headers, _, seen = sigv4.sign {
    method = request.method, path = request.path, query = request.query, headers = request.headers, body = request.body,
    access_key = "AKIDEXAMPLE", secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", session_token = token, omit_session_token = after,
    region = "us-east-1", service = "service", time = time.parse_iso("2015-08-30T12:36:00Z"), debug = true,
  }
  report(name, signing.compare {
    { "canonical request", seen.canonical, signing.read(at .. ".creq") },
    { "string to sign", seen.string_to_sign, signing.read(at .. ".sts") },
    -- One of the signed requests carries a signature of another request; the .authz file is right then.
    { "authorization", headers.authorization, signing.read(at .. ".authz") or header_of(signed, "Authorization") },
  })
end

---@param dir string
---@param report fun(case: string, ok: boolean, why: string?)
function M.run(dir, report)
  local folder = dir .. "/sigv4/botocore"
  for _, name in ipairs(signing.cases(folder)) do run_case(folder, name, report) end
end

return M
