-- Port functions: what every adapter must do. A new adapter adds one line at the end.
-- `new(call, report)` gives the port; what it calls runs `call`, and a failure that nobody waits for goes to `report`.
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

-- Lambda as the adapter sees it: an Event is accepted and runs later, a RequestResponse runs now.
local aws, scripted = require "aws_fixture", require "scripted"

local function run_function(call, report, name, payload)
  local ok, value, err = pcall(call, name, payload)
  if not ok then value, err = nil, value end
  if value == nil then report(name, payload, err) end
  return value, err
end

local function scripted_lambda(call, report)
  return scripted.start(function(_, payload, request)
    local name = request.path:match("^/2015%-03%-31/functions/([^/]+)/invocations$"):gsub("^fn%-", "")
    if request.headers["x-amz-invocation-type"] == "Event" then
      require("sm.task").spawn(run_function, call, report, name, payload)
      return { status = 202 }
    end
    local value, err = run_function(call, report, name, payload)
    if value ~= nil then return { status = 200, body = value } end
    return { status = 200, headers = { ["X-Amz-Function-Error"] = "Unhandled" },
      body = { errorType = err.code or "Runtime.Error", errorMessage = err.message or tostring(err) } }
  end)
end

local NAMES <const> = { advance = "fn-advance", x = "fn-x", fails = "fn-fails", fault = "fn-fault" }

local server
local function on_lambda(call, report)
  if server then server.stop() end
  server = scripted_lambda(call, report or function() end)
  return require("adapters.aws.functions").new { api = aws.api { lambda = server.url }, names = NAMES }
end

contract("aws", on_lambda)

describe("functions (aws) also", function()
  teardown(function()
    if server then server.stop() end
    server = nil
  end)

  it("sends field names that callers outside know", function()
    local functions = on_lambda(function(_, payload) return payload end)
    local value = assert(functions.invoke("advance", { job_id = "j", triggered_at = "t" }))
    assert.same({ jobId = "j", triggeredAt = "t" }, server.calls[1].params)
    assert.same({ job_id = "j", triggered_at = "t" }, value)
  end)

  it("names the setting that is missing", function()
    local functions = on_lambda(function() return {} end)
    assert.equal("BadSetting", select(2, functions.invoke_async("orchestrate", {})).code)
  end)

  it("tells being asked too often, not being allowed and a missing function apart", function()
    for code, expected in pairs { TooManyRequestsException = "TooManyRequests", AccessDeniedException = "ExternalServiceError",
      ResourceNotFoundException = "BadSetting" } do
      local status = code == "TooManyRequestsException" and 429 or code == "AccessDeniedException" and 403 or 404
      local failing = scripted.start(function()
        return { status = status, headers = { ["X-Amzn-ErrorType"] = code }, body = { Message = "no" } }
      end)
      local functions = require("adapters.aws.functions").new { names = NAMES,
        api = require("adapters.aws.api").new { default = aws.options(failing.url, { max_attempts = 1 }) } }
      local _, err = functions.invoke_async("advance", {})
      failing.stop()
      assert.equal(expected, err.code, code)
      assert.equal(code == "AccessDeniedException" or nil, err.details.denied)
    end
  end)

  it("invokes a function of moto", function()
    if not aws.has "moto" then return pending "moto is not installed" end
    aws.tell_moto("config", { ["lambda"] = { use_docker = false } })
    local api, name = aws.api(), aws.fresh "advance"
    assert(api:call("lambda", "create_function", { FunctionName = name, Runtime = "provided.al2023", Handler = "x",
      Role = aws.role(), Code = { ZipFile = "PK\5\6" .. ("\0"):rep(18) } }))
    local functions = require("adapters.aws.functions").new { api = api, names = { advance = name } }
    assert.is_true(functions.invoke_async("advance", { job_id = "j" }))
    assert.equal("j", assert(functions.invoke("advance", { job_id = "j" })).job_id)
  end)
end)
