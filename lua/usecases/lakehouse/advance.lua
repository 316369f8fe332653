-- Moves a refresh forward: notes the end of the load, then runs every step whose turn it is until the job is over.
--
-- What it does: one runner per job; a second call while the first works changes nothing, so repeated events are harmless.
-- While steps run, the lock is kept alive and a cancel is looked for; a runner that lost the lock stops. Steps that succeeded
-- are never run again. Where time is limited a fresh call goes on in time. An event that names no job moves all that wait for the load.
-- What you may change here: the constants. The steps themselves follow from domain/lakehouse/pipeline.lua.
local errors = require "lib.errors"
local shape = require "lib.shape"
local runner = require "domain.lakehouse.runner"

local M = {}

local LOOK_EVERY_SECONDS <const> = 0.25  -- for a cancel
local RENEW_PART <const> = 3             -- the lock is renewed after a third of its life
local PARALLEL_STEPS <const> = 4
local LOST <const> = "this refresh has lost its lock and stops"

M.name = "advance"
M.summary = "Run the steps of a refresh from the first unfinished one (background)."
M.ports = { "bus", "catalog", "clock", "functions", "ids", "jobs", "lock", "replication", "statements", "tasks", "warehouse" }
M.input = shape.object {
  job_id = shape.string { optional = true, doc = "the refresh" }, run = shape.string { optional = true },
  cleanup_rule = shape.string { optional = true }, event = shape.any { optional = true, doc = "of the bus, instead of a refresh" },
}

-- Keeps the claim, and the lock once bronze is loaded, and looks for a cancel; its failure stops the work.
local function watch(ports, job, claim, ttl)
  local renewed = 0
  return function()
    local now = ports.clock.now()
    local seen, err = ports.jobs.get(job.id)
    if not seen then return nil, err end
    if now - renewed >= ttl / RENEW_PART then
      renewed = now
      local ok, lost = ports.lock.renew(claim, ttl)
      if ok and runner.is_loaded(seen) then ok, lost = ports.lock.renew(job.lease, ttl) end
      if not ok then return nil, errors.wrap(lost, LOST) end
    end
    if seen.cancel_requested then return nil, errors.new("Cancelled", "the refresh was cancelled") end
    return true
  end
end

-- "loaded", "loading", or nil and why bronze is not there.
local function note_load(ports, job, fence)
  if runner.is_loaded(job) then return "loaded" end
  local task = job.task and ports.replication.status(job.task)
  if not task or task.state == "running" then return "loading" end
  local err = task.state == "failed" and errors.new("ExternalServiceError", "load: " .. (task.reason or "failed"))
  local record = err and { state = "FAILED", error = { code = err.code, message = err.message } }
    or { state = "SUCCEEDED", rows = task.rows, warnings = task.warnings }
  local ok, problem = ports.jobs.step_finished(job.id, "load", record, fence)
  return ok and not err and "loaded" or nil, err or problem
end

local function work_on(ports, job, claim, ctx)
  local load, err = note_load(ports, job, claim.fence)
  if load ~= "loaded" then return load, err end
  local kept, lost = ports.lock.renew(job.lease, ctx.settings.lease_seconds)
  if not kept then return nil, errors.wrap(lost, LOST) end
  return runner.run_steps(ports, { job = job, pipeline = ctx.pipeline, today = ports.clock.today(),
    min_live_ratio = ctx.settings.min_live_ratio, parallel_steps = PARALLEL_STEPS }, claim.fence)
end

local function conclude(ports, job, claim, outcome, err)
  if outcome == "complete" then runner.finish(ports, job, "SUCCEEDED", nil, { fence = claim.fence }) end
  if not outcome then
    local cancelled = err.code == "Cancelled"
    runner.close_open_steps(ports, job.id, claim.fence, err.message)
    if cancelled and job.task then ports.replication.cancel(job.task) end
    runner.finish(ports, job, cancelled and "CANCELLED" or "FAILED", err, { fence = claim.fence })
  end
  ports.lock.release(claim)
  if outcome == "hand over" or outcome == "loading" and runner.is_wanted(ports, job.id) then
    return ports.functions.invoke_async("advance", { job_id = job.id, run = job.run })
  end
  return true
end

function M.run(ports, input, ctx)
  if not input.job_id then return runner.announce(ports, input) end
  local job, err = ports.jobs.get(input.job_id)
  if not job then return nil, err end
  if runner.is_over(job) then return runner.tidied(ports, job) end
  local ttl = ctx.settings.lease_seconds
  local claim, busy = ports.lock.acquire { key = "runner:" .. job.id, owner = ports.ids.uuid(), ttl_seconds = ttl }
  if not claim then return busy.code == "CooldownActive" and runner.as_it_is(job) or nil, busy end
  local function work() return work_on(ports, job, claim, ctx) end
  local look = watch(ports, job, claim, ttl)
  local outcome, stopped = look()
  if outcome then outcome, stopped = ports.tasks.watched(work, { every = LOOK_EVERY_SECONDS, check = look }) end
  local ok, problem = conclude(ports, job, claim, outcome, stopped)
  if not (ok and outcome) then return nil, stopped or problem end
  return { ok = true, run = job.run, job_id = job.id, outcome = outcome }
end

return M
