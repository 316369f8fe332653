-- Port bus: what every adapter must do. A new adapter adds one line at the end.
local load_event = require "domain.lakehouse.load_event"

local function contract(name, new)
  describe("bus (" .. name .. ")", function()
    local bus, delivered
    before_each(function()
      delivered = {}
      bus = new(function(target, input) delivered[#delivered + 1] = { target = target, input = input } end)
    end)

    local function ended(resource, failed) return load_event.event(resource, failed, "x", "2025-08-13T08:00:00Z") end

    it("delivers an event that fits, with the input of the subscription", function()
      assert(bus.subscribe("s", load_event.pattern("task-1"), { target = "advance", input = { job_id = "j" } }))
      assert(bus.publish(ended("task-1", false)))
      assert.equal(1, #delivered)
      assert.equal("advance", delivered[1].target)
      assert.equal("j", delivered[1].input.job_id)
    end)

    it("hears of failed loads too", function()
      bus.subscribe("s", load_event.pattern("task-1"), { target = "advance" })
      bus.publish(ended("task-1", true))
      assert.equal(1, #delivered)
    end)

    it("delivers nothing that does not fit", function()
      bus.subscribe("s", load_event.pattern("task-1"), { target = "advance" })
      bus.publish(ended("task-2", false))
      local started = ended("task-1", false)
      started.detail.eventType = "REPLICATION_TASK_STARTED"
      bus.publish(started)
      local other = ended("task-1", false)
      other.source = "aws.ec2"
      bus.publish(other)
      assert.same({}, delivered)
    end)

    it("replaces a subscription of the same name", function()
      for _ = 1, 3 do bus.subscribe("s", load_event.pattern("task-1"), { target = "advance" }) end
      bus.publish(ended("task-1", false))
      assert.equal(1, #delivered)
      assert.same({ "s" }, bus.list())
    end)

    it("forgets a subscription; forgetting twice is harmless", function()
      bus.subscribe("s", load_event.pattern("task-1"), { target = "advance" })
      assert.is_true(bus.unsubscribe("s"))
      assert.is_true(bus.unsubscribe("s"))
      bus.publish(ended("task-1", false))
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
