-- Requests to answers over fake use cases: routing, input, the shape of answers and errors.
local json = require "lib.json"
local log = require "lib.log"
local shape = require "lib.shape"
local test_api = require "test_api"

local records

before_each(function()
  records = {}
  log.configure { level = "info", write = function(line) records[#records + 1] = line end, time = function() return "t" end,
    context = function() end }
end)

local an_api = test_api.new()
local function send(method, path, options) return test_api.send(an_api, method, path, options) end

local function expect_error(status, code, answer, body)
  assert.are.same({ status, code }, { answer.status, body.error.code })
  assert.is_string(body.error.message)
  assert.are.equal("application/json", answer.headers["Content-Type"])
  assert.are.equal("*", answer.headers["Access-Control-Allow-Origin"])
  assert.are.equal("r-1", answer.headers["X-Request-Id"])
end

describe("entry.api", function()
  it("a full disk told callers the state's own SQL", function()
    local err = require("lib.errors").new("LimitExceeded", "query state: database or disk is full (in: INSERT INTO t (a, b))")
    local status, body = require("entry.answer").of_error(err, "r-1")
    assert.equal(503, status)
    assert.is_truthy(body:find('"query state: database or disk is full"', 1, true), body)
  end)

  it("answers a use case's result in camelCase", function()
    local answer, body = send("GET", "/health?deep=1")
    assert.are.same({ 200, { status = "ok", wasDeep = true } }, { answer.status, body })
    assert.are.equal("application/json", answer.headers["Content-Type"])
    assert.are.equal("r-1", answer.headers["X-Request-Id"])
  end)

  it("gives the use case its ports, its caller and the header it asked for", function()
    local answer, body = send("POST", "/run", { body = { run = "2025-08-13" }, headers = { ["idempotency-key"] = "k1" } })
    assert.are.equal(202, answer.status)
    assert.are.same({ "accepted", "2025-08-13", "j1", "caller-1", "k1", "the lock" },
      { body.status, body.run, body.jobId, body.callerId, body.key, body.lock })
    assert.are.equal("/runs/j1", answer.headers["Location"])
  end)

  it("takes an absent and an empty body for {}", function()
    assert.are.equal(202, send("POST", "/run").status)
    assert.are.equal(202, send("POST", "/run", { body = "" }).status)
  end)

  it("answers 429 with siblings and Retry-After", function()
    local answer, body = send("POST", "/run", { body = { run = "2000-01-01" } })
    expect_error(429, "CooldownActive", answer, body)
    assert.are.equal("13", answer.headers["Retry-After"])
    assert.are.same({ 12.2, "2000-01-01", 900 }, { body.retryAfterSeconds, body.run, body.layers.ttlSeconds })
    assert.is_nil(body.error.details)
  end)

  for name, case in pairs {
    ["an unfinished text"] = { "{", 400, "BadJson" }, ["no JSON"] = { "hello", 400, "BadJson" },
    ["a list"] = { "[1]", 400, "BadRequest" }, ["a text"] = { '"x"', 400, "BadRequest" }, ["a number"] = { "5", 400, "BadRequest" },
    ["null"] = { "null", 400, nil }, ["a wrong type"] = { '{"run":5}', 400, "BadParam" },
    ["an injection"] = { '{"run":"2025-08-13\'; drop table x; --"}', 400, "BadParam" },
      ["too much"] = { '{"x":"' .. ("y"):rep(1000) .. '"}', 413, "PayloadTooLarge" },
  } do
    it("refuses a body that is " .. name, function()
      local answer, body = send("POST", "/run", { body = case[1] })
      if case[3] then expect_error(case[2], case[3], answer, body) else assert.are.equal(case[2], answer.status) end
    end)
  end

  it("refuses another content type than JSON from a browser, and says which one to send", function()
    local answer, body = send("POST", "/run", { body = "run=today",
      headers = { ["content-type"] = "application/x-www-form-urlencoded", origin = "http://localhost:3000" } })
    expect_error(415, "UnsupportedMediaType", answer, body)
    assert.matches("application/json", body.error.message, 1, true)
  end)

  for _, kind in ipairs { "application/json", "Application/JSON; charset=utf-8", "application/problem+json", " application/json" } do
    it("takes the content type '" .. kind .. "'", function()
      assert.are.equal(202, send("POST", "/run", { body = "{}", headers = { ["content-type"] = kind } }).status)
    end)
  end

  it("does not care for the content type of an empty body", function()
    assert.are.equal(202, send("POST", "/run", { body = "", headers = { ["content-type"] = "text/plain" } }).status)
  end)

  describe("input", function()
    local good = { title = "t", description = "", price = 1 }
    local function create(changes)
      local body = {}
      for key, value in pairs(good) do body[key] = value end
      for key, value in pairs(changes) do body[key] = value end
      return send("POST", "/items", { body = body })
    end
    it("of the right kind is taken", function()
      assert.are.equal(201, create({ title = ("x"):rep(255) }).status)
      assert.are.equal(201, create({ price = 10000000 }).status)
    end)
    for _, wrong in ipairs { { title = ("x"):rep(256) }, { price = 0 }, { price = 10000001 }, { price = 1.5 }, { price = "5" },
      { price = true } } do
      local field, value = next(wrong)
      it(("%s = %s is refused"):format(field, tostring(value):sub(1, 10)), function()
        local answer, body = create(wrong)
        expect_error(400, "BadParam", answer, body)
        assert.are.equal("/" .. field, body.error.details.fields[1].path)
      end)
    end
    it("that is missing is named, all of it", function()
      local answer, body = send("POST", "/items", { body = "{}" })
      expect_error(400, "MissingParam", answer, body)
      assert.are.equal(3, #body.error.details.fields)
    end)
    for query, expected in pairs { ["?limit=0"] = 400, ["?limit=101"] = 400, ["?limit=abc"] = 400, [""] = 200, ["?limit=2"] = 200,
      ["?limit=%"] = 400,
      ["?limt=5"] = 400, ["?other=5"] = 200 } do
      it("GET /list" .. query .. " is answered with " .. expected, function() assert.are.equal(expected, send("GET",
        "/list" .. query).status) end)
    end
    it("takes the default for an absent query field", function() assert.are.equal(10, select(2, send("GET", "/list")).someLimit) end)
    it("comes from the path, decoded once", function()
      assert.are.equal("a b%", select(2, send("GET", "/runs/a%20b%25")).jobId)
    end)
    it("of the path cannot be overridden by the query", function()
      assert.are.equal("x", select(2, send("GET", "/runs/x?jobId=y")).jobId)
    end)
    it("of a path that is too long is refused", function()
      expect_error(400, "BadParam", send("GET", "/runs/" .. ("x"):rep(37)))
    end)
  end)

  describe("answers", function()
    it("write declared lists as [] and declared nulls as null", function()
      local answer = send("GET", "/list")
      assert.matches('"itemList":%[%]', answer.body)
      assert.matches('"nextToken":null', answer.body, 1, true)
      assert.matches('"a_b":1', answer.body, 1, true)
    end)
    it("are the same bytes for the same content", function()
      assert.are.equal(send("GET", "/health?deep=1").body, '{"status":"ok","wasDeep":true}\n')
    end)
    it("fill nulls in the items of lists", function()
      assert.matches('"lastSeen":null', send("GET", "/list?limit=2").body, 1, true)
    end)
    it("splice rows that are JSON already", function()
      local answer, body = send("POST", "/query", { body = { sql = "x" } })
      assert.matches('"rows":%[%["1"%],%[null%]%]', answer.body)
      assert.are.equal(500, body.maxRows)
    end)
    it("may be accepted instead of ready", function()
      local answer, body = send("POST", "/query", { body = { sql = "slow" } })
      assert.are.same({ 202, "RUNNING", "q1" }, { answer.status, body.state, body.queryExecutionId })
      assert.are.equal("/query/q1", answer.headers["Location"])
    end)
    it("carry an entity tag, and are not sent twice", function()
      local first = send("GET", "/list")
      local tag = first.headers["ETag"]
      assert.matches('^"%x+"$', tag)
      for _, header in ipairs { tag, "W/" .. tag, '"x", ' .. tag, "*" } do
        local again = send("GET", "/list", { headers = { ["if-none-match"] = header } })
        assert.are.same({ 304, nil, tag }, { again.status, again.body, again.headers["ETag"] })
      end
      assert.are.equal(200, send("GET", "/list", { headers = { ["if-none-match"] = '"other"' } }).status)
    end)
  end)

  describe("errors", function()
    it("name an unknown path", function() expect_error(404, "NotFound", send("GET", "/nope")) end)
    it("name the methods of a known path", function()
      local answer, body = send("PUT", "/runs/7")
      expect_error(405, "MethodNotAllowed", answer, body)
      assert.are.equal("GET,HEAD,OPTIONS", answer.headers["Allow"])
    end)
    it("refuse a broken escape in the path", function() expect_error(400, "BadParam", send("GET", "/runs/%zz")) end)
    it("of a use case keep its message", function()
      local answer, body = send("GET", "/runs/none")
      expect_error(404, "NotFound", answer, body)
      assert.are.equal("no job 'none' (GET /runs lists them)", body.error.message)
      assert.is_nil(body.error.requestId)
    end)
    it("of ours tell the caller nothing but the request id, and the log everything", function()
      local answer, body = send("GET", "/fault")
      expect_error(500, "InternalError", answer, body)
      assert.is_nil(answer.body:find("secret detail", 1, true))
      assert.are.equal("r-1", body.error.requestId)
      assert.are.equal(1, #records)
      local record = json.decode(records[1])
      assert.are.equal("unexpected_failure", record.event)
      assert.matches("secret detail of ours", record.message, 1, true)
      assert.matches("test_api.lua", record.traceback, 1, true)
      assert.are.equal("r-1", record.requestId)
    end)
    it("of a use case that cannot be loaded disable its route only", function()
      expect_error(503, "ServiceUnavailable", send("GET", "/broken"))
      assert.are.equal(200, send("GET", "/health").status)
    end)
    for limit, case in pairs { time = { 504, "Timeout" }, memory = { 503, "LimitExceeded" }, depth = { 503, "LimitExceeded" } } do
      it("of the host's " .. limit .. " limit have a code", function()
        local answer = an_api:failure({ method = "GET", path = "/fault", headers = {}, request_id = "r-1" },
          { message = "stopped", limit = limit, value = 7, source = "usecases/x.lua", line = 3 })
        expect_error(case[1], case[2], answer, json.decode(answer.body))
        assert.is_nil(answer.body:find("usecases/x", 1, true))
        assert.matches("usecases/x.lua", records[1], 1, true)
      end)
    end
    it("of ours that came as values are masked like those that were raised", function()
      local errors = require "lib.errors"
      local api = test_api.new { use_case = function()
        return { ports = {}, input = shape.empty, run = function() return nil, errors.new("InternalError", "adapters/x.lua:5: secret") end }
      end }
      local answer, body = test_api.send(api, "GET", "/health")
      assert.are.same({ 500, "InternalError", "r-1" }, { answer.status, body.error.code, body.error.requestId })
      assert.is_nil(answer.body:find("secret", 1, true))
      assert.matches("adapters/x.lua:5: secret", records[1], 1, true)
      assert.are.equal(1, #records)
    end)
    it("that are no error value are ours", function()
      local api = test_api.new { use_case = function() return { ports = {}, input = shape.empty, run = function() return nil,
        "oops" end } end }
      local answer, body = test_api.send(api, "GET", "/health")
      assert.are.same({ 500, "InternalError" }, { answer.status, body.error.code })
    end)
  end)

  describe("preflight", function()
    it("is answered before anything is built", function()
      local api = test_api.new { use_case = function() error("built") end, authenticate = function() error("asked") end }
      local answer = test_api.send(api, "OPTIONS", "/run", { headers = { origin = "http://a" } })
      assert.are.same({ 200, "" }, { answer.status, answer.body })
      assert.are.equal("*", answer.headers["Access-Control-Allow-Origin"])
      assert.are.equal("OPTIONS,POST", answer.headers["Access-Control-Allow-Methods"])
      assert.are.equal("Content-Type,Authorization,Idempotency-Key", answer.headers["Access-Control-Allow-Headers"])
      assert.are.equal("600", answer.headers["Access-Control-Max-Age"])
      assert.are.equal(0, #records)
    end)
    it("names the route's methods", function()
      assert.are.equal("GET,OPTIONS", send("OPTIONS", "/health").headers["Access-Control-Allow-Methods"])
      assert.are.equal("Content-Type,Authorization", send("OPTIONS", "/health").headers["Access-Control-Allow-Headers"])
    end)
    it("of an unknown path is 404", function() expect_error(404, "NotFound", send("OPTIONS", "/nope")) end)
  end)

  describe("origins", function()
    local listed = test_api.new { allowed_origin = { "http://a", "http://b" } }
    local function headers(origin, path, method) return test_api.send(listed, method or "GET", path or "/health",
      { headers = { origin = origin } }).headers end
    it("that are listed get their own", function()
      assert.are.equal("http://a", headers("http://a")["Access-Control-Allow-Origin"])
      assert.are.equal("http://b", headers("http://b")["Access-Control-Allow-Origin"])
      assert.are.equal("Origin", headers("http://b")["Vary"])
    end)
    for _, stranger in ipairs { "http://evil", "http://a.evil", "http://A", "null", "" } do
      it("'" .. stranger .. "' gets none", function()
        assert.is_nil(headers(stranger)["Access-Control-Allow-Origin"])
        assert.are.equal("Origin", headers(stranger)["Vary"])
        assert.is_nil(headers(stranger, "/health", "OPTIONS")["Access-Control-Allow-Origin"])
      end)
    end
    it("vary also without an Origin header", function() assert.are.equal("Origin", headers(nil)["Vary"]) end)
    for _, path in ipairs { "/nope", "/fault", "/runs/none", "/broken" } do
      it("are allowed on the error of " .. path, function() assert.are.equal("http://a", headers("http://a",
        path)["Access-Control-Allow-Origin"]) end)
    end
    it("are allowed on 405", function() assert.are.equal("http://a", headers("http://a", "/run")["Access-Control-Allow-Origin"]) end)
    it("do not vary when any is allowed", function() assert.is_nil(send("GET", "/health",
      { headers = { origin = "http://x" } }).headers["Vary"]) end)
  end)

  describe("callers", function()
    local errors = require "lib.errors"
    local closed = test_api.new { authenticate = function(request)
      if request.headers.authorization == "Bearer good" then return "c" end
      return nil, errors.new("Unauthorized", "who are you?")
    end }
    it("must prove who they are, on health too", function()
      for _, path in ipairs { "/health", "/list", "/runs/7" } do
        local answer, body = test_api.send(closed, "GET", path)
        expect_error(401, "Unauthorized", answer, body)
        assert.are.equal("Bearer", answer.headers["WWW-Authenticate"])
      end
    end)
    it("who do are let in", function()
      assert.are.equal(200, test_api.send(closed, "GET", "/list", { headers = { authorization = "Bearer good" } }).status)
    end)
    it("may ask for health when that is open", function()
      local open = test_api.new { authenticate = closed.authenticate, health_open = true }
      assert.are.equal(200, test_api.send(open, "GET", "/health").status)
      assert.are.equal(401, test_api.send(open, "GET", "/list").status)
    end)
    it("with a signed URL need no token", function() assert.are.equal(200, test_api.send(closed, "GET", "/files/a").status) end)
    it("are not asked in a preflight", function() assert.are.equal(200, test_api.send(closed, "OPTIONS", "/list").status) end)
    it("learn of an unknown path without a token", function() assert.are.equal(404, test_api.send(closed, "GET", "/nope").status) end)
    it("are refused before their input is read", function()
      assert.are.equal(401, test_api.send(closed, "POST", "/run", { body = "{" }).status)
    end)
  end)

  describe("formats", function()
    local function query(accept, sql) return send("POST", "/query", { body = { sql = sql or "x" }, headers = { accept = accept } }) end
    for accept, expected in pairs { ["application/json"] = "application/json", ["*/*"] = "application/json", ["text/csv"] = "text/csv",
      ["text/csv;q=0.5, application/json"] = "application/json", ["text/csv, application/json;q=0.9"] = "text/csv",
        ["application/*"] = "application/json",
      ["text/html, text/csv"] = "text/csv" } do
      it("Accept: " .. accept .. " gives " .. expected, function() assert.are.equal(expected, query(accept).headers["Content-Type"]) end)
    end
    it("that are not offered are refused", function() expect_error(406, "NotAcceptable", query("text/html")) end)
    it("are streamed with a file name", function()
      local answer = query("text/csv")
      local parts = {}
      answer.body(function(chunk) parts[#parts + 1] = chunk; return true end)
      assert.are.equal("a,b\n1,2\n", table.concat(parts))
      assert.are.equal("attachment; filename=\"r__sum__.csv\"; filename*=UTF-8''r%C3%A9sum%C3%A9.csv",
        answer.headers["Content-Disposition"])
    end)
    it("stop when the reader left", function()
      local count = 0
      query("text/csv").body(function() count = count + 1; return nil, "closed" end)
      assert.are.equal(1, count)
    end)
    it("that fail before their first byte are errors like any other", function()
      expect_error(400, "SyntaxError", query("text/csv", "wrong"))
      assert.are.same({}, records)
    end)
    it("that break half way cut the connection", function()
      local answer = query("text/csv", "breaks")
      assert.has_error(function() answer.body(function() return true end) end)
    end)
  end)

  it("tells events as they come, with a sign of life between", function()
    local answer = send("GET", "/events", { headers = { ["last-event-id"] = "41" } })
    local parts = {}
    answer.body(function(chunk) parts[#parts + 1] = chunk; return true end)
    assert.are.same({ "retry: 2000\n\n", 'id: 42\nevent: step\ndata: {"stepName":"x"}\n\n', ": keep-alive\n\n" }, parts)
    assert.are.equal("text/event-stream", answer.headers["Content-Type"])
  end)

  it("refuses a Last-Event-ID that is not one of ours", function()
    assert.are.equal(400, send("GET", "/events", { headers = { ["last-event-id"] = "x" } }).status)
  end)

  describe("files", function()
    local function get(headers) return send("GET", "/files/gold/t/part-0.parquet", { headers = headers }) end
    it("are sent whole", function()
      local answer = get {}
      assert.are.same({ 200, { file = "/lake/gold/t/part-0.parquet", offset = 0, length = 1000 } }, { answer.status, answer.body })
      assert.are.same({ "application/vnd.apache.parquet", "bytes", '"v1"', 'attachment; filename="part-0.parquet"' },
        { answer.headers["Content-Type"], answer.headers["Accept-Ranges"], answer.headers["ETag"], answer.headers["Content-Disposition"] })
    end)
    for range, expected in pairs { ["bytes=0-3"] = { 0, 4, "bytes 0-3/1000" }, ["bytes=-8"] = { 992, 8, "bytes 992-999/1000" },
      ["bytes=990-"] = { 990, 10, "bytes 990-999/1000" }, ["bytes=990-5000"] = { 990, 10, "bytes 990-999/1000" }, ["bytes=-5000"] = { 0,
        1000, "bytes 0-999/1000" } } do
      it("are sent in part for " .. range, function()
        local answer = get { range = range }
        assert.are.same({ 206, expected[1], expected[2], expected[3] },
          { answer.status, answer.body.offset, answer.body.length, answer.headers["Content-Range"] })
      end)
    end
    for _, range in ipairs { "bytes=1000-", "bytes=5000-6000", "bytes=-0" } do
      it("answer 416 for " .. range, function()
        local answer, body = get { range = range }
        expect_error(416, "RangeNotSatisfiable", answer, body)
        assert.are.equal("bytes */1000", answer.headers["Content-Range"])
      end)
    end
    for _, range in ipairs { "bytes=0-1,5-6", "lines=1-2", "bytes=5-2", "bytes=x", "bytes=-" } do
      it("are sent whole for the range " .. range, function() assert.are.equal(200, get({ range = range }).status) end)
    end
    it("honour If-Range", function()
      assert.are.equal(206, get({ range = "bytes=0-3", ["if-range"] = '"v1"' }).status)
      assert.are.equal(200, get({ range = "bytes=0-3", ["if-range"] = '"v0"' }).status)
    end)
    it("are not sent again", function() assert.are.equal(304, get({ ["if-none-match"] = '"v1"' }).status) end)
    it("need a good signature", function() expect_error(403, "Forbidden", send("GET", "/files/forbidden")) end)
  end)
end)
