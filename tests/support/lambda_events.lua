-- Events as the services write them, made by hand from their documentation, with what a spec wants changed; and a house of
-- small use cases behind the handlers. No assertions here.
local errors = require "lib.errors"
local house = require "entry.lambda.house"
local json = require "lib.json"
local shape = require "lib.shape"

local M = {}

local null = json.null

local function with(base, changes)
  for name, value in pairs(changes or {}) do base[name] = value end
  return base
end

-- Gateways --------------------------------------------------------------------------------------------------------------

-- A REST API, proxy integration on the resource /{proxy+}, default endpoint with the stage prod.
function M.rest(method, path, changes)
  local below = path:match("^[^?]*")
  return with({
    resource = "/{proxy+}", path = below, httpMethod = method,
    headers = { Accept = "application/json", Host = "abc123.execute-api.eu-west-1.amazonaws.com", ["X-Forwarded-Proto"] = "https",
      ["X-Forwarded-For"] = "203.0.113.9, 198.51.100.2" },
    multiValueHeaders = { Accept = { "application/json" }, Host = { "abc123.execute-api.eu-west-1.amazonaws.com" },
      ["X-Forwarded-Proto"] = { "https" }, ["X-Forwarded-For"] = { "203.0.113.9, 198.51.100.2" } },
    queryStringParameters = null, multiValueQueryStringParameters = null,
    pathParameters = { proxy = below:sub(2) }, stageVariables = null,
    requestContext = { resourceId = "x1", resourcePath = "/{proxy+}", httpMethod = method, path = "/prod" .. below, stage = "prod",
      accountId = "123456789012", apiId = "abc123", domainName = "abc123.execute-api.eu-west-1.amazonaws.com", domainPrefix = "abc123",
      requestId = "4f6c5f0e-0001", requestTimeEpoch = 1755072000000, protocol = "HTTP/1.1",
      identity = { sourceIp = "203.0.113.9", userAgent = "spec", userArn = null, caller = null, cognitoIdentityId = null } },
    body = null, isBase64Encoded = false,
  }, changes)
end

-- What the Test button of the console sends.
function M.rest_console(method, path, changes)
  local event = M.rest(method, path, { headers = null, multiValueHeaders = null })
  event.requestContext.stage, event.requestContext.path = "test-invoke-stage", path
  event.requestContext.domainName = "testPrefix.testDomainName"
  event.requestContext.identity = { sourceIp = "test-invoke-source-ip", userArn = "arn:aws:iam::123456789012:root", userAgent = "aws-internal/3" }
  return with(event, changes)
end

-- An HTTP API with payload format 2.0.
function M.http_api(method, path, query, changes)
  return with({
    version = "2.0", routeKey = "$default", rawPath = path, rawQueryString = query or "",
    headers = { accept = "application/json", host = "h1.execute-api.eu-west-1.amazonaws.com", ["x-forwarded-proto"] = "https" },
    requestContext = { accountId = "123456789012", apiId = "h1", domainName = "h1.execute-api.eu-west-1.amazonaws.com", domainPrefix = "h1",
      http = { method = method, path = path, protocol = "HTTP/1.1", sourceIp = "203.0.113.9", userAgent = "spec" },
      requestId = "JKJaXmPLvHcESHA=", routeKey = "$default", stage = "$default", time = "13/Aug/2025:08:00:00 +0000", timeEpoch = 1755072000000 },
    isBase64Encoded = false,
  }, changes)
end

-- The same through an HTTP API that sends payload format 1.0.
function M.http_api_one(method, path, changes)
  local event = M.rest(method, path, { version = "1.0" })
  event.requestContext.path = event.path
  event.requestContext.stage = "$default"
  return with(event, changes)
end

function M.function_url(method, path, query, changes)
  local event = M.http_api(method, path, query)
  event.headers.host = "u1.lambda-url.eu-west-1.on.aws"
  event.requestContext.domainName, event.requestContext.domainPrefix, event.requestContext.apiId = event.headers.host, "u1", "u1"
  return with(event, changes)
end

function M.alb(method, path, query, changes)
  return with({
    requestContext = { elb = { targetGroupArn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/lake/6d0ecf831eec9f09" } },
    httpMethod = method, path = path, queryStringParameters = query or {},
    headers = { accept = "application/json", host = "lake-1.eu-west-1.elb.amazonaws.com", ["x-forwarded-proto"] = "https",
      ["x-forwarded-for"] = "203.0.113.9", ["x-amzn-trace-id"] = "Root=1-5bdb40ca-556d8b0c50dc66f0511bf520" },
    body = "", isBase64Encoded = false,
  }, changes)
end

function M.alb_many(method, path, query, changes)
  local event = M.alb(method, path)
  local many = {}
  for name, value in pairs(event.headers) do many[name] = { value } end
  event.headers, event.queryStringParameters = nil, nil
  event.multiValueHeaders, event.multiValueQueryStringParameters = many, query or {}
  return with(event, changes)
end

-- Other services --------------------------------------------------------------------------------------------------------

function M.sqs(bodies, changes)
  local records = {}
  for i, body in ipairs(bodies) do
    records[i] = with({ messageId = "m" .. i, receiptHandle = "r" .. i, body = type(body) == "table" and json.encode(body) or body,
      attributes = { ApproximateReceiveCount = "1", SentTimestamp = "1755072000000" }, messageAttributes = {}, md5OfBody = "x",
      eventSource = "aws:sqs", eventSourceARN = "arn:aws:sqs:eu-west-1:123456789012:lake", awsRegion = "eu-west-1" }, changes)
  end
  return { Records = records }
end

function M.fifo(bodies_by_group)
  local event = M.sqs({})
  for i, pair in ipairs(bodies_by_group) do
    local one = M.sqs({ pair[2] }).Records[1]
    one.messageId = "m" .. i
    one.eventSourceARN = one.eventSourceARN .. ".fifo"
    one.attributes = { MessageGroupId = pair[1], SequenceNumber = tostring(18849496460467696000 + i), MessageDeduplicationId = "d" .. i }
    event.Records[i] = one
  end
  return event
end

function M.kinesis(bodies)
  local crypto, records = require "sm.crypto", {}
  for i, body in ipairs(bodies) do
    records[i] = { kinesis = { kinesisSchemaVersion = "1.0", partitionKey = "1", sequenceNumber = "4959033827149025660" .. i,
      data = crypto.base64(type(body) == "table" and json.encode(body) or body), approximateArrivalTimestamp = 1755072000.5 },
      eventSource = "aws:kinesis", eventVersion = "1.0", eventID = "shardId-000000000006:4959033827149025660" .. i,
      eventName = "aws:kinesis:record", awsRegion = "eu-west-1", eventSourceARN = "arn:aws:kinesis:eu-west-1:123456789012:stream/lake" }
  end
  return { Records = records }
end

function M.dynamodb(images)
  local records = {}
  for i, image in ipairs(images) do
    records[i] = { eventID = "e" .. i, eventName = "INSERT", eventVersion = "1.1", eventSource = "aws:dynamodb", awsRegion = "eu-west-1",
      dynamodb = { Keys = { id = { N = tostring(i) } }, NewImage = image, SequenceNumber = tostring(110 + i), SizeBytes = 26,
        StreamViewType = "NEW_AND_OLD_IMAGES" }, eventSourceARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/t/stream/2025" }
  end
  return { Records = records }
end

function M.kafka(bodies, source)
  local crypto, records = require "sm.crypto", {}
  for i, body in ipairs(bodies) do
    records[i] = { topic = "lake", partition = 0, offset = 14 + i, timestamp = 1755072000000, timestampType = "CREATE_TIME",
      key = crypto.base64("k"), value = crypto.base64(json.encode(body)), headers = {} }
  end
  return { eventSource = source or "aws:kafka", eventSourceArn = "arn:aws:kafka:eu-west-1:123456789012:cluster/c/1",
    bootstrapServers = "b-1.c.kafka.eu-west-1.amazonaws.com:9094", records = { ["lake-0"] = records } }
end

function M.sns(message)
  return { Records = { { EventVersion = "1.0", EventSource = "aws:sns", EventSubscriptionArn = "arn:aws:sns:eu-west-1:123456789012:t:1",
    Sns = { Type = "Notification", MessageId = "95df01b4-ee98-5cb9-9903-4c221d41eb5e", TopicArn = "arn:aws:sns:eu-west-1:123456789012:t",
      Subject = null, Message = type(message) == "table" and json.encode(message) or message, Timestamp = "2025-08-13T08:00:00.000Z",
      MessageAttributes = {} } } } }
end

function M.s3(keys)
  local records = {}
  for i, key in ipairs(keys) do
    records[i] = { eventVersion = "2.1", eventSource = "aws:s3", awsRegion = "eu-west-1", eventTime = "2025-08-13T08:00:00.000Z",
      eventName = "ObjectCreated:Put", userIdentity = { principalId = "A1" }, s3 = { s3SchemaVersion = "1.0", configurationId = "c",
        bucket = { name = "lake", arn = "arn:aws:s3:::lake" }, object = { key = key, size = 1024, eTag = "d41d8", sequencer = "0A1B2C" .. i } } }
  end
  return { Records = records }
end

function M.bus(source, detail_type, detail, changes)
  return with({ version = "0", id = "cdc73f9d-aea9-11e3-9d5a-835b769c0d9c", ["detail-type"] = detail_type, source = source,
    account = "123456789012", time = "2025-08-13T23:59:58Z", region = "eu-west-1", resources = {}, detail = detail }, changes)
end

function M.schedule(changes) return M.bus("aws.events", "Scheduled Event", {}, changes) end

-- The house -------------------------------------------------------------------------------------------------------------

local function use_cases(seen)
  local all = {}
  all.health = { name = "health", ports = {}, input = shape.object { deep = shape.boolean { default = false } },
    run = function(_, input) return { status = "ok", was_deep = input.deep } end }
  all.run = { name = "run", ports = {}, input = shape.object { run = shape.date { optional = true, falsy_is_absent = true },
      idempotency_key = shape.string { optional = true } },
    run = function(_, input, ctx)
      seen[#seen + 1] = { input = input, ctx = ctx }
      if input.run == "2000-01-01" then return nil, errors.new("CooldownActive", "wait", { retry_after_seconds = 3, run = input.run }) end
      if input.run == "2000-01-02" then error("a fault of ours") end
      return { status = "accepted", run = input.run or "today", job_id = "j1" }, "accepted"
    end }
  all.query = { name = "query", ports = {}, input = shape.object { sql = shape.string {}, max_rows = shape.integer { default = 1, clamp = true,
      min = 1, max = 100000000 }, format = shape.enum({ "json", "csv", "parquet", "ndjson" }, { default = "json" }) },
    run = function(_, input, ctx)
      seen[#seen + 1] = { input = input, ctx = ctx }
      if input.sql == "break" then
        local n = 0
        return { content_type = "text/csv", stream = function()
          n = n + 1
          if n == 1 then return "a\n" end
          return nil, errors.new("QueryFailed", "half way")
        end }
      end
      if input.format == "parquet" or input.format == "csv" then
        local left = input.max_rows
        return { content_type = input.format == "csv" and "text/csv" or "application/vnd.apache.parquet", file_name = "result." .. input.format,
          stream = function()
            if left <= 0 then return nil end
            left = left - 1
            return input.format == "csv" and "é,1\n" or "PAR1\xff\xfe\0"
          end }
      end
      return { columns = { "a" }, rows = json.list { input.sql:rep(input.max_rows) } }
    end }
  all.run_status = { name = "run_status", ports = {}, input = shape.object { job_id = shape.string {} },
    run = function(_, input) return { job_id = input.job_id } end }
  all.run_events = { name = "run_events", ports = {}, input = shape.object { job_id = shape.string {}, after = shape.integer { default = 0 } },
    run = function(_, input)
      local at = input.after
      return { events = function()
        at = at + 1
        if at > 3 then return nil end
        return { { id = at, event = "step", data = { n = at } } }
      end }
    end }
  all.runs = { name = "runs", ports = {}, input = shape.object { state = shape.string { optional = true }, limit = shape.integer { default = 20 },
      cursor = shape.string { optional = true } },
    run = function(_, input, ctx) return { items = json.list {}, state = input.state, limit = input.limit, cursor = input.cursor, caller = ctx.caller } end }
  all.download = { name = "download", ports = {}, input = shape.object { path = shape.string {}, expires = shape.string { optional = true },
      signature = shape.string { optional = true } },
    run = function(_, input) return { file = "/tmp/none/" .. input.path, size = 7 << 20, file_name = "part.parquet" } end }
  all.table_schema = { name = "table_schema", ports = {}, input = shape.object { database = shape.string {}, table = shape.string {},
      preview = shape.string { optional = true } }, run = function(_, input) return { database = input.database, table = input.table } end }
  all.orchestrate = { name = "orchestrate", ports = {}, input = shape.object { job_id = shape.string { optional = true },
      run = shape.date { optional = true } },
    run = function(_, input, ctx)
      seen[#seen + 1] = { input = input, ctx = ctx }
      return { job_id = input.job_id or "new", status = "accepted", run = input.run or "2025-08-13" }
    end }
  all.listen = { name = "listen", ports = {}, input = shape.object { event = shape.any {} },
    run = function(_, input)
      seen[#seen + 1] = { input = input }
      return { ok = true }
    end }
  all.take = { name = "take", ports = {}, input = shape.object { n = shape.integer { optional = true }, bucket = shape.string { optional = true },
      key = shape.string { optional = true }, size = shape.integer { optional = true } },
    run = function(_, input, ctx)
      seen[#seen + 1] = { input = input, ctx = ctx }
      if input.n == 13 then return nil, errors.new("QueryFailed", "thirteen") end
      if input.n == 14 then error("a fault of ours") end
      return { ok = true, n = input.n }
    end }
  return all
end

--- A house whose use cases tell what they saw.
---@param settings table<string, string>?  NAME -> text
---@return table house, table seen
function M.house(settings)
  local seen = {}
  local all = use_cases(seen)
  local read = assert(require("settings").read(function(name) return (settings or {})[name] end))
  read.access_log, read.given.auth = false, not (settings or {}).unchecked
  local built = house.new { settings = read, open = function()
    return {
      use_case = function(name)
        if all[name] then return all[name] end
        return nil, errors.new("ServiceUnavailable", ("use case '%s' does not load: usecases/%s.lua:3: syntax error"):format(name, name))
      end,
      ports_of = function() return {} end,
    }
  end }
  return built, seen
end

M.context = { request_id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd", remaining = function() return 30 end }

--- Runs an event through a handler as the runtime does: the value as it reads in JSON.
function M.call(name, event, built, context)
  local handler = assert(require("entry.lambda.handlers").find(name, "/nowhere", built))
  local value, err = handler.run(event, context or M.context)
  if value == nil then return nil, err end
  if require("entry.lambda.stream").is(value) then return value end
  local answer = assert(json.decode(assert(json.encode(value))))
  local body = type(answer) == "table" and answer.body
  return answer, type(body) == "string" and body ~= "" and json.decode(body) or nil
end

return M
