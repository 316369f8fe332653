-- Calls over a network that fails: dead pooled connections, resets, cut bodies, silence, errors.
local attempts = require "aws.attempts"
local failure = require "aws.failure"
local files = require "sm.files"
local process = require "process"
local retry = require "aws.retry"
local task = require "sm.task"

local KEYS <const> = { access_key = "AKID", secret_key = "secret" }

if not process.available() then
  pending("the Lua library that starts programs is not installed (liblua5.4-0)")
  return
end

describe("over a failing network", function()
  local pid, log, url

  setup(function()
    log = assert(files.temp_dir()) .. "/server.log"
    pid = process.spawn("python3 tests/support/faulty_server.py", log)
    for _ = 1, 500 do
      local port = (files.read(log) or ""):match("port (%d+)")
      if port then url = "http://127.0.0.1:" .. port break end
      task.sleep(0.02)
    end
    assert(url, "the faulty server did not start")
  end)

  teardown(function()
    process.kill(pid)
    files.remove_tree(log:match("^(.*)/"))
  end)

  local function requests(path)
    local count = 0
    for line in (files.read(log) or ""):gmatch("[^\n]+") do
      if line == path then count = count + 1 end
    end
    return count
  end

  -- A call of an operation; with what the policy slept.
  local function run(path, more)
    local slept = {}
    local call = {
      operation = { name = "Op" }, service = "dynamodb", provider = { get = function() return KEYS end }, config = { read_timeout = 0.08 },
      request = { method = "POST", path = path, query = {}, headers = {}, body = "{}" },
      endpoint = { url = url, signing = { name = "dynamodb", region = "r", scheme = "v4", double_encode = true } },
      parse = function(response)
        if response.status >= 300 then return nil, failure.new { kind = "service", code = tostring(response.status), status = response.status } end
        return response
      end,
    }
    for name, value in pairs(more or {}) do call[name] = value end
    call.policy = retry.policy({ max_attempts = 3 }, call.service, nil, { random = function() return 0 end, sleep = function(s) slept[#slept + 1] = s end, remaining = task.remaining })
    local output, err = attempts.run(call)
    return output, err, slept, call
  end

  for _, path in ipairs { "/stale", "/late-stale" } do
    it("takes a fresh connection for a dead pooled one, at no cost: " .. path, function()
      for i = 1, 3 do
        local output, err, slept, call = run(path)
        assert.is_nil(err)
        assert.equal(200, output.status)
        assert.equal(500, call.policy.bucket.left, "call " .. i)
        assert.same({}, slept)
      end
    end)

    it("takes none from the pool for calls that must not run twice: " .. path, function()
      for _ = 1, 2 do assert((run(path .. "/lambda", { service = "lambda", operation = { name = "Invoke" } }))) end
      assert.equal(2, requests(path .. "/lambda"))
    end)
  end

  for _, path in ipairs { "/stale", "/late-stale" } do
    it("begins a stream again on a fresh connection, at no cost: " .. path, function()
      local left
      local body = { length = 200000, rewind = function() left = { ("a"):rep(100000), ("b"):rep(100000) } return true end, read = function() return table.remove(left, 1) end }
      local function put()
        body.rewind()
        return run(path .. "/stream", { request = { method = "PUT", path = path .. "/stream", query = {}, headers = { ["content-length"] = "200000" }, body = body, payload_hash = "UNSIGNED-PAYLOAD" } })
      end
      for i = 1, 4 do
        local output, err, slept, call = put()
        assert.is_nil(err)
        assert.equal(200, output.status)
        assert.same({}, slept)
        assert.equal(500, call.policy.bucket.left, "call " .. i)
      end
    end)
  end

  for _, path in ipairs { "/reset/1", "/close/1", "/short/1" } do
    it("tries again after " .. path, function()
      local output, err = run(path)
      assert.is_nil(err)
      assert.equal(200, output.status)
      assert.equal(2, requests(path))
    end)
  end

  it("does not repeat a call that may have run and must not run twice", function()
    for _, path in ipairs { "/reset/2", "/close/2", "/short/2", "/silent/2" } do
      local _, err = run(path, { service = "lambda", operation = { name = "Invoke" } })
      assert.is_table(err, path)
      assert.equal(1, err.attempts, path)
      assert.equal(1, requests(path), path)
    end
  end)

  it("repeats even those when nothing was sent", function()
    local _, err = run("/", { service = "lambda", operation = { name = "Invoke" }, endpoint = { url = "http://127.0.0.1:1", signing = { name = "lambda", region = "r", scheme = "v4" } } })
    assert.equal(3, err.attempts)
    assert.is_true(err.unsent)
  end)

  it("gives up on a silent server, and says so", function()
    local _, err = run "/silent/1"
    assert.same({ "timeout", "TimedOut", 3 }, { err.kind, err.code, err.attempts })
    assert.equal(3, requests "/silent/1")
  end)

  it("lets a slow answer come that moves", function()
    assert.equal(200, run("/trickle").status)
  end)

  it("takes garbage for a failed transport", function()
    local _, err = run "/garbage"
    assert.equal("transport", err.kind)
  end)

  it("outlasts errors of the server as often as it may", function()
    assert.equal(200, run("/status/503/2").status)
    local _, err = run "/status/502/3"
    assert.equal(502, err.status)
    assert.equal(3, requests "/status/502/3")
    _, err = run "/status/404/1"
    assert.equal(1, err.attempts)
  end)

  it("stops when the quota is used up", function()
    local bucket = { capacity = 500, left = 20 }
    local policy = retry.policy({ max_attempts = 10 }, nil, bucket, { random = function() return 0 end, sleep = function() end, remaining = function() end })
    local tries = 0
    retry.run(policy, function()
      tries = tries + 1
      return nil, failure.new { kind = "service", code = "x", status = 500 }
    end)
    assert.equal(2, tries)
  end)

  it("ends with its task's deadline", function()
    local started = require("sm.time").monotonic()
    local job = task.spawn_with({ deadline = 0.15 }, function() return run("/silent/3", { config = { read_timeout = 20 } }) end)
    local output, err = job:join()
    assert.is_nil(output)
    assert.is_table(err)
    assert.is_true(require("sm.time").monotonic() - started < 5)
  end)
end)
