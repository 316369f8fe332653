-- The rules by which a job moves: what may start, what a failure does, how a job ends. Used by orchestrate and advance.
local errors = require "lib.errors"
local load_event = require "domain.lakehouse.load_event"
local plan = require "domain.lakehouse.plan"
local execute = require "domain.lakehouse.execute"

local M = {}

local HAND_OVER_PART <const> = 2 / 3
local OVER <const> = { SUCCEEDED = true, FAILED = true, CANCELLED = true }

---@param job Job
---@return boolean
function M.is_over(job) return OVER[job.state] == true end

--- The name of the one-off subscription of a job.
---@param job_id string
---@return string
function M.subscription(job_id) return "sewingmachine-dms-finished-" .. job_id end

---@param job Job
---@param name string
---@return Step
function M.step(job, name)
  for _, step in ipairs(job.steps) do
    if step.name == name then return step end
  end
  error("job " .. job.id .. " has no step '" .. name .. "'")
end

--- Whether bronze has the rows of the run.
---@param job Job
---@return boolean
function M.is_loaded(job) return M.step(job, "load").state == "SUCCEEDED" end

--- Whether a job that waited for its load has something to do now. Asked after the claim is given back: a call that came
--- while it was held went away again, and what it wanted to say must not be lost.
---@param ports table   jobs, replication
---@param job_id string
---@return boolean
function M.is_wanted(ports, job_id)
  local job = ports.jobs.get(job_id)
  if not job or M.is_over(job) then return false end
  local load = job.task and ports.replication.status(job.task)
  return job.cancel_requested or (load ~= nil and load.state ~= "running")
end

-- Which refreshes a call means that names none: those of a day, all of them when a schedule looks after them, else those that
-- wait for the load whose end is told.
local function is_meant(ports, input)
  if input.event == nil then return function(job) return job.run == input.run end end
  if type(input.event) == "table" and input.event["detail-type"] == "Scheduled Event" then return function() return true end end
  if not load_event.is_end(input.event, ports.replication.resource()) then return nil end
  return function(job) return job.task and not M.is_loaded(job) end
end

--- Wakes refreshes, each in a call of its own: a rule that stays for good knows no job, and tells of the end of any load; a
--- schedule heals what a lost event or a function that died has left. One whose load never began begins again.
---@param ports table   functions, jobs, replication
---@param input table   {event?: as the bus delivers it, run?: a day}
---@return table|nil told {ok, run?}, Error?
function M.announce(ports, input)
  local told, meant = { ok = true }, is_meant(ports, input)
  if not meant then return told end
  local open, err = ports.jobs.unfinished()
  for _, job in ipairs(open or {}) do
    if meant(job) then
      told.run = job.run
      local ok, problem = ports.functions.invoke_async(job.task and "advance" or "orchestrate", { job_id = job.id, run = job.run })
      err = err or not ok and problem or nil
    end
  end
  if err then return nil, errors.wrap(err, "wake the refreshes that wait") end
  if told.run or input.event then return told end
  return nil, errors.new("NotFound", "say which refresh (jobId); none is under way" .. (input.run and " for " .. input.run or ""))
end

--- How a job stands, for a call that changes nothing.
---@param job Job
---@return table
function M.as_it_is(job) return { ok = job.state ~= "FAILED", run = job.run, job_id = job.id, state = job.state } end

--- The same for a job that is over, after taking away what its end could not: a subscription that is left hears every later
--- load.
---@param ports table   bus
---@param job Job
---@return table
function M.tidied(ports, job)
  ports.bus.unsubscribe(M.subscription(job.id))
  return M.as_it_is(job)
end

-- What of an error is written into the job, where callers read it: our own faults are for the log.
local function told(err)
  if err.code == "InternalError" then return { code = err.code, message = "a fault on our side; the log has it under the job's id" } end
  return { code = err.code, message = err.message }
end

--- Ends a job: state, error, nothing left behind. Safe to repeat.
---@param ports table   jobs, bus, lock, clock
---@param job Job
---@param state string
---@param err Error?
---@param options table?   {fence, free}: free gives the cooldown back too, for a refresh that never began
function M.finish(ports, job, state, err, options)
  options = options or {}
  ports.bus.unsubscribe(M.subscription(job.id))
  local changes = { state = state, finished_at = ports.clock.now() }
  if err then changes.error = told(err) end
  local ended, problem = ports.jobs.update(job.id, changes, { expect_state = { "QUEUED", "RUNNING" }, fence = options.fence })
  if job.lease then ports.lock.release(job.lease, { keep_cooldown = not options.free }) end
  return ended, problem
end

-- Where invocations end before statements do, a step that is under way is gone on with: it is the same attempt, and so its
-- statements are the same ones.
local function begin(ports, work, step, fence)
  if step.state == "RUNNING" and ports.tasks.remaining() then return step end
  return ports.jobs.step_started(work.job.id, step.name, fence)
end

-- One step from start to record. Its failure is an entry in the answer, so that its neighbours can end in peace.
local function run_one(ports, work, step, fence)
  local started, err = begin(ports, work, step, fence)
  if not started then return { err = err } end
  local done, failure = execute.step(ports, work, started)
  if failure and failure.details and failure.details.unfinished then return { unfinished = true } end
  local record = done and { state = "SUCCEEDED", rows = done.rows, warnings = done.warnings }
    or { state = "FAILED", error = told(failure), warnings = failure.details and failure.details.warnings }
  local recorded, problem = ports.jobs.step_finished(work.job.id, step.name, record, fence)
  if not recorded then return { err = problem } end
  return { err = failure and errors.wrap(failure, step.name) }
end

-- Steps side by side. -> whether all have ended | nil, err
local function run_wave(ports, work, ready, fence)
  local calls = {}
  for i, step in ipairs(ready) do
    calls[i] = function() return run_one(ports, work, step, fence) end
  end
  local results, err = ports.tasks.parallel(calls, { limit = work.parallel_steps })
  if not results then return nil, err end
  local ended = true
  for i = 1, #ready do
    if results[i].err then return nil, results[i].err end
    ended = ended and not results[i].unfinished
  end
  return ended
end

-- Says when a fresh invocation shall go on, where time is limited: a step that begins has the better part of an invocation's
-- time.
local function hand_over_check(ports)
  local begun_with = ports.tasks.remaining()
  return function()
    local left = begun_with and ports.tasks.remaining()
    return left ~= nil and left < begun_with * HAND_OVER_PART
  end
end

--- Runs steps until the job is complete, one fails, or the time left calls for a fresh invocation.
---@param ports table
---@param work table    {job, pipeline, today, min_live_ratio, parallel_steps}
---@param fence integer
---@return string|nil outcome "complete" | "hand over", Error?
function M.run_steps(ports, work, fence)
  local must_hand_over, has_worked = hand_over_check(ports), false
  while true do
    local job, err = ports.jobs.get(work.job.id)
    if not job then return nil, err end
    if job.cancel_requested then return nil, errors.new("Cancelled", "the refresh was cancelled") end
    local ready, complete = plan.ready(job.steps)
    if complete then return "complete" end
    if has_worked and must_hand_over() then return "hand over" end
    local ended
    ended, err = run_wave(ports, work, ready, fence)
    if ended == nil then return nil, err end
    if not ended then return "hand over" end
    has_worked = true
  end
end

--- Steps that were running when the job was cancelled or lost its runner are said to be so.
---@param ports table
---@param job_id string
---@param fence integer
---@param reason string
function M.close_open_steps(ports, job_id, fence, reason)
  local job = ports.jobs.get(job_id)
  for _, step in ipairs(job and job.steps or {}) do
    if step.state == "RUNNING" then
      ports.jobs.step_finished(job_id, step.name, { state = "CANCELLED", error = { code = "Cancelled", message = reason } }, fence)
    end
  end
end

return M
