-- Small helpers on text.
local text = require "lib.text"

describe("lib.text", function()
  it("trims", function()
    assert.are.equal("a b", text.trim("  a b\n"))
    assert.are.equal("", text.trim(" \t "))
    assert.are.equal("", text.trim(""))
  end)

  it("trims a long run of spaces in linear time", function()
    local started = os.clock()
    assert.are.equal("x", text.trim((" "):rep(200000) .. "x" .. (" "):rep(200000)))
    assert.is_true(os.clock() - started < 2)
  end)

  it("splits on a plain separator", function()
    assert.are.same({ "a", "", "b" }, text.split("a..b", "."))
    assert.are.same({ "" }, text.split("", ","))
  end)

  it("reads lists", function()
    assert.are.same({ "a", "b" }, text.list(" a, ,b ,"))
    assert.are.same({}, text.list(" , "))
  end)

  for snake, camel in pairs { max_rows = "maxRows", sql = "sql", query_execution_id = "queryExecutionId", next_2 = "next2" } do
    it("writes " .. snake .. " as " .. camel, function() assert.are.equal(camel, text.camel(snake)) end)
  end

  it("says sizes for people", function()
    assert.are.same({ "0 B", "1023 B", "1.0 KiB", "1.5 MiB" },
      { text.bytes(0), text.bytes(1023), text.bytes(1024), text.bytes(1.5 * 1024 * 1024) })
  end)

  it("cuts between characters", function()
    assert.are.equal("é", text.cut("éé", 3))
    assert.are.equal("", text.cut("€", 2))
    assert.are.equal("abc", text.cut("abc", 3))
  end)

  it("decodes percent signs once", function()
    assert.are.equal("a b", text.unescape("a%20b"))
    assert.are.equal("%20", text.unescape("%2520"))
    assert.are.equal("a+b", text.unescape("a+b"))
    assert.are.equal("a b", text.unescape("a+b", true))
    assert.are.equal("é", text.unescape("%c3%A9"))
  end)

  for _, broken in ipairs { "%", "%4", "%zz", "a%2", "%%41" } do
    it("refuses the broken escape " .. broken, function() assert.is_nil(text.unescape(broken)) end)
  end

  it("reads query strings", function()
    assert.are.same({ a = "1", b = "x y", c = "", d = "" }, text.parse_query("a=1&b=x+y&c=&d&&a=2"))
    assert.are.same({}, text.parse_query(nil))
    assert.are.same({ q = "a=b" }, text.parse_query("q=a=b"))
    assert.is_nil(text.parse_query("a=%"))
  end)
end)
