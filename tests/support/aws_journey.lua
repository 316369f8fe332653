-- The whole program on AWS for end-to-end specs: three functions, and behind them moto. In between stands a server that checks
-- every signature, plays the Lambda service, tells moto what Athena shall answer, and DMS what its task has come to. No assertions.
local fixture = require "aws_fixture"
local http = require "sm.http"
local json = require "lib.json"
local lambda_service = require "lambda_service"
local task = require "sm.task"
local verifying = require "verifying_server"

local M = {}

local KEY <const> = { access_key = "ASIAEXAMPLE", secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", session_token = "a/session+token=" }

function M.available() return fixture.has "moto" and require("sm.files").exists(lambda_service.program) end

--- The built programs to try: the one of the tests, and the release where it has been made.
---@return string[]
function M.programs()
  local release = "dist/x86_64/bootstrap"
  return { lambda_service.program, require("sm.files").exists(release) and release or nil }
end

-- ---- what the server in front of moto does ----

local HOP <const> = { connection = true, ["keep-alive"] = true, ["transfer-encoding"] = true, ["content-length"] = true, expect = true }

local function forward(world, request)
  local headers = {}
  for name, value in pairs(request.headers) do
    if not HOP[name] then headers[name] = value end
  end
  local answer = assert(http.request { method = request.method, url = world.moto .. request.path .. (request.query and "?" .. request.query or ""),
    headers = headers, body = (request.body or "") ~= "" and request.body or nil, timeout = 60 })
  local out = {}
  for name, value in pairs(answer.headers) do
    if not HOP[name] then out[name] = value end
  end
  return { status = answer.status, headers = out, body = answer.body }
end

-- Every SELECT gets one row: as many rows loaded as live, and no row that fails a test.
local function first_row(sql)
  return sql:find("AS loaded", 1, true) and { "10", "10" } or { "0", "0" }
end

local function start_query(world, request, params)
  local slow = world.slow and params.QueryString:find(world.slow.word, 1, true) and world.slow
  if slow then
    world.slow = nil
    task.sleep(slow.seconds)
  end
  return world.turn:with(function()
    local known = world.tokens[params.ClientRequestToken] -- as Athena, and not moto, does
    if known then return known end
    world.statements[#world.statements + 1] = params
    local row = first_row(params.QueryString)
    fixture.tell_moto("static/athena/query-results", { account_id = fixture.ACCOUNT, region = fixture.REGION, results = { {
      rows = { { Data = { { VarCharValue = "a" }, { VarCharValue = "b" } } }, { Data = { { VarCharValue = row[1] }, { VarCharValue = row[2] } } } },
      column_info = { { Name = "a", Type = "varchar" }, { Name = "b", Type = "varchar" } } } } })
    local started = forward(world, request)
    world.tokens[params.ClientRequestToken] = started
    world.sql[json.decode(started.body).QueryExecutionId] = params.QueryString
    return started
  end)
end

-- A statement that is held is still running, whatever moto says.
local function with_hold(world, execution)
  local hold = world.hold
  local sql = hold and world.sql[execution.QueryExecutionId] or ""
  if hold and sql:find(hold.word, 1, true) and not hold.is_over() then execution.Status.State = "RUNNING" end
  return execution
end

local function get_query(world, request)
  local got = forward(world, request)
  local body = json.decode(got.body)
  if body.QueryExecution then with_hold(world, body.QueryExecution) end
  got.body = assert(json.encode(body))
  return got
end

-- moto knows no task that has failed, and no reason of an end.
local function describe_tasks(world, request)
  local answer = forward(world, request)
  local body = json.decode(answer.body)
  for _, one in ipairs(body.ReplicationTasks or {}) do
    if one.Status == "stopped" then one.StopReason = "Stop Reason FULL_LOAD_ONLY_FINISHED" end
    if one.Status == "stopped" and world.load_fault then
      one.Status, one.LastFailureMessage, one.StopReason = "failed", world.load_fault, "Stop Reason FATAL_ERROR"
    end
  end
  answer.body = assert(json.encode(body))
  return answer
end

local function answer(world, request)
  local invoked = world.lambda:answer(request)
  if invoked then return invoked end
  local target = request.headers["x-amz-target"]
  -- moto looks at a condition and writes in two moves, so two writers at a time may both win
  if target and target:find("^DynamoDB") then return world.writes:with(forward, world, request) end
  if target == "AWSStepFunctions.SendTaskSuccess" then
    world.tasks[#world.tasks + 1] = json.decode(request.body)
    return { headers = { ["Content-Type"] = "application/x-amz-json-1.0" }, body = "{}" }
  end
  if target == "AmazonAthena.StartQueryExecution" then return start_query(world, request, json.decode(request.body)) end
  if target == "AmazonAthena.GetQueryExecution" then return get_query(world, request) end
  if target == "AmazonDMSv20160101.DescribeReplicationTasks" then return describe_tasks(world, request) end
  return forward(world, request)
end

-- ---- what stands there before ----

local function replication_task(api)
  local function call(operation, params) return assert(api:call("dms", operation, params)) end
  local name = fixture.fresh "t"
  local source = call("create_endpoint", { EndpointIdentifier = name .. "-s", EndpointType = "source", EngineName = "sqlserver" }).Endpoint.EndpointArn
  local target = call("create_endpoint", { EndpointIdentifier = name .. "-t", EndpointType = "target", EngineName = "s3",
    S3Settings = { BucketName = "lake", BucketFolder = "bronze" } }).Endpoint.EndpointArn
  return call("create_replication_task", { ReplicationTaskIdentifier = name, SourceEndpointArn = source, TargetEndpointArn = target,
    ReplicationInstanceArn = "arn:aws:dms:us-east-1:123456789012:rep:X", MigrationType = "full-load", TableMappings = "{}" })
    .ReplicationTask.ReplicationTaskArn
end

local function tables(api)
  local locks = fixture.lock_table(api)
  local state = fixture.state_table(api)
  return locks, state
end

local World = {}
World.__index = World

-- ---- what a spec does ----

--- A request through the gateway: status, headers and decoded body.
function World:request(method, path, body, changes)
  local event = require("lambda_events").rest(method, path, { body = body and assert(json.encode(body)) or json.null })
  event.requestContext.authorizer = { claims = { sub = self.caller or "ann" } }
  for name, value in pairs(changes or {}) do event[name] = value end
  local value, failure = self.lambda:invoke("api", event)
  if not value then error(("%s %s: %s\n%s"):format(method, path, json.encode(failure), self.lambda:logs()), 2) end
  return value.statusCode, value.headers, value.body ~= "" and json.decode(value.body) or nil
end

--- The load ends: DMS says so to who asks, and to the bus as it really does. Gives the event.
function World:end_load(fault)
  self.load_fault = fault
  assert(self.api:call("dms", "stop_replication_task", { ReplicationTaskArn = self.task_arn }))
  return { version = "0", id = require("sm.crypto").uuid(), ["detail-type"] = "DMS Replication Task State Change", source = "aws.dms",
    account = fixture.ACCOUNT, time = "2025-08-13T08:10:00Z", region = fixture.REGION, resources = { self.task_arn },
    detail = { type = "REPLICATION_TASK", category = fault and "Failure" or "StateChange",
      eventType = fault and "REPLICATION_TASK_FAILED" or "REPLICATION_TASK_STOPPED", eventId = fault and "DMS-EVENT-0078" or "DMS-EVENT-0079",
      detailMessage = fault and "Last Error  Task failed." or "Replication task was stopped: Full load finished.",
      resourceLink = "https://console.aws.amazon.com/dms/v2/home?region=us-east-1#taskDetails/t" } }
end

-- Whether moto's EventBridge finds that a pattern fits an event: on a bus of its own, with a queue as target.
local function fits(api, pattern, event)
  local name = fixture.fresh "probe"
  local function call(service, operation, params) return assert(api:call(service, operation, params)) end
  call("events", "create_event_bus", { Name = name })
  local queue = call("sqs", "create_queue", { QueueName = name }).QueueUrl
  call("events", "put_rule", { Name = name, EventBusName = name, EventPattern = pattern })
  call("events", "put_targets", { Rule = name, EventBusName = name,
    Targets = { { Id = "queue", Arn = ("arn:aws:sqs:%s:%s:%s"):format(fixture.REGION, fixture.ACCOUNT, name) } } })
  call("events", "put_events", { Entries = { { EventBusName = name, Source = event.source, DetailType = event["detail-type"],
    Resources = event.resources, Detail = assert(json.encode(event.detail)) } } })
  local got = call("sqs", "receive_message", { QueueUrl = queue, MaxNumberOfMessages = 1 })
  return got.Messages ~= nil and #got.Messages > 0
end

--- Delivers an event: every rule whose pattern fits invokes its targets with their constant input. Gives their number.
function World:deliver(event)
  local count = 0
  for _, rule in ipairs(self:rules()) do
    if rule.State == "ENABLED" and fits(self.api, rule.EventPattern, event) then
      for _, target in ipairs(assert(self.api:call("events", "list_targets_by_rule", { Rule = rule.Name })).Targets) do
        count = count + 1
        self.lambda:invoke_later(target.Arn:match("([^:]+)$"), target.Input and json.decode(target.Input) or event)
      end
    end
  end
  return count
end

function World:rules() return assert(self.api:call("events", "list_rules", { NamePrefix = "sewingmachine-" })).Rules or {} end

--- Puts objects under a prefix of the lake's bucket.
function World:put(key, text) assert(self.api:call("s3", "put_object", { Bucket = self.bucket, Key = key, Body = text })) end

function World:task_status()
  local found = assert(self.api:call("dms", "describe_replication_tasks", { Filters = { { Name = "replication-task-arn", Values = { self.task_arn } } } }))
  return found.ReplicationTasks[1].Status
end

--- A job as GET /runs/{id} tells it.
function World:job(id) return select(3, self:request("GET", "/runs/" .. id)) end

function World:stop()
  self.lambda:stop()
  self.server.stop()
end

--- The options of a client of its own (the specs'), straight at moto.
local function direct_api()
  local options = setmetatable({}, { __index = function() return fixture.options(require("aws_services").url "moto") end })
  return require("adapters.aws.api").new(options)
end

---@param options table?   timeouts = { advance = seconds }, env, functions: more of them
---@param program string?  the bootstrap
function M.start(options, program)
  options = options or {}
  local self = setmetatable({ moto = require("aws_services").url "moto", statements = {}, tasks = {}, tokens = {}, sql = {}, turn = task.mutex(), writes = task.mutex() }, World)
  fixture.reset_moto()
  self.api = direct_api()
  self.bucket = fixture.bucket(self.api)
  self.locks, self.state = tables(self.api)
  self.task_arn = replication_task(self.api)
  self.server = verifying.start { keys = { [KEY.access_key] = { secret = KEY.secret_key, session_token = KEY.session_token } },
    answer = function(request) return answer(self, request) end }
  local s3 = "s3://" .. self.bucket
  local env = { AWS_REGION = fixture.REGION, AWS_DEFAULT_REGION = fixture.REGION, AWS_ENDPOINT_URL = self.server.url, AWS_ACCESS_KEY_ID = KEY.access_key,
    AWS_SECRET_ACCESS_KEY = KEY.secret_key, AWS_SESSION_TOKEN = KEY.session_token, DDB_TABLE = self.locks, SEWING_STATE_TABLE = self.state,
    ORCHESTRATOR_FN = "orchestrator", ATHENA_RUNNER_FUNCTION_ARN = lambda_service.arn "athena-runner", DMS_TASK_ARN = self.task_arn,
    ATHENA_OUTPUT = s3 .. "/_dq/athena-results/", BRONZE_PREFIX_S3 = s3 .. "/bronze/", SILVER_PREFIX_S3 = s3 .. "/silver/", GOLD_PREFIX_S3 = s3 .. "/gold/",
    COOLDOWN_SECONDS = "0", ALLOWED_ORIGIN = "https://lake.example.org" }
  for name, value in pairs(options.env or {}) do env[name] = value end
  local timeouts = options.timeouts or {}
  local functions = {
    api = { handler = "api", timeout = timeouts.api or 29 },
    orchestrator = { handler = "lakehouse/orchestrate", timeout = timeouts.orchestrate or 30 },
    url = { handler = "api", timeout = 29, env = { SEWING_INVOKE_MODE = "response_stream" } },
    ["athena-runner"] = { handler = "lakehouse/advance", timeout = timeouts.advance or 60 },
  }
  for name, one in pairs(options.functions or {}) do functions[name] = one end
  self.lambda = lambda_service.start { env = env, program = program, functions = functions }
  return self
end

return M
