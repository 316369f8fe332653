-- The built bootstrap against a Runtime API of ours: events in, answers out, and what a handler does wrong.
-- What Lambda's platform can do wrong stands in lambda_faults_spec.lua.
local json = require "lib.json"
local lambda = require "lambda"

local play, answer = lambda.play, lambda.answer

local function events(...)
  local out = {}
  for i, body in ipairs { ... } do out[i] = type(body) == "table" and body or { body = body } end
  return out
end

-- JSON log records whose message is as given.
local function records(result, message)
  local out = {}
  for line in result.log:gmatch("[^\n]+") do
    local record = json.decode(line)
    if record and record.message == message then out[#out + 1] = record end
  end
  return out
end

local JSON_LOG <const> = { AWS_LAMBDA_LOG_FORMAT = "JSON" }

describe("the Lambda runtime", function()
  if not lambda.available() then return pending("the program bootstrap has not been built") end

  it("answers events, one after the other, on one connection", function()
    local result = play { events = events('{"a":[]}', "[1.5,2,9007199254740993]", '"é"', "null", "true") }
    local bodies = {}
    for i, post in ipairs(result.posts) do bodies[i] = post.body end
    assert.are.same({ '{"a":[]}', "[1.5,2,9007199254740993]", '"é"', "null", "true" }, bodies)
    assert.are.equal(1, result.connections)
    assert.are.equal(0, result.exit.code)
    assert.are.equal("/2018-06-01/runtime/invocation/request-0/response", result.posts[1].path)
    assert.are.equal("application/json", result.posts[1].headers["content-type"])
  end)

  it("passes the bytes of an event through a raw handler, whatever they are", function()
    local odd = "{\0\1 é not JSON \u{10ffff}"
    local result = play { events = events(odd), handler = "return { raw = true, run = function(text) return text .. '!' end }" }
    assert.are.equal(odd .. "!", result.posts[1].body)
  end)

  it("gives the handler what the platform says of an invocation", function()
    local result = play { handler = [[
      return function(event, context)
        return { id = context.request_id, arn = context.function_arn, trace = context.trace_id, env = os.getenv "_X_AMZN_TRACE_ID",
          tenant = context.tenant_id, client = context.client_context, identity = context.identity, left = context.remaining(),
          deadline = context.deadline, unknown = context.nothing_of_the_kind }
      end]], events = events({ body = "{}", headers = {
        ["Lambda-Runtime-Client-Context"] = '{"client":{"app_title":"Häuser"}}', ["Lambda-Runtime-Aws-Tenant-Id"] = "tenant-7",
        ["Lambda-Runtime-Cognito-Identity"] = '{"cognitoIdentityId":"eu:1","cognitoIdentityPoolId":"p"}' } }) }
    local value = answer(result, 1)
    assert.are.equal("request-0", value.id)
    assert.are.equal("arn:aws:lambda:eu-central-1:123456789012:function:spec", value.arn)
    assert.matches("^Root=1%-5bef4de7", value.trace)
    assert.are.equal(value.trace, value.env)
    assert.are.equal("tenant-7", value.tenant)
    assert.are.equal("Häuser", value.client.client.app_title)
    assert.are.equal("eu:1", value.identity.cognitoIdentityId)
    assert.is_true(value.left > 25 and value.left <= 30)
    assert.is_number(value.deadline)
    assert.is_nil(value.unknown)
  end)

  it("takes the trace id out of the environment when the next event has none", function()
    local result = play { handler = [[return function(_, context) return { env = os.getenv "_X_AMZN_TRACE_ID" or false,
      trace = context.trace_id or false } end]],
      events = events("{}", { body = "{}", headers = { ["Lambda-Runtime-Trace-Id"] = json.null } }, "{}") }
    assert.is_string(answer(result, 1).env)
    assert.are.same({ env = false, trace = false }, answer(result, 2))
    assert.is_string(answer(result, 3).env)
  end)

  it("lets a context that outlives its invocation still be read, but not answered through", function()
    local result = play { events = events("1", "2"), handler = [[
      local first
      return function(event, context)
        if event == 1 then first = context return 1 end
        local ok, message = pcall(first.start_stream, first, "text/plain")
        return { id = first.request_id, left = first.remaining() > 0, ok = ok, message = message }
      end]] }
    local value = answer(result, 2)
    assert.are.equal("request-0", value.id)
    assert.is_false(value.ok)
    assert.matches("the invocation is over", value.message)
  end)

  it("runs a handler's tasks side by side and waits for them", function()
    local result = play { events = events("{}"), handler = [[
      local task = require "sm.task"
      return function()
        local results = task.parallel { function() task.sleep(0.03) return 1 end, function() task.sleep(0.03) return 2 end }
        return results[1] + results[2]
      end]] }
    assert.are.equal(3, answer(result, 1))
  end)

  describe("that is given something wrong", function()
    it("answers a malformed event with an error and goes on (aws-lambda-rust-runtime#517)", function()
      local result = play { events = events('{"a":', "", "[1]"), env = JSON_LOG }
      local err, post = answer(result, 1)
      assert.are.equal("/2018-06-01/runtime/invocation/request-0/error", post.path)
      assert.are.equal("Runtime.UnmarshalError", err.errorType)
      assert.matches("the event is not JSON: .*line 1", err.errorMessage)
      assert.are.equal("Runtime.UnmarshalError", answer(result, 2).errorType)
      assert.are.equal("[1]", result.posts[3].body)
      assert.are.equal(0, result.exit.code)
    end)

    it("tells a script's error to caller and log in the same words (aws-lambda-rust-runtime#244, llrt#1519)", function()
      local result = play { env = JSON_LOG, events = events("{}", "{}"), handler = [[
        local function inner() error "the cupboard is bare" end
        return function() inner() return 1 end]] }
      local err, post = answer(result, 1)
      assert.are.equal("Runtime.ScriptError", err.errorType)
      assert.matches("handler.lua:1: the cupboard is bare", err.errorMessage)
      assert.are.equal(err.errorType, post.headers["lambda-runtime-function-error-type"])
      assert.are.equal("application/vnd.aws.lambda.error+json", post.headers["content-type"])
      local record = records(result, "invocation_failed")[1]
      assert.are.equal(err.errorMessage, record.errorMessage)
      assert.are.equal(err.errorType, record.errorType)
      assert.are.equal("request-0", record.requestId)
      assert.are.equal("ERROR", record.level)
      assert.are.equal(2, #result.posts)
    end)

    it("names the failing frame in the stack, with file and line (bref#1619)", function()
      local result = play { events = events("{}"), handler = "local function inner()\n  error 'no'\nend\nreturn function()\n  inner()\n  return 1\nend" }
      local err, post = answer(result, 1)
      local stack = table.concat(err.stackTrace, "\n")
      assert.matches("handler.lua:2: in .*inner", stack)
      assert.matches("handler.lua:5: in", stack)
      local cause = json.decode(post.headers["lambda-runtime-function-xray-error-cause"])
      assert.are.equal("Runtime.ScriptError", cause.exceptions[1].type)
      assert.are.equal(2, cause.exceptions[1].stack[1].line)
      assert.matches("handler.lua$", cause.exceptions[1].stack[1].path)
    end)

    it("takes a failure that is returned as it is", function()
      local result = play { events = events("1", "2"), handler = [[
        return function(event)
          if event == 1 then return nil, { code = "NotFound", message = "no table 'x'" } end
          return nil, "just words"
        end]] }
      assert.are.same({ errorType = "NotFound", errorMessage = "no table 'x'", stackTrace = {} }, answer(result, 1))
      assert.are.equal("just words", answer(result, 2).errorMessage)
    end)

    it("survives errors that are odd values", function()
      local result = play { events = events("1", "2", "3", "4", "5"), handler = [[
        local odd = { function() error() end, function() error(setmetatable({}, { __tostring = function() error "twice" end })) end,
          function() error(("x"):rep(100000)) end, function() error("bytes \xff\xfe") end, function() error { code = 7, message = {} } end }
        return function(event) odd[event]() end]] }
      assert.are.equal(5, #result.posts)
      for i = 1, 5 do assert.matches("/error$", result.posts[i].path) assert.is_table((answer(result, i))) end
      assert.is_true(#result.posts[3].body < 20000)
      assert.are.equal(0, result.exit.code)
    end)

    it("says when a result is no JSON, and goes on", function()
      local result = play { events = events("1", "2", "3", "4"), handler = [[
        local loop = {} loop.loop = loop
        local results = { print, loop, { [1.5] = 1, a = 2 }, "fine" }
        return function(event) return results[event] end]] }
      for i = 1, 2 do
        assert.are.equal("Runtime.MarshalError", answer(result, i).errorType)
        assert.matches("cannot be written as JSON", answer(result, i).errorMessage)
      end
      assert.are.equal("fine", answer(result, 4))
    end)

    it("refuses an answer above 6 MB in clear words and goes on", function()
      local result = play { events = events("6291454", "6291455"), handler = "return function(n) return ('x'):rep(n) end" }
      assert.are.equal(6291456, result.posts[1].bytes)
      local err, post = answer(result, 2)
      assert.matches("/request%-1/error$", post.path)
      assert.are.equal("Function.ResponseSizeTooLarge", err.errorType)
      assert.matches("6291457 bytes, and 6291456 are allowed", err.errorMessage)
      assert.are.equal(0, result.exit.code)
    end)

    it("hides secrets in what caller and log are told", function()
      local result = play { events = events("{}"), handler = [[return function()
        error "GET https://s3/x?X-Amz-Signature=abcdef123&y=1 failed: Bearer abc.def" end]] }
      assert.is_nil(result.posts[1].body:find("abcdef123", 1, true))
      assert.is_nil(result.log:find("abcdef123", 1, true))
      assert.is_nil(result.log:find("abc.def", 1, true))
    end)

    it("says what a raw handler returned instead of text", function()
      local result = play { events = events("{}"), handler = "return { raw = true, run = function() return {} end }" }
      assert.matches("a raw handler returns text, not a table", answer(result, 1).errorMessage)
    end)
  end)

  describe("at its limits", function()
    it("answers before the platform kills, naming the line, and leaves a log line (bref#1106)", function()
      local result = play { env = JSON_LOG, events = events({ body = "{}", deadline_ms = 400 }, { body = "1" }),
        handler = "return function(event)\n  if event == 1 then return 1 end\n  while true do end\nend" }
      local err, post = answer(result, 1)
      assert.are.equal("Runtime.Timeout", err.errorType)
      assert.matches("time limit of .* reached at .*handler.lua:3", err.errorMessage)
      assert.is_true(post.at - result.requests[1].at < 0.4)
      assert.are.equal(err.errorMessage, records(result, "invocation_failed")[1].errorMessage)
      assert.are.equal("1", result.posts[2].body)
    end)

    it("names the call that was open", function()
      local result = play { events = events({ body = "{}", deadline_ms = 400 }),
        handler = "local task = require 'sm.task'\nlocal function look_up()\n  task.sleep(9)\nend\nreturn function()\n  look_up()\n  return 1\nend" }
      local err = answer(result, 1)
      assert.matches("handler.lua:3", err.errorMessage)
      assert.matches("open call: sleep", err.errorMessage)
      assert.matches("handler.lua:6: in", table.concat(err.stackTrace, "\n"))
    end)

    it("is not held up by a script that catches its own end", function()
      local result = play { events = events({ body = "{}", deadline_ms = 500 }, { body = "1" }), handler = [[
        local stubborn = { __close = function() while true do end end }
        return function(event)
          if event == 1 then return 1 end
          while true do pcall(function() local x <close> = setmetatable({}, stubborn) while true do end end) end
        end]] }
      local err, post = answer(result, 1)
      assert.are.equal("Runtime.Timeout", err.errorType)
      assert.is_true(post.at - result.requests[1].at < 0.5)
      assert.are.equal("1", result.posts[2].body)
    end)

    it("stops a script that wants all memory, and goes on", function()
      local result = play { env = { AWS_LAMBDA_FUNCTION_MEMORY_SIZE = "128" }, events = events("1", "2"), handler = [[
        return function(event)
          local kept = {}
          while event == 1 do kept[#kept + 1] = ("x"):rep(100000) .. #kept end
          return event
        end]] }
      assert.are.equal("Runtime.OutOfMemory", answer(result, 1).errorType)
      assert.matches("handler.lua:3", answer(result, 1).errorMessage)
      assert.are.equal("2", result.posts[2].body)
      if lambda.measures then assert.is_true(result.rss_kib < 128 * 1024) end
    end)
  end)

  it("does not let memory grow with the number of events", function()
    local list = {}
    for i = 1, 400 do list[i] = { body = tostring(i) } end
    local result = play { events = list, handler = "local last\nreturn function(event) last = { ('x'):rep(200000 + event) } return #last[1] end" }
    assert.are.equal(400, #result.posts)
    if lambda.measures then assert.is_true(result.rss_kib < 24 * 1024, result.rss_kib .. " KiB") end
  end)

  it("ends a process whose scripts keep nearly all memory, so that the platform starts a fresh one", function()
    local list = {}
    for i = 1, 100 do list[i] = { body = tostring(i) } end
    local result = play { events = list, env = { AWS_LAMBDA_FUNCTION_MEMORY_SIZE = "128" },
      handler = "local kept = {}\nreturn function(event) kept[#kept + 1] = ('x'):rep(2000000 + event) return event end" }
    assert.are.equal(1, result.exit.code)
    assert.matches("scripts keep %d+ MiB", result.log)
    assert.is_true(#result.posts > 30 and #result.posts < 60)
    for _, post in ipairs(result.posts) do assert.matches("/response$", post.path) end
  end)

  describe("log", function()
    it("is JSON with the platform's names when the platform says so", function()
      local result = play { env = JSON_LOG, events = events("{}"), handler = [[return function()
        require("lib.log").warn("looked", { table_name = "x", level = 3 }) print("hello", 1, nil) return 1 end]] }
      local record = records(result, "looked")[1]
      assert.are.same({ timestamp = record.timestamp, level = "WARN", requestId = "request-0", message = "looked", tableName = "x", level_ = 3 },
        record)
      assert.matches("^%d%d%d%d%-%d%d%-%d%dT.*Z$", record.timestamp)
      assert.are.equal("request-0", records(result, "hello\t1\tnil")[1].requestId)
    end)

    it("is text otherwise, one line for one record (llrt#255)", function()
      local result = play { events = events("{}"), handler = "return function() print('first\\nsecond') return 1 end" }
      assert.matches("%[INFO%]\t[%dT:.Z-]+\trequest%-0\tfirst\rsecond\n", result.log)
    end)

    it("leaves out what is below the platform's level", function()
      local handler = [[return function() local log = require "lib.log"
        for _, level in ipairs { "debug", "info", "warn", "error" } do log[level]("at_" .. level) end return 1 end]]
      for level, least in pairs { TRACE = "debug", DEBUG = "debug", INFO = "info", WARN = "warn", ERROR = "error", FATAL = "error" } do
        local result = play { env = { AWS_LAMBDA_LOG_FORMAT = "JSON", AWS_LAMBDA_LOG_LEVEL = level }, events = events("{}"), handler = handler }
        assert.are.equal(("at_" .. least), json.decode(result.log:match("[^\n]+")).message, level)
      end
    end)

    it("goes framed to the platform's descriptor, so that a record of many lines is one (llrt#255)", function()
      local result = play { telemetry = true, events = events("{}"), handler = [[return function()
        require("lib.log").error("first\nsecond") return 1 end]] }
      assert.are.equal(1, #result.frames)
      assert.are.equal(0xa55a0017, result.frames[1].type)
      assert.matches("first\rsecond", result.frames[1].text)
      assert.is_true(result.frames[1].time_us > 1.7e15)
      local as_json = play { telemetry = true, env = JSON_LOG, events = events("{}"), handler = "return function() print 'x' return 1 end" }
      assert.are.equal(0xa55a000e, as_json.frames[1].type)
      assert.are.equal("x", json.decode(as_json.frames[1].text).message)
    end)

    it("keeps what a script writes to its standard output", function()
      local result = play { events = events("{}"), handler = "return function() io.write('without an end') return 1 end" }
      assert.matches("without an end", result.log, 1, true)
    end)
  end)

  describe("several at a time", function()
    it("asks on that many connections, each with a task of its own", function()
      local list = {}
      for i = 1, 24 do list[i] = { body = tostring(i) } end
      local result = play { env = { AWS_LAMBDA_MAX_CONCURRENCY = "8", AWS_LAMBDA_LOG_FORMAT = "JSON" }, concurrency = 8, gather = 8, events = list,
        handler = [[
          local task = require "sm.task"
          local running, most = 0, 0
          return function(event, context)
            running = running + 1
            most = math.max(most, running)
            task.sleep(0.02)
            running = running - 1
            task.parallel { function() require("lib.log").info("inside", { event = event }) end }
            return { event = event, id = context.request_id, most = most, env = os.getenv "_X_AMZN_TRACE_ID" or false }
          end]] }
      assert.are.equal(8, result.connections)
      local most = 0
      for _, post in ipairs(result.posts) do
        local value = json.decode(post.body)
        assert.are.equal("request-" .. value.event - 1, value.id)
        assert.are.equal(("/2018-06-01/runtime/invocation/%s/response"):format(value.id), post.path)
        assert.is_false(value.env)
        most = math.max(most, value.most)
      end
      assert.are.equal(24, #result.posts)
      assert.are.equal(8, most)
      local inside = records(result, "inside")
      assert.are.equal(24, #inside)
      for _, record in ipairs(inside) do
        assert.are.equal("request-" .. record.event - 1, record.requestId)
        assert.matches("^Root=1", record.traceId)
      end
    end)

    it("ends only the one that fails or stays too long", function()
      local result = play { env = { AWS_LAMBDA_MAX_CONCURRENCY = "3" }, concurrency = 3, gather = 3, handler = [[
        local task = require "sm.task"
        return function(event)
          if event == 1 then error "no" end
          if event == 2 then task.sleep(9) end
          task.sleep(0.1)
          return event
        end]], events = events("1", { body = "2", deadline_ms = 400 }, "3") }
      local by_id = {}
      for _, post in ipairs(result.posts) do by_id[post.path:match("request%-%d")] = json.decode(post.body) end
      assert.are.equal("Runtime.ScriptError", by_id["request-0"].errorType)
      assert.are.equal("Runtime.Timeout", by_id["request-1"].errorType)
      assert.are.equal(3, by_id["request-2"])
    end)
  end)
end)
