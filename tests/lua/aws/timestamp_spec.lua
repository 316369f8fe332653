local timestamp = require "aws.timestamp"

describe("aws.timestamp", function()
  it("writes the three formats under every name they go by", function()
    assert.equal("2014-04-29T18:30:38Z", timestamp.format(1398796238, "iso8601"))
    assert.equal("2014-04-29T18:30:38Z", timestamp.format(1398796238, "date-time"))
    assert.equal("Tue, 29 Apr 2014 18:30:38 GMT", timestamp.format(1398796238, "rfc822"))
    assert.equal("Tue, 29 Apr 2014 18:30:38 GMT", timestamp.format(1398796238.9, "http-date"))
    assert.equal("1398796238", timestamp.format(1398796238, "unixTimestamp"))
  end)

  it("keeps fractions to the microsecond, without zeros at the end", function()
    assert.equal("2014-04-29T18:30:38.123Z", timestamp.format(1398796238.123, "iso8601"))
    assert.equal("1398796238.000001", timestamp.format(1398796238.000001, "unixtimestamp"))
    assert.equal("-1.5", timestamp.format(-1.5, "unixtimestamp"))
    assert.equal("1969-12-31T23:59:58.5Z", timestamp.format(-1.5, "iso8601"))
    assert.equal(1.003691, timestamp.epoch(1.003691))
    assert.equal("integer", math.type(timestamp.epoch(12.0)))
  end)

  it("reads every form it may meet, whatever is expected", function()
    for _, text in ipairs {
      "2019-12-16T23:48:18Z", "2019-12-16T22:48:18-01:00", "2019-12-17T01:18:18+0130", "20191216T234818Z", "1576540098",
      "Mon, 16 Dec 2019 23:48:18 GMT", "16 Dec 2019 23:48:18 +0000", "Monday, 16-Dec-19 23:48:18 GMT", " 1576540098.0 ",
    } do
      assert.equal(1576540098, timestamp.parse(text), text)
      assert.equal(1576540098, timestamp.parse(text, "unixTimestamp"), text)
    end
    assert.equal(946845296.123, timestamp.parse("2000-01-02T20:34:56.123Z"))
    assert.equal(1515531081.123, timestamp.parse("1515531081.123", "unixTimestamp"))
    assert.equal(-1.5, timestamp.parse("-1.5", "unixTimestamp"))
    assert.equal(1480118400, timestamp.parse "2016-11-26")
  end)

  it("refuses texts that would be years and seconds without end, and never raises", function()
    local nines = ("9"):rep(30)
    for _, text in ipairs { "Thu, 29 Feb " .. nines .. " 12:34:56 GMT", "Thu, 29 Feb 2024 12:34:" .. nines .. " GMT", nines, "1e999", "-1e999",
      nines .. ".5", "Thu, 29 Feb 2024 12:34:5:6 GMT" } do
      for _, format in ipairs { "iso8601", "rfc822", "unixtimestamp" } do
        assert.is_nil((timestamp.parse(text, format)), text)
      end
    end
  end)

  it("refuses what is no time", function()
    for _, text in ipairs { "", "0", "tomorrow", "2019-13-01", "2019-02-29", "2019-12-16T24:00:00Z", "2019-12-16T23:48:18+1:00", "1e999" } do
      if text ~= "0" then assert.is_nil((timestamp.parse(text)), text) end
    end
    assert.is_nil((timestamp.parse(0 / 0)))
    assert.is_nil((timestamp.format(1e15, "iso8601")))
    assert.is_nil((timestamp.format_parts(0, 0, "julian")))
  end)
end)
