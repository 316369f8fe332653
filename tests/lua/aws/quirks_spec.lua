-- What no model tells, service by service. Hooks are called as aws.call does, on calls without a network.
local crypto = require "sm.crypto"
local json = require "sm.json"
local models = require "aws.model"
local protocol = require "aws.protocol"

local function call_of(service, name, params)
  local model = assert(models.load(service))
  return {
    service = service, model = model, operation = assert(model:operation(name)), protocol = assert(protocol.of(model)),
    params = params or {}, client = { shared = {}, service = service, options = {}, config = {} }, config = { region = "eu-central-1", s3 = {} }, options = {},
  }
end

local function hooks(call, name)
  local quirks = require("aws.quirks." .. call.service)
  local out = {}
  for _, key in ipairs { "*", call.operation.name } do
    if quirks[key] and quirks[key][name] then out[#out + 1] = quirks[key][name] end
  end
  return out
end

-- Runs the hooks of a kind one after the other.
local function run(call, name, value, ...)
  for _, hook in ipairs(hooks(call, name)) do
    local changed, err = hook(value, call, ...)
    if err then return nil, err end
    if changed ~= nil then value = changed end
  end
  return value
end

local function before(service, operation, params)
  local call = call_of(service, operation, params)
  local changed, err = run(call, "before_serialize", params)
  return changed, err, call
end

local function serialized(service, operation, params)
  local changed, err, call = before(service, operation, params)
  if not changed then return nil, err end
  local request = assert(call.protocol.serialize(call.model, call.operation, changed))
  return run(call, "after_serialize", request)
end

local function answered(service, operation, response, params)
  local call = call_of(service, operation, params)
  call.params = run(call, "before_serialize", call.params)
  response.status = response.status or 200
  response.headers = response.headers or {}
  local output, err = call.protocol.parse(call.model, call.operation, response)
  if not output then return nil, run(call, "on_error", err, response) end
  return run(call, "after_parse", output, response)
end

describe("quirks of S3:", function()
  it("a bucket that could become another host is refused", function()
    for _, bucket in ipairs { "a/b", "a?b", "evil.example@x", "", ("x"):rep(256) } do
      local none, err = before("s3", "GetObject", { Bucket = bucket, Key = "k" })
      assert.is_nil(none)
      assert.equal("validation", err.kind)
    end
    assert.truthy((before("s3", "GetObject", { Bucket = "arn:aws:s3:us-west-2:123456789012:accesspoint:myendpoint", Key = "k" })))
  end)

  it("a customer's key goes out in base64 with its MD5, and the caller's table stays", function()
    local params = { Bucket = "b", Key = "k", SSECustomerAlgorithm = "AES256", SSECustomerKey = ("k"):rep(32) }
    local headers = assert(serialized("s3", "GetObject", params)).headers
    assert.equal(crypto.base64(("k"):rep(32)), headers["x-amz-server-side-encryption-customer-key"])
    assert.equal(crypto.base64(crypto.md5(("k"):rep(32))), headers["x-amz-server-side-encryption-customer-key-md5"])
    assert.equal(("k"):rep(32), params.SSECustomerKey)
    headers = assert(serialized("s3", "GetObject", { Bucket = "b", Key = "k", SSECustomerKey = "x", SSECustomerKeyMD5 = "y" })).headers
    assert.equal("x", headers["x-amz-server-side-encryption-customer-key"])
  end)

  it("the source of a copy is encoded, whether text or table", function()
    local function source(value)
      return assert(serialized("s3", "CopyObject", { Bucket = "b", Key = "k", CopySource = value })).headers["x-amz-copy-source"]
    end
    assert.equal("bucket/a%20b/%C3%A9%2B", source "bucket/a b/é+")
    assert.equal("bucket/k?versionId=a.b", source "bucket/k?versionId=a.b")
    assert.equal("bucket/a%3Fb?versionId=v1", source { Bucket = "bucket", Key = "a?b", VersionId = "v1" })
    local _, err = before("s3", "CopyObject", { Bucket = "b", Key = "k", CopySource = { Bucket = "x" } })
    assert.equal("validation", err.kind)
  end)

  it("metadata is ASCII, and no header ends early", function()
    local _, err = before("s3", "PutObject", { Bucket = "b", Key = "k", Metadata = { name = "é" } })
    assert.truthy(err.message:find("Metadata.name", 1, true))
    local call = call_of("s3", "PutObject")
    _, err = call.protocol.serialize(call.model, call.operation, { Bucket = "b", Key = "k", Metadata = { name = "a\r\nx: y" } })
    assert.equal("validation", err.kind)
  end)

  it("listings are asked for in an encoding that control characters survive, and decoded", function()
    local body = "<ListBucketResult><EncodingType>url</EncodingType><Prefix>a%2B</Prefix><Contents><Key>a+b%0A%C3%A9</Key></Contents>" ..
      "<CommonPrefixes><Prefix>x%2F</Prefix></CommonPrefixes></ListBucketResult>"
    assert.same({ "encoding-type", "url" }, assert(serialized("s3", "ListObjectsV2", { Bucket = "b" })).query[2])
    local output = assert(answered("s3", "ListObjectsV2", { body = body }, { Bucket = "b" }))
    assert.equal("a b\né", output.Contents[1].Key)
    assert.equal("x/", output.CommonPrefixes[1].Prefix)
    assert.equal("a+", output.Prefix)
    output = assert(answered("s3", "ListObjectsV2", { body = body }, { Bucket = "b", EncodingType = "url" }))
    assert.equal("a+b%0A%C3%A9", output.Contents[1].Key) -- asked for by the caller: left as it came
  end)

  it("an error within a good answer is one, and worth another attempt", function()
    local body = '  \n<?xml version="1.0"?>\n<Error><Code>SlowDown</Code><Message>later</Message></Error>'
    local output, err = answered("s3", "CopyObject", { body = body }, { Bucket = "b", Key = "k", CopySource = "b/k" })
    assert.is_nil(output)
    assert.equal("SlowDown", err.code)
    assert.equal(500, err.status)
    assert.is_true(err.retryable)
    output = assert(answered("s3", "GetObject", { body = "<Error><Code>mine</Code></Error>" }, { Bucket = "b", Key = "k" }))
    assert.equal("<Error><Code>mine</Code></Error>", output.Body)
  end)

  it("GetBucketLocation has its region as the whole answer", function()
    local ns = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
    assert.equal("eu-west-1", assert(answered("s3", "GetBucketLocation", { body = "<LocationConstraint " .. ns .. ">eu-west-1</LocationConstraint>" },
      { Bucket = "b" })).LocationConstraint)
    assert.is_nil(assert(answered("s3", "GetBucketLocation", { body = "<LocationConstraint " .. ns .. "/>" }, { Bucket = "b" })).LocationConstraint)
  end)

  it("an Expires that is no time stays a text", function()
    local output = assert(answered("s3", "GetObject", { body = "", headers = { expires = "never" } }, { Bucket = "b", Key = "k" }))
    assert.equal("never", output.Expires)
    output = assert(answered("s3", "HeadObject", { body = "", headers = { expires = "Tue, 29 Apr 2014 18:30:38 GMT" } }, { Bucket = "b", Key = "k" }))
    assert.equal(1398796238, output.Expires)
    assert.equal("Tue, 29 Apr 2014 18:30:38 GMT", output.ExpiresString)
  end)

  it("HEAD is refused by its status alone", function()
    local _, err = answered("s3", "HeadObject", { status = 404, body = "" }, { Bucket = "b", Key = "k" })
    assert.equal("NotFound", err.code)
    assert.equal(404, err.status)
  end)

  it("a bucket in another region is followed there, once known for good", function()
    local mend = require("aws.quirks.s3")["*"].mend
    local function redirected(response)
      local call = call_of("s3", "GetObject", { Bucket = "data", Key = "k" })
      response.headers = response.headers or {}
      local _, err = call.protocol.parse(call.model, call.operation, response)
      err = run(call, "on_error", err, response)
      return mend(err, call, response), call
    end
    for _, response in ipairs {
      { status = 301, body = "<Error><Code>PermanentRedirect</Code></Error>", headers = { ["x-amz-bucket-region"] = "us-west-2" } },
      { status = 400, body = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>us-west-2</Region></Error>" },
      { status = 301, body = "", headers = { ["x-amz-bucket-region"] = "us-west-2" } },
      { status = 400, body = "<Error><Code>IllegalLocationConstraintException</Code><Message>The us-west-2 location constraint is incompatible for the region specific endpoint this request was sent to.</Message></Error>" },
    } do
      local done, call = redirected(response)
      assert.is_true(done, response.body)
      assert.equal("https://data.s3.us-west-2.amazonaws.com", call.endpoint.url)
      assert.equal("us-west-2", call.endpoint.signing.region)
      local later = call_of("s3", "GetObject", { Bucket = "data", Key = "k" })
      later.client = call.client
      run(later, "before_serialize", later.params)
      assert.equal("us-west-2", later.config.region)
    end
    assert.is_false((redirected { status = 404, body = "", headers = { ["x-amz-bucket-region"] = "us-west-2" } }))
    assert.is_false((redirected { status = 301, body = "", headers = { ["x-amz-bucket-region"] = "evil.example/x" } }))
  end)

  it("line ends in keys to delete survive XML", function()
    local request = assert(serialized("s3", "DeleteObjects", { Bucket = "b", Delete = { Objects = { { Key = "a\r\nb<" } } } }))
    assert.equal('<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a&#xD;&#xA;b&lt;</Key></Object></Delete>', request.body)
  end)
end)

describe("quirks of SQS:", function()
  local function md5(text) return crypto.hex(crypto.md5(text)) end
  local function send(digest)
    return answered("sqs", "SendMessage", { body = json.encode { MessageId = "1", MD5OfMessageBody = digest } }, { QueueUrl = "q", MessageBody = "hi" })
  end

  it("what was sent is what arrived", function()
    assert.equal("1", assert(send(md5 "hi")).MessageId)
    local none, err = send(md5 "ho")
    assert.is_nil(none)
    assert.equal("ChecksumMismatch", err.code)
    assert.is_false(err.retryable)
  end)

  it("attributes are hashed with their names and types", function()
    local attributes = { b = { DataType = "Binary", BinaryValue = "\0\xff" }, a = { DataType = "String", StringValue = "é" } }
    local bytes = "\0\0\0\1a\0\0\0\6String\1\0\0\0\2é\0\0\0\1b\0\0\0\6Binary\2\0\0\0\2\0\xff"
    local function answer(digest)
      return answered("sqs", "SendMessage", { body = json.encode { MessageId = "1", MD5OfMessageAttributes = digest } },
        { QueueUrl = "q", MessageBody = "hi", MessageAttributes = attributes })
    end
    assert.truthy((answer(md5(bytes))))
    assert.equal("ChecksumMismatch", select(2, answer(md5 "other")).code)
  end)

  it("batches and received messages are checked one by one", function()
    local _, err = answered("sqs", "SendMessageBatch", { body = json.encode { Successful = { { Id = "a", MD5OfMessageBody = md5 "x" } }, Failed = {} } },
      { QueueUrl = "q", Entries = { { Id = "a", MessageBody = "y" } } })
    assert.equal("ChecksumMismatch", err.code)
    _, err = answered("sqs", "ReceiveMessage", { body = json.encode { Messages = { { MessageId = "m", Body = "x", MD5OfBody = md5 "y" } } } }, { QueueUrl = "q" })
    assert.is_true(err.retryable)
    assert.truthy(answered("sqs", "ReceiveMessage", { body = json.encode { Messages = { { MessageId = "m", Body = "x", MD5OfBody = md5 "x" } } } }, { QueueUrl = "q" }))
  end)
end)

describe("quirks of others:", function()
  it("DynamoDB's answers are checked by their CRC32", function()
    local body = '{"TableNames":["t"]}'
    assert.truthy(answered("dynamodb", "ListTables", { body = body, headers = { ["x-amz-crc32"] = tostring(crypto.crc32(body)) } }))
    local none, err = answered("dynamodb", "ListTables", { body = body, headers = { ["x-amz-crc32"] = "1" } })
    assert.is_nil(none)
    assert.is_true(err.retryable)
  end)

  it("DynamoDB's endpoints are asked for by version", function()
    assert.equal("2012-08-10", assert(serialized("dynamodb", "DescribeEndpoints", {})).headers["x-amz-api-version"])
  end)

  it("API Gateway is asked for JSON", function()
    assert.equal("application/json", assert(serialized("apigateway", "GetApiKeys", {})).headers["accept"])
  end)

  it("STS tries again when the identity provider was slow", function()
    local _, err = answered("sts", "AssumeRoleWithWebIdentity", { status = 400,
      body = "<ErrorResponse><Error><Type>Sender</Type><Code>IDPCommunicationError</Code><Message>m</Message></Error><RequestId>r</RequestId></ErrorResponse>" },
      { RoleArn = "arn:aws:iam::123456789012:role/x", RoleSessionName = "s", WebIdentityToken = "t" })
    assert.equal("IDPCommunicationError", err.code)
    assert.equal("r", err.request_id)
    assert.is_true(err.retryable)
  end)

  it("STS takes a web identity without a signature", function()
    local sign = require "aws.sign"
    local model = assert(models.load "sts")
    assert.equal("none", (sign.scheme({ signing = { scheme = "v4" } }, model:operation "AssumeRoleWithWebIdentity")))
  end)

  it("CloudWatch speaks JSON though it offers more, compresses what is large, and is told that it once spoke forms", function()
    local model = assert(models.load "cloudwatch")
    assert.equal("json", protocol.choose(model.metadata))
    local P, data = assert(protocol.of(model)), {}
    for i = 1, 300 do data[i] = { MetricName = "Requests", Value = i + 0.5, Unit = "Count" } end
    local request = assert(P.serialize(model, model:operation "PutMetricData", { Namespace = "n", MetricData = data }))
    assert.equal("gzip", request.headers["content-encoding"])
    assert.equal("true", request.headers["x-amzn-query-mode"])
    local plain = assert(P.serialize(model, model:operation "PutMetricData", { Namespace = "n", MetricData = data }, { compress = false }))
    assert.is_nil(plain.headers["content-encoding"])
    assert.equal(plain.body, require("aws.generate.inflate").gunzip(request.body))
  end)

  it("EventBridge's global endpoints are signed for all regions", function()
    local endpoint = require "aws.endpoint"
    local model = assert(models.load "events")
    local found = assert(endpoint.resolve(model, model:operation "PutEvents", { EndpointId = "abc.456def", Entries = {} }, { region = "us-east-1" }))
    assert.equal("https://abc.456def.endpoint.events.amazonaws.com", found.url)
    assert.equal("v4a", found.signing.scheme)
  end)

  it("EC2's user data is encoded; Route 53's ids are cut", function()
    local ec2, route53 = require "aws.quirks.ec2", require "aws.quirks.route53"
    local asked
    local call = { options = {}, config = { region = "eu-west-1" }, client = { presign = function(_, name, params, options)
      asked = { name, params, options }
      return "https://signed"
    end } }
    local copy = assert(ec2.CopySnapshot.before_serialize({ SourceRegion = "us-west-2", SourceSnapshotId = "s" }, call))
    assert.same({ SourceRegion = "us-west-2", SourceSnapshotId = "s", DestinationRegion = "eu-west-1", PresignedUrl = "https://signed" }, copy)
    assert.same({ region = "us-west-2", method = "GET" }, asked[3])
    assert.equal("IyEvYmluL3No", ec2.RunInstances.before_serialize({ UserData = "#!/bin/sh" }).UserData)
    local model = models.from_service {
      metadata = { protocol = "rest-xml", serviceId = "Route 53" },
      operations = { GetHostedZone = { name = "GetHostedZone", http = { method = "GET", requestUri = "/{Id}" }, input = { shape = "R" } } },
      shapes = { R = { type = "structure", members = { Id = { shape = "S", location = "uri" } } }, S = { type = "string" } },
    }
    call = { model = model, operation = model:operation "GetHostedZone" }
    assert.same({ Id = "Z1" }, route53["*"].before_serialize({ Id = "/hostedzone/Z1" }, call))
    call.operation = { name = "GetTrafficPolicy" }
    assert.same({ Id = "/x/1" }, route53["*"].before_serialize({ Id = "/x/1" }, call))
    local autoscaling, s3control = require "aws.quirks.autoscaling", require "aws.quirks.s3control"
    assert.equal("IyEvYmluL3No", autoscaling.CreateLaunchConfiguration.before_serialize({ UserData = "#!/bin/sh" }).UserData)
    assert.is_nil(s3control["*"].after_serialize({ host_prefix = "123456789012." }).host_prefix)
  end)
end)
