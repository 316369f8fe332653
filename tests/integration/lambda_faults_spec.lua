-- The built bootstrap against a Runtime API that fails in every way a network can: it says so in the log and goes on.
local lambda = require "lambda"

local play = lambda.play

local function bodies(result)
  local out = {}
  for i, post in ipairs(result.posts) do out[i] = post.body end
  return out
end

local function survives(result)
  assert.is_true(result.settled, result.log)
  assert.are.equal(0, result.exit.code, result.log)
end

describe("the Lambda runtime and the Runtime API", function()
  if not lambda.available() then return pending("the program bootstrap has not been built") end

  describe("when events come in odd ways", function()
    local ways = { "bytes", "chunked", "chunked bytes", "continue", "lower", "until close" }
    for _, how in ipairs(ways) do
      it("understands one that comes as: " .. how, function()
        local result = play { events = { { body = '{"way":"é"}', how = how }, { body = '"next"' } } }
        assert.are.same({ '{"way":"é"}', '"next"' }, bodies(result))
        survives(result)
      end)
    end

    it("understands headers of a hundred kilobytes", function()
      local result = play { events = { { body = "1", headers = { ["X-Large"] = ("x"):rep(100000), ["Lambda-Runtime-Client-Context"] = '{"a":"' ..
        ("y"):rep(50000) .. '"}' } }, { body = "2" } }, handler = "return function(e, c) return c.client_context and #c.client_context.a or e end" }
      assert.are.same({ "50000", "2" }, bodies(result))
      survives(result)
    end)

    it("takes an event of 6 MB", function()
      local result = play { events = { { body = '"' .. ("z"):rep(6 * 1024 * 1024 - 2) .. '"' }, { body = '"small"' } },
        handler = "return function(event) return #event end" }
      assert.are.same({ "6291454", "5" }, bodies(result))
      survives(result)
    end)

    it("opens the connection again when one is cut in the middle of an event", function()
      local result = play { events = { { body = '"half"', how = "half" }, { body = "2" } } }
      assert.are.same({ "2" }, bodies(result))
      assert.are.equal(2, result.connections)
      survives(result)
    end)

    for _, raw in ipairs { "garbage\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabXX0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx", "\0\0\0\0" } do
      it("does not take for an event: " .. ("%q"):format(raw):sub(1, 60), function()
        local result = play { events = { { how = "raw", raw = raw }, { body = "1" } } }
        assert.are.same({ "1" }, bodies(result))
        survives(result)
      end)
    end

    it("goes on after an event without a usable request id", function()
      local result = play { events = { { body = "1", id = "../../init/error?x=" }, { body = "2", id = "" }, { body = "3" } }, env = { AWS_LAMBDA_LOG_FORMAT = "JSON" } }
      assert.are.same({ "3" }, bodies(result))
      assert.matches("without a usable request id", result.log)
      survives(result)
    end)
  end)

  describe("when there is no event", function()
    it("opens a connection that died in a freeze again, once and at once, without a word", function()
      for _, how in ipairs { "close", "reset" } do
        local result = play { events = { { body = "1" }, { how = how }, { body = "2" } } }
        assert.are.same({ "1", "2" }, bodies(result))
        assert.are.equal(2, result.connections)
        assert.are.equal("", result.log)
        survives(result)
      end
    end)

    it("asks again when the API answers with an error, with pauses and a log record", function()
      local result = play { events = { { status = 500, body = "{}" }, { status = 403, body = "{}" }, { status = 404, body = "{}" }, { body = "1" } } }
      assert.are.same({ "1" }, bodies(result))
      assert.matches("answered with status 403", result.log)
      survives(result)
    end)

    it("ends with code 1 when the API is gone for good, and says so", function()
      local result = play { events = { { body = "1" } }, ["then"] = "gone", exit_timeout = 12 }
      assert.are.same({ "1" }, bodies(result))
      assert.are.equal(1, result.exit.code)
      assert.matches("cannot be reached", result.log)
    end)
  end)

  describe("when an answer is not taken", function()
    for _, status in ipairs { 400, 403, 413, 500, 503 } do
      it("logs that it was refused with " .. status .. " and goes on", function()
        local result = play { events = { { body = "1" }, { body = "2" } }, posts = { ["0"] = { status = status, body = '{"errorMessage":"not now"}' } } }
        assert.are.same({ "1", "2" }, { result.posts[1].body, result.posts[#result.posts].body })
        assert.matches("refused the answer: " .. status .. " .*not now", result.log)
        assert.matches("request%-0", result.log)
        survives(result)
      end)
    end

    it("tells the caller when the API finds the answer too large", function()
      local result = play { events = { { body = "1" }, { body = "2" } }, posts = { ["0"] = { status = 413, body = "{}" } } }
      assert.are.equal("/2018-06-01/runtime/invocation/request-0/error", result.posts[2].path)
      assert.matches("Function.ResponseSizeTooLarge", result.posts[2].body)
      assert.are.equal("2", result.posts[3].body)
    end)

    for _, how in ipairs { "close", "reset" } do
      it("posts once more on a fresh connection after: " .. how, function()
        local result = play { events = { { body = "0" }, { body = "1" }, { body = "2" } }, posts = { ["1"] = { [how] = true } } }
        assert.are.same({ "0", "1", "1", "2" }, bodies(result))
        assert.are.equal("", result.log)
        survives(result)
      end)
    end

    it("gives an answer up that fails twice, and goes on", function()
      local result = play { events = { { body = "0" }, { body = "1" }, { body = "2" } }, posts = { ["1"] = { close = true }, ["2"] = { close = true } } }
      assert.are.same({ "0", "1", "1", "2" }, bodies(result))
      assert.matches("could not be posted", result.log)
      survives(result)
    end)

    it("goes on when a large answer is refused before it has been read", function()
      local result = play { events = { { body = "5000000" }, { body = "2" } }, posts = { ["0"] = { refuse = true, status = 413, body = "{}" } },
        handler = "return function(n) return ('x'):rep(n) end" }
      assert.are.equal('"xx"', result.posts[#result.posts].body)
      survives(result)
    end)

    it("sends a large answer to an API that reads slowly", function()
      local result = play { events = { { body = "6000000" }, { body = "2" } }, posts = { ["0"] = { slow = { bytes = 65536, pause_ms = 2 } } },
        handler = "return function(n) return ('x'):rep(n) end" }
      assert.are.equal(6000002, result.posts[1].bytes)
      assert.are.equal('"xx"', result.posts[2].body)
      survives(result)
    end)

    it("does all this with several connections, too", function()
      local events = {}
      for i = 1, 12 do events[i] = { body = tostring(i), how = ({ "plain", "bytes", "chunked" })[i % 3 + 1] } end
      local result = play { env = { AWS_LAMBDA_MAX_CONCURRENCY = "4" }, concurrency = 4, events = events,
        posts = { ["2"] = { close = true }, ["4"] = { status = 500 }, ["6"] = { reset = true } } }
      local seen = {}
      for _, post in ipairs(result.posts) do seen[post.body] = true end
      for i = 1, 12 do assert.is_true(seen[tostring(i)], i .. "\n" .. result.log) end
      survives(result)
    end)
  end)
end)
