-- The program under its AWS profile, in a cloud that fits into one process: DynamoDB Local and moto (S3, Glue, EventBridge) as
-- they are; Athena runs statements on the embedded engine; DMS copies source files when it is told to; Lambda runs our own use
-- cases. EventBridge delivers when the spec says so, from the rules that are there.
local athena_fixture = require "athena_fixture"
local aws = require "aws_fixture"
local files = require "sm.files"
local glue_fixture = require "glue_fixture"
local json = require "sm.json"
local scripted = require "scripted"
local task = require "sm.task"

local M = {}

local WAIT_SECONDS <const> = 60
local FUNCTIONS <const> = { ["fn-orchestrate"] = "orchestrate", ["fn-advance"] = "advance" }
local RUNNER <const> = "arn:aws:lambda:us-east-1:123456789012:function:fn-advance"

-- Lambda --------------------------------------------------------------------------------------------------------------

local function lambda(cloud)
  return scripted.start(function(_, payload, request)
    local name = request.path:match("/functions/([^/]+)/invocations$"):match("fn%-%a+$")
    cloud.invoked[#cloud.invoked + 1] = { name = FUNCTIONS[name], payload = payload }
    if cloud.refuse.lambda then return scripted.failure("ServiceException", "no", nil, 400) end
    if not cloud.hold then cloud.invoke(FUNCTIONS[name], payload) end
    return { status = 202 }
  end)
end

-- DMS -----------------------------------------------------------------------------------------------------------------

local function dms(cloud, arn)
  local state = { ReplicationTaskArn = arn, Status = "stopped", TargetEndpointArn = "arn:endpoint", ReplicationTaskStartDate = 1 }
  cloud.dms = state
  local answers = {}
  function answers.DescribeReplicationTasks() return { ReplicationTasks = { state } } end
  function answers.DescribeEndpoints() return { Endpoints = { { EndpointArn = "arn:endpoint", S3Settings = {} } } } end
  function answers.ModifyEndpoint() return { Endpoint = {} } end
  function answers.DescribeTableStatistics() return { TableStatistics = json.array {} } end
  function answers.StartReplicationTask()
    if cloud.refuse.dms then return scripted.failure("AccessDeniedFault", "no", nil, 400) end
    if state.Status == "running" then return scripted.failure("InvalidResourceStateFault", "it is running") end
    cloud.rules_at_start = cloud.rules()
    state.Status, state.StopReason, state.ReplicationTaskStats = "running", nil, nil
    cloud.started = (cloud.started or 0) + 1
    return { ReplicationTask = state }
  end
  function answers.StopReplicationTask()
    state.Status, state.StopReason = "stopped", "Stop Reason NORMAL"
    return { ReplicationTask = state }
  end
  return scripted.start(function(operation, params) return answers[operation](params) end)
end

-- The source's rows in bronze, as the task would write them.
local function load_bronze(cloud, run)
  local lake, ended = cloud.athena.under.lake, task.queue()
  local replication = require("adapters.local.replication").new { root = lake.root, clock = require("adapters.local.clock").new(),
    ids = require("adapters.local.ids").new(), bus = { publish = function(event) ended:push(event) return 1 end },
    pipeline = function() return require("domain.lakehouse.pipeline_rules").prepare(require "domain.lakehouse.pipeline") end,
    source_folder = function() return cloud.source end, connect = function() return lake.engine:connect() end,
    register = require("adapters.local.catalog").new(lake).register_partition }
  local started = assert(replication.start { run = run, job_id = aws.fresh "load" })
  assert(ended:pop(20))
  local status = assert(replication.status(started.id))
  assert(status.state == "stopped", status.reason)
end

-- The cloud -----------------------------------------------------------------------------------------------------------

local function settings_of(cloud, more)
  local values = { AWS_REGION = aws.REGION, DDB_TABLE = cloud.locks, SEWING_STATE_TABLE = cloud.athena.state, ORCHESTRATOR_FN = "fn-orchestrate",
    ATHENA_RUNNER_FUNCTION_ARN = RUNNER, DMS_TASK_ARN = cloud.arn, ATHENA_OUTPUT = ("s3://%s/results/"):format(cloud.athena.bucket),
    EVENTBUS_NAME = cloud.bus, COOLDOWN_SECONDS = "0", SEWING_LEASE_SECONDS = "60" }
  for _, layer in ipairs { "bronze", "silver", "gold" } do
    values[layer:upper() .. "_PREFIX_S3"] = ("s3://%s/%s/"):format(cloud.athena.bucket, layer)
  end
  values.BRONZE_PREFIX_S3 = values.BRONZE_PREFIX_S3 .. "{run}/"
  for name, value in pairs(more or {}) do values[name] = value end
  return assert(require("settings").read(function(name) return values[name] end))
end

-- Tables that statements have made are told to Glue before anybody hears that they are done.
local function watch_statements(cloud)
  return function(operation, params)
    cloud.calls = cloud.calls or {}
    if cloud.before then
      local given = cloud.before(operation, params)
      if given then return given end
    end
    if operation == "GetQueryExecution" or operation == "BatchGetQueryExecution" then cloud.tell_glue() end
  end
end

---@param options table?  settings, source: name -> lines
function M.open(options)
  options = options or {}
  aws.reset_moto()
  local cloud = { invoked = {}, refuse = {}, arn = "arn:aws:dms:us-east-1:123456789012:task:" .. aws.fresh "T", bus = aws.fresh "bus", ended = {} }
  cloud.athena = athena_fixture.open { before = watch_statements(cloud) }
  cloud.locks = aws.lock_table(cloud.athena.api)
  cloud.source = cloud.athena.under.data .. "/sample"
  assert(files.mkdir(cloud.source))
  assert(cloud.athena.api:call("events", "create_event_bus", { Name = cloud.bus }))
  local servers = { lambda = lambda(cloud), dms = dms(cloud, cloud.arn) }
  local api = aws.api { athena = cloud.athena.athena.url, lambda = servers.lambda.url, dms = servers.dms.url }
  cloud.api = api
  cloud.app = assert(require("boot").aws_profile(settings_of(cloud, options.settings), { api = options.wrap and options.wrap(api) or api,
    clock = options.clock, first_look_seconds = 0.01 }))

  -- Glue is told once of every table; what moves later is the engine's.
  local told = 0
  function cloud.tell_glue()
    local made = 0
    for _ in pairs(cloud.athena.under.lake.catalog:all()) do made = made + 1 end
    if made == told then return end
    told = made
    glue_fixture.push(cloud.athena)
  end

  function cloud.rules()
    local names = {}
    for i, rule in ipairs(assert(api:call("events", "list_rules", { EventBusName = cloud.bus })).Rules) do names[i] = rule.Name end
    return names
  end

  -- One invocation of a function; `seconds` as the platform would give it.
  function cloud.invoke(name, payload, seconds)
    local invocation = { name = name }
    cloud.ended[#cloud.ended + 1] = invocation
    invocation.task = task.spawn_with({ deadline = seconds }, function()
      invocation.result, invocation.err = cloud.app.call(name, payload)
      return true
    end)
    return invocation
  end

  function cloud.settle()
    local i = 1
    while cloud.ended[i] do
      cloud.ended[i].task:join()
      i = i + 1
    end
  end

  function cloud.put(list)
    for name, lines in pairs(list) do assert(files.write(cloud.source .. "/" .. name, table.concat(lines, "\n") .. "\n")) end
  end

  function cloud.use(name, input)
    local use_case = assert(cloud.app.use_case(name))
    local clean = assert(require("lib.shape").check(use_case.input, input or {}))
    return use_case.run(cloud.app.ports_of(use_case), clean, { caller = "spec", base_url = "http://spec", request_id = "spec" })
  end

  function cloud.until_true(check)
    local ends = require("sm.time").monotonic() + WAIT_SECONDS
    while not check() do
      if require("sm.time").monotonic() > ends then error("it did not happen in time", 2) end
      task.sleep(0.02)
    end
  end

  -- A refresh up to the moment when the load runs.
  function cloud.begin(run)
    local answer = assert(cloud.use("run", { run = run }))
    cloud.until_true(function() return (cloud.app.ports.jobs.get(answer.job_id) or {}).task ~= nil end)
    cloud.settle()
    return answer.job_id
  end

  -- The load ends, and EventBridge tells every rule whose pattern fits.
  function cloud.load_ends(run, reason, errored)
    if not reason then load_bronze(cloud, run) end
    cloud.dms.Status, cloud.dms.StopReason = "stopped", "Stop Reason " .. (reason or "FULL_LOAD_ONLY_FINISHED")
    cloud.dms.ReplicationTaskStats = { FullLoadProgressPercent = 100, TablesErrored = errored or 0 }
    return cloud.deliver(require("domain.lakehouse.load_event").event(cloud.arn, reason ~= nil, reason or "done", "2025-08-13T08:00:00Z"))
  end

  function cloud.deliver(event)
    local bus = require("adapters.local.bus").new { invoke_async = function() return true end }
    local delivered = {}
    for _, name in ipairs(cloud.rules()) do
      local rule = assert(api:call("events", "describe_rule", { Name = name, EventBusName = cloud.bus }))
      bus.subscribe(name, json.decode(rule.EventPattern), { target = name })
      local fits = bus.publish(event)
      bus.unsubscribe(name)
      local targets = assert(api:call("events", "list_targets_by_rule", { Rule = name, EventBusName = cloud.bus })).Targets
      for _ = 1, fits do
        for _, target in ipairs(targets) do
          delivered[#delivered + 1] = { name = FUNCTIONS[target.Arn:match("fn%-%a+$")], payload = json.decode(target.Input) }
          cloud.invoke(FUNCTIONS[target.Arn:match("fn%-%a+$")], json.decode(target.Input))
        end
      end
    end
    return delivered
  end

  function cloud.job(id) return assert(cloud.app.ports.jobs.get(id)) end

  function cloud.close()
    cloud.settle()
    for _, server in pairs(servers) do server.stop() end
    cloud.athena.close()
  end

  return cloud
end

return M
