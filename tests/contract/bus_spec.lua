-- Port bus: what every adapter must do. A new adapter adds one line at the end.
-- `new(deliver)` gives the port; what is delivered reaches `deliver(target, input)` before `settle()` returns.
local load_event = require "domain.lakehouse.load_event"

local function contract(name, new)
  describe("bus (" .. name .. ")", function()
    local bus, delivered, settle
    before_each(function()
      delivered = {}
      bus, settle = new(function(target, input) delivered[#delivered + 1] = { target = target, input = input } end)
    end)

    local function publish(event)
      assert(bus.publish(event))
      if settle then settle() end
    end

    local function ended(resource, failed) return load_event.event(resource, failed, "x", "2025-08-13T08:00:00Z") end

    it("delivers an event that fits, with the input of the subscription", function()
      assert(bus.subscribe("s", load_event.pattern("task-1"), { target = "advance", input = { job_id = "j" } }))
      publish(ended("task-1", false))
      assert.equal(1, #delivered)
      assert.equal("advance", delivered[1].target)
      assert.equal("j", delivered[1].input.job_id)
    end)

    it("hears of failed loads too", function()
      bus.subscribe("s", load_event.pattern("task-1"), { target = "advance" })
      publish(ended("task-1", true))
      assert.equal(1, #delivered)
    end)

    it("delivers nothing that does not fit", function()
      bus.subscribe("s", load_event.pattern("task-1"), { target = "advance" })
      publish(ended("task-2", false))
      local started = ended("task-1", false)
      started.detail.eventType = "REPLICATION_TASK_STARTED"
      publish(started)
      local other = ended("task-1", false)
      other.source = "aws.ec2"
      publish(other)
      assert.same({}, delivered)
    end)

    it("replaces a subscription of the same name", function()
      for _ = 1, 3 do bus.subscribe("s", load_event.pattern("task-1"), { target = "advance" }) end
      publish(ended("task-1", false))
      assert.equal(1, #delivered)
      assert.same({ "s" }, bus.list())
    end)

    it("forgets a subscription; forgetting twice is harmless", function()
      bus.subscribe("s", load_event.pattern("task-1"), { target = "advance" })
      assert.is_true(bus.unsubscribe("s"))
      assert.is_true(bus.unsubscribe("s"))
      publish(ended("task-1", false))
      assert.same({}, delivered)
      assert.same({}, bus.list())
    end)
  end)
end

contract("local", function(deliver)
  return require("adapters.local.bus").new { invoke_async = function(target, input)
    deliver(target, input)
    return true
  end }
end)

-- EventBridge: moto hands events of a rule to a log group, which the spec reads in the place of the function. It passes the
-- event and not the constant input, so what the target would get is read from the rule.
local aws = require "aws_fixture"
local json = require "sm.json"

if not aws.has "moto" then
  describe("bus (aws)", function() pending "moto is not installed" end)
  return
end

local function log_events(api, group)
  local output = assert(api:call("logs", "filter_log_events", { logGroupName = group }))
  local events = {}
  for i, event in ipairs(output.events or {}) do events[i] = json.decode(event.message) end
  return events
end

local function targets(api, bus_name, rule)
  return assert(api:call("events", "list_targets_by_rule", { Rule = rule, EventBusName = bus_name })).Targets
end

local api
contract("aws", function(deliver)
  api = api or aws.api()
  local group, bus_name = aws.fresh "runner", aws.fresh "bus"
  assert(api:call("logs", "create_log_group", { logGroupName = group }))
  assert(api:call("events", "create_event_bus", { Name = bus_name }))
  local arn = ("arn:aws:logs:%s:%s:log-group:%s"):format(aws.REGION, aws.ACCOUNT, group)
  local bus = require("adapters.aws.bus").new { api = api, bus_name = bus_name, targets = { advance = arn }, prefix = "s" }
  local told = 0
  local function settle()
    local events = log_events(api, group)
    for i = told + 1, #events do
      local input = json.decode(targets(api, bus_name, bus.list()[1])[1].Input)
      deliver("advance", { job_id = input.jobId, event = events[i] })
    end
    told = #events
  end
  return bus, settle
end)

describe("bus (aws) also", function()
  local bus, bus_name
  local NAME <const> = "sewingmachine-dms-finished-00000000-0000-4000-8000-000000000000"
  local ARN <const> = "arn:aws:lambda:us-east-1:123456789012:function:advance"
  before_each(function()
    api = api or aws.api()
    bus_name = aws.fresh "bus"
    assert(api:call("events", "create_event_bus", { Name = bus_name }))
    bus = require("adapters.aws.bus").new { api = api, bus_name = bus_name, targets = { advance = ARN } }
  end)

  it("makes the rule of the contract: the task, stopped or failed, a constant input for the runner", function()
    assert(bus.subscribe(NAME, load_event.pattern "arn:aws:dms:us-east-1:1:task:T",
      { target = "advance", input = { job_id = "j", run = "2025-08-13", cleanup_rule = NAME } }))
    local rule = assert(api:call("events", "describe_rule", { Name = NAME, EventBusName = bus_name }))
    assert.equal("ENABLED", rule.State)
    local pattern = json.decode(rule.EventPattern)
    assert.same({ "aws.dms" }, pattern.source)
    assert.same({ "DMS Replication Task State Change" }, pattern["detail-type"])
    assert.same({ "arn:aws:dms:us-east-1:1:task:T" }, pattern.resources)
    local target = targets(api, bus_name, NAME)[1]
    assert.equal(ARN, target.Arn)
    assert.same({ jobId = "j", run = "2025-08-13", cleanupRule = NAME }, json.decode(target.Input))
  end)

  it("leaves nothing behind", function()
    assert(bus.subscribe(NAME, load_event.pattern "t", { target = "advance" }))
    assert(bus.unsubscribe(NAME))
    assert.same({}, assert(api:call("events", "list_rules", { EventBusName = bus_name })).Rules)
  end)

  it("takes a rule back whose target cannot be set", function()
    local halting = { call = function(_, service, operation, params)
      if operation == "put_targets" then return { FailedEntryCount = 1, FailedEntries = { { ErrorCode = "LimitExceededException" } } } end
      return api:call(service, operation, params)
    end }
    local broken = require("adapters.aws.bus").new { api = halting, bus_name = bus_name, targets = { advance = ARN } }
    local _, err = broken.subscribe(NAME, load_event.pattern "t", { target = "advance" })
    assert.equal("ExternalServiceError", err.code)
    assert.same({}, broken.list())
    local nameless = require("adapters.aws.bus").new { api = api, bus_name = bus_name, targets = {} }
    assert.equal("BadSetting", select(2, nameless.subscribe(NAME, load_event.pattern "t", { target = "advance" })).code)
    assert.same({}, nameless.list())
  end)

  it("lists over pages, and its own rules only", function()
    for i = 1, 3 do assert(bus.subscribe("sewingmachine-" .. i, load_event.pattern "t", { target = "advance" })) end
    assert(api:call("events", "put_rule", { Name = "of-somebody-else", EventBusName = bus_name, EventPattern = '{"source":["x"]}' }))
    local paged = { call = function(_, service, operation, params)
      if operation == "list_rules" then params.Limit = 2 end
      return api:call(service, operation, params)
    end }
    local names = require("adapters.aws.bus").new({ api = paged, bus_name = bus_name, targets = {} }).list()
    assert.same({ "sewingmachine-1", "sewingmachine-2", "sewingmachine-3" }, names)
  end)

  it("has names that EventBridge takes, whatever their length", function()
    local long = ("sewingmachine-%s"):format(("x"):rep(80))
    assert(bus.subscribe(long, load_event.pattern "t", { target = "advance" }))
    assert.equal(64, #bus.list()[1])
    assert(bus.unsubscribe(long))
    assert.same({}, bus.list())
  end)
end)
