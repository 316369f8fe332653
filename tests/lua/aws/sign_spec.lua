-- Where a request goes and how it is signed; the signatures themselves: tests/lua/sm/sigv4_spec.lua.
local sign = require "aws.sign"

local KEYS <const> = { access_key = "AKID", secret_key = "secret", session_token = "TOKEN" }
local NOW <const> = 1440938160

local function request(more)
  local out = { method = "POST", path = "/", query = {}, headers = {}, body = "{}" }
  for name, value in pairs(more or {}) do out[name] = value end
  return out
end

local function endpoint(more, signing)
  local out = { url = "https://dynamodb.eu-west-1.amazonaws.com", signing = { name = "dynamodb", region = "eu-west-1", scheme = "v4", double_encode = true } }
  for name, value in pairs(more or {}) do out[name] = value end
  for name, value in pairs(signing or {}) do out.signing[name] = value end
  return out
end

local function scope(r) return r.headers.authorization:match("Credential=([^,]+)") end

describe("aws.sign", function()
  it("places a request below the endpoint, with its host as it is sent", function()
    for given, wanted in pairs {
      ["https://h"] = { "h", "https://h/x" }, ["https://h:443"] = { "h", "https://h/x" }, ["http://h:80/"] = { "h", "http://h/x" },
      ["http://h:443"] = { "h:443", "http://h:443/x" }, ["https://h:8443/base/"] = { "h:8443", "https://h:8443/base/x" }, ["http://[::1]:9000"] = { "[::1]:9000", "http://[::1]:9000/x" },
    } do
      local r = assert(sign.place(request { path = "/x" }, { url = given }))
      assert.same(wanted, { r.headers.host, r.url }, given)
    end
  end)

  it("can place a request twice", function()
    local r = request { path = "/x", query = { { "a", "b c" }, { "uploads" } }, host_prefix = "data-" }
    for _ = 1, 2 do sign.place(r, { url = "https://h/base", headers = { ["X-Amz-A"] = { "1", "2" } } }) end
    assert.same({ "https://data-h/base/x?a=b%20c&uploads", "data-h", "1,2" }, { r.url, r.headers.host, r.headers["x-amz-a"] })
    sign.place(r, { url = "https://h" }, { disable_host_prefix = true })
    assert.equal("https://h/x?a=b%20c&uploads", r.url)
  end)

  it("refuses what is no endpoint", function()
    for _, url in ipairs { "ftp://h", "h", "", "https://", "https://h?x=1", "https://h#x" } do
      local _, err = sign.place(request(), { url = url })
      assert.equal("config", err and err.kind, url)
    end
  end)

  it("signs with name and region of the endpoint", function()
    local r = assert(sign.request(request(), endpoint(), KEYS, {}, NOW))
    assert.equal("AKID/20150830/eu-west-1/dynamodb/aws4_request", scope(r))
    assert.same({ "20150830T123600Z", "TOKEN" }, { r.headers["x-amz-date"], r.headers["x-amz-security-token"] })
    assert.is_nil(r.headers["x-amz-content-sha256"])
  end)

  it("signs anew what was signed already, with other keys", function()
    local r = assert(sign.request(request(), endpoint(), KEYS, {}, NOW))
    local first = r.headers.authorization
    assert(sign.request(r, endpoint(), { access_key = "B", secret_key = "x" }, {}, NOW + 86400))
    assert.equal("B/20150831/eu-west-1/dynamodb/aws4_request", scope(r))
    assert.is_nil(r.headers["x-amz-security-token"])
    assert(sign.request(r, endpoint(), KEYS, {}, NOW))
    assert.equal(first, r.headers.authorization)
  end)

  it("tells S3 the hash of the body", function()
    local r = assert(sign.request(request { body = "" }, endpoint(nil, { name = "s3", double_encode = false }), KEYS, {}, NOW))
    assert.equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", r.headers["x-amz-content-sha256"])
  end)

  it("leaves the body unsigned where the operation says so, over TLS only", function()
    for _, operation in ipairs { { authtype = "v4-unsigned-body" }, { unsignedPayload = true } } do
      local r = assert(sign.request(request(), endpoint(), KEYS, {}, NOW, operation))
      assert.equal("UNSIGNED-PAYLOAD", r.headers["x-amz-content-sha256"])
      r = assert(sign.request(request(), endpoint { url = "http://h" }, KEYS, {}, NOW, operation))
      assert.is_nil(r.headers["x-amz-content-sha256"])
    end
  end)

  it("does not sign operations without authentication, nor needs keys for them", function()
    for _, operation in ipairs { { authtype = "none" }, { auth = { "smithy.api#noAuth" } } } do
      local r = assert(sign.request(request(), endpoint(), nil, {}, NOW, operation))
      assert.is_nil(r.headers.authorization)
      assert.is_string(r.url)
    end
    local r = assert(sign.request(request(), endpoint(nil, { scheme = "none" }), nil, {}, NOW))
    assert.is_nil(r.headers.authorization)
  end)

  it("needs keys for the others", function()
    local r, err = sign.request(request(), endpoint(), nil, {}, NOW)
    assert.is_nil(r)
    assert.equal("credentials", err.kind)
  end)

  it("puts a token into the request, over TLS only", function()
    local with_token = endpoint(nil, { scheme = "bearer" })
    assert.equal("Bearer abc", assert(sign.request(request(), with_token, { token = "abc" }, {}, NOW)).headers.authorization)
    local _, err = sign.request(request(), with_token, nil, {}, NOW)
    assert.equal("NoToken", err.code)
    with_token.url = "http://h"
    _, err = sign.request(request(), with_token, { token = "abc" }, {}, NOW)
    assert.equal("TokenWithoutTls", err.code)
    assert.is_nil(tostring(err):find("abc", 1, true))
  end)

  it("says what it does not offer", function()
    local _, err = sign.request(request(), endpoint(), KEYS, {}, NOW, { auth = { "smithy.api#httpApiKeyAuth" } })
    assert.equal("unsupported", err.kind)
  end)

  it("signs for a set of regions in 4a", function()
    local r = assert(sign.request(request(), endpoint(nil, { scheme = "v4a", region = "*" }), KEYS, {}, NOW))
    assert.matches("^AWS4%-ECDSA%-P256%-SHA256 Credential=AKID/20150830/dynamodb/aws4_request", r.headers.authorization)
    assert.equal("*", r.headers["x-amz-region-set"])
    assert(sign.request(r, endpoint(), KEYS, {}, NOW))
    assert.is_nil(r.headers["x-amz-region-set"])
  end)

  it("puts the token of a session of S3 Express into its own header, and signs it", function()
    local r = assert(sign.request(request(), endpoint(nil, { scheme = "v4-s3express", name = "s3express", double_encode = false }), KEYS, {}, NOW))
    assert.equal("TOKEN", r.headers["x-amz-s3session-token"])
    assert.is_nil(r.headers["x-amz-security-token"])
    assert.matches("SignedHeaders=[^,]*x%-amz%-s3session%-token", r.headers.authorization)
  end)

  it("says so when the clock is beyond any signature", function()
    local _, err = sign.request(request(), endpoint(), KEYS, {}, -5)
    assert.equal("CannotSign", err.code)
  end)
end)
