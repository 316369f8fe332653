-- sm.task: tasks for scripts. The waiting itself is C (core/lua_task.c); what is built on it stands here.
local core = require "sm.task_core"

local M = { sleep = core.sleep, id = core.id, remaining = core.remaining, exit = core.exit }

local contexts = setmetatable({}, { __mode = "v" }) -- task id -> the context that its children inherit

local Task = {}
Task.__index = Task

---The table that log lines of this task take fields from (request id, job id); children share it.
---@return table
function M.context()
  local id = core.id() or 0
  local context = contexts[id]
  if not context then
    context = {}
    contexts[id] = context
    M._kept = M._kept or setmetatable({}, { __mode = "k" })
  end
  return context
end

---@param options { deadline: number?, memory: integer?, name: string? } seconds, bytes
function M.spawn_with(options, fn, ...)
  local self = setmetatable({ waiters = {}, context = M.context() }, Task)
  local function ended(how, ...)
    self.how, self.results = how, table.pack(...)
    for _, park in ipairs(self.waiters) do park:wake() end
  end
  local context = self.context
  self.handle = core.start(options.deadline, options.memory, ended, function(...)
    contexts[core.id()] = context
    return fn(...)
  end, ...)
  return self
end

function M.spawn(fn, ...) return M.spawn_with({}, fn, ...) end

function Task:status() return self.handle:status() end

function Task:cancel(reason) self.handle:cancel(reason) end

---Waits for the end. Results of the function, or nil and the error value.
function Task:join()
  if not self.how then
    local park = core.park()
    table.insert(self.waiters, park)
    park:wait()
  end
  if self.how == "ok" then return table.unpack(self.results, 1, self.results.n) end
  return nil, self.results[1]
end

local Queue = {}
Queue.__index = Queue

function M.queue() return setmetatable({ first = 1, last = 0, waiters = {} }, Queue) end

function Queue:push(value)
  self.last = self.last + 1
  self[self.last] = value
  local park = table.remove(self.waiters, 1)
  if park then park:wake() end
end

---@return any value, or nil and "timeout"
function Queue:pop(timeout)
  while self.first > self.last do
    local park = core.park()
    table.insert(self.waiters, park)
    if not park:wait(timeout) then
      for i, waiter in ipairs(self.waiters) do
        if waiter == park then table.remove(self.waiters, i) break end
      end
      if self.first > self.last then return nil, "timeout" end
    end
  end
  local value = self[self.first]
  self[self.first] = nil
  self.first = self.first + 1
  return value
end

local Semaphore = {}
Semaphore.__index = Semaphore

function M.semaphore(count) return setmetatable({ free = count, waiters = {} }, Semaphore) end

function Semaphore:acquire()
  if self.free > 0 then
    self.free = self.free - 1
    return
  end
  local park = core.park()
  table.insert(self.waiters, park)
  local done = false
  local _ <close> = setmetatable({}, { __close = function()
    if done then return end -- cancelled while waiting: leave the line, or hand on what came at the same moment
    for i, waiter in ipairs(self.waiters) do
      if waiter == park then return table.remove(self.waiters, i) end
    end
    self:release()
  end })
  park:wait()
  done = true
end

function Semaphore:release()
  local park = table.remove(self.waiters, 1)
  if park then park:wake() else self.free = self.free + 1 end
end

function Semaphore:with(fn, ...)
  self:acquire()
  local _ <close> = setmetatable({}, { __close = function() self:release() end })
  return fn(...)
end

function M.mutex()
  local m = M.semaphore(1)
  m.lock, m.unlock = Semaphore.acquire, Semaphore.release
  return m
end

---Runs the functions side by side. The first result of each, or the first failure after the rest was cancelled.
---@param functions function[]
---@param options { limit: integer? }?
function M.parallel(functions, options)
  local count = #functions
  local results, ended, tasks = { n = count }, M.queue(), {}
  local slots = M.semaphore(options and options.limit or count)
  local _ <close> = setmetatable({}, { __close = function()
    for i = 1, count do if tasks[i] then tasks[i]:cancel("a task beside it failed, or its parent ended") end end
  end })
  for i = 1, count do
    tasks[i] = M.spawn(function()
      local value, err = slots:with(functions[i])
      return value, err
    end)
  end
  for i = 1, count do
    M.spawn(function()
      local value, err = tasks[i]:join()
      ended:push({ i, value, err })
    end)
  end
  for _ = 1, count do
    local one = ended:pop()
    if one[2] == nil and one[3] ~= nil then return nil, one[3] end
    results[one[1]] = one[2]
  end
  return results
end

return M
