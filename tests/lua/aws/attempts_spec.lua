-- The whole way of a call on real sockets: signed, sent, tried again, mended.
local attempts = require "aws.attempts"
local failure = require "aws.failure"
local json = require "lib.json"
local retry = require "aws.retry"
local skew = require "aws.skew"
local time = require "sm.time"
local verifying = require "verifying_server"

local KEYS <const> = { access_key = "AKIDEXAMPLE", secret_key = "wJalrXUtnFEMI", session_token = "TOKEN/1" }

local function parse(response)
  local body = json.decode(response.body) or {}
  if response.status >= 300 then
    local code = (response.headers["x-amzn-errortype"] or body.__type or tostring(response.status))
    return nil, failure.new { kind = "service", code = code, message = body.message, status = response.status }
  end
  return body
end

local function call(server, more)
  local out = {
    operation = { name = "ListTables" }, service = "dynamodb",
    request = { method = "POST", path = "/", query = {}, headers = { ["content-type"] = "application/x-amz-json-1.0", ["x-amz-target"] = "DynamoDB_20120810.ListTables" }, body = "{}" },
    endpoint = { url = server.url, signing = { name = "dynamodb", region = "eu-central-1", scheme = "v4", double_encode = true } },
    provider = { get = function() return KEYS end }, config = {}, parse = parse,
  }
  out.slept = {}
  out.policy = retry.policy({ max_attempts = 3 }, "dynamodb", nil, { random = function() return 1 end, sleep = function(s) out.slept[#out.slept + 1] = s end, remaining = function() end })
  for name, value in pairs(more or {}) do out[name] = value end
  return out
end

describe("aws.attempts", function()
  local server, answers, clock_error

  before_each(function()
    answers, clock_error = {}, 0
    skew.reset()
    server = verifying.start {
      keys = { AKIDEXAMPLE = { secret = "wJalrXUtnFEMI", session_token = "TOKEN/1" }, AKIDFRESH = "fresh" },
      now = function() return time.now() + clock_error end,
      answer = function(req, seen)
        local one = table.remove(answers, 1)
        if type(one) == "function" then return one(req, seen) end
        return one or { body = json.encode { TableNames = { "a" } } }
      end,
    }
  end)

  after_each(function()
    server.stop()
    skew.reset()
  end)

  it("signs, sends and reads", function()
    local output, err, response = attempts.run(call(server))
    assert.is_nil(err)
    assert.same({ "a" }, output.TableNames)
    assert.equal(200, response.status)
    assert.is_nil(server.complaint())
    local headers = server.seen[1].headers
    assert.equal("attempt=1; max=3", headers["amz-sdk-request"])
    assert.matches("^%x+%-%x+%-4%x+%-%x+%-%x+$", headers["amz-sdk-invocation-id"])
    assert.matches("^sewing%-machine/", headers["user-agent"])
    assert.is_nil(headers.expect)
  end)

  it("tries again after a 500 with the same invocation id and a new attempt number", function()
    answers = { { status = 500, body = "oops" }, { status = 503, body = "" } }
    local c = call(server)
    assert.is_table(attempts.run(c))
    assert.same({ 0.025, 0.05 }, c.slept)
    local ids, numbers = {}, {}
    for _, seen in ipairs(server.seen) do
      ids[seen.headers["amz-sdk-invocation-id"]] = true
      numbers[#numbers + 1] = seen.headers["amz-sdk-request"]
    end
    assert.same({ "attempt=1; max=3", "attempt=2; max=3", "attempt=3; max=3" }, numbers)
    assert.is_nil(next(ids, next(ids)))
    assert.is_nil(server.complaint())
  end)

  it("gives the last failure, placed, after the last attempt", function()
    for i = 1, 3 do answers[i] = { status = 400, headers = { ["x-amzn-errortype"] = "ThrottlingException" }, body = '{"message":"slow down"}' } end
    local output, err = attempts.run(call(server))
    assert.is_nil(output)
    assert.equal("dynamodb ListTables: ThrottlingException: slow down (400, 3 attempts)", tostring(err))
  end)

  it("does not try again what would fail again", function()
    answers = { { status = 400, headers = { ["x-amzn-errortype"] = "ValidationException" }, body = "{}" } }
    local _, err = attempts.run(call(server))
    assert.equal("ValidationException", err.code)
    assert.equal(1, #server.seen)
  end)

  it("corrects its clock once when the service finds it off, and keeps the correction", function()
    clock_error = 3600
    local date = function() return { ["x-amzn-errortype"] = "RequestTimeTooSkewed", date = os.date("!%a, %d %b %Y %H:%M:%S GMT", math.floor(time.now() + 3600)) } end
    local judge = verifying.judge
    finally(function() verifying.judge = judge end)
    verifying.judge = function(req, options)
      local seen = judge(req, options)
      if not seen.ok and seen.code == "RequestTimeTooSkewed" then
        seen.ok = true
        table.insert(answers, 1, { status = 403, headers = date(), body = "{}" })
      end
      return seen
    end
    assert.is_table(attempts.run(call(server)))
    assert.equal(2, #server.seen)
    assert.is_true(math.abs(skew.offset() - 3600) < 5)
    assert.is_table(attempts.run(call(server)))
    assert.equal(3, #server.seen)
  end)

  it("fetches fresh credentials once when those it has were called expired", function()
    local held = KEYS
    local provider = { get = function() return held end, refresh = function() held = { access_key = "AKIDFRESH", secret_key = "fresh" } return held end }
    answers = { { status = 400, headers = { ["x-amzn-errortype"] = "ExpiredTokenException" }, body = "{}" } }
    local c = call(server, { provider = provider })
    assert.is_table(attempts.run(c))
    assert.same({ "AKIDEXAMPLE", "AKIDFRESH" }, { server.seen[1].access_key, server.seen[2].access_key })
    assert.is_nil(server.seen[2].headers["x-amz-security-token"])
    assert.same({}, c.slept)
  end)

  it("lets a quirk mend a failure once", function()
    answers = { { status = 400, headers = { ["x-amzn-errortype"] = "Odd" }, body = "{}" }, { status = 400, headers = { ["x-amzn-errortype"] = "Odd" }, body = "{}" } }
    local asked = 0
    local _, err = attempts.run(call(server, { on_error = function() asked = asked + 1 return true end }))
    assert.equal("Odd", err.code)
    assert.equal(1, asked)
    assert.equal(2, #server.seen)
  end)

  it("says why when nobody listens, and counts it as retryable", function()
    local c = call(server, { endpoint = { url = "http://127.0.0.1:1", signing = { name = "dynamodb", region = "r", scheme = "v4" } } })
    local _, err = attempts.run(c)
    assert.equal("transport", err.kind)
    assert.equal(3, err.attempts)
    assert.is_nil(tostring(err):find("wJalr", 1, true))
  end)

  it("does not send a body again that cannot start over", function()
    answers = { { status = 500, body = "" } }
    local c = call(server)
    local sent = false
    c.request.payload_hash = "UNSIGNED-PAYLOAD"
    c.request.body = function()
      if not sent then
        sent = true
        return "{}"
      end
    end
    local _, err = attempts.run(c)
    assert.equal(500, err.status)
    assert.equal(1, #server.seen)
  end)

  it("needs credentials for signed operations and none for unsigned ones", function()
    local _, err = attempts.run(call(server, { provider = { get = function() return failure.refuse("credentials", "NoCredentials", "none") end } }))
    assert.equal("credentials", err.kind)
    server.stop()
    server = verifying.start { keys = {}, unsigned = true, answer = function() return { body = "{}" } end }
    local c = call(server, { operation = { name = "AssumeRoleWithWebIdentity", authtype = "none" } })
    assert.is_table(attempts.run(c))
    assert.equal("none", server.seen[1].form)
  end)
end)
