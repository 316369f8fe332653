-- Tells the changes of a refresh as they happen, one by one, until it is over.
--
-- What it does: begins after the last change the caller has seen (or at the first), waits for the next ones, and ends when
-- the refresh is over and everything is told.
-- What you may change here: how many changes are told at a time.
local shape = require "lib.shape"
local runner = require "domain.lakehouse.runner"

local M = {}

local AT_A_TIME <const> = 100

M.name = "run_events"
M.summary = "Follow a refresh."
M.ports = { "clock", "jobs" }
M.input = shape.object {
  job_id = shape.string { doc = "the refresh" },
  after = shape.integer { min = 0, default = 0, coerce = true, doc = "number of the last change seen" },
}

local function told(ports, events)
  local list = {}
  for i, event in ipairs(events) do
    local data = { at = ports.clock.iso(event.at), type = event.type }
    for name, value in pairs(event.data or {}) do data[name] = value end
    list[i] = { id = event.seq, event = event.type, data = data }
  end
  return list
end

function M.run(ports, input)
  local job, err = ports.jobs.get(input.job_id)
  if not job then return nil, err end
  local seen = input.after

  local function next_events(wait_seconds)
    local fresh = ports.jobs.events(job.id, seen, AT_A_TIME)
    if fresh and #fresh == 0 then
      local now = ports.jobs.get(job.id)
      if not now or runner.is_over(now) then
        fresh = ports.jobs.events(job.id, seen, AT_A_TIME) -- told between the two looks
        if not fresh or #fresh == 0 then return nil end
      else
        fresh = ports.jobs.watch(job.id, seen, wait_seconds)
      end
    end
    if not fresh then return nil end
    if #fresh > 0 then seen = fresh[#fresh].seq end
    return told(ports, fresh)
  end

  return { events = next_events }
end

return M
