-- Port statements: what every adapter must do.
local files = require "sm.files"

local function contract(name, new)
  describe("statements (" .. name .. ")", function()
    local statements, put, stop
    before_each(function() statements, put, stop = new() end)
    after_each(function() stop() end)

    it("writes a statement from its file and values", function()
      put("one", "-- Counts.\n-- @param table qualified_name\nSELECT COUNT(*) FROM {table}\n")
      assert.equal('SELECT COUNT(*) FROM "gold"."x"', (statements.render("one", { table = "gold.x" })))
    end)

    it("refuses missing and extra values, but takes what is only offered", function()
      put("one", "-- Tells the day.\n-- @param today date\nSELECT {today}\n")
      assert.equal("BadParam", select(2, statements.render("one", {})).code)
      assert.equal("BadParam", select(2, statements.render("one", { today = "2025-01-01", run = "2025-01-01" })).code)
      assert.equal("SELECT DATE '2025-01-01'", (statements.render("one", { today = "2025-01-01", run = "2025-01-02" }, { offered = true })))
    end)

    it("shows an edit with the next use", function()
      put("one", "-- One.\nSELECT 1\n")
      assert.equal("SELECT 1", (statements.render("one", {})))
      put("one", "-- Two.\nSELECT 22\n")
      assert.equal("SELECT 22", (statements.render("one", {})))
    end)

    it("names every faulty file at start", function()
      put("good", "-- Good.\nSELECT 1\n")
      assert.is_true(statements.check())
      put("bad", "-- Bad.\nSELECT {x}\n")
      put("worse", "SELECT 1\n")
      local ok, err = statements.check()
      assert.is_nil(ok)
      assert.matches("bad: {x} is not declared", err.message)
      assert.matches("worse: the header", err.message)
    end)

    it("says when there is no such file, and reads none outside of its folder", function()
      assert.equal("NotFound", select(2, statements.render("none", {})).code)
      assert.equal("BadSetting", select(2, statements.render("../none", {})).code)
    end)
  end)
end

contract("local", function()
  local folder = assert(files.temp_dir())
  local function put(name, text) assert(files.write(folder .. "/" .. name .. ".sql", text)) end
  return require("adapters.local.statements").new(folder, true), put, function() files.remove_tree(folder) end
end)

describe("the SQL files that are shipped", function()
  it("are all sound", function()
    local statements = require("adapters.local.statements").new(require("sm.files").cwd() .. "/lua/sql/lakehouse", true)
    assert(statements.check())
    assert(statements.render("drop_table", { table = "d.t" })) -- they were found
  end)
end)
