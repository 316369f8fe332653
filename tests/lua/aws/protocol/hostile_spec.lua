-- Whatever a server answers, the caller gets a table or a failure, never an error or a hang.
local json = require "sm.json"
local failures = require "aws.failure"
local models = require "aws.model"
local protocol = require "aws.protocol"

local seed
local function random(n)
  seed = (seed * 1103515245 + 12345) & 0x7fffffff
  return (seed >> 8) % n + 1
end

-- A good body for each protocol, and where it comes from.
local SUBJECTS <const> = {
  { "dynamodb", "Query", '{"Items":[{"a":{"S":"x"},"b":{"B":"AQI="},"l":{"L":[{"N":"1"}]}}],"Count":1,"LastEvaluatedKey":{"a":{"S":"x"}}}' },
  { "athena", "GetQueryExecution", '{"QueryExecution":{"Status":{"State":"SUCCEEDED","SubmissionDateTime":1.5e9},"Statistics":{"DataScannedInBytes":12}}}' },
  { "lambda", "ListFunctions", '{"Functions":[{"FunctionName":"f","CodeSize":1,"Layers":[{"Arn":"a"}],"Environment":{"Variables":{"a":"b"}}}],"NextMarker":"n"}' },
  { "bedrock-runtime", "Converse", '{"output":{"message":{"role":"assistant","content":[{"text":"hi"},{"toolUse":{"input":{"a":[1]}}}]}},"usage":{"inputTokens":1}}' },
  { "s3", "ListObjectsV2", "<ListBucketResult><Contents><Key>k</Key><Size>1</Size><LastModified>2014-04-29T18:30:38Z</LastModified><Owner><ID>o</ID></Owner></Contents></ListBucketResult>" },
  { "s3", "GetBucketAcl", '<R><Owner><ID>o</ID></Owner><AccessControlList><Grant><Grantee xsi:type="Group"><URI>u</URI></Grantee></Grant></AccessControlList></R>' },
  { "sns", "GetTopicAttributes", "<R><GetTopicAttributesResult><Attributes><entry><key>k</key><value>v</value></entry></Attributes></GetTopicAttributesResult></R>" },
  { "sqs", "ReceiveMessage", '{"Messages":[{"MessageId":"m","Body":"b","MessageAttributes":{"a":{"DataType":"Binary","BinaryValue":"AQI="}}}]}' },
  { "cloudwatch", "GetMetricData", "\xa1qMetricDataResults\x81\xa2bIda1fValues\x81\xfb?\xf0\0\0\0\0\0\0", "smithy-rpc-v2-cbor" },
}
local VALUES <const> = { "null", "true", "[]", "{}", '""', "0", "-1e400", '"x"', "[null]", '{"a":null}', "1e999", '"2014-13-01"', "[[[[]]]]" }

-- A JSON text with one value replaced by another kind of value.
local function other_value(text)
  local starts = {}
  for at in text:gmatch '()[%[{"%d]' do starts[#starts + 1] = at end
  if #starts == 0 then return text end
  local at = starts[random(#starts)]
  local stop = text:find("[,}%]]", at) or #text
  return text:sub(1, at - 1) .. VALUES[random(#VALUES)] .. text:sub(stop)
end

local function changed(text)
  local kind = #text == 0 and 4 or random(5)
  if kind == 1 then return text:sub(1, random(#text)) end
  if kind == 2 then
    local at = random(#text)
    return text:sub(1, at - 1) .. string.char(random(256) - 1) .. text:sub(at + 1)
  end
  if kind == 3 then
    local at, length = random(#text), random(20)
    return text:sub(1, at) .. text:sub(at, at + length) .. text:sub(at + 1)
  end
  if kind == 4 then return VALUES[random(#VALUES)] end
  return other_value(text)
end

local STATUSES <const> = { 200, 200, 200, 301, 400, 403, 404, 500, 503 }
local HEADERS <const> = {
  {}, { ["x-amzn-errortype"] = ":#" }, { ["x-amzn-errortype"] = "ResourceNotFoundException" }, { ["x-amzn-query-error"] = ";;;" }, { ["x-amz-request-id"] = "" },
}

describe("answers that make no sense", function()
  for _, subject in ipairs(SUBJECTS) do
    local service, name, body, spoken = table.unpack(subject)
    it(("of %s %s are a table or a failure"):format(service, name), function()
      seed = 4711
      local model = assert(models.load(service))
      local operation = assert(model:operation(name))
      local P = assert(protocol.of(model, spoken))
      assert.is_table((P.parse(model, operation, { status = 200, headers = {}, body = body })))
      for _ = 1, 1500 do
        local text = changed(body)
        if random(3) == 1 then text = changed(text) end
        local output, failure = P.parse(model, operation, { status = STATUSES[random(#STATUSES)], headers = HEADERS[random(#HEADERS)], body = text })
        assert.is_true(type(output) == "table" or failures.is(failure), text)
        if failure then assert.is_string(tostring(failure)) end
      end
    end)
  end

  it("that are nested without end are refused", function()
    local model = assert(models.load "dynamodb")
    local P, operation = assert(protocol.of(model)), model:operation "Query"
    local _, failure = P.parse(model, operation, { status = 200, headers = {}, body = ('{"Items":'):rep(100000) })
    assert.equal("response", failure.kind)
    model = assert(models.load "s3")
    P, operation = assert(protocol.of(model)), model:operation "ListBuckets"
    _, failure = P.parse(model, operation, { status = 200, headers = {}, body = ("<a>"):rep(100000) })
    assert.equal("response", failure.kind)
  end)
end)

describe("parameters that make no sense", function()
  local KINDS <const> = { 1, 1.5, true, "x", "\xff", {}, { 1 }, { a = 1 }, json.null, 0 / 0, math.huge, print, { [2] = "gap" }, { {} } }

  it("are sent or refused by name", function()
    seed = 99
    for _, subject in ipairs {
      { "dynamodb", "PutItem", { "TableName", "Item", "Expected", "ReturnValues" } }, { "s3", "PutObject", { "Bucket", "Key", "Body", "Metadata", "Expires", "ContentLength" } },
      { "sns", "Publish", { "Message", "MessageAttributes", "TopicArn" } }, { "lambda", "CreateFunction", { "FunctionName", "Role", "Code", "Environment", "Timeout", "Layers" } },
      { "bedrock-runtime", "Converse", { "modelId", "messages", "additionalModelRequestFields", "inferenceConfig" } },
    } do
      local model = assert(models.load(subject[1]))
      local P, operation = assert(protocol.of(model)), model:operation(subject[2])
      for _ = 1, 500 do
        local params = {}
        for _, name in ipairs(subject[3]) do
          if random(4) > 1 then params[name] = KINDS[random(#KINDS)] end
        end
        local request, failure = P.serialize(model, operation, params)
        assert.is_true(type(request) == "table" or failures.is(failure))
        if failure then assert.equal("validation", failure.kind) end
      end
    end
  end)

  it("that contain themselves are refused", function()
    local model = assert(models.load "dynamodb")
    local P, loop = assert(protocol.of(model)), {}
    loop.L = { loop }
    local none, failure = P.serialize(model, model:operation "PutItem", { TableName = "t", Item = { a = loop } })
    assert.is_nil(none)
    assert.equal("validation", failure.kind)
  end)
end)
