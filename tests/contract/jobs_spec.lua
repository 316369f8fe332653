-- Port jobs: what every adapter must do. A new adapter adds one line at the end.
local STEPS <const> = {
  { name = "load", layer = "bronze", kind = "load", after = {} },
  { name = "prepare", layer = "staging", kind = "prepare", after = { "load" } },
}

local function contract(name, new)
  describe("jobs (" .. name .. ")", function()
    local jobs, clock
    before_each(function() jobs, clock = new() end)

    local function make(changes)
      local request = { id = "job-1", run = "2025-08-13", owner = "anna", steps = STEPS, lease = { key = "k", owner = "job-1", fence = 1 } }
      for field, value in pairs(changes or {}) do request[field] = value end
      return jobs.create(request)
    end

    it("writes a job down with its steps", function()
      local job, existing = make()
      assert.is_false(existing)
      assert.equal("QUEUED", job.state)
      assert.equal(clock.at, job.created_at)
      assert.same({ key = "k", owner = "job-1", fence = 1 }, job.lease)
      assert.is_false(job.cancel_requested)
      assert.equal("prepare", job.steps[2].name)
      assert.same({ "load" }, job.steps[2].after)
      assert.same({}, job.steps[1].warnings)
      assert.equal("PENDING", job.steps[1].state)
      assert.equal(0, job.steps[1].attempt)
      assert.same(job, jobs.get("job-1"))
    end)

    it("says when there is no such job", function()
      for _, call in ipairs { jobs.get, jobs.request_cancel } do assert.equal("NotFound", select(2, call("no'; --")).code) end
      assert.equal("NotFound", select(2, jobs.update("no", { state = "FAILED" })).code)
      assert.equal("NotFound", select(2, jobs.step_started("no", "load")).code)
    end)

    it("gives the first job for the same key of the same caller", function()
      make { idempotency_key = "key" }
      local job, existing = make { id = "job-2", idempotency_key = "key" }
      assert.is_true(existing)
      assert.equal("job-1", job.id)
      assert.equal("job-1", jobs.by_key("anna", "key").id)
      assert.is_nil(jobs.by_key("ben", "key"))
      assert.equal("job-3", make { id = "job-3", owner = "ben", idempotency_key = "key" }.id)
    end)

    it("refuses the same key for another request", function()
      make { idempotency_key = "key", request_hash = "a" }
      assert.equal("Conflict", select(2, make { id = "job-2", idempotency_key = "key", request_hash = "b" }).code)
    end)

    it("records a step from start to end", function()
      make()
      local step = assert(jobs.step_started("job-1", "load", 1))
      assert.equal("RUNNING", step.state)
      assert.equal(1, step.attempt)
      clock.at = clock.at + 5
      step = assert(jobs.step_finished("job-1", "load", { state = "SUCCEEDED", rows = 7, warnings = { "w" } }, 1))
      assert.equal(7, step.rows)
      assert.same({ "w" }, step.warnings)
      assert.equal(clock.at, step.finished_at)
      assert.equal(clock.at - 5, step.started_at)
    end)

    it("records a failed step, and forgets the failure when it starts again", function()
      make()
      jobs.step_started("job-1", "load")
      jobs.step_finished("job-1", "load", { state = "FAILED", error = { code = "QueryFailed", message = "line 1" } })
      assert.same({ code = "QueryFailed", message = "line 1" }, jobs.get("job-1").steps[1].error)
      local step = assert(jobs.step_started("job-1", "load"))
      assert.is_nil(step.error)
      assert.equal(2, step.attempt)
    end)

    it("keeps out a runner whose fence is old", function()
      make()
      assert(jobs.step_started("job-1", "load", 5))
      assert.equal("Conflict", select(2, jobs.step_finished("job-1", "load", { state = "SUCCEEDED" }, 4)).code)
      assert.equal("Conflict", select(2, jobs.step_started("job-1", "prepare", 4)).code)
      assert.equal("Conflict", select(2, jobs.update("job-1", { state = "FAILED" }, { fence = 4 })).code)
      assert.equal("RUNNING", jobs.get("job-1").steps[1].state)
      assert(jobs.step_finished("job-1", "load", { state = "SUCCEEDED" }, 6))
    end)

    it("changes state only from an expected one", function()
      make()
      assert.equal("Conflict", select(2, jobs.update("job-1", { state = "SUCCEEDED" }, { expect_state = { "RUNNING" } })).code)
      assert.equal("RUNNING", jobs.update("job-1", { state = "RUNNING", started_at = clock.at, task = "t" },
          { expect_state = { "QUEUED" } }).state)
      assert.equal("t", jobs.get("job-1").task)
    end)

    it("takes a wish to cancel once, and only before the end", function()
      make()
      assert.is_true(jobs.request_cancel("job-1").cancel_requested)
      assert.is_true(jobs.request_cancel("job-1").cancel_requested)
      jobs.update("job-1", { state = "CANCELLED" })
      assert.equal("Conflict", select(2, jobs.request_cancel("job-1")).code)
    end)

    it("opens steps again", function()
      make()
      jobs.step_started("job-1", "load")
      jobs.step_finished("job-1", "load", { state = "FAILED", error = { code = "X", message = "x" } })
      jobs.update("job-1", { state = "FAILED", error = { code = "X", message = "x" } })
      local job = assert(jobs.reset_steps("job-1", { "load" }))
      assert.equal("PENDING", job.steps[1].state)
      assert.is_nil(job.steps[1].error)
      assert.is_nil(job.error)
      assert.equal(1, job.steps[1].attempt)
    end)

    it("lists the newest first, by pages, and by state", function()
      for i = 1, 5 do make { id = "job-" .. i } end
      jobs.update("job-2", { state = "FAILED" })
      local page = assert(jobs.list { limit = 2 })
      assert.same({ "job-5", "job-4" }, { page.items[1].id, page.items[2].id })
      page = assert(jobs.list { limit = 2, cursor = page.next })
      assert.same({ "job-3", "job-2" }, { page.items[1].id, page.items[2].id })
      page = assert(jobs.list { limit = 2, cursor = page.next })
      assert.equal(1, #page.items)
      assert.is_nil(page.next)
      assert.equal("job-2", jobs.list({ state = "FAILED" }).items[1].id)
      assert.equal("BadParam", select(2, jobs.list { cursor = "x" }).code)
      for _, cursor in ipairs { "0", "-5", "1e300", "9223372036854775807", "1 OR 1=1", "1\0" } do -- no page of ours, and no failure of the store
        local listed, err = jobs.list { cursor = cursor }
        if not listed then assert.equal("BadParam", err.code, cursor) end
      end
    end)

    it("knows what is unfinished, the oldest first", function()
      for i = 1, 3 do make { id = "job-" .. i } end
      jobs.update("job-2", { state = "SUCCEEDED" })
      local list = assert(jobs.unfinished())
      assert.same({ "job-1", "job-3" }, { list[1].id, list[2].id })
      assert.equal(2, #list)
    end)

    it("tells every change as an event, numbered without gaps", function()
      make()
      jobs.update("job-1", { state = "RUNNING" })
      jobs.step_started("job-1", "load")
      jobs.step_finished("job-1", "load", { state = "SUCCEEDED", rows = 7 })
      local events = assert(jobs.events("job-1", 0))
      for i, event in ipairs(events) do assert.equal(i, event.seq) end
      assert.same({ "job", "job", "step", "step" }, { events[1].type, events[2].type, events[3].type, events[4].type })
      assert.equal(7, events[4].data.rows)
      assert.equal(1, #jobs.events("job-1", 3))
      assert.equal(2, #jobs.events("job-1", 0, 2))
    end)

    it("wakes who watches, and gives up at the time", function()
      local task = require "sm.task"
      make()
      local seen = task.spawn(function() return jobs.watch("job-1", 1, 30) end)
      task.sleep(0)
      jobs.update("job-1", { state = "RUNNING" })
      local events = assert(seen:join())
      assert.equal("RUNNING", events[1].data.state)
      assert.same({}, jobs.watch("job-1", 2, 0))
    end)

    it("keeps text as it came", function()
      make { id = "x'; DROP TABLE jobs; --", owner = "Zoë 東京", run = "2025-08-13" }
      assert.equal("Zoë 東京", jobs.get("x'; DROP TABLE jobs; --").owner)
    end)

    it("makes one job of 50 simultaneous calls with one key", function()
      local task = require "sm.task"
      local calls = {}
      for i = 1, 50 do
        calls[i] = function() return (make { id = "job-" .. i, idempotency_key = "key" }) end
      end
      local results = assert(task.parallel(calls))
      for i = 2, 50 do assert.equal(results[1].id, results[i].id) end
      assert.equal(1, #jobs.list({}).items)
    end)
  end)
end

local aws = require "aws_fixture"

if aws.has "dynamodb" then
  local api
  contract("aws", function()
    api = api or aws.api()
    local clock = require("fakes").clock()
    return require("adapters.aws.jobs").new { api = api, table_name = aws.state_table(api), clock = clock }, clock
  end)
else
  describe("jobs (aws)", function() pending "DynamoDB Local is not installed" end)
end

contract("local", function()
  local clock = require("fakes").clock()
  local db = require("spec_state")()
  return require("adapters.local.jobs").new(db, clock), clock
end)
