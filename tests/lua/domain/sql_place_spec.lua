local errors = require "lib.errors"
local place = require "domain.lakehouse.sql_place"

describe("domain.lakehouse.sql_place", function()
  local query = "SELECT\n  é, bad FROM t"
  local statement = "CREATE TABLE x\nWITH (a = 1)\nAS " .. query
  local sent = "-- mine\n" .. query .. ";"

  it("tells a place in the caller's own lines", function()
    local offset = statement:find("bad", 1, true)
    local err = place.in_query(errors.new("QueryFailed", "COLUMN_NOT_FOUND: line 4:6: Column 'bad'", { offset = offset, line = 4, column = 6,
      athena_code = "COLUMN_NOT_FOUND" }), statement, query, sent)
    assert.equal("COLUMN_NOT_FOUND: line 3:6: Column 'bad'", err.message)
    assert.same({ offset = sent:find("bad", 1, true), line = 3, column = 6, athena_code = "COLUMN_NOT_FOUND" }, err.details)
  end)

  it("leaves alone what has no place in the query", function()
    for _, err in ipairs { errors.new("QueryFailed", "line 1:1: x", { offset = 3 }), errors.new("QueryFailed", "Division by zero") } do
      assert.equal(err, place.in_query(err, statement, query, sent))
    end
  end)
end)
