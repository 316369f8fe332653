local event_stream = require "aws.event_stream"
local models = require "aws.model"
local protocol = require "aws.protocol"

local HEADERS <const> = {
  { name = "yes", type = "boolean", value = true }, { name = "no", type = "boolean", value = false }, { name = "b", type = "byte", value = -1 },
  { name = "s", type = "short", value = -300 }, { name = "i", type = "integer", value = 70000 }, { name = "l", type = "long", value = math.mininteger },
  { name = "raw", type = "bytes", value = "\0\xff" }, { name = "text", type = "string", value = "é" }, { name = "when", type = "timestamp", value = 1398796238123 },
  { name = "id", type = "uuid", value = "01020304-0506-0708-090a-0b0c0d0e0f10" },
}

local function pieces(bytes, size)
  local at = 1
  return function()
    if at > #bytes then return nil end
    at = at + size
    return bytes:sub(at - size, at - 1)
  end
end

local function event(name, payload, more)
  local headers = { { name = ":message-type", type = "string", value = "event" }, { name = ":event-type", type = "string", value = name } }
  for _, header in ipairs(more or {}) do headers[#headers + 1] = header end
  return event_stream.encode(headers, payload)
end

local function marked(kind, values, payload)
  local headers = { { name = ":message-type", type = "string", value = kind } }
  for name, value in pairs(values) do headers[#headers + 1] = { name = name, type = "string", value = value } end
  return event_stream.encode(headers, payload or "")
end

describe("aws.event_stream", function()
  it("writes and reads every type of header", function()
    local bytes = event_stream.encode(HEADERS, "payload")
    local message, next_at = event_stream.decode(bytes)
    assert.same(HEADERS, message.headers)
    assert.equal("payload", message.payload)
    assert.equal(#bytes + 1, next_at)
  end)

  it("does not mind where the bytes are cut", function()
    local bytes = event_stream.encode(HEADERS, "one") .. event_stream.encode({}, "") .. event_stream.encode(HEADERS, ("x"):rep(5000))
    for _, size in ipairs { 1, 7, 16, 100, 1 << 20 } do
      local next_message = event_stream.messages(pieces(bytes, size))
      assert.equal("one", next_message().payload)
      assert.equal("", next_message().payload)
      assert.equal(5000, #next_message().payload)
      assert.is_nil((next_message()))
      assert.is_nil((select(2, next_message())))
    end
  end)

  it("refuses every changed bit, and a stream that ends early, for good", function()
    local bytes = event_stream.encode(HEADERS, "payload")
    for at = 1, #bytes do
      local changed = bytes:sub(1, at - 1) .. string.char(bytes:byte(at) ~ 4) .. bytes:sub(at + 1)
      local next_message = event_stream.messages(pieces(changed, 4096))
      local message, why = next_message()
      assert.is_nil(message)
      assert.is_string(why)
      assert.equal(why, select(2, next_message()))
    end
    local _, why = event_stream.messages(pieces(bytes:sub(1, -2), 10))()
    assert.equal("the stream ends within a message", why)
    _, why = event_stream.messages(function() return nil, "connection reset" end)()
    assert.equal("connection reset", why)
  end)

  it("does not believe a length that is too large", function()
    local prelude = string.pack(">I4I4", 0xffffffff, 0)
    local message, why = event_stream.decode(prelude .. string.pack(">I4", require("sm.crypto").crc32(prelude)) .. ("x"):rep(100))
    assert.is_nil(message)
    assert.equal("the message is too long", why)
  end)
end)

describe("streams of events", function()
  local function open(service, name, body, headers)
    local model = assert(models.load(service))
    local operation = assert(model:operation(name))
    local P = assert(protocol.of(model))
    return P.parse(model, operation, { status = 200, headers = headers or {}, body = body })
  end

  it("of rest-json: Bedrock's chunks, read as they come", function()
    local bytes = event("chunk", '{"bytes":"aGVsbG8="}') .. event("later", "{}")
    local output = assert(open("bedrock-runtime", "InvokeModelWithResponseStream", pieces(bytes, 5), { ["x-amzn-bedrock-content-type"] = "application/json" }))
    assert.equal("application/json", output.contentType)
    assert.same({ chunk = { bytes = "hello" } }, (output.body()))
    assert.same({ SDK_UNKNOWN_MEMBER = { name = "later" } }, (output.body()))
    assert.is_nil((output.body()))
  end)

  it("of json: Kinesis begins with its answer", function()
    local bytes = event("initial-response", "{}") .. event("SubscribeToShardEvent", '{"Records":[{"Data":"AQI=","SequenceNumber":"1","PartitionKey":"p"}],"ContinuationSequenceNumber":"2","MillisBehindLatest":0}')
      .. marked("exception", { [":exception-type"] = "ResourceNotFoundException" }, '{"message":"gone"}')
    local output = assert(open("kinesis", "SubscribeToShard", bytes))
    local got = output.EventStream()
    assert.equal("\1\2", got.SubscribeToShardEvent.Records[1].Data)
    local none, failure = output.EventStream()
    assert.is_nil(none)
    assert.equal("ResourceNotFoundException", failure.code)
    assert.equal("gone", failure.message)
  end)

  it("of rest-xml: S3 Select has raw records and statistics in XML", function()
    local bytes = event("Records", "a,b\n") .. event("Stats", "<Stats><BytesScanned>7</BytesScanned></Stats>") .. event("End", "")
      .. marked("error", { [":error-code"] = "InternalError", [":error-message"] = "again" })
    local output = assert(open("s3", "SelectObjectContent", bytes))
    assert.same({ Records = { Payload = "a,b\n" } }, (output.Payload()))
    assert.same({ Stats = { Details = { BytesScanned = 7 } } }, (output.Payload()))
    assert.same({ End = {} }, (output.Payload()))
    local _, failure = output.Payload()
    assert.equal("InternalError", failure.code)
  end)

  it("end with a failure when the connection does", function()
    local output = assert(open("s3", "SelectObjectContent", function() return nil, "closed" end))
    local none, failure = output.Payload()
    assert.is_nil(none)
    assert.equal("transport", failure.kind)
  end)

  it("of one large message in many small pieces take the time of the message", function()
    local codec, begun, at = require "aws.event_stream", require("sm.time").monotonic(), 1
    local text = codec.encode({ { name = ":event-type", type = "string", value = "Big" } }, ("x"):rep(8 << 20))
    local next_message = codec.messages(function()
      if at > #text then return nil end
      at = at + 512
      return text:sub(at - 512, at - 1)
    end)
    assert.equal(8 << 20, #next_message().payload)
    assert.is_nil(next_message())
    assert.is_true(require("sm.time").monotonic() - begun < 5)
  end)
end)
