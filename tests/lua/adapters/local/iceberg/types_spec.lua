-- Types in their three spellings, and single values as Iceberg stores them in bounds.
local types = require "adapters.local.iceberg.types"
local values = require "adapters.local.iceberg.values"

local function counter()
  local n = 0
  return function() n = n + 1; return n end
end

describe("types", function()
  it("reads Trino, Hive and engine notation alike", function()
    for text, expected in pairs {
      ["bigint"] = "bigint", ["INT"] = "integer", ["varchar(10)"] = "varchar", ["string"] = "varchar", ["double precision"] = "double",
      ["decimal(12, 2)"] = "decimal(12,2)", ["timestamp(6)"] = "timestamp(6)",
        ["timestamp(3) with time zone"] = "timestamp(6) with time zone",
      ["array<string>"] = "array(varchar)", ["array(row(a bigint, b map(varchar, date)))"] = "array(row(a bigint, b map(varchar, date)))",
      ["struct<a:int,b:array<double>>"] = "row(a integer, b array(double))", ["varbinary"] = "varbinary", ["uuid"] = "uuid",
        ["real"] = "real",
    } do
      assert.are.equal(expected, types.to_trino(assert(types.parse(text, counter()))))
    end
    for text, expected in pairs { ["INTEGER[][]"] = "array(array(integer))", ["HUGEINT"] = "bigint", ["TINYINT"] = "integer",
      ["DECIMAL(38,3)"] = "decimal(38,3)",
      ['STRUCT(a INTEGER, "b c" VARCHAR)'] = 'row(a integer, "b c" varchar)',
        ["TIMESTAMP WITH TIME ZONE"] = "timestamp(6) with time zone", ["TIMESTAMP_NS"] = "timestamp(6)" } do
      assert.are.equal(expected, types.to_trino(assert(types.from_engine(text, counter()))))
    end
  end)

  it("refuses what Iceberg has no type for and says what to use", function()
    local _, err = types.parse("smallint", counter())
    assert.are.equal("NotSupported", err.code)
    assert.matches("integer", err.message)
    for _, text in ipairs { "decimal(39,0)", "array(int", "row(a)", "nonsense", "timestamp(9)", "int int", "", "map(int)" } do
      assert.is_nil((types.parse(text, counter())))
    end
  end)

  it("gives every nested field an id of its own and tells the engine", function()
    local kind = types.parse("row(a array(int), b map(varchar, int))", counter())
    assert.are.equal("{'s': {__duckdb_field_id: 9, 'a': {__duckdb_field_id: 1, element: 2}, 'b': {__duckdb_field_id: 3, key: 4, value: 5}}}",
      types.field_ids { { id = 9, name = "s", type = kind } })
    assert.are.equal('STRUCT("a" INTEGER[], "b" MAP(VARCHAR, INTEGER))', types.to_duckdb(kind))
    assert.are.equal(5, types.leaves({ { id = 9, name = "s", type = kind } })['"s"."b"."value"'].id)
  end)

  it("quotes names that hold quotes", function()
    assert.are.equal('"a""b"', types.quote('a"b'))
    assert.are.equal("{'it''s': 1}", types.field_ids { { id = 1, name = "it's", type = "int" } })
  end)
end)

local function hex(text) return text and (text:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end

describe("values", function()
  it("encodes bounds as Iceberg's single values", function()
    for _, case in ipairs {
      { "boolean", "1", "01" }, { "int", "-2", "feffffff" }, { "long", "9223372036854775807", "ffffffffffffff7f" },
      { "date", "1970-01-02", "01000000" }, { "date", "1969-12-31", "ffffffff" }, { "date", "2000-03-01", "092b0000" },
      { "timestamp", "1970-01-01 00:00:01.5", "60e3160000000000" }, { "timestamptz", "1970-01-01 02:00:00+02", "0000000000000000" },
      { "time", "00:00:00.000001", "0100000000000000" }, { "decimal(9, 2)", "1.00", "64" }, { "decimal(9, 2)", "-1.28", "80" },
        { "decimal(9, 2)", "1.28", "0080" },
      { "decimal(38, 0)", "99999999999999999999999999999999999999", "4b3b4ca85a86c47a098a223fffffffff" }, { "decimal(9, 2)", "0.00", "00" },
      { "double", "1.5", "000000000000f83f" }, { "uuid", "00015e3b-c0ad-475c-9447-d9c301b9d1e3", "00015e3bc0ad475c9447d9c301b9d1e3" },
        { "string", "abc", "616263" },
    } do
      assert.are.equal(case[3], hex(values.bound(case[1], case[2])), case[1] .. " " .. case[2])
    end
  end)

  it("cuts long text so that the bounds still hold", function()
    local text = ("é"):rep(20)
    assert.are.equal(("é"):rep(16), values.bound("string", text, false))
    assert.is_true(values.bound("string", text, true) > text)
    assert.is_nil(values.bound("string", utf8.char(0x10FFFF):rep(20), true))
  end)

  it("leaves a bound out rather than inventing one", function()
    assert.is_nil(values.bound("date", "0044-03-15 (BC)"))
    assert.is_nil(values.bound("int", "x"))
    assert.is_nil(values.bound("binary", "AA"))
  end)
end)
