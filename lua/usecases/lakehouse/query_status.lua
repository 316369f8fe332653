-- Says how a query stands: its state, what it has read and how long it took.
--
-- What you may change here: what is told about a query. That it is told to its owner only is a rule of the house.
local shape = require "lib.shape"
local executions = require "domain.lakehouse.executions"

local M = {}

M.name = "query_status"
M.summary = "State and statistics of a query."
M.ports = { "clock", "warehouse" }
M.input = shape.object { query_execution_id = shape.string { doc = "the query" } }

function M.run(ports, input, ctx)
  local execution, err = executions.owned(ports, input.query_execution_id, ctx.caller)
  if not execution then return nil, err end
  local failed = execution.state == "FAILED" and executions.failure(execution) or nil
  return {
    query_execution_id = execution.id, state = execution.state, kind = execution.kind,
    submitted_at = execution.submitted_at and ports.clock.iso(execution.submitted_at),
    finished_at = execution.finished_at and ports.clock.iso(execution.finished_at),
    stats = executions.stats(execution), rows = execution.stats and execution.stats.rows,
    error = failed and { code = failed.code, message = failed.message },
  }
end

return M
