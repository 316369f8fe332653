-- Requests of the local server become calls of the API, and its answers replies.
local json = require "lib.json"
local log = require "lib.log"
local make = require("entry.local").new
local request_ids = require("entry.local").request_ids
local test_api = require "test_api"

local lines, clock

before_each(function()
  lines, clock = {}, 100
  log.configure { level = "info", write = function(line) lines[#lines + 1] = line end, time = function() return "t" end,
    context = function() end }
end)

local function new(options)
  local all = { api = test_api.new(), new_id = request_ids("p"), now = function() clock = clock + 0.001 return clock end,
    fallback_url = function() return "http://127.0.0.1:1" end, access_log = true }
  for key, value in pairs(options or {}) do all[key] = value end
  return make(all)
end

local function request(method, path, headers) return { method = method, path = path, headers = headers or {} } end

describe("entry.local", function()
  it("answers with an id of its own, each another", function()
    local on_request = new()
    assert.are.equal("p-000001", on_request(request("GET", "/health")).headers["X-Request-Id"])
    assert.are.equal("p-000002", on_request(request("GET", "/health")).headers["X-Request-Id"])
  end)
  it("keeps a good id of the caller", function()
    assert.are.equal("abc-1.2:3", new()(request("GET", "/health", { ["x-request-id"] = "abc-1.2:3" })).headers["X-Request-Id"])
  end)
  for name, id in pairs { long = ("x"):rep(129), spaced = "a b", quoted = 'a"b', broken = "a\nb", empty = "", coded = "é" } do
    it("does not keep a " .. name .. " id", function()
      assert.are.equal("p-000001", new()(request("GET", "/health", { ["x-request-id"] = id })).headers["X-Request-Id"])
    end)
  end
  it("logs one line for a request", function()
    new()(request("GET", "/health"))
    assert.are.equal(1, #lines)
    local got = json.decode(lines[1])
    assert.are.same({ "GET", "/health", 200, "p-000001" }, { got.method, got.path, got.status, got.requestId })
    assert.is_true(got.durationMs > 0 and got.bytes > 0)
  end)
  it("logs nothing when told so", function()
    new { access_log = false }(request("GET", "/health"))
    assert.are.equal(0, #lines)
  end)
  it("never logs the query string", function()
    new()({ method = "GET", path = "/health", query = "signature=hunter2", headers = {} })
    assert.is_nil(table.concat(lines):find("hunter2", 1, true))
  end)
  it("logs a download when it has ended, with its bytes", function()
    local answer = new()({ method = "POST", path = "/query", body = '{"sql":"x"}', headers = { accept = "text/csv" } })
    assert.are.equal(0, #lines)
    answer.body(function() return true end)
    assert.are.equal(8, json.decode(lines[1]).bytes)
  end)
  it("logs a download that broke off", function()
    local answer = new()({ method = "POST", path = "/query", body = '{"sql":"breaks"}', headers = { accept = "text/csv" } })
    assert.has_error(function() answer.body(function() return true end) end)
    assert.are.equal(4, json.decode(lines[1]).bytes)
  end)
  it("takes methods in any case", function() assert.are.equal(200, new()(request("options", "/run")).status) end)
  it("answers and logs what raised", function()
    local on_request, on_failure = new()
    local req = request("GET", "/fault")
    assert.has_error(function() on_request(req) end)
    local answer = on_failure(req, { message = "m", traceback = "tb" })
    assert.are.equal(500, answer.status)
    assert.are.equal("p-000001", answer.headers["X-Request-Id"])
    assert.matches('"traceback":"tb"', table.concat(lines), 1, true)
  end)
  it("puts the request id into the context of the task", function()
    local shared = {}
    new { context = function() return shared end }(request("GET", "/health"))
    assert.are.equal("p-000001", shared.request_id)
  end)

  describe("base URL", function()
    local seen
    local api = { handle = function(_, r) seen = r.base_url return { status = 200, headers = {}, body = "" } end }
    for host, expected in pairs { ["localhost:8080"] = "http://localhost:8080", ["[::1]:80"] = "http://[::1]:80",
      ['evil"host'] = "http://127.0.0.1:1", ["a/b"] = "http://127.0.0.1:1", [""] = "http://127.0.0.1:1" } do
      it("is " .. expected .. " for the host '" .. host .. "'", function()
        new { api = api }(request("GET", "/", { host = host }))
        assert.are.equal(expected, seen)
      end)
    end
    it("is the public one when that is set", function()
      new { api = api, public_url = "https://lake.example.org/" }(request("GET", "/", { host = "evil" }))
      assert.are.equal("https://lake.example.org", seen)
    end)
  end)
end)
