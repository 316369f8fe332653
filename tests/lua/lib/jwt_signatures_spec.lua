-- lib/jwt with real keys: tokens made once with throw-away keys that are kept nowhere.
local crypto = require "sm.crypto"
local files = require "sm.files"
local json = require "lib.json"
local jwt = require "lib.jwt"

local source = assert(files.read("tests/fixtures/jwt/tokens.json"))
local fixture = assert(json.decode(source))

local verifier = jwt.new { issuer = "https://issuer.example", audience = { "lake" }, skew_seconds = 0,
  now = function() return 1800000000 end,
  unbase64url = crypto.unbase64url, verify_signature = crypto.verify,
  keys = jwt.key_set { load = function() return json.encode(fixture.jwks) end, now = function() return 0 end } }

local function refused(token)
  local claims, err = verifier:verify(token)
  assert.is_nil(claims)
  assert.are.equal("Unauthorized", err.code)
end

describe("lib.jwt with real keys", function()
  for _, alg in ipairs { "rs256", "es256" } do
    local token = fixture[alg]
    it("takes a good " .. alg .. " token", function() assert.are.equal("user-7", verifier:verify(token).sub) end)
    it("refuses every change of a byte of a " .. alg .. " token", function()
      for at = 1, #token, 7 do
        local old = token:sub(at, at)
        local new = old == "A" and "B" or "A"
        local changed = token:sub(1, at - 1) .. new .. token:sub(at + 1)
        -- the last letter of a part may hold unused bits: those are not part of the value
        if crypto.unbase64url(changed:match("[^.]+$")) ~= crypto.unbase64url(token:match("[^.]+$"))
          or at < #token - 4 then refused(changed) end
      end
    end)
    it("refuses a shortened signature of " .. alg, function() refused(token:sub(1, -5)) end)
    it("refuses the signature of another token for " .. alg, function()
      local other = fixture[alg == "rs256" and "es256" or "rs256"]
      refused(token:match("^(.*)%.") .. "." .. other:match("[^.]+$"))
    end)
  end
  it("refuses an expired token", function() refused(fixture.expired) end)
  it("refuses a token of another issuer", function() refused(fixture.foreign) end)
end)
