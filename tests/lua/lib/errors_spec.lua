-- Errors as values; every code has a status, an exit code and an explanation.
local errors = require "lib.errors"
local status = require "entry.status"
local exit_codes = require "cli.exit_codes"

describe("lib.errors", function()
  it("makes a value with code, message and details", function()
    local err = errors.new("NotFound", "no table 'x'", { table = "x" })
    assert.are.same({ "NotFound", "no table 'x'", "x" }, { err.code, err.message, err.details.table })
    assert.are.equal("NotFound: no table 'x'", tostring(err))
    assert.is_true(errors.is(err))
  end)

  it("refuses a code that is not in the list", function()
    assert.has_error(function() errors.new("Nope", "x") end)
  end)

  it("does not take other tables for errors", function()
    assert.is_false(errors.is({ code = "NotFound", message = "x" }))
    assert.is_false(errors.is("NotFound"))
    assert.is_false(errors.is(nil))
  end)

  it("translates what C modules say", function()
    assert.are.equal("NotFound", errors.from("no such file", "not_found").code)
    assert.are.equal("read x: no such file", errors.from("no such file", "not_found", "read x").message)
    assert.are.equal("InternalError", errors.from("?", "surprise").code)
  end)

  it("wraps without changing the original", function()
    local inner = errors.new("Timeout", "too slow", { seconds = 3 })
    local outer = errors.wrap(inner, "list gold")
    assert.are.same({ "Timeout", "list gold: too slow", 3 }, { outer.code, outer.message, outer.details.seconds })
    assert.are.equal("too slow", inner.message)
    assert.are.equal("InternalError", errors.wrap("boom", "x").code)
  end)

  for code, words in pairs(errors.codes) do
    it(code .. " has a meaning, an advice, a status and an exit code", function()
      assert.is_true(#words[1] > 10 and #words[2] > 10)
      assert.is_number(status.of[code])
      assert.is_string(status.reasons[status.of[code]])
      assert.is_string(exit_codes.meaning[exit_codes.of(code)])
    end)
  end

  it("has no status for a code that does not exist", function()
    for code in pairs(status.of) do assert.is_table(errors.codes[code], code) end
  end)
end)
