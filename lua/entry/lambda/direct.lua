-- A call without any service in between: the event is the input. JSON text is read, null means nothing.
local errors = require "lib.errors"

local M = {}

---@param event any
---@return table[] calls
function M.calls(event)
  if event == nil or type(event) == "userdata" or event == "" then return { { input = {} } } end
  if type(event) == "table" and #event == 0 then return { { input = event } } end
  return { { err = errors.new("BadRequest", "the event must be a JSON object, or the text of one, or null") } }
end

return M
