-- Begins the work of a refresh in the background: listens for the end of the load, then starts the load of bronze.
--
-- What it does: subscribes first and loads second, so that no load can end unheard; when the load cannot start, the
-- subscription, the job and the lock are put back. Called again for the same job (after a restart) it starts the load
-- afresh; when bronze is loaded already it goes on with the steps.
-- What you may change here: LOAD_SECONDS, the longest load to reckon with. The order is what keeps this correct.
local errors = require "lib.errors"
local shape = require "lib.shape"
local load_event = require "domain.lakehouse.load_event"
local runner = require "domain.lakehouse.runner"
local starting = require "domain.lakehouse.starting"

local M = {}

local LOAD_SECONDS <const> = 6 * 3600 -- the lock is held for so long while nobody of ours works and the load runs

M.name = "orchestrate"
M.summary = "Start the load of bronze for a refresh (background)."
M.ports = { "bus", "clock", "functions", "ids", "jobs", "lock", "replication" }
M.input = shape.object {
  job_id = shape.string { optional = true, doc = "the refresh; without it a new one begins" },
  run = shape.date { optional = true, falsy_is_absent = true, doc = "day of a new refresh" },
  triggered_at = shape.string { optional = true },
  idempotency_key = shape.string { optional = true, max = 200, doc = "the same key starts a new refresh once" },
}

local function go_on(ports, job) return ports.functions.invoke_async("advance", { job_id = job.id, run = job.run }) end

local function give_up(ports, job, err)
  ports.jobs.step_finished(job.id, "load", { state = "FAILED", error = { code = err.code, message = err.message } })
  runner.finish(ports, job, "FAILED", errors.wrap(err, "load"), { free = true })
  return nil, errors.wrap(err, "start the load")
end

local function start_load(ports, job)
  local task, err = ports.replication.start { run = job.run, job_id = job.id }
  if not task then return give_up(ports, job, err) end
  local kept
  kept, err = ports.jobs.update(job.id, { task = task.id, state = "RUNNING", started_at = job.started_at or ports.clock.now() },
    { expect_state = { "QUEUED", "RUNNING" } })
  if not kept then return nil, err end
  -- A load that ended before its number was written down has been announced to nobody: ask once.
  local status = ports.replication.status(task.id)
  if status and status.state ~= "running" then go_on(ports, job) end
  return { job_id = job.id, status = "accepted", run = job.run }
end

function M.run(ports, input, ctx)
  if not input.job_id then
    local request = { run = input.run or ctx.settings.fixed_run, owner = ctx.caller, key = input.idempotency_key }
    local started, problem = starting.start(ports, request, ctx)
    return started and { job_id = started.job_id, status = "accepted", run = started.run }, problem
  end
  local job, err = ports.jobs.get(input.job_id)
  if not job then return nil, err end
  if runner.is_over(job) then return { job_id = job.id, status = job.state, run = job.run } end
  if job.cancel_requested or runner.is_loaded(job) then
    go_on(ports, job)
    return { job_id = job.id, status = "accepted", run = job.run }
  end

  local ok
  ok, err = ports.lock.renew(job.lease, LOAD_SECONDS)
  if not ok then return give_up(ports, job, err) end
  ok, err = ports.bus.subscribe(runner.subscription(job.id), load_event.pattern(ports.replication.resource()),
    { target = "advance", input = { job_id = job.id, run = job.run, cleanup_rule = runner.subscription(job.id) } })
  if not ok then return give_up(ports, job, err) end
  local step
  step, err = ports.jobs.step_started(job.id, "load")
  if not step then return nil, err end
  return start_load(ports, job)
end

return M
