-- Cancels a refresh. The step that is running is stopped; what earlier steps wrote stays.
--
-- What it does: writes the wish down, so that whoever runs the job sees it, and wakes a runner in case nobody does.
-- What you may change here: who may cancel. At present every caller may.
local shape = require "lib.shape"
local job_view = require "domain.lakehouse.job_view"

local M = {}

M.name = "cancel_run"
M.summary = "Cancel a refresh that is not over."
M.ports = { "clock", "functions", "jobs" }
M.input = shape.object { job_id = shape.string { doc = "the refresh" } }

function M.run(ports, input)
  local job, err = ports.jobs.request_cancel(input.job_id)
  if not job then return nil, err end
  local ok
  ok, err = ports.functions.invoke_async("advance", { job_id = job.id, run = job.run })
  if not ok then return nil, err end
  return job_view.brief(ports, job), "accepted"
end

return M
