-- The judge of the other specs: what is altered on the way must be refused.
local body = require "aws.body"
local http = require "sm.http"
local sign = require "aws.sign"
local time = require "sm.time"
local verifying = require "verifying_server"

local KEYS <const> = { access_key = "AKID", secret_key = "secret" }

describe("the verifying server", function()
  local server

  setup(function() server = verifying.start { keys = { AKID = "secret" }, answer = function() return {} end } end)
  teardown(function() server.stop() end)

  local function signed(more, service, keys, now)
    local request = { method = "PUT", path = "/a/b", query = { { "q", "1" } }, headers = { ["x-amz-meta-a"] = "1" }, body = "body" }
    for name, value in pairs(more or {}) do request[name] = value end
    if type(request.body) ~= "string" then assert(body.settle(request, true, false)) end
    local endpoint = { url = server.url, signing = { name = service or "s3", region = "r", scheme = "v4", double_encode = service ~= nil } }
    return assert(sign.request(request, endpoint, keys or KEYS, {}, now or time.now()))
  end

  local function send(request, change)
    local out = { method = request.method, url = request.url, headers = request.headers, body = request.body }
    out.headers.host = nil
    if change then change(out) end
    local answer = assert(http.request(out))
    return answer.status, server.seen[#server.seen].why
  end

  it("lets through what is as it was signed", function()
    assert.equal(200, (send(signed())))
    assert.equal(200, (send(signed({ path = "/a/./b//c%3Ad/.." }, "lambda"))))
  end)

  for name, change in pairs {
    ["a header's value"] = function(r) r.headers["x-amz-meta-a"] = "2" end,
    ["a header taken away"] = function(r) r.headers["x-amz-meta-a"] = nil end,
    ["a header put in"] = function(r) r.headers["x-amz-meta-b"] = "2" end,
    ["the method"] = function(r) r.method = "POST" end,
    ["the path"] = function(r) r.url = r.url:gsub("/a/b", "/a/c") end,
    ["the query"] = function(r) r.url = r.url:gsub("q=1", "q=2") end,
    ["the body"] = function(r) r.body = "other" end,
    ["the hash of the body"] = function(r) r.headers["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD" end,
    ["the date"] = function(r) r.headers["x-amz-date"] = os.date("!%Y%m%dT%H%M%SZ", os.time() - 60) end,
    ["the signature"] = function(r) r.headers.authorization = r.headers.authorization:gsub("%x$", function(c) return c == "0" and "1" or "0" end) end,
    ["the authorization taken away"] = function(r) r.headers.authorization = nil end,
    ["a token put in"] = function(r) r.headers["x-amz-security-token"] = "T" end,
  } do
    it("refuses another: " .. name, function()
      local status, why = send(signed(), change)
      assert.equal(403, status)
      assert.is_string(why)
    end)
  end

  it("refuses other keys and times", function()
    assert.equal(403, (send(signed(nil, nil, { access_key = "AKID", secret_key = "wrong" }))))
    assert.equal(403, (send(signed(nil, nil, { access_key = "OTHER", secret_key = "secret" }))))
    assert.equal(403, (send(signed(nil, nil, nil, time.now() - 1000))))
  end)

  -- A stream whose bytes are changed after signing.
  local function chunked(change)
    local left = { ("x"):rep(70000) }
    local request = signed { body = { length = 70000, read = function() return table.remove(left, 1) end }, stream_checksum = "crc32" }
    local parts = {}
    for piece in request.body do parts[#parts + 1] = piece end
    request.body = change(table.concat(parts))
    return send(request)
  end

  it("refuses chunks that were altered", function()
    assert.equal(200, (chunked(function(text) return text end)))
    for _, change in ipairs {
      function(text) return (text:gsub("x", "y", 1)) end,
      function(text) return (text:gsub("(x%-amz%-checksum%-crc32:).", "%1/")) end,
      function(text) return (text:gsub("(trailer%-signature:)(%x)", function(a, c) return a .. (c == "0" and "1" or "0") end)) end,
      function(text) return (text:gsub("(chunk%-signature=)(%x)", function(a, c) return a .. (c == "0" and "1" or "0") end, 1)) end,
    } do assert.equal(403, (chunked(change))) end
  end)
end)
