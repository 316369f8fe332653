-- How a refresh begins: lock, job, background work; whatever a later step cannot do, the earlier ones give back.
local errors = require "lib.errors"
local plan = require "domain.lakehouse.plan"

local M = {}

-- A repeated call that names no day means the same one, also after midnight.
local function same_request(job, request)
  if request.today or job.run == request.run then return { job_id = job.id, run = job.run } end
  return nil, errors.new("Conflict", ("this idempotency key has started the refresh of %s already"):format(job.run))
end

-- A caller that lost the race against itself gets the job that its other call has started.
local function winner_of_same_key(ports, request, token, err)
  if err.code ~= "CooldownActive" or not token or err.details.token ~= token then return nil, err end
  local job = ports.jobs.by_key(request.owner, request.key)
  if job then return same_request(job, request) end
  return { job_id = err.details.owner, run = request.run }
end

local function give_back(ports, lease, job_id, err)
  ports.lock.release(lease, { keep_cooldown = false })
  ports.jobs.update(job_id, { state = "FAILED", finished_at = ports.clock.now(), error = { code = err.code, message = err.message } },
    { expect_state = { "QUEUED" } })
  return nil, errors.wrap(err, "the refresh could not be started")
end

local function take_lock(ports, job_id, token, settings)
  return ports.lock.acquire { key = settings.resource_key, owner = job_id, token = token,
    ttl_seconds = settings.lease_seconds, cooldown_seconds = settings.cooldown_seconds }
end

--- Starts a refresh.
---@param ports table    clock, functions, ids, jobs, lock
---@param request table  {run, owner, key?, today?}   today: the caller named no day
---@param ctx table      settings, pipeline
---@return table|nil started {job_id, run}, Error?   CooldownActive when one runs or was started a moment ago
function M.start(ports, request, ctx)
  local known = request.key and ports.jobs.by_key(request.owner, request.key)
  if known then return same_request(known, request) end
  local token = request.key and ports.ids.digest(request.owner .. "\n" .. request.key .. "\n" .. (request.today and "" or request.run)) or nil
  local job_id = ports.ids.uuid()
  local lease, err = take_lock(ports, job_id, token, ctx.settings)
  if not lease then return winner_of_same_key(ports, request, token, err) end

  local job
  job, err = ports.jobs.create { id = job_id, run = request.run, owner = request.owner, idempotency_key = request.key,
    lease = { key = lease.key, owner = lease.owner, fence = lease.fence }, steps = plan.steps(ctx.pipeline) }
  if not job then return give_back(ports, lease, job_id, err) end
  local started
  started, err = ports.functions.invoke_async("orchestrate",
    { job_id = job_id, run = request.run, triggered_at = ports.clock.iso() })
  if not started then return give_back(ports, lease, job_id, err) end
  return { job_id = job_id, run = request.run }
end

return M
