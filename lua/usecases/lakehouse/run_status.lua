-- Shows one refresh: how it stands, and for each step when it ran, how many rows it moved and what it warned of.
--
-- What you may change here: what is shown is in domain/lakehouse/job_view.lua.
local shape = require "lib.shape"
local job_view = require "domain.lakehouse.job_view"

local M = {}

M.name = "run_status"
M.summary = "One refresh with its steps."
M.ports = { "clock", "jobs" }
M.input = shape.object { job_id = shape.string { doc = "the refresh" } }

function M.run(ports, input)
  local job, err = ports.jobs.get(input.job_id)
  if not job then return nil, err end
  return job_view.full(ports, job)
end

return M
