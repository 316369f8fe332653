-- Streamed bodies: in signed chunks with a checksum behind them, judged by the verifying server; and read whole where a hash is needed.
local body = require "aws.body"
local sign = require "aws.sign"
local time = require "sm.time"
local transport = require "aws.transport"
local verifying = require "verifying_server"

local KEYS <const> = { access_key = "AKID", secret_key = "secret", session_token = "T" }

local function reader(text, step)
  local at = 1
  return {
    length = #text,
    read = function()
      if at > #text then return nil end
      at = at + step
      return text:sub(at - step, at - 1)
    end,
    rewind = function()
      at = 1
      return true
    end,
  }
end

local function put(text, more)
  local out = { method = "PUT", path = "/bucket/a//b%20c", query = {}, headers = {}, body = text }
  for name, value in pairs(more or {}) do out[name] = value end
  return out
end

describe("aws.body", function()
  local server, endpoint

  setup(function()
    server = verifying.start { keys = { AKID = { secret = "secret", session_token = "T" } }, answer = function(_, seen) return { body = seen.decoded } end }
    endpoint = { url = server.url, signing = { name = "s3", region = "eu-central-1", scheme = "v4", double_encode = false } }
  end)

  teardown(function() server.stop() end)

  local function send(request, to)
    assert(body.settle(request, to.signing.double_encode == false, false))
    assert(sign.request(request, to, KEYS, {}, time.now()))
    return assert(transport.send(request, {}))
  end

  for _, size in ipairs { 0, 1, 65535, 65536, 65537, 200000 } do
    for _, step in ipairs { 1000, 300000 } do
      it(("signs %d bytes in chunks, read %d at a time, with a checksum behind them"):format(size, step), function()
        local text = ("0123456789"):rep(size // 10 + 1):sub(1, size)
        local request = put(reader(text, step), { stream_checksum = "crc32" })
        local answer = send(request, endpoint)
        assert.is_nil(server.complaint())
        assert.equal(200, answer.status)
        assert.equal(text, answer.body)
        local headers = server.seen[#server.seen].headers
        assert.equal("aws-chunked", headers["content-encoding"])
        assert.equal(tostring(#server.seen[#server.seen].body), headers["content-length"])
        assert.equal("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", headers["x-amz-content-sha256"])
      end)
    end
  end

  for _, algorithm in ipairs { "crc32c", "crc64nvme", "sha1", "sha256", "md5", "sha512" } do
    it("knows the length of a body with a trailing " .. algorithm, function()
      assert.equal(200, send(put(reader("abc", 1), { stream_checksum = algorithm }), endpoint).status)
      local seen = server.seen[#server.seen]
      assert.equal(tostring(#seen.body), seen.headers["content-length"])
    end)
  end

  it("signs chunks without a checksum when none is wanted", function()
    assert.equal("abc", send(put(reader("abc", 1), { headers = { ["content-encoding"] = "gzip" } }), endpoint).body)
    local headers = server.seen[#server.seen].headers
    assert.equal("gzip,aws-chunked", headers["content-encoding"])
    assert.equal("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", headers["x-amz-content-sha256"])
    assert.is_nil(server.complaint())
  end)

  it("sends chunks without signatures over TLS, and nothing in chunks without a checksum", function()
    local secure = { url = "https://127.0.0.1:1", signing = endpoint.signing }
    local request = put(reader("hello world", 4), { stream_checksum = "crc32" })
    assert(body.settle(request, true, false))
    assert(sign.request(request, secure, KEYS, {}, time.now()))
    local parts = {}
    for piece in request.body do parts[#parts + 1] = piece end
    assert.equal("b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n", table.concat(parts))
    assert.equal(tostring(#table.concat(parts)), request.headers["content-length"])
    assert.equal("STREAMING-UNSIGNED-PAYLOAD-TRAILER", request.headers["x-amz-content-sha256"])
    request = put(reader("hello world", 4))
    assert(body.settle(request, true, false))
    assert(sign.request(request, secure, KEYS, {}, time.now()))
    assert.same({ "UNSIGNED-PAYLOAD", "11" }, { request.headers["x-amz-content-sha256"], request.headers["content-length"] })
    assert.is_nil(request.headers["content-encoding"])
  end)

  it("reads a body whole when its length is unknown or its hash is needed", function()
    local left = { "a", "b" }
    local request = put(function() return table.remove(left, 1) end)
    assert(body.settle(request, true, false))
    assert.equal("ab", request.body)
    request = put(reader("text", 2))
    assert(body.settle(request, false, false))
    assert.equal("text", request.body)
    assert(sign.request(request, { url = server.url, signing = { name = "lambda", region = "r", scheme = "v4", double_encode = true } }, KEYS, {}, time.now()))
    assert.is_nil(request.headers["x-amz-content-sha256"])
    assert.equal(200, transport.send(request, {}).status)
    assert.is_nil(server.complaint())
  end)

  it("says so when a reader fails", function()
    local _, err = body.settle(put(function() return nil, "disk gone" end), true, false)
    assert.matches("disk gone", tostring(err))
    local request = put({ length = 10, read = function() return nil, "disk gone" end }, { stream_checksum = "crc32" })
    assert(body.settle(request, true, false))
    assert(sign.request(request, endpoint, KEYS, {}, time.now()))
    local answer
    answer, err = transport.send(request, {})
    assert.is_nil(answer)
    assert.same({ "BodyFailed", false }, { err.code, err.retryable })
  end)

  it("refuses a body without end", function()
    local _, err = body.settle(put(function() return ("x"):rep(1024 * 1024) end), true, false)
    assert.equal("BodyTooLarge", err.code)
  end)

  it("does not send an unhashed stream over plain http to other services", function()
    local request = put(reader("x", 1))
    request.length = 1
    local _, err = sign.request(request, { url = server.url, signing = { name = "lex", region = "r", scheme = "v4", double_encode = true, unsigned_payload = true } }, KEYS, {}, time.now())
    assert.equal("UnsignedStream", err.code)
  end)
end)
