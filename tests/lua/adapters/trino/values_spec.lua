-- Cells of Trino's JSON rows as texts, as Athena's results show them.
local json = require "lib.json"
local values = require "adapters.trino.values"

local function simple(name) return { rawType = name, arguments = {} } end

describe("a value of Trino", function()
  it("is written as Athena writes it", function()
    local cases = {
      { 9007199254740993, "bigint", "9007199254740993" }, { 1.5, "double", "1.5" }, { 10000000.0, "double", "1.0E7" },
      { 1e20, "double", "1.0E20" }, { 0.0001, "double", "1.0E-4" }, { 123456.789, "double", "123456.789" }, { -0.0, "double", "-0.0" },
      { 1.25e-7, "double", "1.25E-7" }, { 123456789.125, "double", "1.23456789125E8" }, { 0.001, "double", "0.001" }, { 5, "double", "5.0" },
      { "NaN", "double", "NaN" }, { "Infinity", "double", "Infinity" }, { true, "boolean", "true" }, { "aGk=", "varbinary", "68 69" },
      { "1.50", "decimal", "1.50" }, { "2024-01-01 10:00:00.000000", "timestamp", "2024-01-01 10:00:00.000000" },
    }
    for _, case in ipairs(cases) do assert.are.equal(case[3], values.text(case[1], simple(case[2]))) end
    assert.is_nil(values.text(json.null, simple "varchar"))
  end)

  it("shows lists, maps and rows", function()
    local numbers = { rawType = "array", arguments = { { kind = "TYPE", value = simple "integer" } } }
    assert.are.equal("[1, null, 3]", values.text({ 1, json.null, 3 }, numbers))
    local map = { rawType = "map", arguments = { { value = simple "varchar" }, { value = simple "integer" } } }
    assert.are.equal("{a=1, b=2}", values.text({ b = 2, a = 1 }, map))
    local row = { rawType = "row", arguments = { { value = { fieldName = { name = "x" }, typeSignature = simple "integer" } },
      { value = { typeSignature = simple "varchar" } } } }
    assert.are.equal("{x=1, field1=b}", values.text({ 1, "b" }, row))
  end)

  it("has the name of its type without length and precision", function()
    assert.are.equal("decimal", values.type_name "decimal(12,2)")
    assert.are.equal("timestamp with time zone", values.type_name "timestamp(3) with time zone")
    assert.are.equal("float", values.type_name "real")
  end)
end)
