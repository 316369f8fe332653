-- Hooks for a process that continues from a snapshot.
describe("lib.restore:", function()
  it("calls every hook, also after a failure, and tells the first", function()
    package.loaded["lib.restore"] = nil
    local restore = require "lib.restore"
    finally(function() package.loaded["lib.restore"] = nil end)
    local calls = {}
    restore.on(function() calls[#calls + 1] = "a" end)
    restore.on(function() error("broken", 0) end)
    restore.on(function() calls[#calls + 1] = "c" end)
    assert.are.same({ false, "broken" }, { restore.run() })
    assert.are.same({ "a", "c" }, calls)
  end)
end)
