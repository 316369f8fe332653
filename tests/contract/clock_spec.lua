-- Ports clock and ids: what every adapter must do. A new adapter adds one line at the end.
local shape = require "lib.shape"

local function clock_contract(name, new)
  describe("clock (" .. name .. ")", function()
    local clock = new()
    it("tells seconds since 1970 that do not go back", function()
      local before = clock.now()
      assert.is_true(before > 1.7e9 and before < 1e11)
      assert.is_true(clock.now() >= before)
    end)
    it("tells a real day", function() assert.is_true(shape.is_date(clock.today())) end)
    it("writes ISO times in UTC that end in Z", function()
      assert.equal("2025-08-13T08:00:00Z", clock.iso(1755072000))
      assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$", clock.iso())
      assert.equal(clock.today(), clock.iso():sub(1, 10))
    end)
  end)
end

local function ids_contract(name, new)
  describe("ids (" .. name .. ")", function()
    local ids = new()
    it("makes version 4 UUIDs, each another", function()
      local seen = {}
      for _ = 1, 1000 do
        local id = ids.uuid()
        assert.matches("^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$", id)
        assert.is_nil(seen[id])
        seen[id] = true
      end
    end)
    it("makes tokens that fit a URL, each another", function()
      assert.matches("^[%w_-]+$", ids.token(32))
      assert.not_equal(ids.token(32), ids.token(32))
      assert.is_true(#ids.token(32) >= 43)
    end)
    it("digests the same text to the same 64 digits", function()
      assert.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", ids.digest("abc"))
    end)
  end)
end

clock_contract("local", function() return require("adapters.local.clock").new() end)
ids_contract("local", function() return require("adapters.local.ids").new() end)
