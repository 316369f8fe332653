-- Quirks and protocols on real sockets, through a whole client.
local aws_client = require "aws.client"
local crypto = require "sm.crypto"
local event_stream = require "aws.event_stream"
local inflate = require "aws.generate.inflate"
local verifying = require "verifying_server"

describe("on the wire,", function()
  local server, answers

  local function client(service)
    return assert(aws_client.new(service, {
      endpoint_url = server.url, region = "eu-central-1", credentials = { access_key = "AKID", secret_key = "secret" },
      world = { env = function() end, read_file = function() return nil, "no file", "not_found" end, now = os.time },
    }))
  end

  before_each(function()
    answers = {}
    server = verifying.start { keys = { AKID = { secret = "secret" } }, answer = function() return table.remove(answers, 1) or { body = "{}" } end }
  end)
  after_each(function() server.stop() end)

  it("an error within a good answer of S3 is tried again", function()
    answers[1] = { body = "\n<Error><Code>InternalError</Code><Message>again</Message></Error>" }
    answers[2] = { body = "<CopyObjectResult><ETag>&quot;e&quot;</ETag></CopyObjectResult>" }
    local output = assert(client("s3"):copy_object { Bucket = "b", Key = "k", CopySource = { Bucket = "a", Key = "ö k" } })
    assert.equal('"e"', output.CopyObjectResult.ETag)
    assert.equal(2, #server.seen)
    assert.equal("a/%C3%B6%20k", server.seen[2].headers["x-amz-copy-source"])
    assert.is_nil(server.complaint())
  end)

  it("an answer of DynamoDB that was damaged is asked for again", function()
    local body = '{"TableNames":["t"]}'
    answers[1] = { headers = { ["x-amz-crc32"] = "12345" }, body = body }
    answers[2] = { headers = { ["x-amz-crc32"] = tostring(crypto.crc32(body)) }, body = body }
    assert.same({ TableNames = { "t" } }, (client("dynamodb"):list_tables()))
    assert.equal(2, #server.seen)
  end)

  it("an object of S3 comes piece by piece, its metadata at once", function()
    local bytes = crypto.random(300000)
    answers[1] = { headers = { ["x-amz-meta-Name"] = "v", ["last-modified"] = "Tue, 29 Apr 2014 18:30:38 GMT" }, body = bytes }
    local output = assert(client("s3"):get_object { Bucket = "b", Key = "a/b c+ü" })
    assert.equal(1398796238, output.LastModified)
    assert.same({ name = "v" }, output.Metadata)
    local pieces = {}
    for piece in output.Body do pieces[#pieces + 1] = piece end
    assert.equal(bytes, table.concat(pieces))
    assert.is_nil(server.complaint())
  end)

  it("events come as they are sent", function()
    local function event(name, payload)
      return event_stream.encode({ { name = ":message-type", type = "string", value = "event" }, { name = ":event-type", type = "string", value = name } }, payload)
    end
    answers[1] = { headers = { ["content-type"] = "application/vnd.amazon.eventstream" },
      body = event("messageStart", '{"role":"assistant"}') .. event("contentBlockDelta", '{"delta":{"text":"hel"},"contentBlockIndex":0}') ..
        event("contentBlockDelta", '{"delta":{"text":"lo"},"contentBlockIndex":0}') .. event("messageStop", '{"stopReason":"end_turn"}') }
    local output = assert(client("bedrock-runtime"):converse_stream { modelId = "m", messages = { { role = "user", content = { { text = "hi" } } } } })
    local text = ""
    for item in output.stream do
      if item.contentBlockDelta then text = text .. item.contentBlockDelta.delta.text end
    end
    assert.equal("hello", text)
  end)

  it("many metrics go out compressed, and signed as they go", function()
    local data = {}
    for i = 1, 400 do data[i] = { MetricName = "Requests", Value = i, Unit = "Count" } end
    assert(client("cloudwatch"):put_metric_data { Namespace = "n", MetricData = data })
    local seen = server.seen[1]
    assert.equal("gzip", seen.headers["content-encoding"])
    assert.truthy(inflate.gunzip(seen.body):find('"MetricName":"Requests"', 1, true))
    assert.is_nil(server.complaint())
  end)

  it("an answer that is cut within its XML is a failure after the attempts", function()
    for i = 1, 3 do answers[i] = { body = "<ListAllMyBucketsResult><Buckets><Bu" } end
    local output, err = client("s3"):list_buckets()
    assert.is_nil(output)
    assert.equal("response", err.kind)
    assert.equal(3, #server.seen)
  end)
end)
