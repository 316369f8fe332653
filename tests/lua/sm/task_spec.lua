-- Tasks, waiting, cancelling and limits.
local task = require "sm.task"

describe("sm.task", function()
  it("gives the results of a task, or nil and its error", function()
    local a, b = task.spawn(function(x) return x, 2 end, 1):join()
    assert.same({ 1, 2 }, { a, b })
    local value, err = task.spawn(error, "boom"):join()
    assert.is_nil(value)
    assert.equal("boom", err.message)
  end)

  it("passes a raised table through as it is", function()
    local mine = { code = "X" }
    assert.equal(mine, select(2, task.spawn(error, mine):join()))
  end)

  it("waits inside pcall, coroutines and __close", function()
    local log = {}
    task.spawn(function()
      local x <close> = setmetatable({}, { __close = function() task.sleep(0) log[#log + 1] = "closed" end })
      local next_value = coroutine.wrap(function() for i = 1, 2 do task.sleep(0) coroutine.yield(i) end end)
      log[#log + 1] = select(2, pcall(function() task.sleep(0) return next_value() + next_value() end))
      assert(x)
    end):join()
    assert.same({ 3, "closed" }, log)
  end)

  it("refuses to resume or close a coroutine that waits for the host", function()
    local co
    local other = task.spawn(function()
      co = coroutine.create(function() task.sleep(0.01) end)
      return coroutine.resume(co)
    end)
    task.sleep(0)
    assert.equal("normal", coroutine.status(co))
    assert.same({ false, "cannot resume non-suspended coroutine" }, { coroutine.resume(co) })
    assert.has_error(function() coroutine.close(co) end)
    assert.is_true(other:join())
  end)

  it("cancels past pcall and runs __close", function()
    local closed, caught
    local t = task.spawn(function()
      local _ <close> = setmetatable({}, { __close = function() closed = true end })
      pcall(task.sleep, 100)
      caught = true
    end)
    task.sleep(0)
    t:cancel("enough")
    local _, err = t:join()
    assert.equal("cancelled: enough", err.message)
    assert.equal("cancelled", t:status())
    assert.is_true(closed)
    assert.is_nil(caught)
  end)

  it("runs functions side by side and cancels the rest at the first failure", function()
    assert.same({ 1, 2, n = 2 }, task.parallel { function() task.sleep(0.001) return 1 end, function() return 2 end })
    local ended
    local value, err = task.parallel {
      function()
        local _ <close> = setmetatable({}, { __close = function() ended = true end })
        task.sleep(100)
      end,
      function() return nil, "refused" end,
    }
    assert.same({ nil, "refused" }, { value, err })
    assert.is_true(ended)
  end)

  it("runs no more than limit at a time", function()
    local now, most, jobs = 0, 0, {}
    for i = 1, 10 do
      jobs[i] = function()
        now = now + 1
        most = math.max(most, now)
        task.sleep(0)
        now = now - 1
        return i
      end
    end
    assert.equal(10, #task.parallel(jobs, { limit = 3 }))
    assert.equal(3, most)
  end)

  it("ends the children of parallel when their parent is cancelled", function()
    local ended = 0
    local function child()
      local _ <close> = setmetatable({}, { __close = function() ended = ended + 1 end })
      task.sleep(100)
    end
    local parent = task.spawn(task.parallel, { child, child })
    task.sleep(0.001)
    parent:cancel()
    parent:join()
    assert.equal(2, ended)
  end)

  it("keeps the line of a queue when a waiter is cancelled", function()
    local q = task.queue()
    local first = task.spawn(function() return q:pop() end)
    local second = task.spawn(function() return q:pop() end)
    task.sleep(0)
    q:push("value")
    first:cancel()
    assert.equal("value", (second:join()))
    assert.same({ nil, "timeout" }, { q:pop(0) })
    local patient = task.spawn(function() return q:pop(1e300) end) -- no number of nanoseconds
    task.sleep(0.001)
    q:push("late")
    assert.equal("late", patient:join())
  end)

  it("gives a mutex back however its holder ends", function()
    local m = task.mutex()
    local holder = task.spawn(m.with, m, task.sleep, 100)
    local waiter = task.spawn(m.with, m, function() return "mine" end)
    task.sleep(0)
    holder:cancel()
    assert.equal("mine", (waiter:join()))
    m:lock()
    m:unlock()
  end)

  it("gives children a copy of the context", function()
    task.context().request_id = "r1"
    task.spawn(function()
      assert.equal("r1", task.context().request_id)
      task.context().request_id = "r2"
    end):join()
    assert.equal("r1", task.context().request_id)
    task.context().request_id = nil
  end)

  it("knows the time left", function()
    assert.is_nil(task.remaining())
    local left = task.spawn_with({ deadline = 5 }, task.remaining):join()
    assert.is_true(left > 4 and left <= 5)
  end)

  it("raises on a wait inside a callback of a C function", function()
    local ok, err = pcall(string.gsub, "x", "x", function() task.sleep(1) end)
    assert.is_false(ok)
    assert.matches("cannot wait inside a callback", err)
  end)
end)
