-- The client against our own server. TLS and HTTP/2: tests/core/test_http.c.
-- luacheck: max line length 180
local has_http, http = pcall(require, "sm.http")
if not has_http then
  pending("sm.http needs the host: build/dev/sewing --busted")
  return
end
local server_module = require "sm.server"
local task = require "sm.task"

describe("sm.http", function()
  local server, url

  local handlers = {
    ["/echo"] = function(req) return { headers = { ["X-Seen"] = req.headers["x-sent"] or "none" }, body = req.method .. ":" .. req.body } end,
    ["/slow"] = function() task.sleep(30) return {} end,
    ["/stall"] = function() return { body = function(write) write("first") task.sleep(30) end } end,
    ["/huge"] = function() return { body = ("x"):rep(3000000) } end,
    ["/big"] = function() return { body = ("x"):rep(100000) } end,
    ["/redirect"] = function() return { status = 302, headers = { location = "/echo" }, body = "moved" } end,
    ["/loop"] = function() return { status = 302, headers = { location = "/loop" } } end,
    ["/short"] = function() task.sleep(0.01) return { body = "short" } end,
    ["/twice"] = function() return { headers = { ["X-Two"] = { "a", "b" } } } end,
    ["/type"] = function(req) return { body = tostring(req.headers["content-type"]) .. "|" .. tostring(req.headers.expect) .. "|" .. tostring(req.headers["content-length"]) } end,
    ["/drip"] = function() return { body = function(write) for i = 1, 5 do write("chunk" .. i) task.sleep(0.001) end end } end,
  }

  setup(function()
    server = assert(server_module.listen { host = "127.0.0.1", max_body_bytes = 200000, on_request = function(req) return handlers[req.path](req) end })
    url = "http://127.0.0.1:" .. server.port
  end)

  teardown(function() server.stop(0) end)

  it("gives status, lower-case headers, version and body", function()
    local answer = assert(http.request { url = url .. "/echo", headers = { ["X-Sent"] = "héllo" } })
    assert.equal(200, answer.status)
    assert.equal("1.1", answer.version)
    assert.equal("GET:", answer.body)
    assert.equal("héllo", answer.headers["x-seen"])
  end)

  it("joins repeated headers", function()
    assert.equal("a, b", assert(http.request { url = url .. "/twice" }).headers["x-two"])
  end)

  for _, method in ipairs { "POST", "PUT", "PATCH", "DELETE" } do
    it("sends a body with " .. method, function()
      assert.equal(method .. ":data", assert(http.request { url = url .. "/echo", method = method, body = "data" }).body)
    end)
  end

  it("does not invent a content type or an expectation", function()
    assert.equal("nil|nil|4", assert(http.request { url = url .. "/type", method = "POST", body = "data" }).body)
    assert.equal("text/x|nil|0", assert(http.request { url = url .. "/type", method = "POST", body = "", headers = { ["Content-Type"] = "text/x" } }).body)
  end)

  it("keeps connections alive and shares them", function()
    for _ = 1, 20 do assert(http.request { url = url .. "/echo" }) end
    assert.is_true(server.connections() <= 2)
  end)

  it("runs twenty requests at once", function()
    local jobs = {}
    for i = 1, 20 do jobs[i] = function() return assert(http.request { url = url .. "/short" }).body end end
    local results = assert(task.parallel(jobs))
    assert.equal(20, results.n)
    assert.equal("short", results[20])
  end)

  it("says timeout", function()
    local answer, message, code = http.request { url = url .. "/slow", timeout = 0.03 }
    assert.is_nil(answer)
    assert.equal("timeout", code)
    assert.matches("^GET " .. url:gsub("%p", "%%%0") .. "/slow: ", message)
  end)

  it("says timeout when nothing moves, however long the whole may take", function()
    local answer, message, code, unsent = http.request { url = url .. "/slow", read_timeout = 0.03 }
    assert.same({ nil, "timeout", false }, { answer, code, unsent })
    assert.matches("nothing moved for 0.03 seconds", message)
    assert(http.request { url = url .. "/drip", read_timeout = 0.5 })
    answer = assert(http.request { url = url .. "/stall", stream = true, read_timeout = 0.05 })
    assert.equal("first", answer.read())
    answer, message, code = answer.read()
    assert.same({ nil, "timeout", "string" }, { answer, code, type(message) })
  end)

  it("does not count the time that we take ourselves", function()
    local answer = assert(http.request { url = url .. "/huge", stream = true, read_timeout = 0.04 })
    task.sleep(0.1)
    local size = 0
    for piece in answer.read do size = size + #piece end
    assert.equal(3000000, size)
    local chunks = 0
    answer = assert(http.request { url = url .. "/echo", method = "PUT", read_timeout = 0.04, body = function()
      chunks = chunks + 1
      if chunks == 2 then task.sleep(0.1) end
      return chunks < 3 and "x" or nil
    end })
    assert.equal("PUT:xx", answer.body)
  end)

  it("tells whether a request that failed has left", function()
    local probe = assert(server_module.listen { host = "127.0.0.1", on_request = function() return {} end })
    probe.stop(0)
    assert.is_true((select(4, http.request { url = "http://127.0.0.1:" .. probe.port .. "/" })))
    assert.is_false((select(4, http.request { url = url .. "/slow", timeout = 0.03 })))
  end)

  it("says limit for an answer beyond max_bytes", function()
    local answer, message, code = http.request { url = url .. "/big", max_bytes = 99999 }
    assert.is_nil(answer)
    assert.equal("limit", code)
    assert.matches("larger than 99999 bytes", message)
    assert(http.request { url = url .. "/big", max_bytes = 100000 })
  end)

  it("says io when nobody listens", function()
    local probe = assert(server_module.listen { host = "127.0.0.1", on_request = function() return {} end })
    probe.stop(0)
    local answer, _, code = http.request { url = "http://127.0.0.1:" .. probe.port .. "/" }
    assert.is_nil(answer)
    assert.equal("io", code)
  end)

  it("never tells credentials or query strings", function()
    local _, message = http.request { url = "http://someone:s3cret@127.0.0.1:1/path?token=abc123", timeout = 2 }
    assert.matches("127.0.0.1:1/path%?%.%.%.: ", message)
    for _, secret in ipairs { "someone", "s3cret", "token", "abc123" } do
      assert.is_nil(message:find(secret, 1, true))
    end
  end)

  it("does not follow redirects unless asked", function()
    local answer = assert(http.request { url = url .. "/redirect" })
    assert.equal(302, answer.status)
    assert.equal("/echo", answer.headers.location)
    assert.equal("moved", answer.body)
    answer = assert(http.request { url = url .. "/redirect", max_redirects = 3 })
    assert.equal(200, answer.status)
    assert.equal("GET:", answer.body)
    local none, _, code = http.request { url = url .. "/loop", max_redirects = 3 }
    assert.is_nil(none)
    assert.equal("limit", code)
  end)

  it("refuses what must not go on the wire", function()
    for _, options in ipairs {
      { url = url .. "/echo", headers = { x = "a\r\nhost: evil" } },
      { url = url .. "/echo", headers = { ["x y"] = "a" } },
      { url = url .. "/ec ho" },
      { url = url .. "/echo\r\nX: y" },
      { url = url .. "/echo", method = "GET /x HTTP/1.1\r\n" },
      { url = "file:///etc/passwd" },
      { url = "gopher://127.0.0.1/" },
    } do
      local answer, _, code = http.request(options)
      assert.is_nil(answer)
      assert.equal("invalid", code)
    end
  end)

  it("raises on misuse", function()
    assert.has_error(function() http.request {} end)
    assert.has_error(function() http.request { url = url, tiemout = 3 } end)
    assert.has_error(function() http.request { url = url, timeout = "3" } end)
    assert.has_error(function() http.request { url = url, body = 3 } end)
    assert.has_error(function() http.request { url = url, headers = { x = {} } } end)
    assert.has_error(function() http.request { url = url, http = "3" } end)
  end)

  describe("streams", function()
    it("an answer chunk by chunk", function()
      local answer = assert(http.request { url = url .. "/drip", stream = true })
      assert.equal(200, answer.status)
      local text = {}
      for chunk in answer.read do text[#text + 1] = chunk end
      assert.equal("chunk1chunk2chunk3chunk4chunk5", table.concat(text))
      assert.is_nil(answer.read())
    end)

    it("at most n bytes at a time", function()
      local answer = assert(http.request { url = url .. "/big", stream = true })
      assert.equal(10, #answer.read(10))
      answer.close()
      assert.equal("closed", select(3, answer.read()))
    end)

    it("closed by one task while another one waits for it", function()
      local answer = assert(http.request { url = url .. "/stall", stream = true })
      local reader = task.spawn(function()
        while true do
          local piece, message, code = answer.read()
          if not piece then return { code = code, message = message } end
        end
      end)
      task.sleep(0.02)
      answer.close()
      assert.equal("closed", reader:join().code)
    end)

    it("a request body from a function", function()
      local count = 0
      local answer = assert(http.request { url = url .. "/echo", method = "PUT", body = function()
        count = count + 1
        task.sleep(0.001)
        return count <= 10 and ("%d,"):format(count) or nil
      end })
      assert.equal("PUT:1,2,3,4,5,6,7,8,9,10,", answer.body)
    end)

    it("a request body with a stated length", function()
      local chunks = { "ab", "cd" }
      local answer = assert(http.request { url = url .. "/type", method = "POST", headers = { ["content-length"] = 4 }, body = function() return table.remove(chunks, 1) end })
      assert.equal("nil|nil|4", answer.body)
    end)

    it("no further when the server has heard enough", function()
      local sent = 0
      local answer, _, code = http.request { url = url .. "/echo", method = "POST", timeout = 10, body = function()
        sent = sent + 1
        return sent <= 2000 and ("x"):rep(10000) or nil
      end }
      assert.is_true(answer and answer.status == 413 or code == "io")
      assert.is_true(sent < 2000)
    end)

    it("and aborts when the body function raises", function()
      local ok, err = pcall(http.request, { url = url .. "/echo", method = "POST", body = function() error("no more data") end })
      assert.is_false(ok)
      assert.matches("no more data", type(err) == "table" and err.message or err)
    end)
  end)

  it("is aborted when its task is cancelled", function()
    local before = server.connections()
    local asking = task.spawn(http.request, { url = url .. "/slow" })
    for _ = 1, 1000 do
      if server.connections() > before then break end
      task.sleep(0.001)
    end
    asking:cancel("enough")
    asking:join()
    for _ = 1, 1000 do
      if server.connections() <= before then break end
      task.sleep(0.001)
    end
    assert.is_true(server.connections() <= before)
  end)
end)
