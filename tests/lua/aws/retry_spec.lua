-- What is tried again, when, and when no more. The published tables: tests/conformance/retry.lua.
local failure = require "aws.failure"
local retry = require "aws.retry"

local function service_error(code, status, more)
  local fields = { kind = "service", code = code, status = status }
  for name, value in pairs(more or {}) do fields[name] = value end
  return failure.new(fields)
end

local function policy(config, service, more)
  local world = { slept = {}, random = function() return 1 end, remaining = function() end }
  world.sleep = function(seconds) world.slept[#world.slept + 1] = seconds end
  for name, value in pairs(more or {}) do world[name] = value end
  return retry.policy(config, service, world.bucket, world), world
end

local function always(err)
  local tries = 0
  return function()
    tries = tries + 1
    return nil, err, tries
  end
end

describe("aws.retry", function()
  it("gives what the first good attempt gives", function()
    local output, err, extra = retry.run(policy(), function() return "x", nil, "more" end)
    assert.same({ "x", "more" }, { output, extra })
    assert.is_nil(err)
  end)

  it("takes nil without a failure for a result", function()
    local tries = 0
    local output, err = retry.run(policy(), function() tries = tries + 1 end)
    assert.is_nil(output or err)
    assert.equal(1, tries)
  end)

  it("waits longer each time, a second when throttled", function()
    local p, world = policy({ max_attempts = 4 })
    retry.run(p, always(service_error("x", 500)))
    assert.same({ 0.05, 0.1, 0.2 }, world.slept)
    p, world = policy({ max_attempts = 4 })
    retry.run(p, always(service_error("SlowDown", 503)))
    assert.same({ 1, 2, 4 }, world.slept)
    p, world = policy({ max_attempts = 8, retry_revision = 2021 }, nil, { bucket = { capacity = 500, left = 500 } })
    retry.run(p, always(service_error("x", 500)))
    assert.same({ 1, 2, 4, 8, 16, 20, 20 }, world.slept)
  end)

  it("waits as the service asks, within reason", function()
    local function waits(headers)
      local err = service_error("x", 500)
      err.retry_after = retry.asked(headers)
      return retry.delay((policy()), 1, err)
    end
    assert.equal(2, waits { ["retry-after"] = "2" })
    assert.equal(1.5, waits { ["x-amz-retry-after"] = "1500", ["retry-after"] = "9" })
    assert.equal(5.05, waits { ["retry-after"] = "3600" })
    for _, odd in ipairs { "-1", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "" } do assert.equal(0.05, waits { ["retry-after"] = odd }) end
  end)

  it("starts no attempt that the deadline would cut", function()
    local p, world = policy(nil, nil, { remaining = function() return 0.08 end })
    local _, err = retry.run(p, always(service_error("x", 500)))
    assert.equal(1, err.attempts)
    assert.same({}, world.slept)
  end)

  it("pays for retries and gets the cost back", function()
    local bucket = retry.bucket()
    local tries = 0
    retry.run(policy(nil, nil, { bucket = bucket }), function()
      tries = tries + 1
      if tries < 3 then return nil, service_error("x", 500) end
      return true
    end)
    assert.equal(500 - 14, bucket.left) -- the last of the two
    retry.run(policy(nil, nil, { bucket = bucket }), function() return true end)
    assert.equal(500 - 13, bucket.left)
  end)

  it("never holds more than its capacity", function()
    local bucket = retry.bucket()
    for _ = 1, 3 do retry.run(policy(nil, nil, { bucket = bucket }), function() return true end) end
    assert.equal(500, bucket.left)
  end)

  it("tries as often as the mode and the settings say", function()
    local function tries(config, service)
      return select(2, retry.run(policy(config, service), always(service_error("x", 500)))).attempts
    end
    assert.equal(3, tries())
    assert.equal(4, tries(nil, "dynamodb"))
    assert.equal(2, tries({ max_attempts = 2 }, "dynamodb"))
    assert.equal(1, tries { retry_mode = "none" })
    assert.equal(1, tries { max_attempts = 0 })
    assert.equal(5, tries { retry_mode = "legacy" })
  end)

  it("tells what is worth another attempt", function()
    assert.is_nil(retry.classify(service_error("ValidationException", 400)))
    assert.is_nil(retry.classify(failure.new { kind = "validation" }))
    assert.is_nil(retry.classify(failure.new { kind = "transport", code = "CertificateRefused", retryable = false }))
    assert.is_nil(retry.classify(service_error("IDPCommunicationError", 400)))
    assert.equal("transient", retry.classify(service_error("IDPCommunicationError", 400), "sts"))
    assert.equal("throttle", retry.classify(service_error("Odd", 429)))
    assert.equal("throttle", retry.classify(service_error("Odd", 400, { throttled = true })))
    assert.equal("transient", retry.classify(failure.new { kind = "response", retryable = true }))
  end)

  it("tells the reader of a failure what it is", function()
    local function told(err)
      retry.run(policy({ max_attempts = 1 }), always(err))
      return { err.kind, err.retryable, err.throttled }
    end
    assert.same({ "service", true, false }, told(service_error("Odd", 503)))
    assert.same({ "throttle", true, true }, told(service_error("SlowDown", 503)))
    assert.same({ "service", false, false }, told(service_error("NoSuchKey", 404)))
    assert.same({ "transport", false, false }, told(failure.new { kind = "transport", code = "CertificateRefused" }))
    assert.same({ "timeout", true, false }, told(failure.new { kind = "timeout", retryable = true }))
  end)

  it("does not repeat what is final", function()
    local err = service_error("x", 500)
    err.final = true
    assert.equal(1, select(2, retry.run(policy(), always(err))).attempts)
  end)

  it("repeats a call that must not run twice only when it surely did not run", function()
    local function tries(err) return select(2, retry.run(policy(nil, "lambda"), always(err), "Invoke")).attempts end
    assert.equal(1, tries(failure.new { kind = "timeout", retryable = true }))
    assert.equal(1, tries(failure.new { kind = "transport", retryable = true }))
    assert.equal(3, tries(failure.new { kind = "transport", retryable = true, unsent = true }))
    assert.equal(3, tries(service_error("TooManyRequestsException", 429)))
  end)
end)
