-- sm.json: the patched lua-cjson.
local json, crypto, files = require "sm.json", require "sm.crypto", require "sm.files"

local function same(a, b)
  return a == b and math.type(a) == math.type(b)
end

describe("sm.json decode", function()
  it("gives integers for whole numbers that fit, floats for the others", function()
    local cases = {
      ["0"] = 0, ["-0"] = 0, ["9007199254740993"] = 9007199254740993, ["9223372036854775807"] = math.maxinteger,
      ["-9223372036854775808"] = math.mininteger, ["9223372036854775808"] = 2 ^ 63, ["2.0"] = 2.0, ["1e2"] = 100.0,
      ["0.1"] = 0.1, ["-1.5E-3"] = -0.0015, ["1732147200123456"] = 1732147200123456, ["5e-324"] = 5e-324,
      ["123456789012345678901234567890"] = 123456789012345678901234567890.0, ["1e22"] = 1e22, ["1e23"] = 1e23,
    }
    for text, want in pairs(cases) do
      local got = json.decode(text)
      assert.is_true(same(want, got), text .. " gave " .. tostring(got))
    end
  end)

  it("refuses what RFC 8259 does not allow, with byte, line and column", function()
    local cases = {
      ["01"] = "byte 1 ", ["+1"] = "byte 1 ", ["1."] = "byte 1 ", [".5"] = "byte 1 ", ["1e"] = "byte 1 ", ["-"] = "byte 1 ",
      ["NaN"] = "byte 1 ", ["Infinity"] = "byte 1 ", ["0x10"] = "byte 2 ", ["1e999"] = "beyond the range",
      ["[1,]"] = "byte 4 .*']'", ['{"a":1,}'] = "byte 8 .*expected a key", ["[1 2]"] = "byte 4 ", [""] = "found the end",
      ["1 2"] = "expected the end", ["'a'"] = "byte 1 ", ["{a:1}"] = "byte 2 ", ["nul"] = "byte 1 ", ["// x\n1"] = "byte 1 ",
      ['"\t"'] = "byte 2 .*control character", ['"\\x"'] = "invalid escape", ['"\\ud800"'] = "unicode escape",
      ['"\\udc00\\ud800"'] = "unicode escape", ['"ab'] = "the end inside a string", ['"\xff"'] = "byte 2 .*UTF%-8",
      ['"\xc0\x80"'] = "UTF%-8", ['"\xed\xa0\x80"'] = "UTF%-8", ['"\xf4\x90\x80\x80"'] = "UTF%-8", ['"\xe2\x82'] = "UTF%-8",
      ["1\0"] = "byte 2 ", ["\0"] = "byte 1 ", ["\xef\xbb\xbf1"] = "byte 1 ", ["[\n1,\n  tru]"] = "byte 8 .line 3, column 3.",
      ['["é", x]'] = "byte 8 .line 1, column 7.",
    }
    for text, want in pairs(cases) do
      local value, message = json.decode(text)
      assert.is_nil(value, text)
      assert.matches(want, message)
    end
  end)

  it("limits nesting and stays linear", function()
    local deep = ("["):rep(512) .. ("]"):rep(512)
    assert.are.equal(deep, json.encode(json.decode(deep)))
    assert.matches("more than 512 levels", select(2, json.decode("[" .. deep .. "]")))
    assert.matches("more than 2 levels", select(2, json.decode("[[[]]]", { max_depth = 2 })))
    assert.matches("more than 512 levels", select(2, json.decode(("["):rep(1000000))))
    assert.matches("more than 512 levels", select(2, json.decode(('{"a":'):rep(1000000))))
  end)

  it("does not grow quadratically with many escaped strings", function()
    local clock = os.clock
    local function cost(n)
      local text = "[" .. ('"\\n",'):rep(n) .. "1]"
      local started = clock()
      assert(json.decode(text))
      return clock() - started
    end
    cost(1000)
    local small, large = cost(20000), cost(400000)
    assert.is_true(large < 200 * small + 0.5, large .. " s against " .. small .. " s")
  end)

  it("agrees with Python on good and bad texts, number by number", function()
    local function check(want, got, text)
      if type(want) == "table" and want["$i"] then
        assert.is_true(math.type(got) == "integer" and tostring(got) == want["$i"], text)
      elseif type(want) == "table" and want["$f"] then
        assert.is_true(math.type(got) == "float" and got == tonumber(want["$f"]), text)
      elseif type(want) == "table" then
        assert.are.equal(json.is_array(want), json.is_array(got), text)
        for k, v in pairs(want) do check(v, got[k], text) end
        for k in pairs(got) do assert.is_not_nil(want[k], text) end
      else
        assert.are.equal(want, got, text)
      end
    end
    local good, bad = 0, 0
    for line in assert(files.read "tests/fixtures/json/python.ndjson"):gmatch "[^\n]+" do
      local case = assert(json.decode(line))
      local text = assert(crypto.unbase64(case.text))
      local value, message = json.decode(text)
      if case.ok then
        good = good + 1
        assert.is_nil(message, text)
        check(case.value, value, text)
        for _, opts in ipairs { {}, { sorted = true }, { pretty = true } } do
          check(case.value, json.decode(json.encode(value, opts)), text)
        end
      else
        bad = bad + 1
        assert.matches("^invalid JSON at byte %d+ %(line %d+, column %d+%)", message)
      end
    end
    assert.is_true(good > 300 and bad > 200)
  end)
end)

describe("sm.json encode", function()
  it("writes integers as digits and floats so that they read back equal", function()
    local cases = {
      [math.maxinteger] = "9223372036854775807", [math.mininteger] = "-9223372036854775808", [10 ^ 15 // 1 | 0] = "1000000000000000",
      [2.5] = "2.5", [0.1] = "0.1", [12.34] = "12.34", [1 / 3] = "0.3333333333333333", [1e100] = "1e+100", [-0.05] = "-0.05",
      [123456.789] = "123456.789", [1e-7] = "1e-07", [0.0001] = "0.0001", [0.00001] = "1e-05",
    }
    for value, want in pairs(cases) do
      local text = json.encode(value)
      assert.is_true(same(value, json.decode(text)), text)
      assert.are.equal(want, text)
    end
    assert.are.equal("2.0", json.encode(2.0))
    assert.are.equal("-0.0", json.encode(-0.0))
    assert.are.equal("1000000000000000.0", json.encode(1e15))
    assert.are.equal("1e+16", json.encode(1e16))
    assert.are.equal(4.9e-324, json.decode(json.encode(5e-324)))
  end)

  it("round-trips random doubles", function()
    math.randomseed(3)
    for _ = 1, 20000 do
      local x = string.unpack("d", string.pack("i8", math.random(0)))
      if x == x and x ~= 1 / 0 and x ~= -1 / 0 then assert.is_true(same(x, json.decode(json.encode(x)))) end
      local y = math.random(-10 ^ 9 | 0, 10 ^ 9 | 0) / 10 ^ math.random(0, 9)
      assert.is_true(same(y, json.decode(json.encode(y))))
    end
  end)

  it("writes decimals as their shortest digits, whole families of them", function()
    local function check(v)
      local shortest
      for digits = 1, 17 do
        shortest = ("%%.%dg"):format(digits):format(v)
        if tonumber(shortest) == v then break end
      end
      local text = json.encode(v)
      assert.is_true(same(v, json.decode(text)), text)
      if not shortest:find("e", 1, true) then
        assert.are.equal(shortest:find(".", 1, true) and shortest or shortest .. ".0", text)
      end
    end
    for i = 1, 3000 do
      for _, scale in ipairs { 10, 100, 1000, 10000 } do check(i * 7919 % 1000003 / scale) end
      check(-i / 1000)
      check((i + 2 ^ 39) / 1000)
      check(i * 0.1) -- neighbours of decimals
    end
    for _, v in ipairs { 0.001, 0.0009999, 999999999999.999, 1e12 + 0.5, 1000000000000.001, 0.125, 0.0625, -0.5 } do check(v) end
  end)

  it("keeps keys apart that the key cache puts in one place", function()
    local members, want = {}, {}
    for length = 1, 40 do
      for i = 1, 60 do -- the same first, middle and last byte, another one between
        local key = length < 4 and ("%c"):rep(length):format(65 + i, 65 + i % 7, 66) or
          "a" .. ("x"):rep(length - 4) .. ("%c"):format(64 + i) .. "zz"
        want[key] = length * 1000 + i
        members[#members + 1] = ("%s:%d"):format(json.encode(key), length * 1000 + i)
      end
    end
    local text = "{" .. table.concat(members, ",") .. "}"
    local both = json.decode("[" .. text .. "," .. text .. "]")
    assert.are.same(want, both[1])
    assert.are.same(want, both[2])
  end)

  it("is not misled by tables of other sizes than the last", function()
    local text = '[{"a":1,"b":2,"c":3},{},{"a":[1,2,3,4,5]},{"a":[]},{"a":[1]},{"a":{"b":[]},"c":1,"d":2},[],[[],[1],[]]]'
    local list = json.decode(text)
    assert.are.equal(text, json.encode(list, { sorted = true }))
    assert.are.equal(0, #list[4].a)
    assert.are.equal(1, #list[5].a)
    local wide = json.decode("[" .. ("[1,2,3,4,5,6,7,8,9,10],[],"):rep(1000) .. "[]]")
    for i = 2, #wide, 2 do assert.is_nil(next(wide[i])) end
  end)

  it("tells lists from objects, also when they are empty", function()
    assert.are.equal("{}", json.encode {})
    assert.are.equal("[]", json.encode(json.array()))
    assert.are.equal("[]", json.encode(json.array {}))
    assert.are.equal('{"items":[],"more":{}}', json.encode(json.decode '{"more":{},"items":[]}', { sorted = true }))
    local list = json.decode "[1]"
    list[1] = nil
    assert.are.equal("[]", json.encode(list))
    assert.is_true(json.is_array(list))
    assert.is_true(json.is_array { 1 })
    assert.is_false(json.is_array {})
    assert.is_false(json.is_array { a = 1 })
    assert.is_false(json.is_array "x")
    assert.error_matches(function() json.array(setmetatable({}, {})) end, "metatable of its own")
  end)

  it("writes lists whose items lie in the hash part in order", function()
    local t = {}
    for i = 20, 1, -1 do t[i] = i end
    assert.are.equal("[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]", json.encode(t))
  end)

  it("refuses gaps and mixed tables and names the key and the place", function()
    local cases = {
      { { 1, nil, 3 }, "2 is missing, 3 is there" },
      { { 1, 2, a = 3 }, 'the key "a" is in a list' }, { { [1] = 1, [3] = 3 }, "2 is missing" },
      { { [1000] = 1 }, "the key 1000 is not a string" }, { { [true] = 1 }, "the key true" }, { { [1.5] = 1 }, "the key 1.5" },
      { { a = { b = { 1, { c = print } } } }, "%$.a.b%[2%].c: a function" }, { { x = "a\xff" }, "%$.x: invalid UTF%-8 at byte 2" },
      { { ["\xff"] = 1 }, "invalid UTF%-8 at byte 1" }, { { 0 / 0 }, "%$%[1%]: JSON has no NaN" }, { { -1 / 0 }, "no infinity" },
      { json.array { a = 1 }, 'the key "a" is in a list' }, { { [{}] = 1 }, "%(a table%)" }, { { io.stdout }, "a userdata" },
    }
    for _, case in ipairs(cases) do
      local text, message = json.encode(case[1])
      assert.is_nil(text)
      assert.matches(case[2], message)
    end
    local loop = {}
    loop.again = loop
    assert.matches("a table inside itself", select(2, json.encode(loop)))
    assert.are.equal(select(2, json.encode { [2] = 1, [-1] = 2 }) ~= nil, true)
  end)

  it("escapes what must be escaped and nothing else", function()
    assert.are.equal([["a/b é😀"]], json.encode "a/b é😀")
    assert.are.equal([["\u0000\u001f\"\\\b\f\n\r\t"]], json.encode "\0\31\"\\\b\f\n\r\t")
    local long = ("x"):rep(1000) .. "\n" .. ("é"):rep(1000) .. '"'
    assert.are.equal(long, json.decode(json.encode(long)))
    for at = 0, 20 do
      local text = ("a"):rep(at) .. "\1" .. ("b"):rep(20 - at)
      assert.are.equal(text, json.decode(json.encode(text)))
    end
  end)

  it("splices raw text", function()
    assert.are.equal('[{"a": 1},2]', json.encode { json.raw '{"a": 1}', 2 })
  end)

  it("sorts keys by their bytes and prints for people", function()
    local value = { b = 1, a = { 3, {}, json.array() }, ["a\0"] = 2, aa = json.null }
    assert.are.equal('{"a":[3,{},[]],"a\\u0000":2,"aa":null,"b":1}', json.encode(value, { sorted = true }))
    assert.are.equal('{\n  "a": [\n    1\n  ],\n  "b": {}\n}', json.encode({ a = { 1 }, b = {} }, { sorted = true, pretty = true }))
  end)

  it("works again after errors, inside itself and with large texts", function()
    setmetatable({}, { __gc = function() json.encode { json.decode '["\\n"]' } end })
    for i = 1, 200 do
      assert.is_nil(json.encode { "x", print })
      assert.are.equal('["\\n",{"a":' .. i .. "}]", json.encode({ "\n", { a = i } }, { sorted = true }))
      collectgarbage "step"
    end
    local big = ("y"):rep(3000000)
    assert.are.equal(#big + 4, #json.encode { big })
  end)

  it("raises for wrong arguments", function()
    assert.has_error(function() json.encode() end)
    assert.has_error(function() json.encode({}, 1) end)
    assert.has_error(function() json.decode(5) end)
  end)
end)

describe("cjson", function()
  it("can be required under its own name and raises its errors", function()
    local cjson = require "cjson"
    assert.are.equal("[1,2.5]", cjson.encode { 1, 2.5 })
    assert.error_matches(function() cjson.decode "{" end, "invalid JSON at byte 2")
    assert.are.equal(json.null, cjson.null)
  end)

  it("agrees with the unpatched library where both are right", function()
    local program = assert(files.realpath "/proc/self/exe")
    local open = assert(package.loadlib(program:match "^(.*)/" .. "/tests/stock_cjson.so", "luaopen_cjson"))
    local stock = open()
    local function plain(v)
      return type(v) == "table" and next(v) ~= nil or type(v) ~= "table"
    end
    local compared = 0
    for line in assert(files.read "tests/fixtures/json/python.ndjson"):gmatch "[^\n]+" do
      local case = assert(json.decode(line))
      local text = assert(crypto.unbase64(case.text))
      if case.ok then
        local function check(a, b)
          assert.are.equal(type(a), type(b))
          if type(a) ~= "table" then return assert.is_true(a == b or math.abs(a - b) < 1e-9 * math.abs(b), text) end
          for k, v in pairs(a) do check(v, b[k]) end
          for k in pairs(b) do assert.is_not_nil(a[k]) end
        end
        check(json.decode(text), stock.decode(text))
        compared = compared + (plain(case.value) and 1 or 0)
      end
    end
    assert.is_true(compared > 300)
  end)
end)
