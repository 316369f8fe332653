local events = require "lambda_events"
local json = require "lib.json"
local log = require "lib.log"

describe("the handler of a use case", function()
  local built, seen, records
  before_each(function()
    built, seen = events.house()
    records = {}
    log.configure { write = function(line) records[#records + 1] = line end }
  end)
  teardown(function() log.configure { write = require("sm.log").write } end)

  local function call(name, event, context) return events.call("lakehouse/" .. name, event, built, context) end

  describe("called directly", function()
    it("takes an object, its text, null or nothing, in either spelling", function()
      for _, event in ipairs { { jobId = "j7", run = "2025-08-14" }, { job_id = "j7", run = "2025-08-14" }, '{"jobId":"j7","run":"2025-08-14"}' } do
        assert.are.same({ jobId = "j7", status = "accepted", run = "2025-08-14" }, (call("orchestrate", event)))
      end
      for _, event in ipairs { json.null, {}, "", "{}", "null" } do
        if event == "null" then event = json.decode(event) end
        assert.are.same({ jobId = "new", status = "accepted", run = "2025-08-13" }, (call("orchestrate", event)))
      end
      assert.are.equal("direct", seen[1].ctx.caller)
    end)

    it("raises what it cannot take or do", function()
      for _, event in ipairs { 7, true, "text", json.decode "[1]" } do
        local _, err = call("orchestrate", event)
        assert.are.equal("BadRequest", err.code)
      end
      local _, err = call("orchestrate", { run = "today" })
      assert.are.equal("BadParam", err.code)
      _, err = call("take", { n = 13 })
      assert.are.equal("QueryFailed", err.code)
      assert.has_error(function() call("take", { n = 14 }) end)
    end)

    it("says that a stream needs HTTP", function()
      local _, err = call("query", { sql = "x", format = "csv" })
      assert.are.equal("NotSupported", err.code)
    end)

    it("knows the user of an identity pool", function()
      call("take", {}, { request_id = "r", identity = { cognitoIdentityId = "eu-west-1:id", cognitoIdentityPoolId = "p" } })
      call("take", {}, { request_id = "r", identity_json = '{"cognitoIdentityId":"eu-west-1:id","cognitoIdentityPoolId":"p"}' })
      assert.are.equal("eu-west-1:id", seen[1].ctx.caller)
      assert.are.equal("eu-west-1:id", seen[2].ctx.caller)
    end)

    it("tells use cases how much time there is", function()
      call("take", {}, { request_id = "r", remaining = function() return 3 end })
      assert.are.equal(3, seen[1].ctx.settings.request_seconds)
    end)
  end)

  describe("behind a gateway", function()
    it("answers its own route", function()
      local answer, body = call("run", events.rest("POST", "/run", { body = '{"run":"2025-08-13"}' }))
      assert.are.equal(202, answer.statusCode)
      assert.are.equal("j1", body.jobId)
      assert.are.equal(405, (call("run", events.rest("GET", "/health")).statusCode))
    end)

    it("does so under whatever path the gateway has given it", function()
      local answer, body = call("health", events.http_api("GET", "/anything/else"))
      assert.are.equal(200, answer.statusCode)
      assert.are.equal("ok", body.status)
      assert.are.equal(200, (call("health", { httpMethod = "GET", headers = {}, body = json.null }).statusCode))
      answer = call("health", { httpMethod = "OPTIONS" })
      assert.are.equal("GET,OPTIONS", answer.headers["Access-Control-Allow-Methods"])
    end)

    it("needs the path where the path says which", function()
      assert.are.equal("j9", select(2, call("run_status", events.rest("GET", "/runs/j9"))).jobId)
      assert.are.equal(404, (call("run_status", events.rest("GET", "/other")).statusCode))
    end)

    it("shows use cases without a route to nobody", function()
      assert.are.equal(404, (call("orchestrate", events.rest("POST", "/orchestrate", { body = "{}" })).statusCode))
      assert.are.equal(0, #seen)
    end)
  end)

  describe("on a bus", function()
    it("takes the detail of an event as its input", function()
      assert.are.same({ jobId = "j7", status = "accepted", run = "2025-08-14" },
        (call("orchestrate", events.bus("lake.app", "Refresh wanted", { jobId = "j7", run = "2025-08-14" }))))
      assert.are.equal("lake.app", seen[1].ctx.caller)
    end)

    it("gets the whole event when it declares one", function()
      local event = events.bus("aws.dms", "DMS Replication Task State Change", { eventType = "REPLICATION_TASK_STOPPED" })
      call("listen", event)
      assert.are.equal("REPLICATION_TASK_STOPPED", seen[1].input.event.detail.eventType)
    end)

    it("runs for the day that a schedule was due, once for each time", function()
      call("run", events.schedule())
      assert.are.same({ run = "2025-08-13", idempotency_key = "cdc73f9d-aea9-11e3-9d5a-835b769c0d9c" }, seen[1].input)
      assert.are.equal("schedule", seen[1].ctx.caller)
      -- EventBridge Scheduler writes the detail as text
      call("run", events.schedule { source = "aws.scheduler", detail = "{}" })
      assert.are.equal("2025-08-13", seen[2].input.run)
      assert.are.equal("accepted", call("run", events.schedule { detail = '{"run":"2025-01-02"}' }).status)
      assert.are.equal("2025-01-02", seen[3].input.run)
    end)
  end)

  describe("with messages of a queue", function()
    it("runs once for each and says which failed", function()
      local answer = call("take", events.sqs { { n = 1 }, { n = 13 }, { n = 14 }, { n = 2 }, "no JSON", "[1]", { n = "x" } })
      assert.are.same({ { itemIdentifier = "m2" }, { itemIdentifier = "m3" }, { itemIdentifier = "m5" }, { itemIdentifier = "m6" },
        { itemIdentifier = "m7" } }, answer.batchItemFailures)
      assert.are.equal(4, #seen)
      assert.are.equal("m1", seen[1].ctx.record.messageId)
      assert.are.equal(5, #records)
      assert.matches("record_failed", records[1], 1, true)
      assert.matches("thirteen", records[1], 1, true)
      assert.matches("lambda_events.lua", records[2], 1, true)
    end)

    it("does nothing for an empty batch", function()
      assert.are.same({}, call("take", { Records = json.list {} }).batchItemFailures)
      assert.are.equal(0, #seen)
    end)

    it("says that none failed with an empty list", function()
      local handler = assert(require("entry.lambda.handlers").find("lakehouse/take", "/nowhere", built))
      assert.are.equal('{"batchItemFailures":[]}', json.encode((handler.run(events.sqs { { n = 1 } }, events.context))))
    end)

    it("keeps the order of each group of a FIFO queue", function()
      local answer = call("take", events.fifo { { "a", { n = 1 } }, { "b", { n = 13 } }, { "a", { n = 2 } }, { "b", { n = 3 } }, { "a", { n = 4 } } })
      assert.are.same({ { itemIdentifier = "m2" }, { itemIdentifier = "m4" } }, answer.batchItemFailures)
      local order = {}
      for i, one in ipairs(seen) do order[i] = one.input.n end
      assert.are.same({ 1, 13, 2, 4 }, order)
    end)

    it("gives the message's id as the key of a call, so that a repeated delivery starts nothing twice", function()
      call("run", events.sqs { { run = "2025-08-13" }, { run = "2025-08-14", idempotencyKey = "own" } })
      assert.are.equal("m1", seen[1].input.idempotency_key)
      assert.are.equal("own", seen[2].input.idempotency_key)
    end)

    it("does not begin what there is no time for", function()
      local left = 3
      local answer = call("take", events.sqs { { n = 1 }, { n = 2 }, { n = 3 } }, { request_id = "r", remaining = function()
        left = left - 0.75
        return left
      end })
      assert.are.same({ { itemIdentifier = "m2" }, { itemIdentifier = "m3" } }, answer.batchItemFailures)
    end)

    it("opens what other services have put into the queue", function()
      local through_topic = json.encode { Type = "Notification", MessageId = "x", TopicArn = "arn:aws:sns:eu-west-1:1:t", Message = '{"n":5}' }
      local answer = call("take", events.sqs { through_topic, events.s3 { "a/b+c%2B%C3%BC.csv", "d" }, events.bus("app", "x", { n = 6 }),
        { Service = "Amazon S3", Event = "s3:TestEvent", Bucket = "lake" } })
      assert.are.same({}, answer.batchItemFailures)
      assert.are.equal(5, seen[1].input.n)
      assert.are.equal("a/b c+ü.csv", seen[2].input.key)
      assert.are.equal("d", seen[3].input.key)
      assert.are.equal(6, seen[4].input.n)
      assert.are.equal(4, #seen)
    end)

    it("fails as a whole when a failed message has no name", function()
      local _, err = call("take", events.sqs({ { n = 13 } }, { messageId = false }))
      assert.are.equal("QueryFailed", err.code)
    end)
  end)

  describe("with records of a stream", function()
    it("stops at the first failure and says where to go on", function()
      local answer = call("take", events.kinesis { { n = 1 }, { n = 13 }, { n = 2 } })
      assert.are.same({ { itemIdentifier = "49590338271490256602" } }, answer.batchItemFailures)
      assert.are.equal(2, #seen)
      answer = call("take", events.kinesis { "no JSON" })
      assert.are.same({ { itemIdentifier = "49590338271490256601" } }, answer.batchItemFailures)
      assert.are.same({}, call("take", events.kinesis { { n = 1 } }).batchItemFailures)
    end)

    it("reads changes of a table as plain values", function()
      local answer = call("take", events.dynamodb { { n = { N = "1" }, key = { S = "k" }, more = { M = { list = { L = { { BOOL = true }, { NULL = true } } } } } },
        { n = { N = "13" } }, { n = { N = "2" } } })
      assert.are.same({ { itemIdentifier = "112" } }, answer.batchItemFailures)
      assert.are.same({ n = 1, key = "k" }, seen[1].input)
      assert.are.equal("INSERT", seen[1].ctx.record.eventName)
    end)

    it("gives keys, old and new item to who declares an event", function()
      call("listen", events.dynamodb { { n = { N = "1.5" }, tags = { SS = { "a", "b" } }, raw = { B = "AP8=" }, long = { N = "12345678901234567890123" } } })
      local event = seen[1].input.event
      assert.are.same({ id = 1 }, event.keys)
      assert.are.same({ n = 1.5, tags = { "a", "b" }, raw = "\0\xff", long = "12345678901234567890123" }, event.new_item)
      assert.are.equal("INSERT", event.name)
    end)

    it("fails a batch of Kafka as a whole, in order", function()
      for _, source in ipairs { "aws:kafka", "SelfManagedKafka" } do
        local value = call("take", events.kafka({ { n = 1 }, { n = 2 } }, source))
        assert.are.equal(json.null, value)
      end
      local _, err = call("take", events.kafka { { n = 13 }, { n = 3 } })
      assert.are.equal("QueryFailed", err.code)
      assert.are.equal(5, #seen)
    end)
  end)

  describe("with other notifications", function()
    it("reads a topic's message", function()
      assert.are.same({ ok = true, n = 4 }, (call("take", events.sns { n = 4 })))
      local _, err = call("take", events.sns { n = 13 })
      assert.are.equal("QueryFailed", err.code)
      _, err = call("take", events.sns "hello")
      assert.are.equal("BadJson", err.code)
    end)

    it("reads a bucket's, one call for each object; the test of a new one is nothing", function()
      call("take", events.s3 { "in/my+file%281%29.csv" })
      assert.are.same({ bucket = "lake", key = "in/my file(1).csv", size = 1024 }, seen[1].input)
      assert.are.equal(json.null, call("take", { Service = "Amazon S3", Event = "s3:TestEvent", Bucket = "lake" }))
      assert.are.equal(1, #seen)
    end)

    it("reads the input of a state machine's execution from its context object", function()
      call("run", { Execution = { Id = "arn:aws:states:eu-west-1:1:execution:m:e", Input = { run = "2025-08-13" }, Name = "e" },
        State = { Name = "Refresh", RetryCount = 0 }, StateMachine = { Id = "arn", Name = "m" } })
      assert.are.same({ run = "2025-08-13", idempotency_key = "arn:aws:states:eu-west-1:1:execution:m:e:Refresh" }, seen[1].input)
    end)
  end)

  it("takes the bare list of a pipe", function()
    assert.are.same({ { itemIdentifier = "m2" } }, call("take", events.sqs({ { n = 1 }, { n = 13 } }).Records).batchItemFailures)
    assert.are.same({ { itemIdentifier = "49590338271490256601" } }, call("take", events.kinesis({ { n = 13 } }).Records).batchItemFailures)
  end)

  it("plays again what a failed invocation left, from its destination or by way of a queue", function()
    local function left(event)
      return { version = "1.0", timestamp = "2025-08-13T08:00:00.000Z", requestContext = { requestId = "r", condition = "RetriesExhausted",
        functionArn = "arn:aws:lambda:eu-west-1:1:function:f:$LATEST", approximateInvokeCount = 3 }, requestPayload = event,
        responseContext = { statusCode = 200, functionError = "Unhandled" }, responsePayload = { errorMessage = "no" } }
    end
    assert.are.equal(5, call("take", left { n = 5 }).n)
    call("take", events.sqs { left { n = 6 }, left(events.bus("app", "x", { n = 7 })) })
    assert.are.same({ 6, 7 }, { seen[2].input.n, seen[3].input.n })
    assert.are.equal("2025-08-13", call("run", left(events.schedule())).run)
  end)

  it("reports a success to a state machine that waits for its token, and leaves a failure to the invocation", function()
    local told = {}
    built.end_task = function(token, value)
      told[#told + 1] = { token, value.n }
      return true
    end
    assert.are.same({ ok = true, n = 3 }, (call("take", { taskToken = "AAAA", input = { n = 3 } })))
    assert.are.same({ ok = true, n = 4 }, (call("take", { Execution = { Id = "e", Input = { n = 4 } }, StateMachine = { Id = "m" }, Task = { Token = "BBBB" } })))
    local _, err = call("take", { TaskToken = "CCCC", Input = { n = 13 } })
    assert.are.equal("QueryFailed", err.code)
    assert.are.same({ { "AAAA", 3 }, { "BBBB", 4 } }, told)
    built.end_task = function() return nil, require("lib.errors").new("ExternalServiceError", "no") end
    _, err = call("take", { taskToken = "AAAA", input = { n = 3 } })
    assert.are.equal("ExternalServiceError", err.code)
  end)

  it("refuses what cannot be answered here", function()
    local answer, body = call("run", { requestContext = { connectionId = "c=", eventType = "CONNECT", routeKey = "$connect" }, isBase64Encoded = false })
    assert.are.equal(400, answer.statusCode)
    assert.are.equal("NotSupported", body.error.code)
    local _, err = call("run", { type = "TOKEN", authorizationToken = "x", methodArn = "arn:aws:execute-api:eu-west-1:1:a/prod/GET/" })
    assert.are.equal("NotSupported", err.code)
    _, err = call("run", { version = "2.0", type = "REQUEST", routeArn = "arn", requestContext = { http = { method = "GET", path = "/" } } })
    assert.are.equal("NotSupported", err.code)
    assert.are.equal(0, #seen)
  end)
end)
