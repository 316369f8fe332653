-- Signatures against S3's published examples, and the rules at their edges. The large suites: tests/conformance.
local has, sigv4 = pcall(require, "sm.sigv4")
if not has then
  pending("sm.sigv4 needs the host: build/dev/sewing --busted")
  return
end
local time = require "sm.time"

local EMPTY <const> = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

local function with(more)
  local options = {
    method = "GET", path = "/", headers = { host = "example.amazonaws.com" }, access_key = "AKIDEXAMPLE",
    secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", region = "us-east-1", service = "service",
    time = time.parse_iso("2015-08-30T12:36:00Z"), debug = true,
  }
  for name, value in pairs(more or {}) do options[name] = value end
  return options
end

local function s3(more)
  local options = with {
    headers = { host = "examplebucket.s3.amazonaws.com" }, access_key = "AKIAIOSFODNN7EXAMPLE", secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    service = "s3", time = time.parse_iso("2013-05-24T00:00:00Z"), path = "/test.txt", double_encode = false,
  }
  for name, value in pairs(more or {}) do options[name] = value end
  return options
end

local function canonical(more) return (select(3, sigv4.sign(with(more)))).canonical end

local function line(text, number)
  local lines = {}
  for one in (text .. "\n"):gmatch("([^\n]*)\n") do lines[#lines + 1] = one end
  return lines[number]
end

local function path_of(path, more)
  local options = more or {}
  options.path = path
  return line(canonical(options), 2)
end

describe("sm.sigv4", function()
  it("signs S3's published GET", function()
    local headers = sigv4.sign(s3 { headers = { host = "examplebucket.s3.amazonaws.com", range = "bytes=0-9" }, payload_hash = EMPTY, sign_hash = true })
    assert.same({
      authorization = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        .. "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
      ["x-amz-date"] = "20130524T000000Z", ["x-amz-content-sha256"] = EMPTY,
    }, headers)
  end)

  it("presigns S3's published URL", function()
    local query = sigv4.presign(s3 { payload_hash = "UNSIGNED-PAYLOAD", expires = 86400 })
    assert.equal("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400"
      .. "&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404", query)
  end)

  it("gives the same signature again, and another on another day, in another region, with another secret", function()
    local seen = {}
    for round = 1, 2 do
      for i, more in ipairs { {}, { time = 0 }, { region = "eu-west-1" }, { secret_key = "x" }, { service = "s3" }, { secret_key = ("y"):rep(250) } } do
        local _, signature = sigv4.sign(with(more))
        if round == 1 then
          for _, other in ipairs(seen) do assert.not_equal(other, signature) end
          seen[i] = signature
        else
          assert.equal(seen[i], signature)
        end
      end
    end
  end)

  it("sends a path to S3 as it is and takes others apart", function()
    for given, wanted in pairs { ["/a//b/../c/./d"] = "/a/c/d", ["/a/b/.."] = "/a", ["/.."] = "/", ["//"] = "/", ["/a/"] = "/a/", ["/a/."] = "/a", ["/../../x"] = "/x", [""] = "/",
      ["/f%3Ax"] = "/f%253Ax", ["/a b"] = "/a%20b", ["/é"] = "/%C3%A9", ["/..."] = "/...", ["/.x"] = "/.x" } do
      assert.equal(wanted, path_of(given), given)
    end
    for _, path in ipairs { "/a//b/../c/./d", "/f%3Ax", "/..", "//" } do assert.equal(path, path_of(path, { double_encode = false })) end
  end)

  it("sorts the query as pairs, by what is encoded", function()
    assert.equal("Param=Value2&Param-3=Value3", line(canonical { query = { { "Param-3", "Value3" }, { "Param", "Value2" } } }, 3))
    assert.equal("a=&a=1&a=10&a=2&b%20%2B%2F=~%21", line(canonical { query = { { "b +/", "~!" }, { "a", "2" }, { "a", "10" }, { "a", "1" }, { "a" } } }, 3))
    assert.equal("%E1%88%B4=1&A=2&a=3", line(canonical { query = { { "a", "3" }, { "A", "2" }, { "ሴ", "1" } } }, 3))
  end)

  it("sorts long queries the same way", function()
    local query, names = {}, {}
    for i = 1, 200 do
      query[i] = { ("p%03d"):format((i * 73) % 200), "v" }
      names[i] = ("p%03d=v"):format(i - 1)
    end
    assert.equal(table.concat(names, "&"), line(canonical { query = query }, 3))
  end)

  it("trims and squeezes header values and joins repeated ones in their order", function()
    local text = canonical { headers = { host = "h", ["X-B"] = "  a \t  b  ", ["x-a"] = { "2", " 1 ", "2" }, ["x-e"] = "", ["x-q"] = '"a   b"' } }
    assert.matches("\nhost:h\nx%-a:2,1,2\nx%-amz%-date:20150830T123600Z\nx%-b:a b\nx%-e:\nx%-q:\"a b\"\n\nhost;x%-a;x%-amz%-date;x%-b;x%-e;x%-q\n", text)
  end)

  it("leaves out what is changed on the way or made here", function()
    local headers = { host = "h" }
    for _, name in ipairs { "Authorization", "connection", "Expect", "keep-alive", "proxy-authorization", "proxy-connection", "TE", "trailer", "transfer-encoding", "upgrade", "User-Agent",
      "x-amzn-trace-id", "X-Amz-Date" } do headers[name] = "x" end
    assert.equal("host;x-amz-date", line(canonical { headers = headers }, 7))
  end)

  it("signs the session token, or sends it without", function()
    local headers, _, seen = sigv4.sign(with { session_token = "T/1" })
    assert.equal("T/1", headers["x-amz-security-token"])
    assert.matches("\nx%-amz%-security%-token:T/1\n", seen.canonical)
    headers, _, seen = sigv4.sign(with { session_token = "T/1", omit_session_token = true })
    assert.equal("T/1", headers["x-amz-security-token"])
    assert.is_nil(seen.canonical:find("token", 1, true))
    assert.matches("&X%-Amz%-Security%-Token=T%%2F1&X%-Amz%-SignedHeaders=host&X%-Amz%-Signature=%x+$", (sigv4.presign(with { session_token = "T/1", expires = 1 })))
    assert.matches("&X%-Amz%-Security%-Token=T%%2F1&X%-Amz%-Signature=%x+$", (sigv4.presign(with { session_token = "T/1", expires = 1, omit_session_token = true })))
  end)

  it("does not sign a token or date of the request before", function()
    local headers = { host = "h", ["x-amz-security-token"] = "old", ["x-amz-date"] = "old", authorization = "old" }
    local text = canonical { headers = headers, session_token = "new" }
    assert.is_nil(text:find("old", 1, true))
    assert.matches("\nx%-amz%-security%-token:new\n", text)
  end)

  it("hashes the body, or takes the hash it is given", function()
    assert.matches(EMPTY .. "$", canonical {})
    assert.matches(sigv4.sha256_hex("data") .. "$", canonical { body = "data" })
    assert.matches("STREAMING%-UNSIGNED%-PAYLOAD%-TRAILER$", canonical { body = "data", payload_hash = "STREAMING-UNSIGNED-PAYLOAD-TRAILER" })
  end)

  it("refuses expiry and times out of range", function()
    for _, expires in ipairs { 0, -1, 604801 } do
      local query, message, code = sigv4.presign(with { expires = expires })
      assert.same({ nil, "invalid" }, { query, code })
      assert.matches("604800", message)
    end
    assert.is_string((sigv4.presign(with { expires = 604800 })))
    assert.same({ "invalid" }, { (select(3, sigv4.sign(with { time = -1 }))) })
    assert.same({ "invalid" }, { (select(3, sigv4.sign(with { time = 1e14 }))) })
    assert.same({ "invalid" }, { (select(3, sigv4.sign(with { path = "x" }))) })
    assert.same({ "invalid" }, { (select(3, sigv4.sign(with { secret_key = ("k"):rep(300) }))) })
  end)

  it("raises for misuse and never says a secret", function()
    for _, more in ipairs { { method = 1 }, { time = "now" }, { time = 0 / 0 }, { headers = "x" }, { query = { "x" } }, { query = { { 1, "x" } } }, { headers = { [1] = "x" } },
      { headers = { x = 1 } }, { headers = { x = { true } } }, { region = false } } do
      local ok, message = pcall(sigv4.sign, with(more))
      assert.is_false(ok)
      assert.is_nil(tostring(message):find("wJalr", 1, true))
    end
    assert.has_error(function() sigv4.sign() end)
    assert.has_error(function() sigv4.presign(with()) end)
    assert.has_error(function() sigv4.chunk({ signature = "x" }, "") end)
  end)

  it("reads what tables hold, and keeps no text that a metamethod made up", function()
    local function fresh(_, key) return ("made up for %s %d"):format(tostring(key), os.time()) .. ("x"):rep(100) end
    local proxy = setmetatable({}, { __index = fresh, __len = function() return 3 end })
    assert.has_error(function() sigv4.sign(proxy) end)
    assert.has_error(function() sigv4.sign(with { query = { proxy } }) end)
    local signed = assert(sigv4.sign(with { query = proxy, headers = { host = "h", ["x-list"] = proxy } }))
    assert.not_matches("made up", signed.authorization)
  end)

  it("takes bytes of any kind", function()
    local odd = string.char(0, 1, 127, 128, 255)
    assert.equal("%00%01%7F%80%FF", sigv4.encode(odd))
    assert.equal("a/b~-._%2A", sigv4.encode("a/b~-._*", true))
    assert.equal("a%2Fb", sigv4.encode("a/b"))
    assert.equal("%00%01%7F%80%FF=%26&x&y=", sigv4.query { { odd, "&" }, { "x" }, { "y", "" } })
    assert.equal("", sigv4.query {})
    assert.is_table((sigv4.sign(with { body = odd, headers = { host = odd }, query = { { odd, odd } } })))
  end)

  it("signs in 4a for a set of regions, with a key that is kept", function()
    local headers, signature, seen = sigv4.sign(with { v4a = true, region = "*" })
    assert.equal("*", headers["x-amz-region-set"])
    assert.matches("^AWS4%-ECDSA%-P256%-SHA256 Credential=AKIDEXAMPLE/20150830/service/aws4_request, ", headers.authorization)
    assert.matches("\nx%-amz%-region%-set:%*\n", seen.canonical)
    assert.matches("^30%x+$", signature)
    local query = sigv4.presign(with { v4a = true, region = "us-*", expires = 60 })
    assert.matches("X%-Amz%-Region%-Set=us%-%%2A&", query)
  end)

  it("does not sign chunks in 4a", function()
    local chain = with { v4a = true, signature = ("0"):rep(64) }
    assert.same({ "invalid" }, { (select(3, sigv4.chunk(chain, "x"))) })
  end)
end)
