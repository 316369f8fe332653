-- The clock as the services see it.
local failure = require "aws.failure"
local skew = require "aws.skew"

local HERE <const> = 1445412480 -- Wed, 21 Oct 2015 07:28:00 GMT
local function clock() return HERE end
local function refused(code, status) return failure.new { kind = "service", code = code, status = status or 400 } end
local function at(hour) return { date = ("Wed, 21 Oct 2015 %s:28:00 GMT"):format(hour) } end

describe("aws.skew", function()
  before_each(skew.reset)
  after_each(skew.reset)

  it("learns from an answer that refuses a signature's time", function()
    for _, code in ipairs { "RequestTimeTooSkewed", "RequestExpired", "InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure", "RequestInTheFuture" } do
      skew.reset()
      assert.is_true(skew.learn(refused(code), at "09", clock), code)
      assert.equal(HERE + 7200, skew.now(clock))
    end
  end)

  it("learns of clocks that are ahead", function()
    assert.is_true(skew.learn(refused "RequestTimeTooSkewed", at "05", clock))
    assert.equal(-7200, skew.offset())
  end)

  it("takes a HEAD answer without a body for one when the clocks differ", function()
    assert.is_true(skew.learn(refused("403", 403), at "09", clock))
    assert.is_false(skew.learn(refused("404", 404), at "05", clock))
  end)

  it("does not take a wrong secret for a wrong clock", function()
    assert.is_false(skew.learn(refused "SignatureDoesNotMatch", at "07", clock))
    assert.is_false(skew.learn(refused "ValidationException", at "09", clock))
    assert.equal(0, skew.offset())
  end)

  it("does not learn the same twice", function()
    assert.is_true(skew.learn(refused "RequestTimeTooSkewed", at "09", clock))
    assert.is_false(skew.learn(refused "RequestTimeTooSkewed", at "09", clock))
  end)

  it("learns nothing without a date", function()
    for _, headers in ipairs { {}, { date = "yesterday" }, { date = "" } } do assert.is_false(skew.learn(refused "RequestTimeTooSkewed", headers, clock)) end
    assert.is_false(skew.learn(refused "RequestTimeTooSkewed", nil, clock))
  end)
end)
