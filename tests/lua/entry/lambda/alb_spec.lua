local events = require "lambda_events"
local json = require "lib.json"

describe("load balancer events", function()
  local built, seen
  before_each(function() built, seen = events.house() end)

  local function call(event) return events.call("api", event, built) end

  it("are answered with a status line and headers of one value", function()
    local answer, body = call(events.alb("GET", "/health"))
    assert.are.equal(200, answer.statusCode)
    assert.are.equal("200 OK", answer.statusDescription)
    assert.are.equal("ok", body.status)
    assert.are.equal("application/json", answer.headers["Content-Type"])
    assert.is_nil(answer.multiValueHeaders)
    assert.are.equal("404 Not Found", call(events.alb("GET", "/nothing")).statusDescription)
  end)

  it("with headers of several values are answered likewise", function()
    local answer = call(events.alb_many("GET", "/health"))
    assert.are.same({ "application/json" }, answer.multiValueHeaders["Content-Type"])
    assert.is_nil(answer.headers)
  end)

  it("bring their query as it was sent, still encoded", function()
    local _, body = call(events.alb("GET", "/runs", { state = "a%2Bb+c%26d", cursor = "" }))
    assert.are.equal("a+b c&d", body.state)
    assert.are.equal("", body.cursor)
    _, body = call(events.alb_many("GET", "/runs", { state = { "a%20b", "second" }, ["li%6Dit"] = { "7" } }))
    assert.are.equal("a b", body.state)
    assert.are.equal(7, body.limit)
  end)

  it("keep encoded paths exact", function()
    assert.are.equal("a/b", select(2, call(events.alb("GET", "/runs/a%2Fb"))).jobId)
  end)

  it("with an empty body have none; one of base64 is read", function()
    call(events.alb("POST", "/run"))
    assert.is_nil(seen[1].input.run)
    call(events.alb("POST", "/run", nil, { body = require("sm.crypto").base64 '{"run":"2025-08-14"}', isBase64Encoded = true }))
    assert.are.equal("2025-08-14", seen[2].input.run)
  end)

  it("of health checks are answered though nobody proved anything, and nothing but health is", function()
    built = events.house { SEWING_AUTH = "token", SEWING_TOKEN = "0123456789abcdef" }
    local function status(path, query)
      return call(events.alb("GET", path, query, { headers = { ["user-agent"] = "ELB-HealthChecker/2.0" } })).statusCode
    end
    assert.are.equal(200, status "/health")
    assert.are.equal(401, status("/health", { deep = "1" }))
    assert.are.equal(401, status "/runs")
  end)

  it("never take a caller from headers", function()
    local event = events.alb("GET", "/runs")
    event.headers["x-amzn-oidc-identity"] = "root"
    assert.are.equal("anonymous", select(2, call(event)).caller)
  end)

  it("have a limit of one mebibyte", function()
    local answer, body = call(events.alb("POST", "/query", nil, { body = json.encode { sql = "x", maxRows = 1048300 } }))
    assert.are.equal(413, answer.statusCode)
    assert.are.equal("413 Content Too Large", answer.statusDescription)
    assert.are.equal("PayloadTooLarge", body.error.code)
    assert.are.equal(200, (call(events.alb("POST", "/query", nil, { body = json.encode { sql = "x", maxRows = 1000000 } })).statusCode))
  end)

  it("lose the base path of the settings", function()
    built = events.house { SEWING_BASE_PATH = "/lake" }
    assert.are.equal(200, (call(events.alb("GET", "/lake/health")).statusCode))
    local answer = call(events.alb("POST", "/lake/run"))
    assert.are.equal(202, answer.statusCode)
    assert.are.equal("/lake/runs/j1", answer.headers["Location"])
    assert.are.equal(404, (call(events.alb("GET", "/lakehealth")).statusCode))
  end)
end)
