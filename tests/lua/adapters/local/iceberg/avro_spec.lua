-- Avro files as Iceberg wants them, and inflating what other writers compressed.
local avro = require "adapters.local.iceberg.avro"
local avro_file = require "adapters.local.iceberg.avro_file"

local function round(schema, value)
  local codec, out = avro.codec(schema), {}
  codec.write(out, value)
  local text = table.concat(out)
  local back, at = codec.read(text, 1)
  return back, text, at == #text + 1
end

describe("avro", function()
  it("writes integers as the specification's examples say", function()
    for value, hex in pairs { [0] = "00", [-1] = "01", [1] = "02", [-64] = "7f", [64] = "8001", [-65] = "8101" } do
      local _, text = round("long", value)
      assert.are.equal(hex, (text:gsub(".", function(c) return ("%02x"):format(c:byte()) end)))
    end
  end)

  it("keeps every 64-bit integer", function()
    for _, value in ipairs { math.maxinteger, math.mininteger, 1 << 62, -(1 << 31), 4294967296 } do
      assert.are.equal(value, (round("long", value)))
    end
  end)

  it("reads back records with unions, arrays, maps and bytes", function()
    local schema = { type = "record", name = "r", fields = {
      { name = "a", type = { "null", "long" } }, { name = "b", type = { type = "array", items = "string" } },
      { name = "c", type = { type = "map", values = "bytes" } }, { name = "d", type = "double" }, { name = "e", type = "boolean" },
      { name = "f", type = { type = "fixed", size = 3, name = "f3" } },
    } }
    local value = { b = { "x", "", "\0é" }, c = { k = "\255\0" }, d = -0.5, e = true, f = "abc" }
    local back, _, whole = round(schema, value)
    assert.are.same(value, back)
    assert.is_true(whole)
    value.a = 7
    assert.are.same(value, (round(schema, value)))
  end)

  it("says where a file is cut off instead of answering half of it", function()
    local schema = { type = "record", name = "r", fields = { { name = "a", type = "string" } } }
    local text = avro_file.write(schema, { k = "v" }, { { a = "one" }, { a = "two" } }, ("m"):rep(16))
    assert.are.same({ { a = "one" }, { a = "two" } }, assert(avro_file.read(text)).records)
    assert.are.equal("v", avro_file.read(text).metadata.k)
    for cut = 5, #text - 1, 7 do
      local file = avro_file.read(text:sub(1, cut))
      assert.is_true(file == nil or #file.records == 0)
    end
  end)

  it("refuses a codec it does not have by name", function()
    local schema = { type = "record", name = "r", fields = { { name = "a", type = "string" } } }
    local _, message = avro_file.read((avro_file.write(schema, {}, {}, ("m"):rep(16)):gsub("\8null", "\8zstd", 1)))
    assert.matches("zstd", message)
  end)
end)

describe("inflate", function()
  local inflate = require("adapters.local.iceberg.inflate").inflate
  local function unhex(text) return (text:gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end)) end

  it("reads stored, fixed and dynamic blocks", function()
    -- made with zlib: raw deflate of 'hello' stored, of 'aaaa...' fixed, of a long text dynamic
    assert.are.equal("hello", inflate(unhex("010500faff68656c6c6f")))
    assert.are.equal(("a"):rep(100), inflate(unhex("4b4ca43d0000")))
    local expected = {}
    for i = 0, 29 do expected[#expected + 1] = ("The quick brown fox jumps over the lazy dog %d. "):format(i) end
    assert.are.equal(table.concat(expected),
      inflate(unhex("95d3c711c2500003d15654018344eec30d106c321f0c26b87adcc29eb5b737aa0eb51edd717bd6a62d9f9b9af2d5a9bbde9f2aefbad56b" ..
      "982febfea75dd96b3c520572b33c2c9fb07ccaf219cbe72c5fb07cc9f21564a2acd0d510d650d690d6d0d610d750d790d7d037d037f4b7" ..
      "d037d037d037d037d037d037d03783ef1f")))
  end)

  it("raises on a cut-off stream and on a bomb", function()
    assert.has_error(function() inflate(unhex("4b4ca4")) end)
    assert.has_error(function() inflate(unhex("4b4ca43d0000"), 50) end)
  end)
end)
