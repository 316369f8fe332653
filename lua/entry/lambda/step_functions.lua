-- A task of a state machine that says so: by sending its context object ("Payload.$": "$$"), where the input is that of the
-- execution, or by sending { "input", "taskToken" }. A task that sends its state's input sends it bare, and it arrives as a
-- direct call. A failure is the invocation's, its code the name that Catch and Retry of the state machine match; a success is
-- reported where the state machine waits for its token.
local fields = require "entry.lambda.fields"

local M = {}

local function token_of(event)
  return fields.text(event.taskToken) or fields.text(event.TaskToken) or fields.text(fields.within(event.Task).Token)
end

---@param event table
---@return boolean
function M.is(event)
  if fields.object(event.StateMachine) and fields.object(event.Execution) then return true end
  return fields.object(event.input or event.Input) ~= nil and token_of(event) ~= nil
end

---@param event table
---@return table[] calls
function M.calls(event)
  local execution, state = fields.within(event.Execution), fields.within(event.State)
  local id = fields.text(execution.Id) and execution.Id .. ":" .. tostring(state.Name) or nil
  local input = fields.object(event.input) or fields.object(event.Input) or fields.within(execution.Input)
  return { { input = input, id = id, caller = "state machine" } }
end

---@param house table
---@param event table
---@param value any
---@param err any
---@return any value
---@return any err
function M.finish(house, event, value, err)
  local token = token_of(event)
  if not token or value == nil then return value, err end
  local told, failure = house.end_task(token, value)
  if not told then return nil, failure end
  return value
end

return M
