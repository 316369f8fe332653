-- A task of a state machine that sends its context object ("Payload.$": "$$"): the input is that of the execution. A task that
-- sends its state's input sends it bare, and it arrives as a direct call; either way an error's code is the name that Catch and
-- Retry of the state machine match.
local fields = require "entry.lambda.fields"

local M = {}

---@param event table
---@return table[] calls
function M.calls(event)
  local execution, state = event.Execution, fields.within(event.State)
  local id = fields.text(execution.Id) and execution.Id .. ":" .. tostring(state.Name) or nil
  return { { input = fields.within(execution.Input), id = id, caller = "state machine" } }
end

return M
