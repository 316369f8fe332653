-- Random requests signed by us and by botocore: canonical requests and signatures are the same, in all four forms.
local crypto = require "sm.crypto"
local files = require "sm.files"
local json = require "lib.json"
local process = require "process"
local sigv4 = require "sm.sigv4"

local COUNT <const> = 1000
local python = files.env "SM_TEST_PYTHON" or "python3"

if not process.available() or select(2, process.run(python .. " -c 'import botocore'")) ~= 0 then
  pending("botocore is not installed here (./sewing test installs it)")
  return
end

local function options_of(case)
  local headers = { host = case.host }
  for name, value in pairs(case.headers) do headers[name] = value end
  return {
    method = case.method, path = case.path, query = case.query, headers = headers, access_key = case.access_key, secret_key = case.secret_key,
    session_token = case.token, region = case.region, service = case.service, time = case.time, expires = case.expires, debug = true,
  }
end

-- Gives what is compared for a form: the signature or the Authorization header, and the canonical request.
local forms = {
  ["header"] = function(options, body)
    options.body = body
    local headers, _, seen = sigv4.sign(options)
    return headers.authorization, seen
  end,
  ["s3 header"] = function(options, body, case)
    options.service, options.double_encode, options.sign_hash = "s3", false, true
    -- over TLS botocore leaves the body of a stream unsigned; these have none of its marks and are signed
    options.body = body
    local headers, _, seen = sigv4.sign(options)
    return headers.authorization, seen, case
  end,
  ["query"] = function(options)
    local _, seen = sigv4.presign(options)
    return seen.signature, seen
  end,
  ["s3 query"] = function(options)
    options.service, options.double_encode, options.payload_hash = "s3", false, "UNSIGNED-PAYLOAD"
    local _, seen = sigv4.presign(options)
    return seen.signature, seen
  end,
}

describe("signatures beside botocore:", function()
  local seed = math.tointeger(tonumber(files.env "SM_TEST_SEED" or "7"))
  local text, code = process.run(("%s tests/integration/aws_signing_peer.py %d %d"):format(python, COUNT, seed))
  local cases = {}
  for line in text:gmatch("[^\n]+") do cases[#cases + 1] = json.decode(line) end

  it(("has %d requests (seed %d)"):format(COUNT, seed), function() assert.same({ 0, COUNT }, { code, #cases }, text:sub(1, 2000)) end)

  for name, sign in pairs(forms) do
    it("the same in the form " .. name, function()
      for i, case in ipairs(cases) do
        for _, theirs in ipairs(case.signed) do
          if theirs[1] == name then
            local signature, seen = sign(options_of(case), crypto.unbase64(case.body), case)
            if seen.canonical ~= theirs[3] then assert.equal(theirs[3], seen.canonical, ("request %d"):format(i)) end
            if signature ~= theirs[2] then assert.equal(theirs[2], signature, ("request %d"):format(i)) end
          end
        end
      end
    end)
  end
end)
