-- Stops a query. One that has ended already stays as it ended.
--
-- What you may change here: nothing but the answer; stopping is the engine's business.
local shape = require "lib.shape"
local executions = require "domain.lakehouse.executions"

local M = {}

local SETTLE_SECONDS <const> = 5

M.name = "cancel_query"
M.summary = "Stop a query that is running."
M.ports = { "warehouse" }
M.input = shape.object { query_execution_id = shape.string { doc = "the query" } }

function M.run(ports, input, ctx)
  local execution, err = executions.owned(ports, input.query_execution_id, ctx.caller)
  if not execution then return nil, err end
  if not executions.is_over(execution) then
    local ok
    ok, err = ports.warehouse.cancel(execution.id)
    if not ok then return nil, err end
    execution, err = ports.warehouse.wait(execution.id, SETTLE_SECONDS)
    if not execution then return nil, err end
  end
  return { query_execution_id = execution.id, state = execution.state }
end

return M
