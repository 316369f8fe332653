-- From start to end of a process: init errors, snapshots, SIGTERM.
local json = require "lib.json"
local lambda = require "lambda"

local play = lambda.play

local function request(result, path)
  for _, one in ipairs(result.requests) do
    if one.path:find(path, 1, true) then return one end
  end
end

describe("the Lambda runtime's start", function()
  if not lambda.available() then return pending("the program bootstrap has not been built") end

  local function init_error(scenario)
    local result = play(scenario)
    local post = assert(request(result, "/runtime/init/error"), "no init error was posted\n" .. result.log)
    assert.are.equal(1, result.exit.code)
    assert.is_nil(request(result, "/invocation/next"))
    return json.decode(post.body), post, result
  end

  it("reports a script that does not parse, with file and line, and ends with code 1", function()
    local err, post, result = init_error { handler = "local x = \n\nreturn function( end" }
    assert.matches("handler.lua:3: ", err.errorMessage)
    assert.are.equal(err.errorType, post.headers["lambda-runtime-function-error-type"])
    assert.matches("^Runtime%.", err.errorType)
    assert.matches("handler.lua:3: ", result.log)
  end)

  it("reports a script that fails while it is loaded, with file and line of the stack", function()
    local err = init_error { handler = "local function look()\n  error 'no settings'\nend\nlook()\nreturn look" }
    assert.matches("handler.lua:2: no settings", err.errorMessage)
    assert.matches("handler.lua:4: in", table.concat(err.stackTrace, "\n"))
  end)

  it("says where it looked for a handler that is not there", function()
    local err = init_error { env = { _HANDLER = "no_such" } }
    assert.matches("no_such", err.errorMessage)
    assert.matches("lua/usecases/no_such.lua", err.errorMessage, 1, true)
    assert.matches("no_such", (init_error { env = { _HANDLER = "../no_such" } }).errorMessage)
    assert.is_string((init_error { env = { _HANDLER = "" } }).errorMessage)
  end)

  it("says what a file that returns no handler should return", function()
    assert.matches("must return function", (init_error { handler = "return 7" }).errorMessage)
  end)

  it("is not spoilt by a broken script beside the function's own", function()
    local result = play { events = { { body = "1" } }, handlers = { ["handler.lua"] = "return function(e) return e end",
      ["broken.lua"] = "this is not Lua", ["lua/usecases/broken.lua"] = "neither (" } }
    assert.are.equal("1", result.posts[1].body)
  end)

  it("prefers the function's own use case over a file of that name in its root", function()
    local result = play { events = { { body = "1" } }, handlers = { ["handler.lua"] = "return function() return 'root' end",
      ["lua/usecases/handler.lua"] = "return function() return 'use case' end" } }
    assert.are.equal('"use case"', result.posts[1].body)
  end)

  it("refuses bytecode", function()
    local err = init_error { handler = "\27Lua garbage" }
    assert.matches("attempt to load a binary chunk", err.errorMessage)
  end)

  it("says what is missing when it is started by hand", function()
    local output, code = require("process").run("env -u AWS_LAMBDA_RUNTIME_API " .. lambda.program)
    assert.are.equal(1, code)
    assert.matches("AWS_LAMBDA_RUNTIME_API is not set", output)
    output, code = require("process").run("AWS_LAMBDA_RUNTIME_API=nonsense LAMBDA_TASK_ROOT=tests/bench/echo _HANDLER=echo " .. lambda.program)
    assert.are.equal(1, code)
    assert.matches("AWS_LAMBDA_RUNTIME_API must be host:port, not 'nonsense'", output)
  end)
end)

describe("the Lambda runtime and snapshots", function()
  if not lambda.available() then return pending("the program bootstrap has not been built") end

  local SNAP <const> = { AWS_LAMBDA_INITIALIZATION_TYPE = "snap-start", AWS_LAMBDA_LOG_FORMAT = "JSON" }

  it("waits for the restore before it asks for events, and runs the hooks around it", function()
    local result = play { env = SNAP, restore_delay_ms = 30, events = { { body = "{}" } }, handler = [[
      local calls = {}
      local function note(name) return function() calls[#calls + 1] = name end end
      require("lib.restore").on(note "library")
      return { before_snapshot = note "before", on_restore = note "after", run = function() return calls end }]] }
    local paths = {}
    for i, one in ipairs(result.requests) do paths[i] = one.path:match("runtime/(.*)$") end
    assert.are.same({ "restore/next", "invocation/next", "invocation/request-0/response", "invocation/next" }, paths)
    assert.are.equal('["before","library","after"]', result.posts[1].body)
    assert.are.equal(2, result.connections)
  end)

  it("makes random state anew: two copies of one snapshot do not agree", function()
    local handler = [[
      math.randomseed(42)
      return { run = function() return { math.random(1 << 53), require("sm.crypto").uuid() } end }]]
    local seen = {}
    for _ = 1, 2 do
      local result = play { env = SNAP, events = { { body = "{}" } }, handler = handler }
      for _, value in ipairs(json.decode(result.posts[1].body)) do
        assert.is_nil(seen[value])
        seen[value] = true
      end
    end
  end)

  it("tells the platform when a hook fails, and ends", function()
    local result = play { env = SNAP, handler = "return { run = print, on_restore = function() error 'no keys' end }" }
    local post = request(result, "restore/error")
    assert.matches("handler.lua:1: no keys", json.decode(post.body).errorMessage)
    assert.are.equal(1, result.exit.code)
    assert.is_nil(request(result, "invocation/next"))
    local before = play { env = SNAP, handler = "return { run = print, before_snapshot = function() error 'not yet' end }" }
    assert.matches("not yet", json.decode(request(before, "init/error").body).errorMessage)
    assert.is_nil(request(before, "restore/next"))
  end)

  it("tells the platform when there is no restore", function()
    local result = play { env = SNAP, restore_status = 500 }
    assert.matches("no restore: 500", json.decode(request(result, "restore/error").body).errorMessage)
    assert.are.equal(1, result.exit.code)
  end)
end)

describe("the Lambda runtime and SIGTERM", function()
  if not lambda.available() then return pending("the program bootstrap has not been built") end

  it("ends at once with code 0 when nothing runs", function()
    local result = play { events = { { body = "1" } } }
    assert.are.same({ 0, true }, { result.exit.code, result.exit.ms < 50 })
  end)

  it("runs the handler's hook", function()
    local result = play { events = { { body = "1" } }, handler = [[
      return { run = function(e) return e end, on_shutdown = function() require("sm.task").sleep(0.01) print "closing time" end }]] }
    assert.matches("closing time", result.log)
    assert.are.equal(0, result.exit.code)
  end)

  it("is not kept by a hook that fails or hangs", function()
    for _, body in ipairs { "error 'no'", "while true do end", "require('sm.task').sleep(9)" } do
      local result = play { events = { { body = "1" } }, handler = ("return { run = function(e) return e end, on_shutdown = function() %s end }"):format(body) }
      assert.matches("shutdown_hook_failed", result.log)
      assert.are.equal(0, result.exit.code)
      assert.is_true(result.exit.ms < 400, result.exit.ms)
    end
  end)

  it("lets an invocation that is nearly done finish, and asks for no other", function()
    local result = play { events = { { body = "1", signal_after_ms = 30 }, { body = "2" } },
      handler = "return function(e) require('sm.task').sleep(0.1) return e end" }
    assert.are.equal("1", result.posts[1].body)
    assert.are.equal(1, #result.posts)
    assert.are.equal(0, result.exit.code)
  end)

  it("gives an invocation up that takes longer, and tells its caller", function()
    local result = play { events = { { body = "1", signal_after_ms = 30 } }, handler = "return function(e) require('sm.task').sleep(9) return e end" }
    assert.are.equal("Runtime.Shutdown", json.decode(result.posts[1].body).errorType)
    assert.are.equal(0, result.exit.code)
    assert.is_true(result.exit.ms < 480, result.exit.ms)
  end)

  it("registers an extension without events when the handler has a hook, so that the platform sends it", function()
    local result = play { extensions = true, events = { { body = "1" } }, handler = "return { run = function(e) return e end, on_shutdown = function() end }" }
    local register, wait = request(result, "extension/register"), request(result, "extension/event/next")
    assert.are.equal("sewing-machine", register.headers["lambda-extension-name"])
    assert.are.equal('{"events":[]}', register.body)
    assert.are.equal("11111111-2222", wait.headers["lambda-extension-identifier"])
    assert.are.equal("1", result.posts[1].body)
    assert.are.equal(0, result.exit.code)
  end)

  it("registers none otherwise, unless the setting asks for it", function()
    assert.is_nil(request(play { extensions = true, events = { { body = "1" } } }, "extension/"))
    assert.is_table(request(play { extensions = true, events = { { body = "1" } }, env = { SM_LAMBDA_SHUTDOWN = "1" } }, "extension/register"))
  end)

  it("goes on where there is no Extensions API, and says that no SIGTERM will come", function()
    local result = play { events = { { body = "1" } }, env = { SM_LAMBDA_SHUTDOWN = "1" } }
    assert.are.equal("1", result.posts[1].body)
    assert.matches("no SIGTERM will come", result.log)
  end)
end)
