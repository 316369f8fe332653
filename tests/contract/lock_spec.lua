-- Port lock: what every adapter must do. A new adapter adds one line at the end.
local function contract(name, new)
  describe("lock (" .. name .. ")", function()
    local lock, clock
    before_each(function() lock, clock = new() end)

    local function take(changes)
      local request = { key = "k", owner = "job-1", ttl_seconds = 60, cooldown_seconds = 30 }
      for field, value in pairs(changes or {}) do request[field] = value end
      return lock.acquire(request)
    end

    it("gives a free lock to the first who asks", function()
      local lease = assert(take())
      assert.equal("job-1", lease.owner)
      assert.equal(clock.at + 60, lease.expires_at)
      assert.equal(clock.at + 30, lease.allow_after)
    end)

    it("refuses while the lease lives, and says how long", function()
      assert(take { token = "t" })
      clock.at = clock.at + 40
      local lease, err = take { owner = "job-2" }
      assert.is_nil(lease)
      assert.equal("CooldownActive", err.code)
      assert.equal(10, err.details.retry_after_seconds) -- a lease may be given back early: look again soon
      assert.equal("job-1", err.details.owner)
      assert.equal("t", err.details.token)
    end)

    it("says the rest of the cooldown while that is longer", function()
      assert(take())
      clock.at = clock.at + 5
      assert.equal(25, select(2, take { owner = "job-2" }).details.retry_after_seconds)
    end)

    it("refuses during the cooldown of a released lease that keeps it", function()
      local lease = assert(take())
      assert.is_true(lock.release(lease, { keep_cooldown = true }))
      clock.at = clock.at + 10
      assert.equal(20, select(2, take()).details.retry_after_seconds)
      assert(take { ignore_cooldown = true })
    end)

    it("is free at once when it is given back", function()
      local lease = assert(take())
      assert.is_true(lock.release(lease, { keep_cooldown = false }))
      assert(take { owner = "job-2" })
    end)

    it("is free when lease and cooldown are over", function()
      assert(take())
      clock.at = clock.at + 60
      assert(take { owner = "job-2" })
    end)

    it("does not let ignore_cooldown break a living lease", function()
      assert(take())
      assert.is_nil((take { ignore_cooldown = true }))
    end)

    it("gives a greater fence to every winner", function()
      local before = 0
      for i = 1, 5 do
        local lease = assert(take { owner = "job-" .. i })
        assert.is_true(lease.fence > before)
        before = lease.fence
        lock.release(lease, { keep_cooldown = false })
      end
    end)

    it("renews for the holder, also after the lease ran out and nobody took it", function()
      local lease = assert(take())
      clock.at = clock.at + 100
      assert.equal(clock.at + 60, assert(lock.renew(lease, 60)).expires_at)
      assert.is_nil((take { owner = "job-2" }))
    end)

    it("does not renew for one who lost it", function()
      local lease = assert(take())
      clock.at = clock.at + 100
      assert(take { owner = "job-2" })
      assert.equal("Conflict", select(2, lock.renew(lease, 60)).code)
      assert.is_false(lock.release(lease, { keep_cooldown = false }))
      assert.equal("job-2", lock.read("k").owner)
    end)

    it("does not renew what was released, and a second release does nothing", function()
      local lease = assert(take())
      assert.is_true(lock.release(lease))
      assert.is_false(lock.release(lease))
      assert.equal("Conflict", select(2, lock.renew(lease, 60)).code)
    end)

    it("keeps keys apart", function()
      assert(take())
      assert(take { key = "other" })
    end)

    it("reads nothing for a key nobody took", function() assert.is_nil(lock.read("none")) end)

    it("expires even when taken with no time left", function()
      assert(take { ttl_seconds = 0, cooldown_seconds = 0 })
      assert(take { owner = "job-2" })
    end)

    it("has one winner among 50 simultaneous calls", function()
      local task = require "sm.task"
      local calls = {}
      for i = 1, 50 do
        calls[i] = function() return { lease = (take { owner = "job-" .. i }) } end
      end
      local results = assert(task.parallel(calls))
      local winners = 0
      for i = 1, 50 do if results[i].lease then winners = winners + 1 end end
      assert.equal(1, winners)
    end)
  end)
end

local aws = require "aws_fixture"

if aws.has "dynamodb" then
  local api, table_name
  contract("aws", function()
    api = api or aws.api()
    table_name = aws.lock_table(api)
    local clock = require("fakes").clock()
    return require("adapters.aws.lock").new { api = api, table_name = table_name,
      time = require("adapters.aws.service_time").plain(clock) }, clock
  end)
else
  describe("lock (aws)", function() pending "DynamoDB Local is not installed" end)
end

contract("local", function()
  local clock = require("fakes").clock()
  local db = require("spec_state")()
  return require("adapters.local.lock").new(db, clock), clock
end)
