-- The lock on DynamoDB beyond the contract: whose clock counts, what is stored, and what happens when the service says no.
local aws = require "aws_fixture"
local scripted = require "scripted"
local service_time = require "adapters.aws.service_time"
local task = require "sm.task"

local function parse(text) return require("aws.timestamp").parse(text, "rfc822") end

describe("service time", function()
  local clock = { at = 1755072000 }
  function clock.now() return clock.at end

  it("follows the service when this machine's clock is wrong", function()
    local time = service_time.new(clock, parse)
    time.seen { headers = { date = "Wed, 13 Aug 2025 08:10:00 GMT" } }
    assert.equal(1755072600, time.now())
  end)

  it("does not follow the seconds that a header cannot tell", function()
    local time = service_time.new(clock, parse)
    time.seen { headers = { date = "Wed, 13 Aug 2025 08:00:02 GMT" } }
    assert.equal(1755072000, time.now())
    time.seen { headers = {} }
    time.seen { headers = { date = "yesterday" } }
    time.seen(nil)
    assert.equal(1755072000, time.now())
  end)

  it("asks once before the first decision", function()
    local time, asked = service_time.new(clock, parse), 0
    local function ask()
      asked = asked + 1
      time.seen { headers = { date = "Wed, 13 Aug 2025 09:00:00 GMT" } }
    end
    assert(time.ready(ask))
    assert(time.ready(ask))
    assert.equal(1, asked)
    assert.equal(1755075600, time.now())
    assert.equal("no", select(2, service_time.new(clock, parse).ready(function() return nil, "no" end)))
  end)
end)

describe("lock on DynamoDB", function()
  if not aws.has "dynamodb" then return pending "DynamoDB Local is not installed" end
  local api, table_name
  setup(function()
    api = aws.api()
    table_name = aws.lock_table(api)
  end)

  local function lock_of(ahead)
    local clock = { now = function() return require("sm.time").now() + (ahead or 0) end }
    return require("adapters.aws.lock").new { api = api, table_name = table_name, time = service_time.new(clock, parse) }
  end

  it("has one winner among machines whose clocks differ by hours", function()
    for round = 1, 3 do
      local calls = {}
      for i = 1, 20 do
        local lock = lock_of((i - 10) * 3600)
        calls[i] = function() return { (lock.acquire { key = "k" .. round, owner = "job-" .. i, ttl_seconds = 60, cooldown_seconds = 60 }) } end
      end
      local results, winners = assert(task.parallel(calls)), 0
      for i = 1, 20 do winners = winners + (results[i][1] and 1 or 0) end
      assert.equal(1, winners)
    end
  end)

  it("keeps the item as the contract names it, and lets it go an hour after its use", function()
    local lease = assert(lock_of().acquire { key = "shape", owner = "job", ttl_seconds = 60, cooldown_seconds = 300 })
    local item = assert(api:call("dynamodb", "get_item", { TableName = table_name, Key = { resource = { S = "shape" } } })).Item
    for name, kind in pairs { resource = "S", runId = "S", allowAfter = "N", lastRun = "N", expiresAt = "N" } do
      assert.is_string(item[name][kind], name)
    end
    assert.matches("^%d+$", item.expiresAt.N)
    assert.equal(math.ceil(lease.allow_after) + 3600, tonumber(item.expiresAt.N))
  end)

  it("counts its fence on when the item has been removed", function()
    local lock = lock_of()
    local first = assert(lock.acquire { key = "gone", owner = "a", ttl_seconds = 0 })
    assert(api:call("dynamodb", "delete_item", { TableName = table_name, Key = { resource = { S = "gone" } } }))
    task.sleep(0.002) -- a fence begins at the millisecond
    assert.is_true(assert(lock.acquire { key = "gone", owner = "b", ttl_seconds = 0 }).fence > first.fence)
  end)

  it("knows its own write again when the answer was lost", function()
    local lost
    local losing = { call = function(_, service, operation, params)
      if operation == "update_item" and not lost then
        lost = true
        assert(api:call(service, operation, params)) -- it arrived
      end
      return api:call(service, operation, params) -- and was sent again
    end }
    local lock = require("adapters.aws.lock").new { api = losing, table_name = table_name,
      time = service_time.plain(require("adapters.local.clock").new()) }
    local lease = assert(lock.acquire { key = "lost", owner = "a", ttl_seconds = 60 })
    assert.is_true(lock.release(lease))
  end)

  it("tells throttling and refusals apart from a lock that is held", function()
    for code, expected in pairs { ProvisionedThroughputExceededException = "TooManyRequests", AccessDeniedException = "ExternalServiceError",
      ResourceNotFoundException = "NotFound" } do
      local server = scripted.start(function() return scripted.failure(code, "no") end)
      local lock = require("adapters.aws.lock").new { api = aws.api { dynamodb = server.url }, table_name = "t",
        time = service_time.plain(require("adapters.local.clock").new()) }
      local request = { key = "k", owner = "o", ttl_seconds = 1 }
      assert.equal(expected, select(2, lock.acquire(request)).code)
      assert.equal(expected, select(2, lock.renew({ key = "k", fence = 1 }, 1)).code)
      assert.equal(expected, select(2, lock.read "k").code)
      server.stop()
    end
  end)
end)
