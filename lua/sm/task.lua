-- sm.task: tasks for scripts. The waiting itself is C (core/lua_task.c); what is built on it stands here.
local core = require "sm.task_core"

local M = {
  sleep = core.sleep, id = core.id, remaining = core.remaining, set_deadline = core.set_deadline, exit = core.exit, context = core.context,
  on_signal = core.on_signal,
}

-- Leaves the line of those who wait when its task is killed meanwhile, and passes a wake-up on that came too late.
local Place = {}
Place.__index = Place

function Place:__close()
  if self.passed then return end
  if self.park:woken() then return self.on_lost() end
  for i, park in ipairs(self.waiters) do
    if park == self.park then
      table.remove(self.waiters, i)
      return
    end
  end
end

local function wake_first(waiters)
  while #waiters > 0 do
    if table.remove(waiters, 1):wake() then return true end
  end
  return false
end

---Waits in line. True when woken, false when the time was up (and nobody woke us at the same moment).
local function wait_in_line(waiters, timeout, on_lost)
  local place <close> = setmetatable({ park = core.park(), waiters = waiters, on_lost = on_lost }, Place)
  table.insert(waiters, place.park)
  local woken = place.park:wait(timeout)
  if woken then place.passed = true end
  return woken
end

-- ---- spawn ----

local Task = {}
Task.__index = Task

-- A task that nobody asks about must not fail in silence.
function Task:__gc()
  if self.how ~= "failed" or self.asked then return end
  local err = self.results[1]
  local text = type(err) == "table" and err.message or err
  local ok, json = pcall(require, "sm.json")
  local line = ok and json.encode({ level = "error", event = "task_failed", task = self.name, message = tostring(text) })
  require("sm.log").write(line or ("task failed: " .. tostring(text)))
end

---Starts fn(...) as a task of its own, with limits of its own.
---@param options { deadline: number?, memory: integer?, name: string? } seconds, bytes
function M.spawn_with(options, fn, ...)
  local self = setmetatable({ waiters = {}, name = options.name }, Task)
  local function ended(how, ...)
    self.how, self.results = how, table.pack(...)
    for _, park in ipairs(self.waiters) do park:wake() end
  end
  self.handle = core.start(options.deadline, options.memory, ended, fn, ...)
  return self
end

---@return table task with join, cancel and status
function M.spawn(fn, ...) return M.spawn_with({}, fn, ...) end

---@return "running"|"ok"|"failed"|"cancelled"
function Task:status() return self.handle:status() end

---Asks the task to end; it cannot refuse. Returns at once.
function Task:cancel(reason)
  self.asked = true
  self.handle:cancel(reason)
end

---Waits for the end. Results of the function, or nil and the error value.
function Task:join()
  self.asked = true
  while not self.how do wait_in_line(self.waiters, nil, function() end) end
  if self.how == "ok" then return table.unpack(self.results, 1, self.results.n) end
  return nil, self.results[1]
end

-- ---- queue ----

local Queue = {}
Queue.__index = Queue

---@return table queue with push and pop; any number of waiters, first come first served
function M.queue() return setmetatable({ first = 1, last = 0, waiters = {} }, Queue) end

function Queue:push(value)
  self.last = self.last + 1
  self[self.last] = value
  wake_first(self.waiters)
end

---Waits until there is a value.
---@param timeout number? seconds
---@return any value, or nil and "timeout"
function Queue:pop(timeout)
  local ends = timeout and timeout + require("sm.time").monotonic()
  while self.first > self.last do
    local left = ends and math.max(0, ends - require("sm.time").monotonic())
    local woken = wait_in_line(self.waiters, left, function()
      if self.first <= self.last then wake_first(self.waiters) end
    end)
    if not woken and self.first > self.last then return nil, "timeout" end
  end
  local value = self[self.first]
  self[self.first] = nil
  self.first = self.first + 1
  return value
end

-- ---- semaphore, mutex ----

local Semaphore = {}
Semaphore.__index = Semaphore

---@return table semaphore with acquire, release and with(fn, ...)
function M.semaphore(count) return setmetatable({ free = count, waiters = {} }, Semaphore) end

---Takes one; waits in line when there is none.
function Semaphore:acquire()
  if self.free > 0 then
    self.free = self.free - 1
    return
  end
  wait_in_line(self.waiters, nil, function() self:release() end) -- the releaser hands its one over to us
end

function Semaphore:release()
  if not wake_first(self.waiters) then self.free = self.free + 1 end
end

local Release = {}
function Release:__close() self[1]:release() end

---Runs fn(...) while holding one; gives it back however fn ends.
function Semaphore:with(fn, ...)
  self:acquire()
  local _ <close> = setmetatable({ self }, Release)
  return fn(...)
end

---@return table mutex with lock, unlock and with(fn, ...)
function M.mutex()
  local m = M.semaphore(1)
  m.lock, m.unlock = Semaphore.acquire, Semaphore.release
  return m
end

-- ---- parallel ----

local Group = {}
Group.__index = Group

function Group:start()
  self.started = self.started + 1
  local index = self.started
  self.running = self.running + 1
  self.tasks[index] = core.start(true, nil, function(how, value, err)
    self.running = self.running - 1
    self.ended:push({ index = index, how = how, value = value, err = err })
  end, self.functions[index])
end

-- Nothing of a group outlives the call that started it.
function Group:__close()
  if self.running == 0 then return end
  for index = 1, self.started do self.tasks[index]:cancel("a task beside it failed, or its parent ended") end
  while self.running > 0 and core.can_wait() do self.ended:pop() end
end

---Runs the functions side by side, with the limits of the caller. The first result of each; or nil and the first
---failure (a raise, or nil and an error returned) after the others were cancelled.
---@param functions function[]
---@param options { limit: integer? }? how many at a time
---@return table? results with n
---@return any err
function M.parallel(functions, options)
  local count = #functions
  local group <close> = setmetatable(
    { functions = functions, tasks = {}, started = 0, running = 0, ended = M.queue() }, Group)
  for _ = 1, math.min(count, options and options.limit or count) do group:start() end
  local results = { n = count }
  for _ = 1, count do
    local one = group.ended:pop()
    if one.how ~= "ok" then return nil, one.value end
    if one.value == nil and one.err ~= nil then return nil, one.err end
    results[one.index] = one.value
    if group.started < count then group:start() end
  end
  return results
end

return M
