-- The built bootstrap under AWS's runtime interface emulator, whose Runtime API is the platform's own code.
local json = require "lib.json"
local rie = require "rie"

describe("under AWS's runtime interface emulator, the Lambda runtime", function()
  if not rie.available() then return pending("the emulator is missing: tests/support/rie/fetch.sh build/rie") end

  local emulator
  setup(function()
    emulator = rie.start { timeout = 2, handlers = { ["handler.lua"] = [[
      local acts = {
        echo = function(event) return event end,
        raise = function() error "the cupboard is bare" end,
        failure = function() return nil, { code = "NotFound", message = "no table 'x'" } end,
        large = function(event) return ("x"):rep(event.bytes) end,
        sleep = function(event) require("sm.task").sleep(event.seconds) return "awake" end,
        context = function(_, context) return { id = context.request_id, arn = context.function_arn, left = context.remaining() } end,
        stream = function()
          return require("entry.lambda.stream").new { status = 200, body = function(write) write "a piece" end }
        end,
        print = function() print "said" return 1 end,
      }
      return function(event, context) return (acts[event.act] or acts.echo)(event, context) end]] } }
  end)
  teardown(function() if emulator then emulator:stop() end end)

  local function ask(event) return json.decode(emulator:invoke(type(event) == "string" and event or json.encode(event)).body) end

  it("answers events, one after the other", function()
    for i = 1, 20 do
      local event = { number = i, big = 9007199254740993, list = json.list {}, text = "é\u{1F600}\"\n" }
      assert.are.same(event, ask(event))
    end
  end)

  it("answers large events", function()
    local event = { text = ("y"):rep(5 * 1024 * 1024) }
    assert.are.equal(#event.text, #ask(event).text)
  end)

  it("knows id, ARN and time of an invocation", function()
    local value = ask { act = "context" }
    assert.matches("^%x+%-%x+%-%x+%-%x+%-%x+$", value.id)
    assert.matches("^arn:aws:lambda:", value.arn)
    assert.is_true(value.left > 1 and value.left <= 2)
  end)

  it("reports errors and goes on", function()
    local err = ask { act = "raise" }
    assert.are.equal("Runtime.ScriptError", err.errorType)
    assert.matches("handler.lua:3: the cupboard is bare", err.errorMessage)
    assert.are.equal("NotFound", ask({ act = "failure" }).errorType)
    assert.are.equal("Runtime.UnmarshalError", ask('{"a":').errorType)
    assert.are.same({ ok = true }, ask { ok = true })
  end)

  it("answers before the emulator's time limit, and goes on", function()
    local err = ask { act = "sleep", seconds = 30 }
    assert.are.equal("Runtime.Timeout", err.errorType)
    assert.matches("open call: sleep", err.errorMessage)
    assert.are.equal("awake", ask { act = "sleep", seconds = 0.01 })
  end)

  it("refuses an answer above the limit and goes on", function()
    assert.are.equal(6 * 1024 * 1024 - 2, #ask { act = "large", bytes = 6 * 1024 * 1024 - 2 })
    assert.are.equal("Function.ResponseSizeTooLarge", ask({ act = "large", bytes = 7 * 1024 * 1024 }).errorType)
    assert.are.same({ ok = true }, ask { ok = true })
  end)

  it("streams an answer and goes on", function()
    emulator:invoke '{"act":"stream"}' -- the emulator cannot play streams; the runtime must not mind
    assert.are.same({ ok = true }, ask { ok = true })
  end)

  it("writes its log where the emulator shows it, with the request's id", function()
    ask { act = "print" }
    assert.matches("%[INFO%]\t[%dT:.Z-]+\t%x+%-[%x-]+\tsaid", emulator:text())
  end)

  it("reports an init error with file and line", function()
    local broken <close> = rie.start { handlers = { ["handler.lua"] = "local x = 1\nerror 'no settings'" } }
    local err = json.decode(broken:invoke("{}").body)
    assert.matches("handler.lua:2: no settings", err.errorMessage)
    assert.matches("^Runtime%.", err.errorType)
  end)

  it("gets SIGTERM because of its extension, and runs the handler's hook", function()
    local hooked <close> = rie.start { handlers = { ["handler.lua"] = [[
      return { run = function(event) return event end, on_shutdown = function() print "closing time" end }]] } }
    assert.are.equal("1", hooked:invoke("1").body)
    local text = hooked:stop()
    assert.is_nil(text:find("no SIGTERM will come", 1, true))
    assert.matches("closing time", text)
  end)
end)
