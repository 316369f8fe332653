-- Port tasks: what every adapter must do.
local errors = require "lib.errors"
local task = require "sm.task"

local function contract(name, new)
  describe("tasks (" .. name .. ")", function()
    local tasks = new()
    local function fine() return true end

    it("gives the results of parallel calls in order", function()
      local results = assert(tasks.parallel { function() return "a" end, function() return "b" end })
      assert.same({ "a", "b" }, { results[1], results[2] })
    end)

    it("gives the first failure of parallel calls", function()
      local results, err = tasks.parallel { function() return "a" end, function() return nil, errors.new("NotFound", "no") end }
      assert.is_nil(results)
      assert.equal("NotFound", err.code)
    end)

    it("makes an error of a fault", function()
      local _, err = tasks.parallel { function() error("broken") end }
      assert.equal("InternalError", err.code)
      assert.matches("broken", err.message)
    end)

    it("gives what the watched work gives", function()
      assert.equal(5, (tasks.watched(function() return 5 end, { every = 10, check = fine })))
      local value, err = tasks.watched(function() return nil, errors.new("QueryFailed", "no") end, { every = 10, check = fine })
      assert.is_nil(value)
      assert.equal("QueryFailed", err.code)
      assert.equal("InternalError", select(2, tasks.watched(function() error("broken") end, { every = 10, check = fine })).code)
    end)

    it("tells the watched work, and parallel calls in it, how much time there is", function()
      assert.is_nil((tasks.watched(function() return { left = tasks.remaining() } end, { every = 10, check = fine })).left)
      local outer = task.spawn_with({ deadline = 50 }, function()
        return tasks.watched(function()
          return tasks.parallel { function() return tasks.remaining() end, function() return tasks.remaining() end }
        end, { every = 10, check = fine })
      end)
      local left = assert(outer:join())
      for i = 1, 2 do assert.is_true(left[i] > 40 and left[i] <= 50) end
    end)

    it("stops the work when the check fails, and waits until it has stopped", function()
      local cleaned = false
      local value, err = tasks.watched(function()
        local _ <close> = setmetatable({}, { __close = function() cleaned = true end })
        task.sleep(60)
      end, { every = 0, check = function() return nil, errors.new("Cancelled", "enough") end })
      assert.is_nil(value)
      assert.equal("Cancelled", err.code)
      assert.is_true(cleaned)
    end)

    it("looks again and again while the work runs", function()
      local looks, enough = 0, task.queue()
      assert(tasks.watched(function() return enough:pop(20) end, { every = 0, check = function()
        looks = looks + 1
        if looks == 3 then enough:push(true) end
        return true
      end }))
      assert.is_true(looks >= 3)
    end)

    it("stops the work when the one who waits is cancelled", function()
      local cleaned = task.queue()
      local outer = task.spawn(function()
        return tasks.watched(function()
          local _ <close> = setmetatable({}, { __close = function() cleaned:push(true) end })
          task.sleep(60)
        end, { every = 10, check = fine })
      end)
      task.sleep(0)
      task.sleep(0)
      outer:cancel("test")
      assert.is_true(cleaned:pop(20))
    end)
  end)
end

contract("local", function() return require("adapters.local.tasks").new() end)
