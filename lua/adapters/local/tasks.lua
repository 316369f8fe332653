-- Work beside work, on the host's tasks.
local errors = require "lib.errors"
local task = require "sm.task"

local M = {}

-- What a task ended with, as an error of ours: a raise in it is a fault, with its place.
local function as_error(value)
  if value == nil or errors.is(value) then return value end
  if type(value) ~= "table" then return errors.new("InternalError", tostring(value)) end
  local code = value.limit and "LimitExceeded" or "InternalError"
  if tostring(value.message):find("^cancelled") then code = "Cancelled" end
  return errors.new(code, tostring(value.message), { source = value.source, line = value.line, traceback = value.traceback })
end

local function parallel(calls, options)
  local results, err = task.parallel(calls, options)
  return results, as_error(err)
end

local function watched(work, options)
  local ended = task.queue()
  local worker = task.spawn_with({ deadline = task.remaining() }, work) -- the work sees how much time there is
  local watcher = task.spawn(function()
    while true do
      task.sleep(options.every)
      local ok, err = options.check()
      if not ok then return ended:push { stopped = err } end
    end
  end)
  local waiter = task.spawn(function() ended:push { result = table.pack(worker:join()) } end)
  local _ <close> = setmetatable({}, { __close = function()
    worker:cancel("nobody waits for it any more")
    watcher:cancel("the work is done")
    waiter:cancel("the work is done")
  end })
  local first = ended:pop()
  if first.stopped then
    worker:cancel(first.stopped.message)
    worker:join() -- so that nothing of it runs on while the caller cleans up
    return nil, first.stopped
  end
  local result = first.result
  if result[1] == nil then return nil, as_error(result[2]) end
  return table.unpack(result, 1, result.n)
end

---@return table tasks  port tasks
function M.new()
  return { parallel = parallel, watched = watched, sleep = task.sleep, remaining = task.remaining }
end

return M
