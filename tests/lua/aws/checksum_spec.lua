-- Which requests carry a checksum, and which answers are checked.
local checksum = require "aws.checksum"
local model = require "aws.model"

local HELLO <const> = "hello world" -- crc32 DUoRhQ==

describe("aws.checksum", function()
  local s3

  setup(function() s3 = assert(model.load "s3") end)

  local function prepare(name, more, params, config)
    local request = { method = "PUT", path = "/", query = {}, headers = {}, body = HELLO }
    for key, value in pairs(more or {}) do request[key] = value end
    local ok, err = checksum.prepare(request, s3, s3:operation(name), params or {}, config or {})
    return request, err, ok
  end

  it("adds a CRC32 to what can carry one, and says so", function()
    assert.same({ ["x-amz-checksum-crc32"] = "DUoRhQ==", ["x-amz-sdk-checksum-algorithm"] = "CRC32" }, prepare("PutObject").headers)
    assert.same({ ["x-amz-checksum-crc32"] = "AAAAAA==", ["x-amz-sdk-checksum-algorithm"] = "CRC32" }, prepare("PutObject", { body = "" }).headers)
  end)

  it("adds it only where it is needed when that is wanted", function()
    local config = { request_checksum = "when_required" }
    assert.same({}, prepare("PutObject", nil, nil, config).headers)
    assert.equal("DUoRhQ==", prepare("DeleteObjects", nil, nil, config).headers["x-amz-checksum-crc32"])
  end)

  it("takes the algorithm that the caller names", function()
    assert.same({ ["x-amz-checksum-crc64nvme"] = "jSnVw/bqjr4=" }, prepare("PutObject", nil, { ChecksumAlgorithm = "CRC64NVME" }).headers)
    local _, err = prepare("PutObject", nil, { ChecksumAlgorithm = "XXHASH64" })
    assert.same({ "unsupported", "ChecksumAlgorithm" }, { err.kind, err.code })
  end)

  it("leaves alone what carries a value already, and operations that know none", function()
    local headers = { ["x-amz-checksum-sha1"] = "x" }
    assert.same({ ["x-amz-checksum-sha1"] = "x" }, prepare("PutObject", { headers = headers }).headers)
    assert.same({}, prepare("ListObjectsV2").headers)
    headers = { ["x-amz-checksum-type"] = "FULL_OBJECT" }
    assert.equal("DUoRhQ==", prepare("PutObject", { headers = headers }).headers["x-amz-checksum-crc32"])
  end)

  it("marks a streamed body, whose checksum follows it", function()
    local request = prepare("PutObject", { body = function() end })
    assert.equal("crc32", request.stream_checksum)
    assert.is_nil(request.headers["x-amz-checksum-crc32"])
  end)

  it("asks for answers that can be checked, unless told otherwise", function()
    assert.equal("ENABLED", prepare("GetObject", { method = "GET" }).headers["x-amz-checksum-mode"])
    assert.same({}, prepare("GetObject", nil, nil, { response_checksum = "when_required" }).headers)
    assert.same({}, prepare("GetObject", nil, { ChecksumMode = "ENABLED" }).headers)
  end)

  local function check(headers, body, name, request)
    local response = { status = 200, headers = headers, body = body }
    return checksum.check(response, request or { method = "GET", headers = { ["x-amz-checksum-mode"] = "ENABLED" } }, s3:operation(name or "GetObject")), response
  end

  it("checks a whole answer", function()
    assert.is_nil(check({ ["x-amz-checksum-crc32"] = "DUoRhQ==" }, HELLO))
    local err = check({ ["x-amz-checksum-crc32"] = "AAAAAA==" }, HELLO)
    assert.same({ "response", "ChecksumMismatch", true }, { err.kind, err.code, err.retryable })
    assert.matches("AAAAAA==.*DUoRhQ==", err.message)
  end)

  it("checks a streamed answer at its end", function()
    local function stream()
      local left = { "hello ", "world" }
      return function() return table.remove(left, 1) end
    end
    local _, response = check({ ["x-amz-checksum-crc64nvme"] = "jSnVw/bqjr4=" }, stream())
    assert.same({ "hello ", "world" }, { response.body(), response.body() })
    assert.same({}, { response.body() })
    _, response = check({ ["x-amz-checksum-sha256"] = "jSnVw/bqjr4=" }, stream())
    response.body()
    response.body()
    local piece, message, code = response.body()
    assert.same({ nil, "invalid" }, { piece, code })
    assert.matches("sha256", message)
  end)

  it("checks nothing that says nothing of the whole, or that was not asked for", function()
    assert.is_nil(check({ ["x-amz-checksum-crc32"] = "AAAAAA==-3" }, HELLO))
    assert.is_nil(check({ ["x-amz-checksum-xxhash64"] = "AAAAAA==" }, HELLO))
    assert.is_nil(check({ ["x-amz-checksum-crc32"] = "AAAAAA==" }, HELLO, "GetObject", { method = "GET", headers = {} }))
    assert.is_nil(check({ ["x-amz-checksum-crc32"] = "AAAAAA==" }, "", "GetObject", { method = "HEAD", headers = { ["x-amz-checksum-mode"] = "ENABLED" } }))
    assert.is_nil(check({}, HELLO))
  end)

  it("checks what DynamoDB sends", function()
    local dynamodb = assert(model.load "dynamodb")
    local operation, request = dynamodb:operation "GetItem", { method = "POST", headers = {} }
    local response = { status = 200, headers = { ["x-amz-crc32"] = "222957957" }, body = HELLO }
    assert.is_nil(checksum.check(response, request, operation))
    response.headers["x-amz-crc32"] = "1"
    assert.is_true(checksum.check(response, request, operation).retryable)
  end)
end)
