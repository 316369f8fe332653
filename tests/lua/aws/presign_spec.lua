-- Presigned URLs, judged by the verifying server and by what they must not hold.
local aws_client = require "aws.client"
local http = require "sm.http"
local verifying = require "verifying_server"

local function world() return { env = function() end, read_file = function() return nil, "no file", "not_found" end, now = os.time } end

describe("aws.presign", function()
  local server, held

  local function client(service, more)
    local options = { region = "eu-central-1", credentials = { get = function() return held end }, world = world() }
    for name, value in pairs(more or {}) do options[name] = value end
    return assert(aws_client.new(service, options))
  end

  before_each(function()
    held = { access_key = "AKID", secret_key = "secret", session_token = "T/1" }
    server = verifying.start { keys = { AKID = { secret = "secret", session_token = "T/1" } }, answer = function(_, seen) return { body = "seen " .. seen.path } end }
  end)

  after_each(function() server.stop() end)

  local function ask(url, options)
    options = options or {}
    options.url = url
    return assert(http.request(options))
  end

  for _, key in ipairs { "plain", "a b/c+d/é&?=#%.parquet", "//x/../y/.", "~!*'()" } do
    it("gives a URL that works for the key " .. key, function()
      local s3 = client("s3", { endpoint_url = server.url })
      for round = 1, 2 do -- the second comes from what was kept
        local url = assert(s3:presign("get_object", { Bucket = "bucket", Key = key }, { expires = 60 }))
        assert.equal(200, ask(url).status, "round " .. round)
        assert.is_nil(server.complaint())
      end
      assert.equal(server.seen[1].path, server.seen[2].path)
    end)
  end

  it("gives the same URL the long and the short way", function()
    local s3 = client "s3"
    local one = assert(s3:presign("get_object", { Bucket = "bucket", Key = "a/b c" }))
    local two = assert(s3:presign("get_object", { Bucket = "bucket", Key = "a/b c" }))
    local long = assert(client("s3"):presign("get_object", { Bucket = "bucket", Key = "a/b c" }))
    local function stem(url) return (url:gsub("X%-Amz%-Date=%w+", ""):gsub("X%-Amz%-Signature=%w+", "")) end
    assert.equal(stem(one), stem(two))
    assert.equal(stem(one), stem(long))
    assert.matches("^https://bucket%.s3%.eu%-central%-1%.amazonaws%.com/a/b%%20c%?", one)
  end)

  it("signs with the credentials and for the bucket of each call", function()
    local s3 = client("s3", { endpoint_url = server.url })
    assert(s3:presign("get_object", { Bucket = "one", Key = "k" }))
    held = { access_key = "OTHER", secret_key = "x" }
    local url = assert(s3:presign("get_object", { Bucket = "one", Key = "k" }))
    assert.matches("X%-Amz%-Credential=OTHER", url)
    assert.is_nil(url:find("Security-Token", 1, true))
    assert.matches("/two/k%?", (assert(s3:presign("get_object", { Bucket = "two", Key = "k" }))))
    assert.matches("X%-Amz%-SignedHeaders=host&", (assert(s3:presign("put_object", { Bucket = "one", Key = "k" }))))
  end)

  it("ends when the credentials do, if that is earlier", function()
    local s3, now = client "s3", os.time()
    local _, ends = s3:presign("get_object", { Bucket = "b", Key = "k" }, { expires = 900 })
    assert.is_true(math.abs(ends - now - 900) <= 2)
    held.expires_at = now + 100
    for _ = 1, 2 do assert.equal(now + 100, select(2, s3:presign("get_object", { Bucket = "b", Key = "k" }, { expires = 900 }))) end
  end)

  it("holds nothing that the holder would have to send", function()
    local s3 = client("s3", { endpoint_url = server.url })
    local url = assert(s3:presign("put_object", { Bucket = "b", Key = "k" }))
    assert.is_nil(url:lower():find("checksum", 1, true))
    assert.matches("SignedHeaders=host&", url)
    assert.equal(200, ask(url, { method = "PUT", body = "anything", headers = { ["content-type"] = "text/csv" } }).status)
  end)

  it("covers what was asked for", function()
    local s3 = client("s3", { endpoint_url = server.url })
    local url = assert(s3:presign("put_object", { Bucket = "b", Key = "k", ContentType = "text/csv", ACL = "private" }))
    assert.matches("SignedHeaders=content%-type%%3Bhost%%3Bx%-amz%-acl&", url)
    assert.equal(200, ask(url, { method = "PUT", body = "x", headers = { ["content-type"] = "text/csv", ["x-amz-acl"] = "private" } }).status)
    assert.equal(403, ask(url, { method = "PUT", body = "x", headers = { ["content-type"] = "text/html", ["x-amz-acl"] = "private" } }).status)
  end)

  it("breaks when it is altered", function()
    local s3 = client("s3", { endpoint_url = server.url })
    local url = assert(s3:presign("get_object", { Bucket = "b", Key = "k", ResponseContentType = "text/csv" }))
    assert.equal(200, ask(url).status)
    assert.equal(403, ask((url:gsub("/b/k%?", "/b/other?"))).status)
    assert.equal(403, ask((url:gsub("text%%2Fcsv", "text%%2Fhtml"))).status)
    assert.equal(403, ask((url:gsub("Expires=3600", "Expires=36000"))).status)
  end)

  it("signs for every region what has no region, and for its own what is in an ARN", function()
    local s3 = client("s3")
    for _ = 1, 2 do
      local url = assert(s3:presign("get_object", { Bucket = "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap", Key = "a b" }))
      assert.matches("^https://mfzwi23gnjvgw%.mrap%.accesspoint%.s3%-global%.amazonaws%.com/a%%20b%?X%-Amz%-Algorithm=AWS4%-ECDSA%-P256%-SHA256&", url)
      assert.matches("&X%-Amz%-Region%-Set=%%2A&", url)
      url = assert(s3:presign("get_object", { Bucket = "arn:aws:s3:eu-west-1:123456789012:accesspoint/my-ap", Key = "a" }))
      assert.matches("^https://my%-ap%-123456789012%.s3%-accesspoint%.eu%-west%-1%.amazonaws%.com/a%?.*%%2Feu%-west%-1%%2Fs3%%2F", url)
    end
  end)

  it("signs for the region where a call has found the bucket", function()
    local s3 = client("s3", { endpoint_url = server.url })
    assert.matches("%%2Feu%-central%-1%%2F", (assert(s3:presign("get_object", { Bucket = "b", Key = "k" }))))
    s3.shared.bucket_regions = { b = "us-west-2" }
    for _ = 1, 2 do assert.matches("%%2Fus%-west%-2%%2F", (assert(s3:presign("get_object", { Bucket = "b", Key = "k" })))) end
  end)

  it("moves a form into the query", function()
    local url = assert(client("sts", { endpoint_url = server.url }):presign("get_caller_identity", {}, { method = "GET" }))
    assert.matches("Action=GetCallerIdentity", url)
    assert.equal(200, ask(url).status)
    assert.is_nil(server.complaint())
  end)

  it("refuses what cannot be presigned", function()
    local _, err = client("dynamodb"):presign("get_item", { TableName = "t", Key = { id = { S = "1" } } })
    assert.same({ "unsupported", "CannotPresign", "dynamodb", "GetItem" }, { err.kind, err.code, err.service, err.operation })
    for _ = 1, 2 do
      _, err = client("s3"):presign("get_object", { Bucket = "b", Key = "k" }, { expires = 604801 })
      assert.equal("CannotPresign", err.code)
    end
    _, err = client("s3"):presign("get_object", { Bucket = "b", Key = "" })
    assert.equal("validation", err.kind)
    _, err = client("s3"):presign("get_object", { Bucket = "b", Key = "\xff" })
    assert.equal("validation", err.kind)
    _, err = client("s3"):presign("get_objekt", {})
    assert.equal("UnknownOperation", err.code)
  end)

  it("says when there are no credentials", function()
    local s3 = client("s3", { credentials = { get = function() return require("aws.failure").refuse("credentials", "NoCredentials", "none") end } })
    for _ = 1, 2 do
      local url, err = s3:presign("get_object", { Bucket = "b", Key = "k" })
      assert.is_nil(url)
      assert.equal("credentials", err.kind)
    end
  end)
end)
