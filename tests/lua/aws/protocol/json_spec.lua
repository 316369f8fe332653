local json = require "sm.json"
local models = require "aws.model"
local protocol = require "aws.protocol"

local function operation(service, name)
  local model = assert(models.load(service))
  return model, assert(model:operation(name)), assert(protocol.of(model))
end

local function serialize(service, name, params, options)
  local model, op, P = operation(service, name)
  return P.serialize(model, op, params, options)
end

local function parse(service, name, response)
  local model, op, P = operation(service, name)
  response.headers = response.headers or {}
  response.status = response.status or 200
  return P.parse(model, op, response)
end

describe("aws.protocol.json", function()
  it("posts one object and names the operation in a header", function()
    local request = assert(serialize("dynamodb", "DescribeTable", { TableName = "t" }))
    assert.equal("POST", request.method)
    assert.equal("/", request.path)
    assert.equal("application/x-amz-json-1.0", request.headers["content-type"])
    assert.equal("DynamoDB_20120810.DescribeTable", request.headers["x-amz-target"])
    assert.equal('{"TableName":"t"}', request.body)
    assert.equal("{}", assert(serialize("dynamodb", "ListTables")).body)
  end)

  it("lets the shape decide between list and object, and keeps integers whole", function()
    local request = assert(serialize("dynamodb", "PutItem", {
      TableName = "t", Item = { l = { L = {} }, m = { M = {} }, b = { B = "\1\2" }, s = { SS = { "a" } } },
    }))
    local body = json.decode(request.body)
    assert.is_true(json.is_array(body.Item.l.L))
    assert.is_false(json.is_array(body.Item.m.M))
    assert.equal("AQI=", body.Item.b.B)
    assert.equal('{"Limit":10}', assert(serialize("dynamodb", "ListTables", { Limit = 10.0 })).body)
  end)

  it("fills an idempotency token once, from the caller's source", function()
    local request = assert(serialize("athena", "StartQueryExecution", { QueryString = "select 1" }, { token = function() return "token-1" end }))
    assert.equal("token-1", json.decode(request.body).ClientRequestToken)
    assert.truthy(json.decode(assert(serialize("athena", "StartQueryExecution", { QueryString = "" })).body).ClientRequestToken:find "^%x+%-")
  end)

  it("names the member that cannot be sent, before anything is sent", function()
    local _, failure = serialize("dynamodb", "PutItem", { TablName = "t", Item = { a = { S = 12 }, l = { L = { { S = "a" }, { N = true } } } } })
    assert.equal("validation", failure.kind)
    for _, text in ipairs {
      "input: 'TableName' is required", "no member 'TablName' (did you mean 'TableName'?)", "Item.a.S: a text is needed, not integer",
      "Item.l.L[2].N: a text is needed, not boolean",
    } do
      assert.truthy(failure.message:find(text, 1, true), failure.message)
    end
    _, failure = serialize("dynamodb", "DescribeTable", { TableName = "\xff" })
    assert.truthy(failure.message:find("TableName: the text is not UTF-8", 1, true))
    _, failure = serialize("dynamodb", "ListTables", { Limit = 1.5 })
    assert.truthy(failure.message:find("Limit: a whole number is needed, not 1.5", 1, true))
    _, failure = serialize("dynamodb", "ListTables", "x")
    assert.equal("validation", failure.kind)
  end)

  it("reads answers by the shape: bytes, times, exact integers; unknown members go", function()
    local output = assert(parse("dynamodb", "GetItem", { body = '{"Item":{"b":{"B":"AQI="},"n":{"N":"1"}},"Future":1}' }))
    assert.same({ Item = { b = { B = "\1\2" }, n = { N = "1" } } }, output)
    output = assert(parse("dynamodb", "DescribeTable", { body = '{"Table":{"CreationDateTime":1.5E9,"TableSizeBytes":9007199254740993,"TableName":null}}' }))
    assert.same({ Table = { CreationDateTime = 1500000000, TableSizeBytes = 9007199254740993 } }, output)
    assert.same({}, (parse("dynamodb", "DescribeTable", { body = "" })))
  end)

  it("finds code, message and members of an error", function()
    local _, failure = parse("athena", "StartQueryExecution", {
      status = 400, headers = { ["x-amzn-requestid"] = "R1" }, body = '{"__type":"com.amazon#InvalidRequestException:http://x/","AthenaErrorCode":"C","message":"bad"}',
    })
    assert.equal("InvalidRequestException", failure.code)
    assert.equal("bad", failure.message)
    assert.equal("R1", failure.request_id)
    assert.equal("C", failure.members.AthenaErrorCode)
    _, failure = parse("sqs", "GetQueueUrl", {
      status = 400, headers = { ["x-amzn-query-error"] = "AWS.SimpleQueueService.NonExistentQueue;Sender" }, body = '{"__type":"com.amazonaws.sqs#QueueDoesNotExist"}',
    })
    assert.equal("AWS.SimpleQueueService.NonExistentQueue", failure.code)
    assert.equal("QueueDoesNotExist", failure.error_code)
  end)

  it("survives an error answer that is no JSON, and says so of a good one", function()
    local _, failure = parse("athena", "StartQueryExecution", { status = 503, body = "<html>no</html>" })
    assert.equal("503", failure.code)
    assert.equal("Service Unavailable", failure.message)
    _, failure = parse("athena", "StartQueryExecution", { status = 400, body = "plain words" })
    assert.equal("plain words", failure.message)
    _, failure = parse("athena", "StartQueryExecution", { body = "<html>" })
    assert.equal("response", failure.kind)
  end)
end)
