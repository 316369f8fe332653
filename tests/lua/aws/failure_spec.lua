-- Failures of AWS calls as values.
local failure = require "aws.failure"

describe("aws.failure", function()
  it("keeps what it is told and fills what it is not", function()
    local f = failure.new { kind = "service", code = "NoSuchKey", message = "gone", status = 404, members = { Key = "a" } }
    assert.same({ "service", "NoSuchKey", "gone", 404, "a" }, { f.kind, f.code, f.message, f.status, f.members.Key })
    assert.is_false(f.retryable)
    assert.is_false(f.throttled)
    assert.same({ "Unknown", "" }, { failure.new { kind = "timeout" }.code, failure.new { kind = "timeout" }.message })
  end)

  it("takes what is throttled for retryable", function()
    local f = failure.new { kind = "throttle", code = "SlowDown", message = "" }
    assert.is_true(f.throttled)
    assert.is_true(f.retryable)
    assert.is_true(failure.new { kind = "service", code = "x", throttled = true }.retryable)
  end)

  it("refuses a kind that is not in the list", function()
    assert.has_error(function() failure.new { kind = "oops", code = "x", message = "y" } end)
    assert.has_error(function() failure.new { code = "x", message = "y" } end)
  end)

  it("does not take other tables for failures", function()
    assert.is_true(failure.is(failure.new { kind = "config" }))
    for _, value in ipairs { { kind = "config", code = "x", message = "" }, "x", 1 } do assert.is_false(failure.is(value)) end
    assert.is_false(failure.is(nil))
  end)

  it("reads as one line", function()
    local f = failure.new { kind = "service", code = "Bad", message = "line one\nline two", status = 400, request_id = "R1" }
    assert.equal("Bad: line one line two (400, request R1)", tostring(f))
    failure.at(f, "dynamodb", "PutItem")
    f.attempts = 3
    assert.equal("dynamodb PutItem: Bad: line one line two (400, request R1, 3 attempts)", tostring(f))
    assert.equal("Lost", tostring(failure.new { kind = "transport", code = "Lost" }))
  end)

  it("is placed once: what it says already stays", function()
    local f = failure.at(failure.at(failure.new { kind = "config" }, "sts", "AssumeRole"), "s3", "GetObject")
    assert.same({ "sts", "AssumeRole" }, { f.service, f.operation })
  end)

  it("is made and returned in one go", function()
    local none, f = failure.refuse("unsupported", "SigV4a", "not offered")
    assert.is_nil(none)
    assert.same({ "unsupported", "SigV4a", "not offered" }, { f.kind, f.code, f.message })
  end)
end)
