-- How a refresh is shown to callers: times as text, every step with what it did.
local json = require "lib.json"

local M = {}

local function shown_error(err)
  return err and { code = err.code, message = err.message, step = err.step } or json.null
end

local function time(ports, t) return t and ports.clock.iso(t) or json.null end

local function shown_step(ports, step)
  return {
    name = step.name, layer = step.layer, state = step.state, attempt = step.attempt,
    started_at = time(ports, step.started_at), finished_at = time(ports, step.finished_at),
    rows = step.rows or json.null, error = shown_error(step.error), warnings = json.list(step.warnings),
  }
end

--- One refresh in a list.
---@param ports table   clock
---@param job Job
---@return table
function M.brief(ports, job)
  local done, warnings = 0, 0
  for _, step in ipairs(job.steps) do
    if step.state == "SUCCEEDED" then done = done + 1 end
    warnings = warnings + #(step.warnings or {})
  end
  return {
    job_id = job.id, run = job.run, state = job.state, created_at = time(ports, job.created_at),
    started_at = time(ports, job.started_at), finished_at = time(ports, job.finished_at),
    steps_done = done, steps_total = #job.steps, warnings = warnings,
    cancel_requested = job.cancel_requested or false, error = shown_error(job.error),
  }
end

--- One refresh with its steps.
---@param ports table   clock
---@param job Job
---@return table
function M.full(ports, job)
  local view = M.brief(ports, job)
  view.steps = {}
  for i, step in ipairs(job.steps) do view.steps[i] = shown_step(ports, step) end
  json.list(view.steps)
  return view
end

return M
