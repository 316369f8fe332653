local events = require "lambda_events"
local json = require "lib.json"
local log = require "lib.log"

describe("REST API events", function()
  local built, seen
  setup(function() log.configure { write = function() end } end)
  teardown(function() log.configure { write = require("sm.log").write } end)
  before_each(function() built, seen = events.house() end)

  local function call(event, context) return events.call("api", event, built, context) end

  it("are answered in the form the gateway wants, with CORS headers", function()
    local answer, body = call(events.rest("GET", "/health"))
    assert.are.equal(200, answer.statusCode)
    assert.is_false(answer.isBase64Encoded)
    assert.are.equal("ok", body.status)
    assert.are.equal("application/json", answer.headers["Content-Type"])
    assert.are.equal("*", answer.headers["Access-Control-Allow-Origin"])
    assert.are.equal("GET,OPTIONS", answer.headers["Access-Control-Allow-Methods"])
    assert.are.equal(events.context.request_id, answer.headers["X-Request-Id"])
    assert.is_nil(answer.multiValueHeaders)
  end)

  it("come as JSON text too", function()
    local answer = call(json.encode(events.rest("GET", "/health")))
    assert.are.equal(200, answer.statusCode)
  end)

  it("need nothing but a method and a path", function()
    local _, body = call { httpMethod = "GET", path = "/health" }
    assert.are.equal("ok", body.status)
  end)

  it("of the console's test button have neither headers nor query", function()
    local _, body = call(events.rest_console("GET", "/health"))
    assert.are.equal("ok", body.status)
    local answer = call(events.rest_console("POST", "/run", { body = '{"run":"2025-08-13"}' }))
    assert.are.equal("/runs/j1", answer.headers["Location"])
  end)

  it("have their preflight answered before any service is made", function()
    built.app = function() error("a service was made") end
    for _, method in ipairs { "OPTIONS", "options" } do
      local answer = call(events.rest(method, "/run"))
      assert.are.equal(200, answer.statusCode)
      assert.are.equal("", answer.body)
      assert.are.equal("OPTIONS,POST", answer.headers["Access-Control-Allow-Methods"])
    end
  end)

  it("carry the origin in either map, under any case", function()
    built = events.house { ALLOWED_ORIGIN = "https://a.example,https://b.example" }
    local function origin_of(changes) return call(events.rest("GET", "/health", changes)).headers["Access-Control-Allow-Origin"] end
    assert.are.equal("https://b.example", origin_of { headers = { ORIGIN = "https://b.example" }, multiValueHeaders = json.null })
    assert.are.equal("https://b.example", origin_of { headers = json.null, multiValueHeaders = { origin = { "https://b.example" } } })
    assert.is_nil(origin_of { headers = { Origin = "https://evil.example" }, multiValueHeaders = json.null })
  end)

  it("see a body, also one of base64; null and nothing mean {}", function()
    for _, body in ipairs { '{"run":"2025-08-13"}', { run = "2025-08-13" } } do
      local answer = call(events.rest("POST", "/run", { body = body }))
      assert.are.equal(202, answer.statusCode)
      assert.are.equal("2025-08-13", seen[#seen].input.run)
    end
    local text = require("sm.crypto").base64 '{"run":"2025-08-14"}'
    call(events.rest("POST", "/run", { body = text, isBase64Encoded = true }))
    assert.are.equal("2025-08-14", seen[#seen].input.run)
    for _, body in ipairs { json.null, "" } do
      assert.are.equal(202, (call(events.rest("POST", "/run", { body = body })).statusCode))
      assert.is_nil(seen[#seen].input.run)
    end
  end)

  it("with a faulty body are refused with the contract's envelope", function()
    local answer, body = call(events.rest("POST", "/run", { body = "{" }))
    assert.are.equal(400, answer.statusCode)
    assert.are.equal("BadJson", body.error.code)
    assert.are.equal("*", answer.headers["Access-Control-Allow-Origin"])
    answer, body = call(events.rest("POST", "/run", { body = "no base64!", isBase64Encoded = true }))
    assert.are.equal(400, answer.statusCode)
    assert.are.equal("BadRequest", body.error.code)
  end)

  it("bring decoded query values, several to a name, which reach the route as they are", function()
    local event = events.rest("GET", "/runs", { queryStringParameters = { state = "B&b=1+ü%2F" },
      multiValueQueryStringParameters = { state = { "A&b=1+ü%2F", "B" }, limit = { "7" }, cursor = { "" } } })
    local _, body = call(event)
    assert.are.equal("A&b=1+ü%2F", body.state)
    assert.are.equal(7, body.limit)
    event.multiValueQueryStringParameters = json.null
    _, body = call(event)
    assert.are.equal("B&b=1+ü%2F", body.state)
  end)

  it("keep encoded paths exact", function()
    local event = events.rest("GET", "/runs/a%2Fb%20c")
    event.pathParameters.proxy = "runs/a/b c"
    local _, body = call(event)
    assert.are.equal("a/b c", body.jobId)
  end)

  it("lose what stands in front of the API, and links have it", function()
    -- the default endpoint: path is without the stage
    local answer = call(events.rest("POST", "/run"))
    assert.are.equal("/prod/runs/j1", answer.headers["Location"])
    -- a domain with a base path: path has it
    local event = events.rest("POST", "/run", { path = "/lake/run" })
    event.requestContext.path, event.requestContext.domainName = "/lake/run", "api.example.org"
    answer = call(event)
    assert.are.equal(202, answer.statusCode)
    assert.are.equal("/lake/runs/j1", answer.headers["Location"])
    -- a resource of its own instead of a proxy
    event = events.rest("GET", "/lake/runs/77", { resource = "/runs/{id}", pathParameters = { id = "77" } })
    event.requestContext.path = "/lake/runs/77"
    local _, body = call(event)
    assert.are.equal("77", body.jobId)
    -- a stage that is called like a route
    event = events.rest("POST", "/run")
    event.requestContext.stage, event.requestContext.path = "run", "/run/run"
    answer = call(event)
    assert.are.equal(202, answer.statusCode)
    assert.are.equal("/run/runs/j1", answer.headers["Location"])
  end)

  it("of an HTTP API with format 1.0 have the stage in their path, decoded", function()
    local event = events.http_api_one("GET", "/dev/runs/a b%", { resource = "$default", pathParameters = json.null })
    event.requestContext.stage = "dev"
    local _, body = call(event)
    assert.are.equal("a b%", body.jobId)
  end)

  it("have the caller that the authorizer names", function()
    local function caller_of(authorizer, identity)
      local event = events.rest("GET", "/runs")
      event.requestContext.authorizer, event.requestContext.identity = authorizer, identity or event.requestContext.identity
      local _, body = call(event)
      return body.caller
    end
    assert.are.equal("u-1", caller_of { claims = { sub = "u-1", ["cognito:username"] = "ann", token_use = "id" } })
    assert.are.equal("machine", caller_of { claims = { client_id = "machine" } })
    assert.are.equal("p-1", caller_of { principalId = "p-1", integrationLatency = 3 })
    assert.are.equal("arn:aws:iam::1:user/ann", caller_of(json.null, { userArn = "arn:aws:iam::1:user/ann", cognitoIdentityId = json.null }))
    assert.are.equal("eu-west-1:id-7", caller_of(nil, { userArn = "arn:aws:sts::1:assumed-role/r/CognitoIdentityCredentials",
      cognitoIdentityId = "eu-west-1:id-7" }))
    assert.are.equal("anonymous", caller_of(nil))
  end)

  it("never take a caller from what the client wrote", function()
    local event = events.rest("GET", "/runs", { headers = { authorization = "Bearer x", ["x-amzn-oidc-identity"] = "root" },
      multiValueHeaders = json.null })
    local _, body = call(event)
    assert.are.equal("anonymous", body.caller)
  end)

  it("without any check are warned of in the log, once for a process, unless that was asked for", function()
    local lines = {}
    log.configure { write = function(line) lines[#lines + 1] = line end }
    built = events.house { unchecked = true }
    for _ = 1, 2 do call(events.rest("GET", "/runs")) end
    built = events.house { SEWING_AUTH = "none" }
    call(events.rest("GET", "/runs"))
    log.configure { write = function() end }
    assert.are.equal(1, #lines)
    assert.matches("callers_unchecked", lines[1], 1, true)
  end)

  it("are checked by ourselves when the settings say so and no authorizer stands in front", function()
    built = events.house { SEWING_AUTH = "token", SEWING_TOKEN = "0123456789abcdef" }
    local answer = call(events.rest("GET", "/runs"))
    assert.are.equal(401, answer.statusCode)
    assert.are.equal("*", answer.headers["Access-Control-Allow-Origin"])
    local event = events.rest("GET", "/runs", { multiValueHeaders = { Authorization = { "Bearer 0123456789abcdef" } } })
    assert.are.equal(200, (call(event).statusCode))
    event = events.rest("GET", "/runs")
    event.requestContext.authorizer = { claims = { sub = "u-1" } }
    local _, body = call(event)
    assert.are.equal("u-1", body.caller)
  end)

  it("learn of errors in the one envelope: 404, 405, 429 with Retry-After, 500 that tells nothing", function()
    assert.are.equal(404, (call(events.rest("GET", "/nothing")).statusCode))
    local answer = call(events.rest("PUT", "/run"))
    assert.are.equal(405, answer.statusCode)
    assert.are.equal("OPTIONS,POST", answer.headers["Allow"])
    local body
    answer, body = call(events.rest("POST", "/run", { body = '{"run":"2000-01-01"}' }))
    assert.are.equal(429, answer.statusCode)
    assert.are.equal("3", answer.headers["Retry-After"])
    assert.are.equal(3, body.retryAfterSeconds)
    answer, body = call(events.rest("POST", "/run", { body = '{"run":"2000-01-02"}' }))
    assert.are.equal(500, answer.statusCode)
    assert.is_nil(answer.body:find("a fault of ours", 1, true))
    assert.are.equal(events.context.request_id, body.error.requestId)
  end)

  it("carry binary downloads as base64 and texts as they are", function()
    local event = events.rest("POST", "/query", { body = { sql = "x", maxRows = 3 }, multiValueHeaders = { Accept = { "application/vnd.apache.parquet" } } })
    local answer = call(event)
    assert.is_true(answer.isBase64Encoded)
    assert.are.equal(("PAR1\xff\xfe\0"):rep(3), require("sm.crypto").unbase64(answer.body))
    assert.are.equal('attachment; filename="result.parquet"', answer.headers["Content-Disposition"])
    event.multiValueHeaders = { Accept = { "text/csv" } }
    answer = call(event)
    assert.is_false(answer.isBase64Encoded)
    assert.are.equal(("é,1\n"):rep(3), answer.body)
  end)

  it("with answers that do not get through are told so, with 413", function()
    local function status_of(body, accept)
      local answer, decoded = call(events.rest("POST", "/query", { body = body, headers = { Accept = accept }, multiValueHeaders = json.null }))
      return answer.statusCode, decoded and decoded.error and decoded.error.code, answer
    end
    assert.are.equal(200, (status_of { sql = "x", maxRows = 6000000 }))
    local status, code, answer = status_of { sql = "x", maxRows = 6400000 }
    assert.are.equal(413, status)
    assert.are.equal("PayloadTooLarge", code)
    assert.are.equal("*", answer.headers["Access-Control-Allow-Origin"])
    assert.are.equal(413, (status_of { sql = '"', maxRows = 2100000 })) -- escaped twice: four bytes for each
    assert.are.equal(413, (status_of({ sql = "x", maxRows = 2000000 }, "text/csv")))
    assert.are.equal(413, (status_of({ sql = "x", maxRows = 750000 }, "application/vnd.apache.parquet"))) -- base64 makes it 7 MB
    local too_big = call(events.rest("GET", "/files/big.parquet"))
    assert.are.equal(413, too_big.statusCode)
  end)

  it("with a download that breaks half way are told of it", function()
    local answer, body = call(events.rest("POST", "/query", { body = { sql = "break" }, headers = { Accept = "text/csv" }, multiValueHeaders = json.null }))
    assert.are.equal(400, answer.statusCode)
    assert.are.equal("QueryFailed", body.error.code)
  end)

  it("give the first events of a refresh, and the next to who asks again", function()
    local event = events.rest("GET", "/runs/j1/events")
    local answer = call(event)
    assert.are.equal("text/event-stream", answer.headers["Content-Type"])
    assert.are.equal('retry: 2000\n\nid: 1\nevent: step\ndata: {"n":1}\n\n', answer.body)
    event.multiValueHeaders["Last-Event-ID"] = { "2" }
    assert.matches("id: 3", call(event).body, 1, true)
  end)

  it("leave HEAD without a body", function()
    local answer = call(events.rest("HEAD", "/health"))
    assert.are.equal(200, answer.statusCode)
    assert.are.equal("", answer.body)
  end)

  it("tell use cases how much time there is: the invocation's, or the gateway's patience", function()
    call(events.rest("POST", "/query", { body = { sql = "x" } }), { request_id = "r", remaining = function() return 7.5 end })
    assert.are.equal(7.5, seen[#seen].ctx.settings.request_seconds)
    call(events.rest("POST", "/query", { body = { sql = "x" } }), { request_id = "r", remaining = function() return 900 end })
    assert.are.equal(29, seen[#seen].ctx.settings.request_seconds)
    assert.are.equal("full-load", seen[#seen].ctx.settings.resource_key)
    assert.are.equal((6 << 20) - (64 << 10), seen[#seen].ctx.settings.answer_bytes)
  end)

  it("keep a harmless request id of the caller's", function()
    local answer = call(events.rest("GET", "/health", { headers = { ["X-Request-Id"] = "abc-1" }, multiValueHeaders = json.null }))
    assert.are.equal("abc-1", answer.headers["X-Request-Id"])
    answer = call(events.rest("GET", "/health", { headers = { ["X-Request-Id"] = "a\nb" }, multiValueHeaders = json.null }))
    assert.are.equal(events.context.request_id, answer.headers["X-Request-Id"])
  end)
end)
