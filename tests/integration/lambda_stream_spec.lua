-- Answers in pieces: what goes over the wire, and what happens when either end gives up.
local json = require "lib.json"
local lambda = require "lambda"

local play = lambda.play

local STREAM <const> = 'local stream = require "entry.lambda.stream"\n'

-- Status, headers and cookies of a streamed answer, and its body.
local function parts(post)
  local prelude, body = post.body:match("^(.-)\0\0\0\0\0\0\0\0(.*)$")
  return json.decode(prelude), body
end

-- What the trailers say of an error in the middle: its type, and its report.
local function trailer(post)
  local coded = post.trailers["lambda-runtime-function-error-body"]
  return post.trailers["lambda-runtime-function-error-type"], coded and json.decode((require("sm.crypto").unbase64(coded)))
end

describe("a streamed answer", function()
  if not lambda.available() then return pending("the program bootstrap has not been built") end

  it("has a prelude, eight zero bytes, and pieces as they are written", function()
    local result = play { events = { { body = "{}" }, { body = "{}" } }, handler = STREAM .. [[
      return function()
        return stream.new { status = 201, headers = { ["Content-Type"] = "text/plain" }, cookies = { "a=1" }, body = function(write)
          assert(write "one ") assert(write "") assert(write "two") end }
      end]] }
    for i = 1, 2 do
      local post = result.posts[i]
      assert.are.equal("streaming", post.headers["lambda-runtime-function-response-mode"])
      assert.are.equal("chunked", post.headers["transfer-encoding"])
      assert.are.equal("application/vnd.awslambda.http-integration-response", post.headers["content-type"])
      local prelude, body = parts(post)
      assert.are.same({ statusCode = 201, headers = { ["Content-Type"] = "text/plain" }, cookies = { "a=1" } }, prelude)
      assert.are.equal("one two", body)
      assert.are.same({}, post.trailers)
    end
    assert.are.equal(1, result.connections)
    assert.are.equal(0, result.exit.code)
  end)

  it("keeps status and headers when its body is empty (middy#1189)", function()
    local result = play { events = { { body = "{}" } }, handler = STREAM .. 'return function() return stream.new { status = 204, headers = { A = "b" } } end' }
    local prelude, body = parts(result.posts[1])
    assert.are.same({ 204, "b", "" }, { prelude.statusCode, prelude.headers.A, body })
  end)

  it("may be plain bytes of a type, for callers without a gateway", function()
    local result = play { events = { { body = "{}" } }, handler = STREAM ..
      'return function() return stream.new { content_type = "text/csv", body = function(write) write "a,b\\n" end } end' }
    assert.are.equal("text/csv", result.posts[1].headers["content-type"])
    assert.are.equal("a,b\n", result.posts[1].body)
  end)

  it("arrives piece by piece, while the script still works", function()
    local result = play { events = { { body = "{}" } }, handler = STREAM .. [[
      local task, time = require "sm.task", require "sm.time"
      return function()
        return stream.new { body = function(write)
          for i = 1, 3 do write(tostring(time.monotonic()) .. "\n") task.sleep(0.05) end end }
      end]] }
    local _, body = parts(result.posts[1])
    local times = {}
    for at in body:gmatch("[^\n]+") do times[#times + 1] = tonumber(at) end
    assert.is_true(times[3] - times[1] >= 0.1)
  end)

  it("carries the error in its trailers when the script fails in the middle", function()
    local result = play { events = { { body = "1" }, { body = "2" } }, env = { AWS_LAMBDA_LOG_FORMAT = "JSON" }, handler = STREAM .. [[
      return function(event)
        if event == 2 then return 2 end
        return stream.new { status = 200, body = function(write) write "half" error "the well is dry" end }
      end]] }
    local _, body = parts(result.posts[1])
    assert.are.equal("half", body)
    local kind, report = trailer(result.posts[1])
    assert.are.equal("Runtime.ScriptError", kind)
    assert.matches("handler.lua:4: the well is dry", report.errorMessage)
    assert.are.equal(report.errorMessage, json.decode(result.log:match("[^\n]+")).errorMessage)
    assert.are.equal("2", result.posts[2].body)
  end)

  it("carries a returned failure in its trailers, too", function()
    local result = play { events = { { body = "1" } }, handler = STREAM ..
      'return function() return stream.new { body = function(write) write "half" return nil, { code = "NotFound", message = "gone" } end } end' }
    assert.are.equal("NotFound", (trailer(result.posts[1])))
  end)

  it("carries the time limit in its trailers, even in the middle of a piece", function()
    local result = play { events = { { body = "1", deadline_ms = 400 }, { body = "2" } }, timeout = 15,
      posts = { ["0"] = { slow = { bytes = 40000, pause_ms = 3 } } }, handler = STREAM .. [[
      return function(event)
        if event == 2 then return 2 end
        local block = ("x"):rep(3000000)
        return stream.new { body = function(write) while write(block) do end end }
      end]] }
    local kind, report = trailer(result.posts[1])
    assert.are.equal("Runtime.Timeout", kind)
    assert.matches("time limit", report.errorMessage)
    assert.are.equal("2", result.posts[2].body)
  end)

  it("says in an ordinary error that its prelude is no JSON", function()
    local result = play { events = { { body = "1" } }, handler = STREAM .. "return function() return stream.new { headers = { A = print } } end" }
    assert.matches("/error$", result.posts[1].path)
    assert.matches("Runtime.MarshalError", result.posts[1].body)
  end)

  it("does not grow memory when its reader is slow (hono#5333)", function()
    local result = play { events = { { body = "1" } }, posts = { ["0"] = { slow = { bytes = 200000, pause_ms = 1 } } }, timeout = 20, handler = STREAM .. [[
      return function()
        local block = ("x"):rep(65536)
        return stream.new { body = function(write) for _ = 1, 600 do write(block) end end }
      end]] }
    local _, body = parts(result.posts[1])
    assert.are.equal(600 * 65536, #body)
    if lambda.measures then assert.is_true(result.rss_kib < 20 * 1024, result.rss_kib .. " KiB") end
  end)

  for _, how in ipairs { "close", "reset" } do
    it("stops the script's work when its reader leaves by " .. how .. " (aws-lambda-rust-runtime#1051, nodejs-ric#145)", function()
      local result = play { events = { { body = "1" }, { body = "2" } }, posts = { ["0"] = { cut = 100000, [how] = true } }, handler = STREAM .. [[
        local written = 0
        return function(event)
          if event == 2 then return written end
          local block = ("x"):rep(100000)
          return stream.new { body = function(write) while true do write(block) written = written + 1 end end }
        end]] }
      local last = result.posts[#result.posts]
      assert.is_true(tonumber(last.body) < 1000)
      assert.matches("reader of the streamed answer has left", result.log)
      assert.are.equal(0, result.exit.code)
    end)
  end

  it("works on several connections side by side", function()
    local events = {}
    for i = 1, 8 do events[i] = { body = tostring(i) } end
    local result = play { env = { AWS_LAMBDA_MAX_CONCURRENCY = "4" }, concurrency = 4, gather = 4, events = events, handler = STREAM .. [[
      local task = require "sm.task"
      return function(event)
        return stream.new { body = function(write) for _ = 1, 5 do write(tostring(event)) task.sleep(0.005) end end }
      end]] }
    local seen = {}
    for _, post in ipairs(result.posts) do
      local _, body = parts(post)
      seen[body] = true
    end
    for i = 1, 8 do assert.is_true(seen[tostring(i):rep(5)]) end
  end)
end)
