local cbor = require "aws.cbor"
local crypto = require "sm.crypto"
local json = require "sm.json"

local function from_hex(hex, options) return cbor.decode(assert(crypto.unhex(hex)), options) end

describe("aws.cbor", function()
  it("writes integers as short as they go, and reads them exactly", function()
    for value, hex in pairs {
      [0] = "00", [23] = "17", [24] = "1818", [255] = "18ff", [256] = "190100", [65536] = "1a00010000", [4294967296] = "1b0000000100000000",
      [-1] = "20", [-24] = "37", [-25] = "3818", [-4294967297] = "3b0000000100000000", [math.maxinteger] = "1b7fffffffffffffff",
      [math.mininteger] = "3b7fffffffffffffff",
    } do
      assert.equal(hex, crypto.hex(cbor.integer(value)))
      assert.equal(value, from_hex(hex))
      assert.equal("integer", math.type(from_hex(hex)))
    end
  end)

  it("reads integers beyond 64 bits as floats, or as digits", function()
    assert.equal(2.0 ^ 64, from_hex "1bffffffffffffffff")
    assert.equal("18446744073709551615", from_hex("1bffffffffffffffff", { exact = true }))
    assert.equal("-18446744073709551616", from_hex("3bffffffffffffffff", { exact = true }))
    assert.equal("9223372036854775808", from_hex("1b8000000000000000", { exact = true }))
  end)

  it("knows halves, singles and doubles", function()
    for hex, value in pairs {
      f90000 = 0.0, f93c00 = 1.0, f9c400 = -4.0, f90001 = 2.0 ^ -24, f97bff = 65504.0, f97c00 = math.huge, f9fc00 = -math.huge,
      fa47c35000 = 100000.0, fb3ff199999999999a = 1.1,
    } do
      assert.equal(value, from_hex(hex), hex)
    end
    local nan = from_hex "f97e00"
    assert.is_true(nan ~= nan)
    assert.equal(1.5, cbor.decode(cbor.float(1.5, true)))
    assert.equal(1.1, cbor.decode(cbor.float(1.1)))
    assert.equal(-math.huge, cbor.decode(cbor.float(-math.huge)))
  end)

  it("reads strings, lists and maps of both kinds of length", function()
    assert.equal("foobar", from_hex "7f63666f6f63626172ff")
    assert.same({ 1, { 2 } }, (from_hex "82018102"))
    assert.same({ 1, { 2 } }, (from_hex "9f019f02ffff"))
    assert.same({ a = 1, b = { c = json.null } }, (from_hex "bf6161016162bf6163f6ffff"))
    assert.is_true(json.is_array(from_hex "80"))
    assert.is_false(json.is_array(from_hex "a0"))
  end)

  it("reads times, and shows tags to those who ask", function()
    assert.equal(1398796238, cbor.decode(cbor.time(1398796238)))
    assert.equal(1398796238.5, cbor.decode(cbor.time(1398796238.5)))
    assert.same({ tag = 1, value = 5 }, (from_hex("c105", { tags = true })))
  end)

  it("refuses what is no item, and never raises", function()
    for _, hex in ipairs { "", "18", "1b00", "5f60ff", "7f40ff", "ff", "a1", "a101", "a10101", "bf6161ff", "9f", "f8", "f814", "fc", "1c", "3f", "c16161", "0000",
      "5bffffffffffffffff", "9bffffffffffffffff", "bb7fffffffffffffff", "5b7fffffffffffffff" } do
      local value, message = from_hex(hex)
      assert.is_nil(value, hex)
      assert.truthy(message:find "^invalid CBOR: ", hex)
    end
    assert.truthy(select(2, cbor.decode(("\x81"):rep(100000))):find "nested too deeply")
  end)
end)
