-- Takes up a refresh that failed or was cancelled, at its first unfinished step.
--
-- What it does: takes the refresh lock as a new refresh would (the cooldown is for new ones and does not count), opens
-- the unfinished steps again and starts the work. When a later refresh has run, staging holds that one's rows: then every
-- step is opened again, the load too.
-- What you may change here: nothing that is not a rule; the steps are in domain/lakehouse/pipeline.lua.
local errors = require "lib.errors"
local shape = require "lib.shape"
local job_view = require "domain.lakehouse.job_view"

local M = {}

M.name = "retry_run"
M.summary = "Go on with a refresh that failed or was cancelled."
M.ports = { "clock", "functions", "jobs", "lock" }
M.input = shape.object { job_id = shape.string { doc = "the refresh" } }

local RETRIED <const> = { FAILED = true, CANCELLED = true }

local function steps_to_open(ports, job)
  local newest, err = ports.jobs.list { limit = 1 }
  if not newest then return nil, err end
  local all, names = newest.items[1] and newest.items[1].id ~= job.id, {}
  for _, step in ipairs(job.steps) do
    if all or step.state ~= "SUCCEEDED" then names[#names + 1] = step.name end
  end
  return names
end

local function reopen(ports, job, lease)
  local names, err = steps_to_open(ports, job)
  if not names then return nil, err end
  local opened
  opened, err = ports.jobs.reset_steps(job.id, names)
  if not opened then return nil, err end
  return ports.jobs.update(job.id, { state = "QUEUED", lease = { key = lease.key, owner = lease.owner, fence = lease.fence } },
    { expect_state = { "FAILED", "CANCELLED" } })
end

function M.run(ports, input, ctx)
  local job, err = ports.jobs.get(input.job_id)
  if not job then return nil, err end
  if not RETRIED[job.state] then
    return nil, errors.new("Conflict", ("this refresh is %s; only one that failed or was cancelled can be retried"):format(job.state))
  end
  local lease
  lease, err = ports.lock.acquire { key = ctx.settings.resource_key, owner = job.id, ttl_seconds = ctx.settings.lease_seconds,
    cooldown_seconds = ctx.settings.cooldown_seconds, ignore_cooldown = true }
  if not lease then return nil, err end
  local opened, started
  opened, err = reopen(ports, job, lease)
  if opened then started, err = ports.functions.invoke_async("orchestrate", { job_id = job.id, run = job.run }) end
  if not started then
    ports.lock.release(lease, { keep_cooldown = false })
    if opened then ports.jobs.update(job.id, { state = "FAILED" }, { expect_state = { "QUEUED" } }) end
    return nil, err
  end
  return job_view.brief(ports, opened), "accepted"
end

return M
