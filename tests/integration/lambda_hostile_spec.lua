-- Handlers and events that mean harm, or are only careless: the answer comes before the platform's deadline and the process
-- goes on. The limits themselves are tried by tests/lua/hostile_spec.lua.
local json = require "lib.json"
local lambda = require "lambda"

local play = lambda.play

local STREAM <const> = 'local stream, task = require "entry.lambda.stream", require "sm.task"\n'

local function survives(result)
  assert.is_true(result.settled, result.log)
  assert.are.equal(0, result.exit.code, result.log)
end

-- Seconds from the n-th event's being handed out to its answer.
local function seconds(result, n)
  local asked
  for _, request in ipairs(result.requests) do
    if request.path:find("/next", 1, true) then
      n = n - 1
      if n == 0 then asked = request.at end
    elseif asked and request.path:find("/invocation/", 1, true) then
      return request.at - asked
    end
  end
end

describe("the Lambda runtime and a hostile handler", function()
  if not lambda.available() then return pending("the program bootstrap has not been built") end

  it("tells of the time limit although the handler's own report never ends", function()
    local result = play { events = { { body = "1", deadline_ms = 3000 }, { body = "2" } }, handler = [[
      local function forever() while true do end end
      return { run = function(event) return event == 2 and "on" or forever() end, failed = forever }]] }
    local report = lambda.answer(result, 1)
    assert.are.equal("Runtime.Timeout", report.errorType)
    assert.matches("handler.lua:1", report.errorMessage, 1, true)
    assert.is_true(seconds(result, 1) < 3, "the answer came when the platform had given up")
    assert.matches("failed_hook_failed", result.log, 1, true)
    assert.are.equal('"on"', result.posts[2].body)
    survives(result)
  end)

  it("tells of the failure although the handler's own report fails", function()
    local result = play { events = { { body = "1" } }, handler = [[
      return { run = function() error "the first fault" end, failed = function() error(setmetatable({}, { __index = error })) end }]] }
    assert.matches("the first fault", lambda.answer(result, 1).errorMessage, 1, true)
    survives(result)
  end)

  it("answers in time when looking at the error never ends", function()
    for _, key in ipairs { "__index", "__tostring" } do
      local result = play { events = { { body = "1", deadline_ms = 1000 }, { body = "2" } }, handler = ([[
        return function(event)
          if event == 2 then return "on" end
          error(setmetatable({}, { %s = function() while true do end end }))
        end]]):format(key) }
      assert.are.equal("Runtime.Unknown", lambda.answer(result, 1).errorType)
      assert.is_true(seconds(result, 1) < 1)
      assert.are.equal('"on"', result.posts[2].body)
      survives(result)
    end
  end)

  it("reports an init error whose error table raises when it is looked at", function()
    local result = play { events = {}, handler = [[
      local fault = setmetatable({}, {})
      getmetatable(fault).__index = function() error(fault, 0) end
      error(fault)]], timeout = 3 }
    assert.are.equal(json.null, result.exit.signal, result.log)
    local told
    for _, request in ipairs(result.requests) do told = told or request.path:find("/init/error", 1, true) end
    assert.is_truthy(told)
  end)

  it("answers although a task of the script's own, which has no limit, never waits", function()
    local result = play { events = { { body = "1", deadline_ms = 2000 }, { body = "2" }, { body = "3" } }, handler = [[
      local task = require "sm.task"
      return function(event)
        if event == 3 then return "on" end
        local busy = task.spawn(function() while true do pcall(function() while true do end end) end end)
        if event == 1 then return select(2, busy:join()).message end
        return "behind it"
      end]], timeout = 15 }
    assert.matches("time limit of 1%.0 s reached at .*handler.lua:4", result.posts[1].body)
    assert.are.equal('"behind it"', result.posts[2].body)
    assert.are.equal('"on"', result.posts[3].body)
    assert.matches("task_failed", result.log, 1, true)
    survives(result)
  end)

  it("names the time limit when a task of the script's own holds the thread until then", function()
    local result = play { events = { { body = "1", deadline_ms = 800 }, { body = "2" } }, handler = [[
      local task = require "sm.task"
      return function(event)
        if event == 2 then return "on" end
        task.spawn(function() while true do end end)
        task.sleep(10)
      end]] }
    assert.are.equal("Runtime.Timeout", lambda.answer(result, 1).errorType)
    assert.is_true(seconds(result, 1) < 0.8)
    assert.are.equal('"on"', result.posts[2].body)
    survives(result)
  end)

  it("loads no native library, whatever the handler makes of package.cpath", function()
    local result = play { events = { { body = "1" } }, handler = [[
      return function()
        package.cpath = "/tmp/?.so"
        local _, message = pcall(require, "nonesuch")
        return { message, package.loadlib ~= nil }
      end]] }
    local answer = lambda.answer(result, 1)
    assert.is_nil(answer[1]:find(".so", 1, true), answer[1])
    assert.is_false(answer[2])
    survives(result)
  end)

  it("has no time limit for a deadline that lies behind all time", function()
    for _, deadline in ipairs { "999999999999999999", "9223372036854775", "4102444800001" } do
      local result = play { events = { { body = "1", headers = { ["Lambda-Runtime-Deadline-Ms"] = deadline } }, { body = "2" } } }
      assert.are.equal("1", result.posts[1].body, result.log)
      survives(result)
    end
  end)

  it("lets one task at a time write a streamed answer", function()
    local result = play { events = { { body = "{}" } }, posts = { ["0"] = { slow = { bytes = 200000, pause_ms = 5 } } },
      handler = STREAM .. [[
      return function()
        return stream.new { content_type = "text/plain", body = function(write)
          local writer = task.spawn(function() return write(("a"):rep(12 << 20)) end)
          task.sleep(0.05)
          local ok, message = pcall(write, "b")
          writer:join()
          write(tostring(ok) .. tostring(message):match("another task") )
        end }
      end]], timeout = 20 }
    local post = result.posts[1]
    assert.are.equal((12 << 20) + #"falseanother task", post.bytes)
    assert.are.equal("falseanother task", post.body:sub(-17))
    survives(result)
  end)

  it("ends a streamed answer in good order while a task of the script still writes", function()
    local result = play { events = { { body = "1" }, { body = "2" }, { body = "3" } },
      posts = { ["0"] = { slow = { bytes = 200000, pause_ms = 5 } }, ["1"] = { slow = { bytes = 200000, pause_ms = 5 } } }, handler = STREAM .. [[
      local seen = "nothing"
      return function(event)
        if event == 3 then return seen end
        return stream.new { content_type = "text/plain", body = function(write)
          task.spawn(function()
            local ok, result = pcall(write, ("a"):rep(12 << 20))
            seen = tostring(ok) .. " " .. tostring(result)
          end)
          task.sleep(0.05)
          collectgarbage()
        end }
      end]], timeout = 20 }
    assert.are.equal(12 << 20, result.posts[1].bytes)
    assert.are.equal(12 << 20, result.posts[2].bytes)
    assert.are.equal('"true false"', result.posts[3].body)
    survives(result)
  end)

  it("sends no second piece behind half of one", function()
    local result = play { events = { { body = "1" }, { body = "2" } },
      posts = { ["0"] = { slow = { bytes = 200000, pause_ms = 5 } } }, handler = STREAM .. [[
      local said
      return function(event)
        if event == 2 then return said end
        return stream.new { content_type = "text/plain", body = function(write)
          local writer = task.spawn(function() write(("a"):rep(12 << 20)) end)
          task.sleep(0.05)
          writer:cancel()
          task.sleep(0.01)
          said = write "b"
        end }
      end]], timeout = 20 }
    assert.are.equal(12 << 20, result.posts[1].bytes)
    assert.are.equal("false", result.posts[2].body)
    survives(result)
  end)

  it("names the request in what it logs of a failure, with several at a time and in streamed answers", function()
    local result = play { events = { { body = "1", id = "first-id" }, { body = "2", id = "second-id" } }, concurrency = 2,
      env = { AWS_LAMBDA_MAX_CONCURRENCY = "2", AWS_LAMBDA_LOG_FORMAT = "JSON" }, handler = STREAM .. [[
      return function(event)
        if event == 1 then error "plain fault" end
        return stream.new { content_type = "text/plain", body = function(write) write "x" error "streamed fault" end }
      end]] }
    for fault, id in pairs { ["plain fault"] = "first-id", ["streamed fault"] = "second-id" } do
      local found
      for line in result.log:gmatch("[^\n]+") do
        if line:find(fault, 1, true) then found = json.decode(line) end
      end
      assert.are.equal(id, found and found.requestId, result.log)
    end
    survives(result)
  end)
end)
