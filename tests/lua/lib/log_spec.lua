-- Log lines as JSON, without secrets.
local json = require "lib.json"
local log = require "lib.log"

local lines

before_each(function()
  lines = {}
  log.configure { level = "info", write = function(line) lines[#lines + 1] = line end,
    time = function() return "2026-11-21T09:00:00.000Z" end,
    context = function() return { request_id = "r-1" } end }
end)

local function record(fields, event)
  log.info(event or "tried", fields)
  assert.is_nil(lines[#lines]:find("\n"))
  return json.decode(lines[#lines])
end

describe("lib.log", function()
  it("writes one JSON object with time, level and event first", function()
    log.info("started", { port = 8080 })
    assert.matches('^{"time":"2026%-11%-21T09:00:00.000Z","level":"info","event":"started"', lines[1])
    assert.are.equal(8080, json.decode(lines[1]).port)
  end)
  it("adds the context of the task", function() assert.are.equal("r-1", record({}).requestId) end)
  it("writes fields in camelCase", function() assert.are.equal(5, record({ retry_after_seconds = 5 }).retryAfterSeconds) end)
  it("keeps a message of several lines in one record", function() assert.are.equal("a\nb\r\nc",
    record({ message = "a\nb\r\nc" }).message) end)
  it("does not let a field replace time, level or event", function()
    local got = record({ level = "x", event = "y", time = "z" })
    assert.are.same({ "info", "tried", "x" }, { got.level, got.event, got.level_ })
  end)
  it("leaves out records below the level", function()
    log.debug("quiet", {})
    assert.are.equal(0, #lines)
    log.configure { level = "debug" }
    log.debug("loud", {})
    assert.are.equal(1, #lines)
  end)

  for _, name in ipairs { "password", "Authorization", "token", "session_token", "nextToken", "secret_key", "x-api-key", "cookie",
    "Set-Cookie", "signature",
    "aws_secret_access_key", "credentials", "private_key", "jwt" } do
    it("hides " .. name, function()
      assert.is_nil((record({ [name] = "hunter2" }) and lines[1]):find("hunter2", 1, true))
    end)
    it("hides " .. name .. " below other tables", function()
      record({ request = { headers = { [name] = "hunter2" } } })
      assert.is_nil(lines[1]:find("hunter2", 1, true))
    end)
  end

  for name, text in pairs {
    ["a signature"] = "http://h/files/x?expires=1&signature=hunter2&a=b", ["an AWS signature"] = "https://b.s3/x?X-Amz-Signature=hunter2",
    ["an AWS credential"] = "https://b.s3/x?X-Amz-Credential=hunter2&X-Amz-Date=1", ["a token"] = "GET /x?token=hunter2 failed",
    ["a bearer token"] = "Authorization: Bearer hunter2", ["a password of a URL"] = "cannot reach https://user:hunter2@host/x",
    ["a JSON Web Token"] = "got eyJhbGciOi.eyJzdWIiOi.hunter2 here",
  } do
    it("hides " .. name .. " inside of a text", function()
      local got = record({ message = text })
      assert.is_nil(got.message:find("hunter2", 1, true))
      assert.matches("***", got.message, 1, true)
    end)
  end

  it("keeps what follows a hidden parameter", function()
    assert.are.equal("/x?signature=***&a=b", log.redact("/x?signature=s&a=b"))
  end)
  it("leaves innocent texts alone", function()
    for _, text in ipairs { "SELECT a FROM t WHERE b = 'x'", "a = b & c", "https://host/path?x=1", "" } do assert.are.equal(text,
      log.redact(text)) end
  end)
  it("redacts in linear time", function()
    local started = os.clock()
    for _, text in ipairs { ("a"):rep(200000) .. "://", ("eyJ"):rep(70000), ("?token="):rep(30000), ("a://b:c"):rep(30000) } do log.redact(text) end
    assert.is_true(os.clock() - started < 2)
  end)
  it("cuts very long texts", function() assert.is_true(#record({ message = ("x"):rep(100000) }).message < 9000) end)
  it("survives bytes that are not UTF-8", function() assert.are.equal("a?b", record({ message = "a\xffb" }).message) end)
  it("survives odd values", function()
    local deep = {}
    deep.self = deep
    local got = record({ fn = print, nan = 0 / 0, inf = math.huge, loop = deep, list = { 1, 2 }, flag = false })
    assert.are.same({ 1, 2 }, got.list)
    assert.is_false(got.flag)
    assert.is_string(got.fn)
  end)
  it("writes errors as text", function()
    assert.are.equal("NotFound: no table", record({ err = require "lib.errors".new("NotFound", "no table") }).err)
  end)

  describe("of requests", function()
    if not pcall(require, "sm.log") then return pending "needs the host" end
    local function access(path)
      require("lib.log").access("GET", path, 200, 0.0015, 42, "r-9")
      return json.decode(lines[#lines])
    end
    it("has method, path, status, duration, bytes and request id", function()
      local got = access("/health")
      assert.are.same({ "request", "GET", "/health", 200, 1.5, 42, "r-9", "info" },
        { got.event, got.method, got.path, got.status, got.durationMs, got.bytes, got.requestId, got.level })
      assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$", got.time)
    end)
    for _, path in ipairs { '/a"b', "/a\\b", "/a\nb", "/é", "/\xff", "/" .. ("x"):rep(5000) } do
      it("is JSON for the path " .. ("%q"):format(path:sub(1, 8)), function() assert.is_string(access(path).path) end)
    end
  end)
end)
