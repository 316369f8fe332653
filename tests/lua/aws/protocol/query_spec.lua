local models = require "aws.model"
local protocol = require "aws.protocol"

local function shipped(service, name)
  local model = assert(models.load(service))
  return model, assert(model:operation(name)), assert(protocol.of(model))
end
local function request(service, name, params)
  local model, operation, P = shipped(service, name)
  return P.serialize(model, operation, params)
end
local function answer(service, name, status, body)
  local model, operation, P = shipped(service, name)
  return P.parse(model, operation, { status = status, headers = {}, body = body })
end

-- A service in the EC2 dialect.
local function ec2(shapes)
  local model = models.from_service {
    metadata = { protocol = "ec2", apiVersion = "2016-11-15" }, shapes = shapes,
    operations = { Do = { name = "Do", http = { method = "POST", requestUri = "/" }, input = { shape = "I" }, output = { shape = "O" } } },
  }
  return model, model:operation "Do", assert(protocol.of(model))
end

describe("the query protocol", function()
  it("posts a form of dotted names", function()
    local r = assert(request("sns", "Publish", { Message = "a b&c", MessageAttributes = { k = { DataType = "Binary", BinaryValue = "\0\1" } } }))
    assert.equal("application/x-www-form-urlencoded; charset=utf-8", r.headers["content-type"])
    assert.equal("Action=Publish&Version=2010-03-31&Message=a%20b%26c&MessageAttributes.entry.1.Name=k&MessageAttributes.entry.1.Value.DataType=Binary" ..
      "&MessageAttributes.entry.1.Value.BinaryValue=AAE%3D", r.body)
    r = assert(request("sts", "AssumeRole", { RoleArn = "arn", RoleSessionName = "s", DurationSeconds = 900, PolicyArns = { { arn = "x" } }, TransitiveTagKeys = {} }))
    assert.equal("Action=AssumeRole&Version=2011-06-15&RoleArn=arn&RoleSessionName=s&PolicyArns.member.1.arn=x&DurationSeconds=900&TransitiveTagKeys=", r.body)
  end)

  it("reads the result out of its wrapper", function()
    local output = assert(answer("sts", "GetCallerIdentity", 200, [[<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
      <GetCallerIdentityResult><Arn>a</Arn><UserId>u</UserId><Account>123456789012</Account></GetCallerIdentityResult>
      <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetCallerIdentityResponse>]]))
    assert.same({ Arn = "a", UserId = "u", Account = "123456789012" }, output)
    assert.same({ Topics = {} }, (answer("sns", "ListTopics", 200, "<ListTopicsResponse><ListTopicsResult><Topics/></ListTopicsResult></ListTopicsResponse>")))
    assert.same({}, (answer("sns", "ListTopics", 200, "<ListTopicsResponse/>")))
  end)

  it("reads errors with request id and who is to blame", function()
    local _, failure = answer("sns", "Publish", 404, [[<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>NotFound</Code>
      <Message>Topic does not exist</Message></Error><RequestId>abc</RequestId></ErrorResponse>]])
    assert.same({ "NotFound", "Topic does not exist", "abc", "Sender", 404 }, { failure.code, failure.message, failure.request_id, failure.fault, failure.status })
    _, failure = answer("sns", "Publish", 500, "")
    assert.same({ "500", "Internal Server Error" }, { failure.code, failure.message })
  end)
end)

describe("EC2's dialect", function()
  local m, o, P = ec2 {
    I = { type = "structure", members = { ids = { shape = "L", locationName = "instanceId", queryName = "InstanceIds" }, dryRun = { shape = "B" },
      filters = { shape = "F", locationName = "filter" } } },
    O = { type = "structure", members = { Reservations = { shape = "F", locationName = "reservationSet" } } },
    S = { type = "string" }, B = { type = "boolean" }, L = { type = "list", member = { shape = "S", locationName = "item" } },
    F = { type = "list", member = { shape = "P", locationName = "item" } }, P = { type = "structure", members = { name = { shape = "S" } } },
  }

  it("begins names with a capital, counts lists flat and leaves empty ones out", function()
    local r = assert(P.serialize(m, o, { ids = { "a", "b" }, dryRun = true, filters = { { name = "n" } } }))
    for _, part in ipairs { "InstanceIds.1=a", "InstanceIds.2=b", "DryRun=true", "Filter.1.Name=n" } do
      assert.truthy(r.body:find(part, 1, true), r.body)
    end
    assert.equal("Action=Do&Version=2016-11-15", assert(P.serialize(m, o, { ids = {} })).body)
  end)

  it("reads answers from the root, and errors from their list", function()
    local output = assert(P.parse(m, o, { status = 200, headers = {}, body = "<DoResponse><requestId>r</requestId><reservationSet><item><name>x</name></item></reservationSet></DoResponse>" }))
    assert.same({ Reservations = { { name = "x" } } }, output)
    local _, failure = P.parse(m, o, { status = 400, headers = {}, body = "<Response><Errors><Error><Code>Invalid.Malformed</Code><Message>m</Message></Error></Errors><RequestID>r1</RequestID></Response>" })
    assert.same({ "Invalid.Malformed", "m", "r1" }, { failure.code, failure.message, failure.request_id })
  end)
end)
