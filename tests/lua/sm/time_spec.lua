-- sm.time: clocks and ISO 8601 in UTC.
local time = require "sm.time"

describe("sm.time", function()
  it("formats known moments", function()
    local cases = {
      { 0, 0, "1970-01-01T00:00:00Z" }, { -1, 0, "1969-12-31T23:59:59Z" }, { 951782399, 0, "2000-02-28T23:59:59Z" },
      { 951782400, 0, "2000-02-29T00:00:00Z" }, { 1e9, 0, "2001-09-09T01:46:40Z" }, { 1732147200.123, 3, "2024-11-21T00:00:00.123Z" },
      { 0.1234567, 6, "1970-01-01T00:00:00.123457Z" }, { -0.5, 1, "1969-12-31T23:59:59.5Z" },
      { 4107542400, 0, "2100-03-01T00:00:00Z" }, { -62135596800, 0, "0001-01-01T00:00:00Z" },
    }
    for _, case in ipairs(cases) do assert.are.equal(case[3], time.iso(case[1], case[2])) end
  end)

  it("cuts digits and does not round up into the next second", function()
    assert.are.equal("1970-01-01T00:00:01.9Z", time.iso(1.999, 1))
    assert.are.equal("1970-01-01T00:00:01Z", time.iso(1.999))
  end)

  it("reads zones, fractions, dates and blanks", function()
    local cases = {
      ["2026-11-21"] = 1795219200, ["2026-11-21T09:00:00Z"] = 1795251600, ["2026-11-21T10:00:00+01:00"] = 1795251600,
      ["2026-11-21T04:30:00-0430"] = 1795251600, ["2026-11-21 09:00"] = 1795251600, ["2026-11-21T11+02"] = false,
      ["2026-11-21T11:00+02"] = 1795251600, ["1970-01-01T00:00:00.25Z"] = 0.25, ["1970-01-01T00:00:00.1234567899Z"] = 0.123456,
    }
    for text, want in pairs(cases) do
      if want then assert.are.equal(want, time.parse_iso(text), text) else assert.is_nil(time.parse_iso(text)) end
    end
  end)

  it("refuses what is no time, with the text in the message", function()
    for _, text in ipairs { "", "2026", "2026-13-01", "2026-02-30", "2023-02-29", "1900-02-29", "0000-01-01", "2026-11-21T24:00:00Z",
      "2026-11-21T09:60Z", "2026-11-21T09:00:60Z", "2026-11-21T09:00:00.Z", "2026-11-21T09:00:00+25:00", "2026-11-21T", "2026-11-21Tx",
      "2026-11-21T09:00:00Zjunk", " 2026-11-21", "2026-1-1", "2026-11-21T09:00:00+1", "2026-11-21\0" } do
      local value, message, code = time.parse_iso(text)
      assert.is_nil(value, text)
      assert.matches("is no ISO 8601 time", message)
      assert.are.equal("invalid", code)
    end
  end)

  it("reads back every day it writes over 10,000 years", function()
    for day = -719162, 2932896, 1009 do
      local text = time.date(day * 86400)
      assert.are.equal(day * 86400, time.parse_iso(text))
      assert.are.equal(text .. "T23:59:59Z", time.iso(day * 86400 + 86399))
    end
  end)

  it("agrees with the C library on random moments", function()
    math.randomseed(7)
    for _ = 1, 2000 do
      local t = math.random(0, 4102444800)
      assert.are.equal(os.date("!%Y-%m-%dT%H:%M:%SZ", t), time.iso(t))
    end
  end)

  it("raises for moments that have no four-digit year", function()
    for _, t in ipairs { 1e12, -1e12, 253402300800, -62135596801, 0 / 0, 1 / 0 } do
      assert.error_matches(function() time.iso(t) end, "years 0001 to 9999")
    end
    assert.has_error(function() time.iso(0, 7) end)
  end)

  it("has a wall clock and one that never goes back", function()
    assert.is_true(math.abs(time.now() - os.time()) < 5)
    local before = time.monotonic()
    assert.is_true(time.monotonic() >= before)
    assert.are.equal(time.iso():sub(1, 10), time.date())
  end)
end)
