-- The server as Lua sees it, asked by our own client. Framing and limits on the wire: tests/core/test_server.c.
-- luacheck: max line length 180
local has_server, server_module = pcall(require, "sm.server")
if not has_server then
  pending("sm.server needs the host: build/dev/sewing --busted")
  return
end
local http = require "sm.http"
local task = require "sm.task"

describe("sm.server", function()
  local running

  local function serve(options)
    options.on_request = options.on_request or options[1]
    options[1] = nil
    options.host = "127.0.0.1"
    running = assert(server_module.listen(options))
    running.url = "http://127.0.0.1:" .. running.port
    return running
  end

  local function get(path, options)
    options = options or {}
    options.url = running.url .. path
    return http.request(options)
  end

  -- Waits until the condition holds; fails after two seconds.
  local function eventually(condition, what)
    for _ = 1, 2000 do
      if condition() then return end
      task.sleep(0.001)
    end
    error((what or "it") .. " did not happen in time", 2)
  end

  after_each(function()
    if running then running.stop(0) end
    running = nil
  end)

  describe("a request", function()
    it("comes with method, raw path, raw query, version and body", function()
      local seen
      serve { function(req) seen = { req.method, req.path, req.query, req.version, req.body } return { body = "x" } end }
      get("/a%20b/../c?x=%41&y", { method = "POST", body = "hello" })
      assert.same({ "POST", "/a%20b/../c", "x=%41&y", "1.1", "hello" }, seen)
    end)

    it("has no query when there is no question mark, and an empty body", function()
      local query, body
      serve { function(req) query, body = req.query, req.body return {} end }
      get("/")
      assert.is_nil(query)
      assert.equal("", body)
    end)

    it("has lower-case headers, repeated ones joined, and a list in their order", function()
      local headers, list
      serve { function(req) headers, list = req.headers, req.header_list return {} end }
      get("/", { headers = { ["X-Thing"] = "Value", ["x-number"] = 7 } })
      assert.equal("Value", headers["x-thing"])
      assert.equal("7", headers["x-number"])
      assert.is_nil(headers["X-Thing"])
      assert.equal("Host", list[1][1])
    end)

    it("knows its peer and has an id of its own", function()
      local ids, peer = {}, nil
      serve { function(req) ids[req.id], peer = true, req.peer return {} end }
      get("/") get("/")
      local count = 0
      for _ in pairs(ids) do count = count + 1 end
      assert.equal(2, count)
      assert.equal("127.0.0.1", peer)
    end)

    it("keeps binary bodies", function()
      local body
      serve { function(req) body = req.body return { body = req.body } end }
      local sent = string.char(0, 255, 13, 10, 0, 128):rep(1000)
      local answer = assert(get("/", { method = "PUT", body = sent }))
      assert.equal(sent, body)
      assert.equal(sent, answer.body)
    end)
  end)

  describe("an answer", function()
    it("is 200 and empty when the table says nothing", function()
      serve { function() return {} end }
      local answer = assert(get("/"))
      assert.equal(200, answer.status)
      assert.equal("", answer.body)
    end)

    it("takes lists of strings as body and of values as header", function()
      serve { function() return { status = 404, headers = { ["x-a"] = { "1", "2" } }, body = { "not ", "", "found" } } end }
      local answer = assert(get("/"))
      assert.equal(404, answer.status)
      assert.equal("not found", answer.body)
      assert.equal("1, 2", answer.headers["x-a"])
    end)

    it("sends a part of a file", function()
      local files = require "sm.files"
      local path = os.tmpname()
      files.write(path, "0123456789")
      serve { function() return { body = { file = path, offset = 2, length = 5 } } end }
      assert.equal("23456", assert(get("/")).body)
      os.remove(path)
    end)

    it("is large and exact", function()
      local big = ("abcdefgh"):rep(500000)
      serve { function() return { body = big } end }
      assert.is_true(assert(get("/")).body == big)
    end)

    it("may come after waiting", function()
      serve { function() task.sleep(0.01) return { body = "late" } end }
      assert.equal("late", assert(get("/")).body)
    end)

    it("has no body for HEAD, and its function is not called", function()
      local called = false
      serve { function() return { body = function() called = true end } end }
      assert.equal(200, assert(get("/", { method = "HEAD" })).status)
      assert.is_false(called)
    end)
  end)

  describe("a failing handler", function()
    it("is explained by on_failure, which sees the request and the error", function()
      serve { function() error("boom") end, on_failure = function(req, err) return { status = 500, body = req.path .. "|" .. err.message .. "|" .. err.traceback } end }
      local answer = assert(get("/x"))
      assert.equal(500, answer.status)
      assert.matches("^/x|.*boom|", answer.body)
      assert.matches("server_spec.lua:%d+", answer.body)
    end)

    it("after waiting is explained as well", function()
      serve { function() task.sleep(0.001) error { message = "a table" } end, on_failure = function(_, err) return { status = 502, body = err.message } end }
      assert.equal("a table", assert(get("/")).body)
    end)

    it("is a plain 500 in JSON when on_failure fails or is not there", function()
      serve { function() error("boom") end, on_failure = function() error("again") end }
      local answer = assert(get("/"))
      assert.equal(500, answer.status)
      assert.equal("application/json", answer.headers["content-type"])
      assert.equal('{"error":{"code":"InternalError","message":"the request failed"}}', answer.body)
      running.stop(0)
      serve { function() error("boom") end }
      assert.equal(500, assert(get("/")).status)
    end)

    for what, bad in pairs {
      ["a header with a line break"] = { headers = { x = "a\r\nset-cookie: b" } },
      ["a header name with a space"] = { headers = { ["a b"] = "c" } },
      ["a header that is a boolean"] = { headers = { x = true } },
      ["a header with a NUL"] = { headers = { x = "a\0b" } },
      ["a status that is a string"] = { status = "200" },
      ["a status of 99"] = { status = 99 },
      ["a status of 101"] = { status = 101 },
      ["a body that is a number"] = { body = 42 },
      ["a body list with a table"] = { body = { "a", {} } },
      ["a file that is not there"] = { body = { file = "/nowhere/at/all" } },
      ["a file offset beyond its end"] = { body = { file = "/etc/hostname", offset = 1 << 40 } },
      ["no table"] = "text",
    } do
      it("means " .. what .. ", which is never sent", function()
        serve { function() return bad end, on_failure = function() return { status = 599, body = "refused" } end }
        local answer = assert(get("/"))
        assert.equal(599, answer.status)
        assert.is_nil(answer.headers["set-cookie"])
      end)
    end

    it("leaves the next request untouched", function()
      serve { function(req) if req.path == "/bad" then error("boom") end return { body = "fine" } end }
      get("/bad")
      assert.equal("fine", assert(get("/good")).body)
    end)

    it("is stopped at the deadline, also when it never waits", function()
      serve { function() while true do end end, deadline = 0.1, on_failure = function(_, err) return { status = 504, body = err.limit } end }
      local answer = assert(get("/"))
      assert.equal(504, answer.status)
      assert.equal("time", answer.body)
    end)
  end)

  describe("a streamed answer", function()
    it("arrives whole", function()
      serve { function() return { body = function(write) for i = 1, 100 do assert(write(("%04d"):format(i):rep(5000))) end end } end }
      local body = assert(get("/")).body
      assert.equal(100 * 20000, #body)
      assert.equal("0100", body:sub(-4))
    end)

    it("may wait between chunks, and each chunk leaves at once", function()
      local go = false
      serve { function() return { body = function(write) write("first") eventually(function() return go end) write("second") end } end }
      local answer = assert(get("/", { stream = true }))
      assert.equal("first", answer.read())
      go = true
      assert.equal("second", answer.read())
      assert.is_nil(answer.read())
    end)

    it("keeps status and headers when it is empty", function() -- middy#1189
      serve { function() return { status = 201, headers = { ["x-kept"] = "yes" }, body = function() end } end }
      local answer = assert(get("/"))
      assert.equal(201, answer.status)
      assert.equal("yes", answer.headers["x-kept"])
      assert.equal("", answer.body)
    end)

    it("may have a deadline of its own", function()
      local failed
      serve { deadline = 0.05, function(req)
        return { deadline = req.path == "/longer" and 5 or nil, body = function(write) for _ = 1, 10 do write("x") task.sleep(0.01) end end }
      end, on_failure = function(_, err) failed = err.limit return {} end }
      assert.equal(("x"):rep(10), assert(get("/longer")).body)
      assert.is_nil(failed)
      assert.is_nil((get("/shorter")))
      assert.equal("time", failed)
    end)

    it("that fails is broken off, and on_failure hears of it", function()
      local heard
      serve { function() return { body = function(write) write("half") error("boom") end } end,
        on_failure = function(_, err) heard = err.message return { status = 500 } end }
      local answer, _, code = get("/")
      assert.is_nil(answer)
      assert.equal("io", code)
      assert.matches("boom", heard)
    end)

    it("does not outrun a slow reader", function() -- hono#5333
      local written = 0
      serve { function() return { body = function(write)
        local chunk = ("x"):rep(65536)
        for _ = 1, 1000 do
          if not write(chunk) then return end
          written = written + #chunk
        end
      end } end }
      local answer = assert(get("/", { stream = true }))
      local before = -1
      eventually(function()
        local still = before == written and written > 0
        before = written
        task.sleep(0.02)
        return still
      end, "back-pressure")
      assert.is_true(written < 20 * 1024 * 1024)
      local total = 0
      for chunk in answer.read do total = total + #chunk end
      assert.equal(1000 * 65536, total)
    end)
  end)

  describe("a client that leaves", function()
    local function closing(ended)
      return setmetatable({}, { __close = function() ended.yes = true end })
    end

    it("cancels the handler that waits", function()
      local ended, started = {}, false
      serve { function()
        local _ <close> = closing(ended)
        started = true
        task.sleep(60)
        return {}
      end }
      local answer, _, code = get("/", { timeout = 0.05 })
      assert.is_nil(answer)
      assert.equal("timeout", code)
      assert.is_true(started)
      eventually(function() return ended.yes end, "the cancellation")
    end)

    it("stops the stream, and the process goes on", function() -- aws-lambda-rust-runtime#1051
      local ended, count = {}, 0
      serve { function(req)
        if req.path == "/next" then return { body = "next" } end
        return { body = function(write)
          local _ <close> = closing(ended)
          while write(("x"):rep(10000)) do count = count + 1 end
        end }
      end }
      local answer = assert(get("/", { stream = true }))
      answer.read()
      answer.close()
      eventually(function() return ended.yes end, "the end of the work")
      assert.equal("next", assert(get("/next")).body)
    end)

    it("is not told anything, and on_failure is not called", function()
      local failures, ended = 0, {}
      serve { function() local _ <close> = closing(ended) task.sleep(60) end, on_failure = function() failures = failures + 1 return {} end }
      get("/", { timeout = 0.02 })
      eventually(function() return ended.yes end)
      task.sleep(0.01)
      assert.equal(0, failures)
    end)
  end)

  describe("after", function()
    it("runs when the last byte is out", function() -- middy#1317
      local order, last = {}, nil
      serve { function() return { body = function(write) for i = 1, 20 do write(("x"):rep(100000)) last = i end order[#order + 1] = "body" end,
        after = function(complete) order[#order + 1] = complete end } end }
      assert.equal(2000000, #assert(get("/")).body)
      eventually(function() return #order == 2 end)
      assert.same({ "body", true }, order)
      assert.equal(20, last)
    end)

    it("says false when the client left", function()
      local complete
      serve { function() return { body = function(write) while write(("x"):rep(10000)) do end end, after = function(value) complete = value end } end }
      local answer = assert(get("/", { stream = true }))
      answer.close()
      eventually(function() return complete ~= nil end)
      assert.is_false(complete)
    end)
  end)

  describe("with stream_bodies", function()
    it("reads the body piece by piece", function()
      local sizes, total = 0, 0
      serve { stream_bodies = true, function(req)
        assert(req.body == nil)
        for piece in function() return req:read(1000) end do
          sizes, total = math.max(sizes, #piece), total + #piece
        end
        return { body = "done" }
      end }
      local answer = assert(get("/", { method = "POST", body = ("y"):rep(300000) }))
      assert.equal("done", answer.body)
      assert.equal(300000, total)
      assert.is_true(sizes <= 1000)
    end)

    it("says limit beyond max_body_bytes", function()
      local code
      serve { stream_bodies = true, max_body_bytes = 1000, function(req)
        local piece, _
        repeat piece, _, code = req:read() until not piece
        return { status = 413 }
      end }
      local sent = 0
      local answer = assert(get("/", { method = "POST", body = function() sent = sent + 1 if sent <= 20 then return ("y"):rep(100) end end }))
      assert.equal(413, answer.status)
      assert.equal("limit", code)
    end)
  end)

  describe("stop", function()
    it("lets a running request finish and refuses new ones", function()
      serve { function() task.sleep(0.05) return { body = "finished" } end }
      local url, body = running.url, nil
      local asking = task.spawn(function() body = assert(http.request { url = url .. "/" }).body end)
      task.sleep(0.02)
      assert.is_true(running.stop(5))
      asking:join()
      assert.equal("finished", body)
      local answer, _, code = http.request { url = url .. "/" }
      assert.is_nil(answer)
      assert.equal("io", code)
    end)

    it("cancels what outlasts the drain, and is harmless twice", function()
      local ended = {}
      serve { function() local _ <close> = setmetatable({}, { __close = function() ended.yes = true end }) task.sleep(60) end }
      local asking = task.spawn(http.request, { url = running.url .. "/" })
      task.sleep(0.02)
      running.stop(0.01)
      running.stop(0)
      asking:join()
      eventually(function() return ended.yes end)
    end)
  end)

  it("survives a collector at full pressure", function()
    serve {
      function(req)
        collectgarbage()
        if req.path == "/wait" then task.sleep(0.001) end
        if req.path == "/fail" then error("x") end
        if req.path == "/stream" then
          return { body = function(write) for _ = 1, 20 do write(("x"):rep(20000)) collectgarbage() end end, after = collectgarbage }
        end
        return { body = ("z"):rep(20000) .. req.headers.host .. req.body }
      end,
      on_failure = function() collectgarbage() return { status = 500 } end,
    }
    local jobs = {}
    for i, path in ipairs { "/", "/wait", "/stream", "/fail" } do
      jobs[i] = function() return assert(get(path, { method = "POST", body = ("b"):rep(3000) })).status end
    end
    jobs[5] = function() assert(get("/stream", { stream = true })).read(10) collectgarbage() return "left" end
    jobs[6] = function()
      local count = 0
      return assert(get("/", { method = "PUT", body = function()
        count = count + 1
        collectgarbage()
        return count < 10 and ("q"):rep(10000) or nil
      end })).status
    end
    for _ = 1, 3 do
      assert.same({ 200, 200, 200, 500, "left", 200, n = 6 }, (assert(task.parallel(jobs))))
    end
  end)

  it("says conflict when the port is taken", function()
    serve { function() return {} end }
    local other, message, code = server_module.listen { host = "127.0.0.1", port = running.port, on_request = function() return {} end }
    assert.is_nil(other)
    assert.matches("in use", message)
    assert.equal("conflict", code)
  end)

  it("raises on misuse", function()
    assert.has_error(function() server_module.listen {} end)
    assert.has_error(function() server_module.listen { on_request = print, port = 70000 } end)
    assert.has_error(function() server_module.listen { on_request = print, deadline = "soon" } end)
    assert.has_error(function() server_module.listen { on_request = print, max_conections = 1 } end)
  end)
end)
