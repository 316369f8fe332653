-- A whole refresh under the AWS profile, from the request to the gold tables, and what goes wrong on the way.
local aws = require "aws_fixture"
local fixture = require "lake_fixture"
local task = require "sm.task"

if not (fixture.has_engine() and aws.has "moto" and aws.has "dynamodb") then
  describe("a refresh on AWS", function() pending "libduckdb.so, moto or DynamoDB Local is not there" end)
  return
end

local cloud_module = require "cloud"

local RUN <const> = "2025-08-13"
local SOURCE <const> = {
  ["dbo_resident.csv"] = { "resident_id,first_name,last_name,dob,updated_at", "1, Ada ,Lovelace,1980-12-31,2025-01-02 10:00:00",
    "2,Zoë,O'Brien,2000-06-15,2025-01-01 10:00:00" },
  ["dbo_visit.csv"] = { "visit_id,resident_id,visit_ts,reason,charge_cents,updated_at",
    "10,1,2025-01-05 10:00:00,checkup,12345,2025-01-05 11:00:00", "11,2,2025-01-05 10:00:00,fever,100,2025-01-05 11:00:00" },
}

describe("a refresh on AWS", function()
  local cloud
  local function open(options)
    cloud = cloud_module.open(options)
    cloud.put(SOURCE)
    return cloud
  end
  after_each(function()
    if cloud then cloud.close() end
    cloud = nil
  end)

  local function lock_of() return cloud.app.ports.lock.read "full-load" end

  it("runs from the request to gold, once however often the event comes, and leaves nothing behind", function()
    open()
    local job_id = cloud.begin(RUN)
    assert.equal("RUNNING", cloud.job(job_id).state)
    assert.same({ "sewingmachine-dms-finished-" .. job_id }, cloud.rules_at_start) -- before the task started
    assert.equal("orchestrate", cloud.invoked[1].name)
    assert.equal(RUN, cloud.invoked[1].payload.run)
    assert.equal(job_id, cloud.invoked[1].payload.jobId)

    local delivered = cloud.load_ends(RUN)
    assert.equal(1, #delivered)
    assert.equal("advance", delivered[1].name)
    assert.same({ job_id, RUN, "sewingmachine-dms-finished-" .. job_id },
      { delivered[1].payload.jobId, delivered[1].payload.run, delivered[1].payload.cleanupRule })
    cloud.invoke("advance", delivered[1].payload) -- delivered twice at the same time
    cloud.settle()

    local job = cloud.job(job_id)
    assert.is_nil(job.error and job.error.message)
    assert.equal("SUCCEEDED", job.state)
    for _, step in ipairs(job.steps) do assert.same({ step.name, "SUCCEEDED", 1 }, { step.name, step.state, step.attempt }) end
    assert.same({}, cloud.rules())
    assert.is_true(lock_of().released)
    assert.same({ { "10", "1", "123.45" }, { "11", "2", "1.00" } },
      (cloud.athena.rows "SELECT visit_id, resident_id, charge_usd FROM gold.fact_visit ORDER BY visit_id"))
    local partition = assert(cloud.api:call("glue", "get_partition", { DatabaseName = "bronze", TableName = "dbo_visit", PartitionValues = { RUN } }))
    assert.equal(("s3://%s/bronze/%s/dbo/visit/"):format(cloud.athena.bucket, RUN), partition.Partition.StorageDescriptor.Location)

    local before = cloud.athena.athena.count "StartQueryExecution"
    cloud.invoke("advance", delivered[1].payload) -- and once more when all is over
    cloud.settle()
    assert.equal(before, cloud.athena.athena.count "StartQueryExecution")
    assert.equal("SUCCEEDED", cloud.job(job_id).state)
  end)

  it("ends with the load that failed: job, rule and lock", function()
    open()
    local job_id = cloud.begin(RUN)
    cloud.load_ends(RUN, "FATAL_ERROR")
    cloud.settle()
    local job = cloud.job(job_id)
    assert.equal("FAILED", job.state)
    assert.matches("FATAL_ERROR", job.error.message)
    assert.same({}, cloud.rules())
    assert.is_true(lock_of().released)
    assert.equal(0, cloud.athena.athena.count "StartQueryExecution")
  end)

  it("takes everything back when the load cannot start", function()
    open { settings = { COOLDOWN_SECONDS = "3600" } }
    cloud.refuse.dms = true
    local answer = assert(cloud.use("run", { run = RUN }))
    cloud.settle()
    assert.equal("FAILED", cloud.job(answer.job_id).state)
    assert.same({}, cloud.rules())
    cloud.refuse.dms = false
    assert(cloud.use("run", { run = RUN })) -- no cooldown for what never began
  end)

  it("gives the lock back when the orchestrator cannot be invoked", function()
    open { settings = { COOLDOWN_SECONDS = "3600" } }
    cloud.refuse.lambda = true
    assert.is_nil((cloud.use("run", { run = RUN })))
    cloud.refuse.lambda = false
    assert(cloud.use("run", { run = RUN }))
  end)

  it("starts once of twenty simultaneous requests", function()
    open { settings = { COOLDOWN_SECONDS = "60" } }
    local calls = {}
    for i = 1, 20 do
      calls[i] = function()
        local answer, err = cloud.use("run", { run = RUN })
        if not answer then return { code = err.code .. ": " .. err.message, owner = err.details and err.details.job_id } end
        return { job_id = answer.job_id }
      end
    end
    local results, winner = assert(task.parallel(calls)), nil
    for i = 1, 20 do
      if results[i].job_id then
        assert.is_nil(winner)
        winner = results[i].job_id
      else
        assert.matches("^CooldownActive", results[i].code)
      end
    end
    cloud.until_true(function() return cloud.started == 1 end)
    for i = 1, 20 do assert.is_true(results[i].job_id == winner or results[i].owner == winner) end
  end)

  it("takes its rule away with the next event, when EventBridge refused that at the end", function()
    local refuse
    open { wrap = function(api)
      return { client = function(_, ...) return api:client(...) end, call = function(_, service, operation, ...)
        if refuse and operation == "delete_rule" then
          return nil, require("aws.failure").new { kind = "throttle", code = "ThrottlingException", message = "slow down" }
        end
        return api:call(service, operation, ...)
      end }
    end }
    local job_id = cloud.begin(RUN)
    refuse = true
    cloud.load_ends(RUN, "FATAL_ERROR")
    cloud.settle()
    assert.equal("FAILED", cloud.job(job_id).state)
    assert.equal(1, #cloud.rules())
    refuse = false
    cloud.invoke("advance", { jobId = job_id, run = RUN }).task:join()
    assert.same({}, cloud.rules())
    assert.equal("FAILED", cloud.job(job_id).state)
  end)

  it("hears only of its own task, and of its end", function()
    open()
    cloud.begin(RUN)
    local load_event = require "domain.lakehouse.load_event"
    assert.equal(0, #cloud.deliver(load_event.event("arn:aws:dms:us-east-1:123456789012:task:OTHER", false, "x", "t")))
    local started = load_event.event(cloud.arn, false, "x", "t")
    started.detail.eventType, started.detail.eventId = "REPLICATION_TASK_STARTED", "DMS-EVENT-0069"
    assert.equal(0, #cloud.deliver(started))
  end)

  it("goes on in a fresh invocation before its time is up", function()
    open()
    local job_id = cloud.begin(RUN)
    cloud.hold = true -- what Lambda is asked to do is only noted
    cloud.load_ends(RUN)
    for _, invocation in ipairs(cloud.ended) do invocation.task:cancel "the spec invokes by itself" end
    cloud.settle()
    local rounds, payload = 0, { jobId = job_id, run = RUN }
    cloud.invoked = {}
    repeat
      rounds = rounds + 1
      assert.is_true(rounds < 30)
      local one = cloud.invoke("advance", payload, 6)
      one.task:join()
      local job = cloud.job(job_id)
    until job.state ~= "RUNNING" or #cloud.invoked == 0 and rounds > 20
    assert.equal("SUCCEEDED", cloud.job(job_id).state)
    for _, step in ipairs(cloud.job(job_id).steps) do assert.equal("SUCCEEDED", step.state) end
  end)

  it("is stopped by a cancel, with the statement that runs", function()
    open()
    local job_id = cloud.begin(RUN)
    local slow = "SELECT count(*) FROM UNNEST(sequence(1, 9000)) a(x) CROSS JOIN UNNEST(sequence(1, 9000)) b(y) CROSS JOIN UNNEST(sequence(1, 900)) c(z) "
      .. "WHERE x * y * z % 7 = 3"
    cloud.before = function(operation, params)
      if operation == "StartQueryExecution" and params.QueryString:find("row_delta", 1, true) == nil
        and params.QueryString:find("INSERT INTO \"staging\"", 1, true) then params.QueryString = slow end
    end
    cloud.load_ends(RUN)
    cloud.until_true(function()
      for _, step in ipairs(cloud.job(job_id).steps) do
        if step.name:find "^stage_" and step.state == "RUNNING" then return cloud.athena.athena.count "StartQueryExecution" > 12 end
      end
    end)
    assert(cloud.use("cancel_run", { job_id = job_id }))
    cloud.settle()
    assert.equal("CANCELLED", cloud.job(job_id).state)
    cloud.until_true(function() return cloud.athena.athena.count "StopQueryExecution" > 0 end)
    assert.same({}, cloud.rules())
    assert.is_true(lock_of().released)
  end)

  -- A clock that the spec moves; answers of the service say nothing about the time.
  local function movable()
    local clock = require("adapters.local.clock").new()
    local real = clock.now
    clock.ahead = 0
    clock.now = function() return real() + clock.ahead end
    local function wrap(api)
      return { client = function(_, ...) return api:client(...) end, call = function(_, ...)
        local output, failure = api:call(...)
        return output, failure
      end }
    end
    return clock, wrap
  end

  local function step_of(job_id, name)
    for _, step in ipairs(cloud.job(job_id).steps) do
      if step.name == name then return step end
    end
  end

  it("goes on after a runner that died between steps, and does none of them twice", function()
    local clock, wrap = movable()
    open { clock = clock, wrap = wrap }
    local job_id = cloud.begin(RUN)
    cloud.load_ends(RUN)
    local first = cloud.ended[#cloud.ended]
    cloud.until_true(function() return step_of(job_id, "stage_visit").state == "SUCCEEDED" end)
    first.task:cancel "the machine is gone"
    first.task:join()
    cloud.invoke("advance", { jobId = job_id, run = RUN }).task:join() -- too early: the claim of the dead one lives
    assert.equal("RUNNING", cloud.job(job_id).state)
    clock.ahead = 61
    cloud.invoke("advance", { jobId = job_id, run = RUN }).task:join()
    local job = cloud.job(job_id)
    assert.equal("SUCCEEDED", job.state)
    assert.equal(1, step_of(job_id, "stage_visit").attempt)
    assert.same({ { "2" } }, (cloud.athena.rows "SELECT count(*) FROM gold.fact_visit"))
    assert.same({}, cloud.rules())
  end)

  it("is stopped when another refresh has its lock", function()
    local clock, wrap = movable()
    open { clock = clock, wrap = wrap }
    local job_id = cloud.begin(RUN)
    clock.ahead = 7 * 3600 -- longer than any load may take
    local other = assert(cloud.app.ports.lock.acquire { key = "full-load", owner = "other", ttl_seconds = 600 })
    cloud.load_ends(RUN)
    cloud.settle()
    local job = cloud.job(job_id)
    assert.equal("FAILED", job.state)
    assert.matches("lost its lock", job.error.message)
    assert.equal(0, cloud.athena.athena.count "StartQueryExecution")
    assert.same({ "other", other.fence }, { lock_of().owner, lock_of().fence })
    assert.is_false(lock_of().released)
  end)

  it("tells a statement that Athena refuses, and goes on from there when it is asked to", function()
    open()
    local job_id = cloud.begin(RUN)
    cloud.before = function(operation, params)
      if operation == "StartQueryExecution" and params.QueryString:find('MERGE INTO "silver"', 1, true) then
        return require("scripted").failure("TooManyRequestsException", "Rate exceeded")
      end
    end
    cloud.load_ends(RUN)
    cloud.settle()
    local job = cloud.job(job_id)
    assert.equal("FAILED", job.state)
    assert.equal("TooManyRequests", job.error.code)
    assert.equal("SUCCEEDED", step_of(job_id, "stage_visit").state)
    cloud.before = nil
    assert(cloud.use("retry_run", { job_id = job_id }))
    cloud.until_true(function() return cloud.job(job_id).state == "SUCCEEDED" end)
    cloud.settle()
    assert.equal(1, step_of(job_id, "stage_visit").attempt)
    assert.equal(2, step_of(job_id, "merge_visit").attempt)
    assert.equal(1, cloud.started)
  end)
end)
