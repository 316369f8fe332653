-- Background calls of use cases, as tasks of this process. A call that dies with the process is not lost: the job it
-- works on is unfinished, and the next start takes it up.
local errors = require "lib.errors"
local task = require "sm.task"

local M = {}

---@param call fun(name: string, payload: table): table|nil, Error?   runs a use case
---@param report fun(name: string, payload: table, err: any)          told of every failure
---@return table functions  port functions
function M.new(call, report)
  local functions = { running = 0 }
  local closed = false

  local function run(name, payload)
    local _ <close> = setmetatable({}, { __close = function() functions.running = functions.running - 1 end })
    local result, err = call(name, payload)
    if result == nil then report(name, payload, err) end
  end

  function functions.invoke_async(name, payload)
    if closed then return nil, errors.new("ServiceUnavailable", "the server is stopping") end
    functions.running = functions.running + 1
    local started = task.spawn(run, name, payload)
    task.spawn(function()
      local _, err = started:join()
      if err ~= nil then report(name, payload, err) end
    end)
    return true
  end

  function functions.invoke(name, payload) return call(name, payload) end

  function functions.close() closed = true end

  return functions
end

return M
