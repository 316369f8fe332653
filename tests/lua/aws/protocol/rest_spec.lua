-- Both rest protocols, through services that are shipped and small ones made here.
local crypto = require "sm.crypto"
local json = require "sm.json"
local models = require "aws.model"
local protocol = require "aws.protocol"

local function made(kind, operation, shapes)
  operation.name = operation.name or "Do"
  local model = models.from_service { metadata = { protocol = kind, serviceId = "Made" }, operations = { [operation.name] = operation }, shapes = shapes }
  return model, model:operation(operation.name), assert(protocol.of(model))
end

local function shipped(service, name)
  local model = assert(models.load(service))
  return model, assert(model:operation(name)), assert(protocol.of(model))
end

local function serialize(model, operation, P, params) return P.serialize(model, operation, params) end
local function request(service, name, params)
  local model, operation, P = shipped(service, name)
  return P.serialize(model, operation, params)
end
local function answer(service, name, response)
  local model, operation, P = shipped(service, name)
  response.status, response.headers, response.body = response.status or 200, response.headers or {}, response.body or ""
  return P.parse(model, operation, response)
end

local STRING <const>, LIST <const> = { type = "string" }, { type = "list", member = { shape = "S" } }

describe("paths and queries", function()
  it("encode labels; a greedy one keeps its slashes; nothing is normalised", function()
    assert.equal("/a%20b//../%C3%A9%3F%2B/", assert(request("s3", "GetObject", { Bucket = "b", Key = "a b//../é?+/" })).path)
    assert.equal("/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu%3A1%3Afunction%3Af%2Fx/invocations",
      assert(request("lambda", "Invoke", { FunctionName = "arn:aws:lambda:eu:1:function:f/x" })).path)
  end)

  it("refuse an empty label, which would be another resource", function()
    for _, params in ipairs { { Bucket = "b", Key = "" } } do
      local none, failure = request("s3", "GetObject", params)
      assert.is_nil(none)
      assert.truthy(failure.message:find("Key", 1, true))
    end
  end)

  it("keep what the URI says, and let named parameters win over maps", function()
    local r = assert(request("s3", "ListObjectsV2", { Bucket = "b", MaxKeys = 7, Prefix = "a/ b" }))
    assert.same({ { "list-type", "2" }, { "max-keys", "7" }, { "prefix", "a/ b" } }, r.query)
    local shapes = {
      I = { type = "structure", members = { named = { shape = "S", location = "querystring", locationName = "a" }, map = { shape = "M", location = "querystring" },
        list = { shape = "L", location = "querystring", locationName = "l" } } },
      S = STRING, L = LIST, M = { type = "map", key = { shape = "S" }, value = { shape = "S" } },
    }
    local m, o, P = made("rest-json", { http = { method = "GET", requestUri = "/x?fix=1&flag" }, input = { shape = "I" } }, shapes)
    r = assert(serialize(m, o, P, { named = "n", map = { a = "m", b = "m", fix = "m" }, list = { "1", "2" } }))
    local seen = {}
    for i, pair in ipairs(r.query) do seen[i] = pair[1] .. "=" .. tostring(pair[2]) end
    table.sort(seen)
    assert.same({ "a=n", "b=m", "fix=1", "flag=nil", "l=1", "l=2" }, seen)
    assert.is_nil(r.body)
  end)
end)

describe("headers", function()
  local shapes = {
    I = { type = "structure", members = {
      list = { shape = "L", location = "header", locationName = "X-List" }, times = { shape = "T", location = "header", locationName = "X-Times" },
      json = { shape = "S", location = "header", locationName = "X-Json", jsonvalue = true }, meta = { shape = "M", location = "headers", locationName = "X-Meta-" },
      flag = { shape = "B", location = "header", locationName = "X-Flag" }, text = { shape = "S", location = "header", locationName = "X-Text" },
    } },
    S = STRING, L = LIST, B = { type = "boolean" }, D = { type = "timestamp" }, T = { type = "list", member = { shape = "D" } },
    M = { type = "map", key = { shape = "S" }, value = { shape = "S" } },
  }
  local m, o, P = made("rest-json", { http = { method = "GET", requestUri = "/" }, input = { shape = "I" }, output = { shape = "I" } }, shapes)

  it("carry lists, dates, JSON and prefixed maps, and come back the same", function()
    local params = { list = { "a", "b,c", 'say "hi"', "back\\slash,", "é" }, times = { 1398796238, 0 }, json = { a = { 1, 2 } }, meta = { ["One"] = "1", two = "" }, flag = false }
    local headers = assert(serialize(m, o, P, params)).headers
    assert.equal('a,"b,c","say \\"hi\\"","back\\\\slash,",é', headers["x-list"])
    assert.equal("Tue, 29 Apr 2014 18:30:38 GMT,Thu, 01 Jan 1970 00:00:00 GMT", headers["x-times"])
    assert.equal('{"a":[1,2]}', crypto.unbase64(headers["x-json"]))
    assert.equal("false", headers["x-flag"])
    local output = assert(P.parse(m, o, { status = 200, headers = headers, body = "" }))
    params.meta = { one = "1", two = "" } -- names of headers have no case
    assert.same(params, output)
  end)

  it("of a map yield to those that have a member", function()
    local model, op, proto = made("rest-json", { http = { method = "GET", requestUri = "/" }, input = { shape = "I" } }, {
      I = { type = "structure", members = { all = { shape = "M", location = "headers", locationName = "" }, own = { shape = "S", location = "header", locationName = "hello" } } },
      S = STRING, M = { type = "map", key = { shape = "S" }, value = { shape = "S" } },
    })
    assert.same({ hello = "There", ["x-foo"] = "Foo" }, assert(serialize(model, op, proto, { all = { ["X-Foo"] = "Foo", Hello = "Hi" }, own = "There" })).headers)
  end)

  it("are left out when there is nothing to say", function()
    local headers = assert(serialize(m, o, P, { list = {}, text = "", meta = {} })).headers
    assert.is_nil(next(headers))
  end)

  it("do not end before they should", function()
    for _, params in ipairs { { text = "a\nb" }, { text = "a\rb" }, { text = "a\0b" }, { meta = { x = "a\r\nHost: b" } }, { meta = { ["x\r\ny"] = "1" } } } do
      local none, failure = serialize(m, o, P, params)
      assert.is_nil(none)
      assert.equal("validation", failure.kind)
    end
  end)
end)

describe("payloads", function()
  it("are sent as they are, text or reader", function()
    assert.equal("\0\xff", assert(request("s3", "PutObject", { Bucket = "b", Key = "k", Body = "\0\xff" })).body)
    local reader = function() end
    assert.equal(reader, assert(request("s3", "PutObject", { Bucket = "b", Key = "k", Body = reader })).body)
    local none, failure = request("s3", "PutObject", { Bucket = "b", Key = "k", Body = 12 })
    assert.is_nil(none)
    assert.truthy(failure.message:find("Body", 1, true))
    assert.equal("application/octet-stream", assert(request("lambda", "Invoke", { FunctionName = "f", Payload = "{}" })).headers["content-type"])
  end)

  it("are streamed where the model says so", function()
    assert.is_true(assert(request("s3", "GetObject", { Bucket = "b", Key = "k" })).stream)
    assert.is_nil(assert(request("s3", "HeadObject", { Bucket = "b", Key = "k" })).stream)
    local reader = function() end
    assert.equal(reader, assert(answer("s3", "GetObject", { body = reader })).Body)
    assert.equal("", assert(answer("s3", "GetObject", {})).Body)
  end)

  it("in JSON are an empty object when nothing is given, and none without members for them", function()
    local r = assert(request("lambda", "TagResource", { Resource = "arn:x", Tags = { a = "b" } }))
    assert.equal('{"Tags":{"a":"b"}}', r.body)
    assert.equal("application/json", r.headers["content-type"])
    assert.is_nil(assert(request("lambda", "GetFunction", { FunctionName = "f" })).body)
  end)

  it("in XML have the model's names, order, attributes and namespaces", function()
    local r = assert(request("s3", "PutBucketAcl", { Bucket = "b", AccessControlPolicy = { Owner = { ID = "o" }, Grants = { { Permission = "READ",
      Grantee = { Type = "Group", URI = "http://x/?a&b" } } } } }))
    assert.equal('<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ' ..
      'xsi:type="Group"><URI>http://x/?a&amp;b</URI></Grantee><Permission>READ</Permission></Grant></AccessControlList><Owner><ID>o</ID></Owner></AccessControlPolicy>', r.body)
  end)

  it("carry their MD5 where the model asks for a checksum and names none", function()
    local m, o, P = made("rest-json", { http = { method = "POST", requestUri = "/" }, input = { shape = "I" }, httpChecksumRequired = true },
      { I = { type = "structure", members = { foo = { shape = "S" } } }, S = STRING })
    local r = assert(serialize(m, o, P, { foo = "base64 encoded md5 checksum" }))
    assert(require("aws.checksum").prepare(r, m, o, {}, {}))
    assert.equal("iB0/3YSo7maijL0IGOgA9g==", r.headers["content-md5"])
  end)

  it("that are streams of events are refused in words", function()
    local none, failure = request("bedrock-runtime", "InvokeModelWithBidirectionalStream", { modelId = "m", body = {} })
    assert.is_nil(none)
    assert.equal("unsupported", failure.kind)
  end)
end)

describe("answers in XML", function()
  local function listing(inner) return answer("s3", "ListObjectsV2", { body = "<ListBucketResult>" .. inner .. "</ListBucketResult>" }) end

  it("tell an empty element from an absent one, and keep white space", function()
    assert.same({}, (listing ""))
    assert.same({ Prefix = "" }, (listing "<Prefix/>"))
    assert.same({ Prefix = "  a\n" }, (listing "<Prefix>  a\n</Prefix>"))
    assert.same({ Prefix = "a&b<" }, (listing "<Prefix>a&amp;<![CDATA[b<]]></Prefix>"))
    assert.same({}, (listing '<Prefix xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/>'))
    assert.same({ KeyCount = 1, IsTruncated = true, Contents = { { Key = "k", Size = 9007199254740993, LastModified = 1398796238.5 } } },
      listing("<KeyCount>1</KeyCount><IsTruncated>true</IsTruncated><Unknown><a/></Unknown><Contents><Key>k</Key><Size>9007199254740993</Size>" ..
        "<LastModified>2014-04-29T18:30:38.500Z</LastModified></Contents>"))
  end)

  it("have lists with and without a wrapper", function()
    assert.same({ "a", "b" }, (listing "<Contents><ChecksumAlgorithm>a</ChecksumAlgorithm><ChecksumAlgorithm>b</ChecksumAlgorithm></Contents>").Contents[1].ChecksumAlgorithm)
    local buckets = assert(answer("s3", "ListBuckets", { body = "<R><Buckets><Bucket><Name>a</Name></Bucket><Bucket><Name>b</Name></Bucket></Buckets></R>" })).Buckets
    assert.same({ { Name = "a" }, { Name = "b" } }, buckets)
    assert.is_true(json.is_array(assert(answer("s3", "ListBuckets", { body = "<R><Buckets/></R>" })).Buckets))
  end)

  it("have errors in a body, or none", function()
    local _, failure = answer("s3", "GetObject", { status = 404, headers = { ["x-amz-request-id"] = "R", ["x-amz-id-2"] = "H" },
      body = '<?xml version="1.0"?>\n<Error><Code>NoSuchKey</Code><Message>gone</Message><Key>k</Key><RequestId>R</RequestId></Error>' })
    assert.same({ "NoSuchKey", "gone", "R", "H", "k" }, { failure.code, failure.message, failure.request_id, failure.extended_id, failure.members.Key })
    _, failure = answer("s3", "HeadObject", { status = 403 })
    assert.same({ "403", "Forbidden", 403 }, { failure.code, failure.message, failure.status })
    _, failure = answer("s3", "GetObject", { status = 503, body = "<html><body>no</body></html>" })
    assert.same({ "503", "Service Unavailable" }, { failure.code, failure.message })
    _, failure = answer("s3", "ListBuckets", { body = "<ListAllMy" })
    assert.equal("response", failure.kind)
    assert.is_true(failure.retryable)
  end)
end)

describe("answers in JSON", function()
  it("join headers, status and body", function()
    local output = assert(answer("lambda", "Invoke", { status = 202, headers = { ["x-amz-function-error"] = "Unhandled" }, body = '{"a":1}' }))
    assert.same({ StatusCode = 202, FunctionError = "Unhandled", Payload = '{"a":1}' }, output)
  end)

  it("name an error in a header, with a URI behind it", function()
    local _, failure = answer("lambda", "GetFunction", { status = 404, headers = { ["x-amzn-errortype"] = "ResourceNotFoundException:http://x/" },
      body = '{"Type":"User","Message":"no function"}' })
    assert.same({ "ResourceNotFoundException", "no function", "User" }, { failure.code, failure.message, failure.members.Type })
    _, failure = answer("lambda", "GetFunction", { status = 429, headers = { ["x-amzn-errortype"] = "TooManyRequestsException", ["retry-after"] = "2" }, body = "{}" })
    assert.equal("2", failure.members.retryAfterSeconds)
  end)

  it("show a union's unknown member by its name", function()
    local output = assert(answer("bedrock-runtime", "Converse", { body = '{"output":{"future":{"a":1}},"stopReason":"end"}' }))
    assert.same({ SDK_UNKNOWN_MEMBER = { name = "future" } }, output.output)
  end)
end)
