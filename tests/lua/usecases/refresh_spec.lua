-- run, orchestrate, advance, cancel_run, retry_run: a refresh from its start to its end, on fakes.
local errors = require "lib.errors"
local fakes = require "fakes"
local ports_list = require "ports"

local function use_case(name) return require("usecases.lakehouse." .. name) end

local function call(name, ports, input, ctx)
  local uc = use_case(name)
  return uc.run(ports_list.only(ports, uc.ports), input, ctx or fakes.ctx())
end


local function states(job)
  local list = {}
  for _, step in ipairs(job.steps) do list[#list + 1] = step.name .. "=" .. step.state end
  return table.concat(list, " ")
end

-- A healthy load of 10 rows over 10 live ones.
local function healthy(overrides)
  local ports = fakes.ports(overrides)
  ports.warehouse.first.test_row_delta = { "10", "10" }
  local render = ports.statements.render
  ports.statements.render = function(name, values) return name:find("^gold_") and "SELECT 1 AS id" or render(name, values) end
  return ports
end

local function started(ports)
  local answer = assert(call("run", ports, {}))
  return ports.jobs.all[answer.job_id]
end

local function loaded(ports)
  local job = started(ports)
  assert(call("orchestrate", ports, { job_id = job.id }))
  ports.replication.state = "stopped"
  return job
end

describe("run", function()
  it("accepts, writes the job down and starts it in the background", function()
    local ports = fakes.ports()
    local answer, outcome = call("run", ports, { run = "2025-08-13" })
    assert.equal("accepted", outcome)
    assert.equal("2025-08-13", answer.run)
    assert.equal(30, answer.cooldown_seconds)
    assert.equal("orchestrate", ports.functions.calls[1].name)
    assert.equal(answer.job_id, ports.functions.calls[1].payload.job_id)
    assert.equal("QUEUED", ports.jobs.all[answer.job_id].state)
    assert.equal("silver/", answer.layers.silver.prefix)
    assert.equal(900, answer.layers.ttl_seconds)
  end)

  it("refreshes today when no day is named", function()
    assert.equal("2025-08-13", (call("run", fakes.ports(), {})).run)
  end)

  it("refuses a second call while the first refresh holds the lock, without listing files", function()
    local ports = fakes.ports()
    assert(call("run", ports, {}))
    local before = #ports.storage.asked
    local answer, err = call("run", ports, {})
    assert.is_nil(answer)
    assert.equal("CooldownActive", err.code)
    assert.equal(30, err.details.retry_after_seconds)
    assert.is_string(err.details.job_id)
    assert.equal(1, #ports.functions.calls)
    for i = before + 1, #ports.storage.asked do assert.equal(0, ports.storage.asked[i].max_dirs) end
    assert.is_true(err.details.layers.gold.truncated)
  end)

  it("starts again when cooldown and lease are over", function()
    local ports = fakes.ports()
    assert(call("run", ports, {}))
    ports.clock.at = ports.clock.at + 61
    assert(call("run", ports, {}))
    assert.equal(2, #ports.functions.calls)
  end)

  it("gives the lock back when the background work does not start", function()
    local ports = fakes.ports { functions = fakes.functions { invoke_async = function() return nil,
        errors.new("ExternalServiceError", "throttled") end } }
    local answer, err = call("run", ports, {})
    assert.is_nil(answer)
    assert.equal("ExternalServiceError", err.code)
    local job = ports.jobs.list({}).items[1]
    assert.equal("FAILED", job.state)
    ports.functions = fakes.functions()
    assert(call("run", ports, {}))
  end)

  it("gives the lock back when the job cannot be written down", function()
    local ports = fakes.ports()
    local create = ports.jobs.create
    ports.jobs.create = function() return nil, errors.new("ExternalServiceError", "disk full") end
    assert.equal("ExternalServiceError", select(2, call("run", ports, {})).code)
    ports.jobs.create = create
    assert(call("run", ports, {}))
  end)

  it("answers the same job for the same idempotency key, even long after", function()
    local ports = fakes.ports()
    local first = assert(call("run", ports, { idempotency_key = "k" }))
    ports.clock.at = ports.clock.at + 3600
    local second = assert(call("run", ports, { idempotency_key = "k" }))
    assert.equal(first.job_id, second.job_id)
    assert.equal(1, #ports.functions.calls)
  end)

  it("answers the winner's job to a call with the same key that lost the race", function()
    local ports = fakes.ports()
    local first = assert(call("run", ports, { idempotency_key = "k" }))
    ports.jobs.by_key = function() return nil end -- not written down yet
    assert.equal(first.job_id, assert(call("run", ports, { idempotency_key = "k" })).job_id)
  end)

  it("refuses the same key for another day", function()
    local ports = fakes.ports()
    assert(call("run", ports, { idempotency_key = "k", run = "2025-08-13" }))
    assert.equal("Conflict", select(2, call("run", ports, { idempotency_key = "k", run = "2025-08-14" })).code)
  end)

  it("means the same refresh by the same key after midnight", function()
    local ports = fakes.ports()
    local first = assert(call("run", ports, { idempotency_key = "k" }))
    ports.clock.at = ports.clock.at + 86400
    local second = assert(call("run", ports, { idempotency_key = "k" }))
    assert.same({ first.job_id, "2025-08-13" }, { second.job_id, second.run })
  end)

  it("keeps keys of different callers apart", function()
    local ports = fakes.ports()
    assert(call("run", ports, { idempotency_key = "k" }))
    assert.equal("CooldownActive", select(2, call("run", ports, { idempotency_key = "k" }, fakes.ctx { caller = "ben" })).code)
  end)

  it("tells the job even when the layers cannot be listed", function()
    local ports = fakes.ports()
    local list = ports.storage.list
    ports.storage.list = function(query)
      if query.max_dirs > 0 then return nil, errors.new("ExternalServiceError", "disk") end
      return list(query)
    end
    local answer = assert(call("run", ports, {}))
    assert.is_string(answer.job_id)
    assert.is_true(answer.layers.silver.truncated)
  end)

  it("takes only real days", function()
    local shape = require "lib.shape"
    for _, bad in ipairs { "2025-02-30", "today", "2025-8-1", "2025-08-13' OR 1=1 --", "20250813", "2025-08-13\n" } do
      assert.equal("BadParam", select(2, shape.check(use_case("run").input, { run = bad })).code)
    end
    assert(shape.check(use_case("run").input, { run = "2024-02-29" }))
  end)
end)

describe("orchestrate", function()
  it("starts a new refresh once for the same key", function()
    local ports = fakes.ports()
    local first = assert(call("orchestrate", ports, { run = "2025-08-13", idempotency_key = "event-1" }))
    local again = assert(call("orchestrate", ports, { run = "2025-08-13", idempotency_key = "event-1" }))
    assert.equal(first.job_id, again.job_id)
    assert.equal("CooldownActive", select(2, call("orchestrate", ports, { run = "2025-08-13", idempotency_key = "event-2" })).code)
  end)

  it("subscribes to the end of the load before it starts the load", function()
    local ports = fakes.ports()
    local job = started(ports)
    local order = ports.bus.history
    ports.replication.start = function()
      order[#order + 1] = "start"
      return { id = "t" }
    end
    assert(call("orchestrate", ports, { job_id = job.id }))
    assert.same({ "subscribe sewingmachine-dms-finished-" .. job.id, "start" }, order)
    assert.equal("RUNNING", job.state)
    assert.equal("t", job.task)
    local target = ports.bus.subscriptions["sewingmachine-dms-finished-" .. job.id].target
    assert.equal("advance", target.target)
    assert.equal(job.id, target.input.job_id)
  end)

  it("leaves nothing behind when the load does not start, and a new refresh may begin at once", function()
    local ports = fakes.ports { replication = fakes.replication { start = function() return nil,
        errors.new("ExternalServiceError", "already running") end } }
    local job = started(ports)
    local answer, err = call("orchestrate", ports, { job_id = job.id })
    assert.is_nil(answer)
    assert.matches("already running", err.message)
    assert.same({}, ports.bus.list())
    assert.equal("FAILED", job.state)
    assert.matches("already running", job.error.message)
    assert(call("run", ports, {}))
  end)

  it("moves on by itself when the load ended before its number was known", function()
    local ports = fakes.ports()
    local job = started(ports)
    ports.replication.state = "stopped"
    assert(call("orchestrate", ports, { job_id = job.id }))
    assert.equal("advance", ports.functions.calls[2].name)
  end)

  it("holds the lock while a long load runs", function()
    local ports = fakes.ports()
    local job = started(ports)
    assert(call("orchestrate", ports, { job_id = job.id }))
    ports.clock.at = ports.clock.at + 3600
    assert.equal("CooldownActive", select(2, call("run", ports, {})).code)
    ports.replication.state = "running"
    assert.equal("loading", assert(call("advance", ports, { job_id = job.id })).outcome)
    ports.clock.at = ports.clock.at + 3600
    assert.equal("CooldownActive", select(2, call("run", ports, {})).code)
  end)

  it("does not load for a job whose lock has gone to another", function()
    local ports = fakes.ports()
    local job = started(ports)
    ports.clock.at = ports.clock.at + 61
    assert(ports.lock.acquire { key = "full-load", owner = "another", ttl_seconds = 60 })
    assert.equal("Conflict", select(2, call("orchestrate", ports, { job_id = job.id })).code)
    assert.equal("FAILED", job.state)
    assert.is_nil(ports.replication.started)
    assert.is_nil(ports.lock.read("full-load").released)
  end)

  it("does nothing for a job that is over", function()
    local ports = fakes.ports()
    local job = started(ports)
    job.state = "SUCCEEDED"
    assert(call("orchestrate", ports, { job_id = job.id }))
    assert.is_nil(ports.replication.started)
  end)

  it("goes on with the steps when bronze is loaded", function()
    local ports = fakes.ports()
    local job = started(ports)
    job.steps[1].state = "SUCCEEDED"
    assert(call("orchestrate", ports, { job_id = job.id }))
    assert.is_nil(ports.replication.started)
    assert.equal("advance", ports.functions.calls[2].name)
  end)

  it("begins a refresh of its own when it is called without one", function()
    local ports = fakes.ports()
    local answer = assert(call("orchestrate", ports, {}))
    assert.equal("2025-08-13", answer.run)
    assert.equal("orchestrate", ports.functions.calls[1].name)
  end)

  it("says so when there is no such job", function()
    assert.equal("NotFound", select(2, call("orchestrate", fakes.ports(), { job_id = "no" })).code)
  end)
end)

describe("advance", function()
  it("runs every step, records rows, and leaves no subscription and no lease", function()
    local ports = healthy()
    local job = loaded(ports)
    local answer = assert(call("advance", ports, { job_id = job.id }))
    assert.equal("complete", answer.outcome)
    assert.equal("SUCCEEDED", job.state)
    assert.is_nil(states(job):find("=PENDING"))
    assert.same({}, ports.bus.list())
    assert.equal(7, job.steps[1].rows)
    assert.is_true(ports.lock.read("full-load").released)
    assert.equal(ports.clock.now() + 30, ports.lock.read("full-load").allow_after)
  end)

  it("begins with staging and ends with gold", function()
    local ports = healthy()
    local job = loaded(ports)
    assert(call("advance", ports, { job_id = job.id }))
    local names = {}
    for _, ran in ipairs(ports.warehouse.ran) do
      if ran.job_id then names[#names + 1] = ran.sql:match("^%S+") end
    end
    assert.same({ "clear_table", "stage", "quarantine_clear", "quarantine", "merge", "soft_delete", "refresh_model" }, names)
  end)

  it("waits while the load runs", function()
    local ports = healthy()
    local job = loaded(ports)
    ports.replication.state = "running"
    assert.equal("loading", assert(call("advance", ports, { job_id = job.id })).outcome)
    assert.equal("RUNNING", job.state)
    assert.equal(0, #ports.warehouse.ran)
  end)

  it("does not lose the end of the load that is told while another call looks", function()
    local ports = healthy()
    local job = loaded(ports)
    ports.replication.state = "running"
    local release = ports.lock.release
    ports.lock.release = function(...)
      ports.replication.state = "stopped" -- a second call came, found the claim taken and went away
      return release(...)
    end
    assert.equal("loading", assert(call("advance", ports, { job_id = job.id })).outcome)
    local last = ports.functions.calls[#ports.functions.calls]
    assert.same({ "advance", job.id }, { last.name, last.payload.job_id })
    assert(call("advance", ports, last.payload))
    assert.equal("SUCCEEDED", job.state)
  end)

  it("does not lose a cancel that comes while another call looks", function()
    local ports = healthy()
    local job = loaded(ports)
    ports.replication.state = "running"
    local release = ports.lock.release
    ports.lock.release = function(...)
      job.cancel_requested = true
      return release(...)
    end
    assert(call("advance", ports, { job_id = job.id }))
    assert.equal("advance", ports.functions.calls[#ports.functions.calls].name)
  end)

  it("fails the job with the reason when the load failed", function()
    local ports = healthy()
    local job = loaded(ports)
    ports.replication.state, ports.replication.reason = "failed", "visits.csv: no such file"
    local answer, err = call("advance", ports, { job_id = job.id })
    assert.is_nil(answer)
    assert.matches("visits.csv: no such file", err.message)
    assert.equal("FAILED", job.state)
    assert.equal("FAILED", job.steps[1].state)
    assert.same({}, ports.bus.list())
  end)

  it("stops before silver when the load is empty", function()
    local ports = healthy()
    ports.warehouse.first.test_row_delta = { "0", "10" }
    local job = loaded(ports)
    local _, err = call("advance", ports, { job_id = job.id })
    assert.equal("DataTestFailed", err.code)
    assert.matches("the load is empty", job.error.message)
    assert.matches("test_staging_thing=FAILED merge_thing=PENDING", states(job))
  end)

  it("stops before silver when fewer than half of the live rows came", function()
    local ports = healthy()
    ports.warehouse.first.test_row_delta = { "4", "10" }
    local job = loaded(ports)
    call("advance", ports, { job_id = job.id })
    assert.equal("FAILED", job.state)
    assert.matches("merge_thing=PENDING", states(job))
  end)

  it("takes the part of live rows from the settings", function()
    local ports = healthy()
    ports.warehouse.first.test_row_delta = { "4", "10" }
    local job = loaded(ports)
    local settings = setmetatable({ min_live_ratio = 0.3 }, { __index = fakes.settings })
    assert(call("advance", ports, { job_id = job.id }, fakes.ctx { settings = settings }))
    assert.equal("SUCCEEDED", job.state)
  end)

  it("records a warning and goes on", function()
    local ports = healthy()
    ports.warehouse.first.test_unique = { "2" }
    fakes.pipeline_list.sources[1].tests.silver[1].severity = "warn"
    fakes.pipeline_list.models[1].tests[1].severity = "warn"
    local ctx = fakes.ctx()
    fakes.pipeline_list.sources[1].tests.silver[1].severity = nil
    fakes.pipeline_list.models[1].tests[1].severity = nil
    local job = loaded(ports)
    assert(call("advance", ports, { job_id = job.id }, ctx))
    assert.equal("SUCCEEDED", job.state)
    for _, step in ipairs(job.steps) do
      if step.name == "test_silver_thing" then assert.same({ "unique(silver.src_thing.id): 2 failing" }, step.warnings) end
    end
  end)

  it("lets neighbours of a failing step end and be recorded", function()
    local ports = healthy()
    local run = ports.warehouse.run
    ports.warehouse.run = function(request)
      if request.sql:find("^stage") then return nil, errors.new("QueryFailed", "line 3:5: no") end
      return run(request)
    end
    local job = loaded(ports)
    local _, err = call("advance", ports, { job_id = job.id })
    assert.equal("stage_thing: line 3:5: no", err.message)
    assert.matches("stage_thing=FAILED quarantine_thing=SUCCEEDED", states(job))
  end)

  it("resumes at the first unfinished step and never repeats a finished one", function()
    local ports = healthy()
    local run, broken = ports.warehouse.run, true
    ports.warehouse.run = function(request)
      if broken and request.sql:find("^refresh_model") then return nil, errors.new("QueryFailed", "no") end
      return run(request)
    end
    local job = loaded(ports)
    call("advance", ports, { job_id = job.id })
    assert.equal("FAILED", job.state)
    local before = #ports.warehouse.ran
    broken = false
    assert(call("retry_run", ports, { job_id = job.id }))
    assert.equal("orchestrate", ports.functions.calls[#ports.functions.calls].name)
    assert(call("advance", ports, { job_id = job.id }))
    assert.equal("SUCCEEDED", job.state)
    assert.matches("^refresh_model", ports.warehouse.ran[before + 1].sql)
  end)

  it("changes nothing when the same event comes twice", function()
    local ports = healthy()
    local job = loaded(ports)
    assert(call("advance", ports, { job_id = job.id }))
    local before = #ports.warehouse.ran
    assert.equal("SUCCEEDED", assert(call("advance", ports, { job_id = job.id })).state)
    assert.equal(before, #ports.warehouse.ran)
  end)

  it("leaves a job alone that another runner has", function()
    local ports = healthy()
    local job = loaded(ports)
    assert(ports.lock.acquire { key = "runner:" .. job.id, owner = "other", ttl_seconds = 60 })
    assert(call("advance", ports, { job_id = job.id }))
    assert.equal(0, #ports.warehouse.ran)
    assert.equal("RUNNING", job.state)
  end)

  it("stops when a cancel was asked for, and says so in the open steps", function()
    local ports = healthy()
    local job = loaded(ports)
    ports.replication.state = "running"
    assert(call("cancel_run", ports, { job_id = job.id }))
    assert.equal("advance", ports.functions.calls[#ports.functions.calls].name)
    local _, err = call("advance", ports, { job_id = job.id })
    assert.equal("Cancelled", err.code)
    assert.equal("CANCELLED", job.state)
    assert.equal("CANCELLED", job.steps[1].state)
    assert.same({ job.task }, ports.replication.cancelled)
  end)

  it("stops when another refresh has taken its lock, and does not end that one's job", function()
    local ports = healthy()
    local job = loaded(ports)
    ports.clock.at = ports.clock.at + 7 * 3600
    assert(ports.lock.acquire { key = "full-load", owner = "another job", ttl_seconds = 60 })
    assert.equal("Conflict", select(2, call("advance", ports, { job_id = job.id })).code)
    assert.equal("FAILED", job.state)
    assert.equal(0, #ports.warehouse.ran)
    assert.is_nil(ports.lock.read("full-load").released)
  end)

  it("stops in the middle when the lock is lost while it works", function()
    local ports = healthy()
    local job = loaded(ports)
    local saw
    ports.tasks.watched = function(work, options)
      local result, err = work() -- notes the load, runs the steps
      job.steps[1].state = "SUCCEEDED"
      ports.clock.at = ports.clock.at + 7 * 3600
      assert(ports.lock.acquire { key = "full-load", owner = "another job", ttl_seconds = 60, ignore_cooldown = true })
      local ok
      ok, saw = options.check()
      return ok and result, saw or err
    end
    call("advance", ports, { job_id = job.id })
    assert.equal("Conflict", saw.code)
    assert.matches("lost its lock", saw.message)
    assert.equal("FAILED", job.state)
  end)

  it("hands over before its time ends and goes on in the next call", function()
    local ports = healthy()
    local left = 300
    ports.tasks.remaining = function()
      left = left - 100
      return left
    end
    local job = loaded(ports)
    assert.equal("hand over", assert(call("advance", ports, { job_id = job.id })).outcome)
    assert.equal("RUNNING", job.state)
    assert.equal("advance", ports.functions.calls[#ports.functions.calls].name)
    ports.tasks.remaining = function() return nil end
    assert(call("advance", ports, { job_id = job.id }))
    assert.equal("SUCCEEDED", job.state)
  end)

  it("goes on with a statement that outlasts the invocation: the same attempt, the same token", function()
    local ports = healthy()
    local job = loaded(ports)
    local run, tokens, patience = ports.warehouse.run, {}, 2
    ports.tasks.remaining = function() return 900 end
    ports.warehouse.run = function(request)
      if request.sql:find("^merge") then
        assert.is_true(request.keep)
        tokens[#tokens + 1] = request.token
        patience = patience - 1
        if patience >= 0 then return nil, errors.new("Timeout", "the statement is still running", { unfinished = "q" }) end
      end
      return run(request)
    end
    for _ = 1, 2 do
      assert.equal("hand over", assert(call("advance", ports, { job_id = job.id })).outcome)
      assert.matches("merge_thing=RUNNING", states(job), 1, true)
    end
    assert.equal("complete", assert(call("advance", ports, { job_id = job.id })).outcome)
    assert.same({ tokens[1], tokens[1], tokens[1] }, tokens)
    for _, step in ipairs(job.steps) do assert.equal(1, step.attempt) end
  end)

  it("works also where there never is much time, a part of it each time", function()
    local ports = healthy()
    local job = loaded(ports)
    for _ = 1, 20 do
      local left = 10 -- seconds of each invocation; a look at the clock costs two
      ports.tasks.remaining = function()
        left = left - 2
        return left
      end
      assert(call("advance", ports, { job_id = job.id }))
    end
    assert.equal("SUCCEEDED", job.state)
  end)

  describe("told by an event that names no refresh", function()
    local load_event = require "domain.lakehouse.load_event"
    local function ended(ports, failed) return load_event.event(ports.replication.resource(), failed, "done", "2025-08-13T08:00:00Z") end

    it("moves every one that waits for this load, in calls of their own", function()
      local ports = healthy()
      local job = loaded(ports)
      local before = #ports.functions.calls
      assert.same({ ok = true, run = job.run }, assert(call("advance", ports, { event = ended(ports) })))
      assert.equal(before + 1, #ports.functions.calls)
      assert.same({ name = "advance", payload = { job_id = job.id, run = job.run } }, ports.functions.calls[before + 1])
      assert.equal("RUNNING", job.state)
      assert(call("advance", ports, { event = ended(ports, true) }))
      assert.equal(before + 2, #ports.functions.calls)
    end)

    it("does nothing for other events, for another task's, and again when all is done", function()
      local ports = healthy()
      local job = loaded(ports)
      assert(call("advance", ports, { job_id = job.id }))
      local before = #ports.functions.calls
      local started_event, other = ended(ports), ended(ports)
      started_event.detail.eventType = "REPLICATION_TASK_STARTED"
      other.resources = { "arn:aws:dms:eu-west-1:123456789012:task:OTHER" }
      for _, event in ipairs { ended(ports), started_event, other, {}, "text", { source = "aws.dms" } } do
        assert.same({ ok = true }, assert(call("advance", ports, { event = event })))
      end
      assert.equal("NotFound", select(2, call("advance", ports, {})).code)
      assert.equal(before, #ports.functions.calls)
    end)

    it("looks after all that are under way when a schedule asks: one whose load never began begins again", function()
      local ports = healthy()
      local job = loaded(ports)
      job.lease = nil
      ports.lock.rows["full-load"] = nil
      local queued = started(ports)
      local before = #ports.functions.calls
      assert(call("advance", ports, { event = { source = "aws.events", ["detail-type"] = "Scheduled Event", detail = {} } }))
      local woken = {}
      for i = before + 1, #ports.functions.calls do woken[ports.functions.calls[i].payload.job_id] = ports.functions.calls[i].name end
      assert.same({ [job.id] = "advance", [queued.id] = "orchestrate" }, woken)
    end)

    it("moves those of a day, where nothing but the day is said", function()
      local ports = healthy()
      local job = loaded(ports)
      assert.same({ ok = true, run = job.run }, assert(call("advance", ports, { run = job.run })))
      assert.equal(job.id, ports.functions.calls[#ports.functions.calls].payload.job_id)
      assert.equal("NotFound", select(2, call("advance", ports, { run = "1999-01-01" })).code)
    end)

    it("fails when it cannot tell, so that the event comes again", function()
      local ports = healthy()
      loaded(ports)
      ports.functions.invoke_async = function() return nil, errors.new("ExternalServiceError", "throttled") end
      assert.equal("ExternalServiceError", select(2, call("advance", ports, { event = ended(ports) })).code)
    end)
  end)
end)

describe("retry_run", function()
  it("refuses a job that is not over", function()
    local ports = fakes.ports()
    assert.equal("Conflict", select(2, call("retry_run", ports, { job_id = started(ports).id })).code)
  end)

  it("refuses while another refresh runs", function()
    local ports = fakes.ports()
    local job = started(ports)
    job.state = "FAILED"
    ports.clock.at = ports.clock.at + 61
    started(ports)
    assert.equal("CooldownActive", select(2, call("retry_run", ports, { job_id = job.id })).code)
  end)

  it("opens every step again when a later refresh has used staging", function()
    local ports = fakes.ports()
    local job = started(ports)
    for _, step in ipairs(job.steps) do step.state = "SUCCEEDED" end
    job.steps[#job.steps].state, job.state = "FAILED", "FAILED"
    ports.clock.at = ports.clock.at + 61
    local later = started(ports)
    later.state = "SUCCEEDED"
    ports.clock.at = ports.clock.at + 61
    assert(call("retry_run", ports, { job_id = job.id }))
    assert.equal("PENDING", job.steps[1].state)
  end)

  it("gives the lock back when the work does not start", function()
    local ports = fakes.ports()
    local job = started(ports)
    job.state = "FAILED"
    ports.lock.release(job.lease, { keep_cooldown = true })
    ports.functions.invoke_async = function() return nil, errors.new("ExternalServiceError", "no") end
    assert.equal("ExternalServiceError", select(2, call("retry_run", ports, { job_id = job.id })).code)
    assert.equal("FAILED", job.state)
    assert.is_true(ports.lock.read("full-load").released)
  end)
end)

describe("cancel_run", function()
  it("refuses a job that is over", function()
    local ports = fakes.ports()
    local job = started(ports)
    job.state = "SUCCEEDED"
    assert.equal("Conflict", select(2, call("cancel_run", ports, { job_id = job.id })).code)
  end)
end)
