-- Signatures are stood in for by a text that names key and data, so every rule can be tried without keys; the real
-- algorithms are tried with sm.crypto below.
local json = require "lib.json"
local jwt = require "lib.jwt"

local NOW <const> = 1800000000
local N <const> = ("A"):rep(342)

local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

local function base64url(s)
  local out = {}
  for i = 1, #s, 3 do
    local a, b, c = s:byte(i, i + 2)
    local n = (a << 16) | ((b or 0) << 8) | (c or 0)
    for j = 0, (c and 3) or (b and 2) or 1 do
      local at = (n >> (18 - 6 * j)) & 63
      out[#out + 1] = alphabet:sub(at + 1, at + 1)
    end
  end
  return table.concat(out)
end

local function unbase64url(s)
  local bits, count, out = 0, 0, {}
  for c in s:gmatch(".") do
    bits, count = ((bits << 6) | (alphabet:find(c, 1, true) - 1)) & 0xffffff, count + 6
    if count >= 8 then
      count = count - 8
      out[#out + 1] = string.char((bits >> count) & 255)
    end
  end
  return table.concat(out)
end

local function sign(header, claims, key_name)
  local data = base64url(json.encode(header)) .. "." .. base64url(json.encode(claims))
  return data .. "." .. base64url("signed by " .. key_name)
end

local keys = {
  { kid = "k1", kty = "RSA", n = N, e = "AQAB", use = "sig", alg = "RS256" },
  { kid = "k2", kty = "EC", crv = "P-256", x = "x", y = "y" },
  { kid = "enc", kty = "RSA", n = N, e = "AQAB", use = "enc" },
  { kid = "small", kty = "RSA", n = ("A"):rep(171), e = "AQAB" },
  { kid = "p384", kty = "EC", crv = "P-384", x = "x", y = "y" },
}

local function verifier(changes)
  local source = json.encode { keys = keys }
  local options = { issuer = "https://issuer", audience = { "app", "other" }, skew_seconds = 60, now = function() return NOW end,
    unbase64url = unbase64url, keys = jwt.key_set { load = function() return source end, now = function() return NOW end },
    verify_signature = function(_, key, _, signature) return signature == "signed by " .. key.kid end }
  for name, value in pairs(changes or {}) do options[name] = value end
  return jwt.new(options)
end

local function claims(changes)
  local out = { iss = "https://issuer", aud = "app", sub = "user-1", exp = NOW + 100, iat = NOW - 10 }
  for name, value in pairs(changes or {}) do out[name] = value end
  for name, value in pairs(out) do if value == "none" then out[name] = nil end end
  return out
end

local function header(changes)
  local out = { alg = "RS256", kid = "k1", typ = "JWT" }
  for name, value in pairs(changes or {}) do out[name] = value end
  for name, value in pairs(out) do if value == "absent" then out[name] = nil end end
  return out
end

local function accepted(h, c, key) return verifier():verify(sign(header(h), claims(c), key or "k1")) end

local function refused(token, why)
  local got, err = verifier():verify(token)
  assert.is_nil(got)
  assert.are.equal("Unauthorized", err.code)
  if why then assert.matches(why, err.message, 1, true) end
end

describe("lib.jwt", function()
  it("gives the claims of a good RS256 token", function() assert.are.equal("user-1", accepted({}, {}).sub) end)
  it("gives the claims of a good ES256 token", function() assert.are.equal("user-1", accepted({ alg = "ES256", kid = "k2" }, {},
    "k2").sub) end)
  it("takes any of several audiences", function() assert.is_table(accepted({}, { aud = { "x", "other" } })) end)
  it("takes client_id for the audience when there is none", function() assert.is_table(accepted({}, { aud = "none",
    client_id = "app" })) end)
  it("allows for the clock skew", function()
    assert.is_table(accepted({}, { exp = NOW - 59 }))
    assert.is_table(accepted({}, { nbf = NOW + 59 }))
    assert.is_table(accepted({}, { iat = NOW + 59 }))
  end)

  for name, case in pairs {
    ["that has expired"] = { {}, { exp = NOW - 60 }, "expired" }, ["without an expiry"] = { {}, { exp = "none" }, "no expiry" },
    ["whose expiry is text"] = { {}, { exp = "9999999999" }, "no expiry" }, ["whose expiry is endless"] = { {}, { exp = 1e300 },
      "no expiry" },
    ["that is not valid yet"] = { {}, { nbf = NOW + 61 }, "not valid yet" }, ["from the future"] = { {}, { iat = NOW + 61 }, "future" },
    ["whose nbf is text"] = { {}, { nbf = "1" }, "not valid yet" },
    ["of another issuer"] = { {}, { iss = "https://evil" }, "issuer" }, ["without an issuer"] = { {}, { iss = "none" }, "issuer" },
    ["for another audience"] = { {}, { aud = "x" }, "audience" }, ["for nobody"] = { {}, { aud = "none" }, "audience" },
    ["for an empty list"] = { {}, { aud = { "x", "y" } }, "audience" }, ["without a subject"] = { {}, { sub = "none" }, "subject" },
    ["with an empty subject"] = { {}, { sub = "" }, "subject" }, ["with a number for a subject"] = { {}, { sub = 5 }, "subject" },
    ["with alg none"] = { { alg = "none" }, {}, "algorithm" }, ["with alg None"] = { { alg = "None" }, {}, "algorithm" },
    ["with HS256, the key as its secret"] = { { alg = "HS256" }, {}, "algorithm" }, ["with RS512"] = { { alg = "RS512" }, {}, "algorithm" },
    ["without an algorithm"] = { { alg = "absent" }, {}, "algorithm" }, ["with ES256 and an RSA key"] = { { alg = "ES256" }, {},
      "another type" },
    ["with RS256 and an EC key"] = { { kid = "k2" }, {}, "another type", "k2" }, ["with a key for encryption"] = { { kid = "enc" }, {},
      "not for signatures", "enc" },
    ["with a short key"] = { { kid = "small" }, {}, "too short", "small" }, ["with a key on another curve"] = { { alg = "ES256",
      kid = "p384" }, {}, "curve", "p384" },
    ["with an unknown key"] = { { kid = "k9" }, {}, "not known" }, ["with a key id that is no text"] = { { kid = 5 }, {}, "key id" },
    ["with critical extensions"] = { { crit = { "b64" } }, {}, "extensions" }, ["signed by another key"] = { {}, {}, "signature", "k2" },
    ["that does not say which of several keys"] = { { kid = "absent" }, {}, "which key" },
  } do
    it("refuses a token " .. name, function() refused(sign(header(case[1]), claims(case[2]), case[4] or "k1"), case[3]) end)
  end

  local good = sign(header(), claims(), "k1")
  local head, body, tail = good:match("^(.-)%.(.-)%.(.-)$")
  for name, token in pairs { ["of two parts"] = head .. "." .. body, ["with an empty signature"] = head .. "." .. body .. ".",
    ["of four parts"] = good .. ".x",
    ["that is empty"] = "", ["that is very long"] = ("x"):rep(20000),
      ["with a header that is no JSON"] = base64url("x") .. "." .. body .. "." .. tail,
    ["with a header that is a list"] = base64url("[]") .. "." .. body .. "." .. tail, ["with odd letters"] = head .. "." .. body .. ".a+b/",
    ["with a body that is no JSON"] = head .. "." .. base64url("x") .. "." .. tail, ["in dots"] = "..", ["with spaces"] = " " .. good } do
    it("refuses a token " .. name, function() refused(token) end)
  end

  describe("key set", function()
    local clock, reads, document
    local function set() return jwt.key_set { now = function() return clock end, min_refresh_seconds = 30, max_age_seconds = 3600,
      load = function() reads = reads + 1 return document end } end
    before_each(function() clock, reads, document = 1000, 0, json.encode { keys = keys } end)

    it("is read once for many tokens", function()
      local s = set()
      for _ = 1, 10 do assert.is_table(s:find("k1", "RS256")) end
      assert.are.equal(1, reads)
    end)
    it("is read again for a key that is new", function()
      local s = set()
      s:find("k1", "RS256")
      document = json.encode { keys = { { kid = "new", kty = "RSA", n = N } } }
      clock = clock + 31
      assert.are.equal("new", s:find("new", "RS256").kid)
      assert.are.equal(2, reads)
    end)
    it("is not read again for every invented key id", function()
      local s = set()
      for i = 1, 100 do s:find("x" .. i, "RS256") end
      assert.are.equal(1, reads)
      clock = clock + 31
      for i = 1, 100 do s:find("y" .. i, "RS256") end
      assert.are.equal(2, reads)
    end)
    it("is read again when it is old", function()
      local s = set()
      s:find("k1", "RS256")
      clock = clock + 3600
      s:find("k1", "RS256")
      assert.are.equal(2, reads)
    end)
    it("stays when reading again fails", function()
      local s = set()
      s:find("k1", "RS256")
      document, clock = "<html>", clock + 4000
      assert.is_table(s:find("k1", "RS256"))
    end)
    it("says when it cannot be read at all", function()
      document = "not JSON"
      local key, err = set():find("k1", "RS256")
      assert.is_nil(key)
      assert.are.equal("ExternalServiceError", err.code)
    end)
    it("chooses by type when the token names no key and one fits", function()
      document = json.encode { keys = { keys[1], keys[2] } }
      assert.are.equal("k2", set():find(nil, "ES256").kid)
      assert.are.equal("k1", set():find(nil, "RS256").kid)
    end)
    it("ignores symmetric keys", function()
      document = json.encode { keys = { { kid = "s", kty = "oct", k = "x" } } }
      assert.is_nil((set():find("s", "RS256")))
    end)
  end)
end)
