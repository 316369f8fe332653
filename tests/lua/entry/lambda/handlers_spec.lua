local events = require "lambda_events"
local files = require "sm.files"
local handlers = require "entry.lambda.handlers"
local log = require "lib.log"

describe("handlers:", function()
  local root
  setup(function()
    root = assert(files.temp_dir())
    assert(files.mkdir(root .. "/lua/usecases"))
    local function write(name, text) assert(files.write(root .. "/" .. name .. ".lua", text)) end
    write("echo", "return function(event) return event end")
    write("lua/usecases/first", "return function() return 'from the use cases' end")
    write("first", "return function() return 'from the root' end")
    write("bytes", "return { raw = true, run = function(text) return text:upper() end }")
    write("syntax", "return function(\n  x x\nend")
    write("raises", "local t = nil\nreturn t.x")
    write("nothing", "local x = 1")
    write("other", "return { ports = {}, run = function() end }")
  end)
  teardown(function() files.remove_tree(root) end)

  it("a plain file is found in lua/usecases, then in the root", function()
    assert.are.same({ a = 1 }, assert(handlers.find("echo", root)).run { a = 1 })
    assert.are.equal("from the use cases", assert(handlers.find("first", root)).run())
    assert.is_false(handlers.find("echo", root).raw)
  end)

  it("a raw one says so", function()
    local handler = assert(handlers.find("bytes", root))
    assert.is_true(handler.raw)
    assert.are.equal("ABC", handler.run "abc")
  end)

  it("a broken one is refused with file and line", function()
    local _, err = handlers.find("syntax", root)
    assert.matches("syntax.lua:2:", err.message)
    _, err = handlers.find("raises", root)
    assert.matches("raises.lua:2:", err.message)
    for _, name in ipairs { "nothing", "other" } do
      _, err = handlers.find(name, root)
      assert.matches(name .. ".lua is no handler", err.message)
    end
  end)

  it("an unknown name is refused, saying where it was looked for", function()
    local _, err = handlers.find("missing", root)
    assert.are.equal("BadSetting", err.code)
    assert.matches(root .. "/lua/usecases/missing.lua", err.message, 1, true)
    for _, name in ipairs { "", "../etc/passwd", "/etc/passwd", "a/../b", "a b", "lakehouse/../run" } do
      _, err = handlers.find(name, root)
      assert.are.equal("BadSetting", err.code, name)
    end
  end)

  it("a function behind the file's name, as other runtimes have it, gets a hint", function()
    local _, err = handlers.find("echo.handler", root)
    assert.matches("set the function's handler to 'echo'", err.message, 1, true)
    _, err = handlers.find("missing.handler", root)
    assert.not_matches("set the function's handler", err.message, 1, true)
    _, err = handlers.find("", root)
    assert.matches("_HANDLER", err.message, 1, true)
  end)

  it("bytecode is refused", function()
    assert(files.write(root .. "/code.lua", "\27Lua" .. ("\0"):rep(40)))
    local _, err = handlers.find("code", root)
    assert.matches("binary chunk", err.message)
  end)

  it("a use case that does not load is refused at once, with file and line, and disables nothing else", function()
    local built = events.house()
    local _, err = handlers.find("lakehouse/broken", root, built)
    assert.matches("usecases/broken.lua:3:", err.message, 1, true)
    assert.is_table(handlers.find("lakehouse/run", root, built))
    assert.is_table(handlers.find("api", root, built))
  end)

  describe("api", function()
    local built
    before_each(function() built = events.house() end)

    it("answers nothing but HTTP, and says what to do", function()
      for _, event in ipairs { events.sqs { {} }, events.schedule(), { run = "x" }, 7, "text" } do
        local value, err = events.call("api", event, built)
        assert.is_nil(value)
        assert.are.equal("BadRequest", err.code)
        assert.matches("lakehouse/run", err.message, 1, true)
      end
      local value, body = events.call("api", { requestContext = { connectionId = "c", eventType = "MESSAGE" }, body = "x" }, built)
      assert.are.equal(400, value.statusCode)
      assert.are.equal("NotSupported", body.error.code)
    end)

    it("answers for an invocation that was stopped, CORS headers included", function()
      local lines = {}
      log.configure { write = function(line) lines[#lines + 1] = line end }
      local handler = assert(handlers.find("api", root, built))
      local answer = handler.failed(events.rest("POST", "/run"), events.context, { limit = "time", value = 29, message = "stopped", source = "x.lua", line = 3 })
      log.configure { write = require("sm.log").write }
      assert.are.equal(504, answer.statusCode)
      assert.are.equal("OPTIONS,POST", answer.headers["Access-Control-Allow-Methods"])
      assert.matches('"line":3', table.concat(lines), 1, true)
      assert.is_nil(handler.failed({ a = 1 }, events.context, { limit = "time" }))
    end)

    it("loads neither use cases nor engine before an event asks for them", function()
      local asked = 0
      local house = require("entry.lambda.house").new { settings = built.settings, open = function()
        asked = asked + 1
        return nil, require("lib.errors").new("BadSetting", "DDB_TABLE is missing")
      end }
      local handler = assert(handlers.find("api", root, house))
      assert.are.equal(200, handler.run(events.rest("OPTIONS", "/run"), events.context).statusCode)
      assert.are.equal(404, handler.run(events.rest("GET", "/nowhere"), events.context).statusCode)
      assert.are.equal(0, asked)
      assert.are.equal(500, handler.run(events.rest("GET", "/health"), events.context).statusCode)
      assert.are.equal(1, asked)
    end)
  end)
end)
