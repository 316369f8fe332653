-- Requests over TLS: which roots are trusted, and bodies whose checksum follows them.
local aws_client = require "aws.client"
local files = require "sm.files"
local json = require "lib.json"
local process = require "process"
local task = require "sm.task"
local transport = require "aws.transport"

local python = files.env "SM_TEST_PYTHON" or "python3"

if not process.available() or select(2, process.run(python .. " -c 'import cryptography'")) ~= 0 then
  pending("the Python package cryptography is not installed here (./sewing test installs it)")
  return
end

describe("over TLS", function()
  local folder, pid, url

  setup(function()
    folder = assert(files.temp_dir())
    pid = process.spawn(python .. " tests/support/tls_server.py " .. folder, folder .. "/log")
    for _ = 1, 500 do
      local port = (files.read(folder .. "/log") or ""):match("port (%d+)")
      if port then url = "https://127.0.0.1:" .. port break end
      task.sleep(0.02)
    end
    assert(url, files.read(folder .. "/log"))
  end)

  teardown(function()
    process.kill(pid)
    files.remove_tree(folder)
  end)

  local function request(body) return { method = "PUT", url = url .. "/x", path = "/x", query = {}, headers = { host = url:match("//(.*)$") }, body = body } end

  it("trusts a bundle that is named, and nobody else", function()
    assert.equal(200, assert(transport.send(request "x", { ca_bundle = folder .. "/root.pem" })).status)
    local answer, err = transport.send(request "x", {})
    assert.is_nil(answer)
    assert.same({ "transport", "CertificateRefused", false, true }, { err.kind, err.code, err.retryable, err.unsent })
  end)

  it("says so when the bundle cannot be read", function()
    local answer, err = transport.send(request "x", { ca_bundle = folder .. "/none.pem" })
    assert.is_nil(answer)
    assert.equal("CertificateRefused", err.code)
  end)

  local function client()
    return assert(aws_client.new("s3", {
      region = "eu-central-1", endpoint_url = url, credentials = { access_key = "AKID", secret_key = "secret" }, ca_bundle = folder .. "/root.pem",
      world = { env = function() end, read_file = function() return nil, "no file", "not_found" end, now = os.time }, max_attempts = 1,
    }))
  end

  -- The echo is no answer of S3; what was sent is taken from it.
  local function sent(params)
    local _, _, response = client():put_object(params)
    return assert(json.decode(response.body))
  end

  it("sends a text with its checksum in a header", function()
    local seen = sent { Bucket = "bucket", Key = "k", Body = "hello world" }
    assert.same({ "hello world", "DUoRhQ==", "CRC32" }, { seen.body, seen.headers["x-amz-checksum-crc32"], seen.headers["x-amz-sdk-checksum-algorithm"] })
    assert.matches("^%x+$", seen.headers["x-amz-content-sha256"])
  end)

  it("sends a stream of known length with its checksum behind it", function()
    local left = { "hello ", "world" }
    local seen = sent { Bucket = "bucket", Key = "k", ContentLength = 11, Body = function() return table.remove(left, 1) end }
    assert.equal("b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n", seen.body)
    assert.same({ "aws-chunked", "11", "x-amz-checksum-crc32", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", tostring(#seen.body) }, {
      seen.headers["content-encoding"], seen.headers["x-amz-decoded-content-length"], seen.headers["x-amz-trailer"], seen.headers["x-amz-content-sha256"],
      seen.headers["content-length"],
    })
  end)

  it("reads a stream of unknown length first", function()
    local left = { "hello ", "world" }
    local seen = sent { Bucket = "bucket", Key = "k", Body = function() return table.remove(left, 1) end }
    assert.same({ "hello world", "DUoRhQ==" }, { seen.body, seen.headers["x-amz-checksum-crc32"] })
  end)
end)
