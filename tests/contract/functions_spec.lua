-- Port functions: what every adapter must do. A new adapter adds one line at the end.
local errors = require "lib.errors"

local function contract(name, new)
  describe("functions (" .. name .. ")", function()
    it("calls by name with the payload and gives the result", function()
      local functions = new(function(called, payload) return { name = called, value = payload.value } end)
      assert.same({ name = "advance", value = 5 }, functions.invoke("advance", { value = 5 }))
    end)

    it("gives a failure back to who waits", function()
      local functions = new(function() return nil, errors.new("NotFound", "no") end)
      assert.equal("NotFound", select(2, functions.invoke("x", {})).code)
    end)

    it("answers at once and works later", function()
      local task = require "sm.task"
      local done = task.queue()
      local functions = new(function(_, payload)
        done:push(payload.value)
        return {}
      end)
      assert.is_true(functions.invoke_async("advance", { value = 7 }))
      assert.equal(7, done:pop(5))
    end)

    it("reports a failure or a fault of work that nobody waits for", function()
      local task = require "sm.task"
      local reports = task.queue()
      local functions = new(function(called)
        if called == "fault" then error("broken") end
        return nil, errors.new("QueryFailed", "no")
      end, function(called, _, err) reports:push(called .. ":" .. tostring(err.message or err)) end)
      functions.invoke_async("fails", {})
      assert.equal("fails:no", reports:pop(5))
      functions.invoke_async("fault", {})
      assert.matches("^fault:.*broken", reports:pop(5))
    end)

    it("lives on when the task that asked has ended", function()
      local task = require "sm.task"
      local gate, done = task.queue(), task.queue()
      local functions = new(function()
        gate:pop(5)
        done:push("done")
        return {}
      end)
      task.spawn(function() functions.invoke_async("x", {}) end):join()
      gate:push(true)
      assert.equal("done", done:pop(5))
    end)
  end)
end

contract("local", function(call, report) return require("adapters.local.functions").new(call, report or function() end) end)
