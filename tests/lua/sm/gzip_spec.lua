local gzip = require "sm.gzip"
local inflate = require "aws.generate.inflate"

local function round_trip(bytes) return (assert(inflate.gunzip((assert(gzip.compress(bytes)))))) end

describe("sm.gzip", function()
  it("gives back what went in", function()
    for _, bytes in ipairs {
      "", "a", "ab", "abc", ("abc"):rep(1000), ("x"):rep(70000), "\0\1\2\xff", ("line %d\n"):rep(5000),
    } do
      assert.equal(bytes, round_trip(bytes))
    end
  end)

  it("gives back random bytes, of few and of many kinds", function()
    local seed = 42
    local function random(n)
      seed = (seed * 1103515245 + 12345) & 0x7fffffff
      return seed >> 8 & 0xffff % n
    end
    for _, kinds in ipairs { 1, 2, 4, 30, 255 } do
      for _, size in ipairs { 5, 257, 258, 259, 4000, 40000 } do
        local parts = {}
        for i = 1, size do parts[i] = string.char(random(0x10000) % (kinds + 1)) end
        local bytes = table.concat(parts)
        assert.equal(bytes, round_trip(bytes))
      end
    end
  end)

  it("finds repetitions up to the end of the window", function()
    local far = ("abcdefghij"):rep(3) .. ("0123456789ABCDEF"):rep(2030) .. ("abcdefghij"):rep(3)
    assert.equal(far, round_trip(far))
  end)

  it("makes text of services much smaller", function()
    local parts = {}
    for i = 1, 500 do parts[i] = ('{"MetricName":"Requests","Value":%d,"Unit":"Count"}'):format(i * 37) end
    local text = table.concat(parts, ",")
    assert.is_true(#gzip.compress(text) < #text / 5)
  end)
end)
