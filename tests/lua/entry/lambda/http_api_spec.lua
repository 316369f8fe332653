local events = require "lambda_events"
local json = require "lib.json"
local stream = require "entry.lambda.stream"

describe("HTTP API events, format 2.0,", function()
  local built, seen
  before_each(function() built, seen = events.house() end)

  local function call(event, context) return events.call("api", event, built, context) end

  it("are answered in their form", function()
    local answer, body = call(events.http_api("GET", "/health"))
    assert.are.equal(200, answer.statusCode)
    assert.is_false(answer.isBase64Encoded)
    assert.are.equal("ok", body.status)
    assert.is_nil(answer.multiValueHeaders)
  end)

  it("have their query taken as it was sent: plus signs, empty values, repeated names", function()
    local _, body = call(events.http_api("GET", "/runs", "state=a%2Bb+c%26d&state=second&cursor=&limit=7"))
    assert.are.equal("a+b c&d", body.state)
    assert.are.equal(7, body.limit)
    assert.are.equal("", body.cursor)
    local answer = call(events.http_api("GET", "/runs", "state=%zz"))
    assert.are.equal(400, answer.statusCode)
  end)

  it("may lack query, body, cookies and headers", function()
    local event = events.http_api("POST", "/run")
    event.rawQueryString, event.headers = nil, nil
    assert.are.equal(202, (call(event).statusCode))
    event.headers, event.body, event.cookies = json.null, json.null, json.null
    assert.are.equal(202, (call(event).statusCode))
    event.queryStringParameters = { x = "1" }
    assert.are.equal(202, (call(event).statusCode))
  end)

  it("bring cookies apart, which become one header again", function()
    local request = require("entry.lambda.http_api").request(events.http_api("GET", "/health", "", { cookies = { "a=1", "b=2; c" } }))
    assert.are.equal("a=1; b=2; c", request.headers.cookie)
  end)

  it("of thousands of slashes take no longer than others", function()
    local paths, clock = require "entry.lambda.paths", require("sm.time").monotonic
    local begun = clock()
    assert.is_nil(paths.before_resource("/%ff" .. ("/"):rep(20000), "/{proxy+}", { proxy = "x" }))
    assert.equal("", paths.before_resource("/x" .. ("/"):rep(20000), "/{proxy+}", { proxy = "x" }))
    assert.equal("/lake", paths.before_resource("/lake/x%20y//", "/{proxy+}", { proxy = "x y/" }))
    assert.is_true(clock() - begun < 1)
  end)

  it("lose a named stage", function()
    local event = events.http_api("POST", "/dev/run", "")
    event.requestContext.stage = "dev"
    local answer = call(event)
    assert.are.equal(202, answer.statusCode)
    assert.are.equal("/dev/runs/j1", answer.headers["Location"])
    -- a domain of its own shows no stage, whatever the stage is called
    event = events.http_api("POST", "/run", "", { routeKey = "ANY /{proxy+}", pathParameters = { proxy = "run" } })
    event.requestContext.stage = "run"
    assert.are.equal(202, (call(event).statusCode))
  end)

  it("have paths that the gateway has decoded, and others that are exact", function()
    local function job(path) return select(2, call(events.http_api("GET", path))).jobId end
    assert.are.equal("a b", job "/runs/a b")
    assert.are.equal("ü#?x", job "/runs/ü#?x")
    assert.are.equal("100%", job "/runs/100%")
    assert.are.equal("50%z1", job "/runs/50%z1")
    assert.are.equal("a/b", job "/runs/a%2Fb")
  end)

  it("have the caller that the authorizer names", function()
    local function caller_of(authorizer)
      local event = events.http_api("GET", "/runs")
      event.requestContext.authorizer = authorizer
      return select(2, call(event)).caller
    end
    assert.are.equal("u-1", caller_of { jwt = { claims = { sub = "u-1", scope = "a" }, scopes = json.null } })
    assert.are.equal("arn:aws:sts::1:assumed-role/r/s", caller_of { iam = { accessKey = "AKIA", accountId = "1", callerId = "AROA:s",
      cognitoIdentity = json.null, userArn = "arn:aws:sts::1:assumed-role/r/s", userId = "AROA:s" } })
    assert.are.equal("eu-west-1:id-7", caller_of { iam = { userArn = "arn:aws:sts::1:assumed-role/r/s", cognitoIdentity = { identityId = "eu-west-1:id-7" } } })
    assert.are.equal("ann", caller_of { lambda = { sub = "ann" } })
    assert.are.equal("anonymous", caller_of { lambda = json.null })
  end)

  it("carry a body of base64 and of text", function()
    local text = require("sm.crypto").base64 '{"run":"2025-08-14"}'
    call(events.http_api("POST", "/run", "", { body = text, isBase64Encoded = true }))
    assert.are.equal("2025-08-14", seen[1].input.run)
  end)

  it("put the public address into base_url: its own, or the one of the settings", function()
    local event = events.http_api("POST", "/dev/run")
    event.requestContext.stage = "dev"
    call(event)
    assert.are.equal("https://h1.execute-api.eu-west-1.amazonaws.com/dev", seen[1].ctx.base_url)
    built, seen = events.house { SEWING_PUBLIC_URL = "https://lake.example.org/" }
    call(event)
    assert.are.equal("https://lake.example.org", seen[1].ctx.base_url)
  end)
end)

describe("function URL events", function()
  local function collect(answer)
    local parts = {}
    if answer.body then answer.body(function(chunk)
      parts[#parts + 1] = chunk
      return true
    end) end
    return table.concat(parts)
  end

  it("are answered whole by default", function()
    local built = events.house()
    local answer = events.call("api", events.function_url("GET", "/health"), built)
    assert.are.equal(200, answer.statusCode)
  end)

  it("may wait as long as the function does", function()
    local built, seen = events.house()
    events.call("api", events.function_url("POST", "/query", "", { body = '{"sql":"x"}' }), built, { request_id = "r",
      remaining = function() return 800 end })
    assert.are.equal(800, seen[1].ctx.settings.request_seconds)
  end)

  describe("with response streaming", function()
    local built
    before_each(function() built = events.house { SEWING_INVOKE_MODE = "response_stream" } end)

    local function call(...) return events.call("api", events.function_url(...), built) end

    it("are streamed, status and headers ahead of the body", function()
      local answer = call("POST", "/query", "", { body = '{"sql":"x","maxRows":4}', headers = { accept = "application/vnd.apache.parquet" } })
      assert.is_true(stream.is(answer))
      assert.are.equal(200, answer.status)
      assert.are.equal("application/vnd.apache.parquet", answer.headers["Content-Type"])
      assert.are.equal(("PAR1\xff\xfe\0"):rep(4), collect(answer))
      local head, zeros = assert(stream.prelude(answer)):match("^(.-)(%z+)$")
      assert.are.equal(8, #zeros)
      assert.are.equal(200, json.decode(head).statusCode)
      assert.are.equal("*", json.decode(head).headers["Access-Control-Allow-Origin"])
    end)

    it("have no limit of 6 MB", function()
      local answer = call("POST", "/query", "", { body = '{"sql":"x","maxRows":7000000}' })
      assert.are.equal(200, answer.status)
      assert.is_true(#collect(answer) > 7000000)
    end)

    it("follow a refresh to its end", function()
      assert.matches("id: 1.*id: 2.*id: 3", collect(call("GET", "/runs/j1/events")))
    end)

    it("keep status and headers of an answer without a body", function()
      local answer = call("OPTIONS", "/run")
      assert.are.equal(200, answer.status)
      assert.is_nil(answer.body)
      assert.are.equal("OPTIONS,POST", answer.headers["Access-Control-Allow-Methods"])
    end)

    it("stop when nobody reads on", function()
      local answer, n = call("POST", "/query", "", { body = '{"sql":"x","maxRows":1000}', headers = { accept = "text/csv" } }), 0
      answer.body(function()
        n = n + 1
        return n < 3 or nil
      end)
      assert.are.equal(3, n)
    end)

    it("leave HTTP APIs and load balancers as they are: they cannot read streams", function()
      assert.is_false(stream.is(events.call("api", events.http_api("GET", "/health"), built)))
      assert.is_false(stream.is(events.call("api", events.alb("GET", "/health"), built)))
      assert.is_true(stream.is(events.call("api", events.rest("GET", "/health"), built)))
    end)
  end)
end)
