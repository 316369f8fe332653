-- A task of a state machine that sends its context object ("Payload.$": "$$"): the input is that of the execution. A task that
-- sends its state's input sends it bare, and it arrives as a direct call; either way an error's code is the name that Catch and
-- Retry of the state machine match.
local M = {}

---@param event table
---@return table[] calls
function M.calls(event)
  local execution, state = event.Execution, type(event.State) == "table" and event.State or {}
  local id = type(execution.Id) == "string" and execution.Id .. ":" .. tostring(state.Name) or nil
  return { { input = type(execution.Input) == "table" and execution.Input or {}, id = id, caller = "state machine" } }
end

return M
