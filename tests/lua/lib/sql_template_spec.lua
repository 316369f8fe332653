-- SQL templates: each kind of value, lists, and mistakes that are found at start.
local template = require "lib.sql_template"

local function one(kind, value)
  local parsed = assert(template.parse("t", "-- Says x.\n-- @param x " .. kind .. "\nSELECT {x}"))
  local sql, err = template.render(parsed, { x = value })
  return sql and sql:sub(8), err
end

describe("sql_template encodes", function()
  local good = {
    { "identifier", "visit_id", '"visit_id"' }, { "qualified_name", "gold.fact_visit", '"gold"."fact_visit"' },
    { "integer", 5, "5" }, { "integer", math.mininteger, "-9223372036854775808" }, { "integer", 3.0, "3" },
    { "decimal", "12.50", "DECIMAL '12.50'" },
    { "text", "O'Brien", "'O''Brien'" }, { "text", "", "''" }, { "text", "a;b -- c /* d */ %s {x}", "'a;b -- c /* d */ %s {x}'" },
    { "text", "Zoë 東京\n", "'Zoë 東京\n'" }, { "text", "''; DROP TABLE x", "'''''; DROP TABLE x'" }, { "text",
        "back\\slash", "'back\\slash'" },
    { "date", "2024-02-29", "DATE '2024-02-29'" },
    { "timestamp", "2025-08-13 10:00:00", "TIMESTAMP '2025-08-13 10:00:00.000000'" },
    { "timestamp", "2025-08-13T10:00:00.5Z", "TIMESTAMP '2025-08-13 10:00:00.500000'" },
    { "location", "s3://bucket/gold/x/", "'s3://bucket/gold/x/'" }, { "location", "file:///data/a b", "'file:///data/a b'" },
    { "sql_type", "decimal(12,2)", "decimal(12,2)" }, { "one_of(PARQUET, ORC)", "ORC", "ORC" },
  }
  for _, case in ipairs(good) do
    it(("%s %q"):format(case[1], tostring(case[2])), function() assert.equal(case[3], (one(case[1], case[2]))) end)
  end

  local bad = {
    { "identifier", 'a"b' }, { "identifier", "a b" }, { "identifier", "" }, { "identifier", "1a" }, { "identifier",
        "A" }, { "identifier", ("a"):rep(129) },
    { "identifier", "a\0b" }, { "identifier", "a;b" }, { "identifier", 5 },
    { "qualified_name", "gold" }, { "qualified_name", "gold." }, { "qualified_name", ".x" }, { "qualified_name",
        "a.b.c.d" }, { "qualified_name", 'a.b"; --' },
    { "integer", "5" }, { "integer", 1.5 }, { "integer", 0 / 0 }, { "integer", 1e300 }, { "integer", true },
    { "decimal", "1e5" }, { "decimal", "1'" }, { "decimal", "" }, { "decimal", 0 / 0 },
    { "text", "a\0b" }, { "text", "\xff\xfe" }, { "text", 5 }, { "text", {} },
    { "date", "2025-02-30" }, { "date", "2025-08-13'" }, { "date", "today" }, { "date", 5 },
    { "timestamp", "2025-08-13" }, { "timestamp", "2025-08-13 25:00:00" }, { "timestamp",
        "2025-08-13 10:00:00.1234567" }, { "timestamp", "2025-13-01 10:00:00" },
    { "location", "/tmp/x" }, { "location", "s3://b/'x" }, { "location", "file:///a/../b" }, { "location",
        "http://x/" }, { "location", "s3://b/\n" },
    { "sql_type", "int" }, { "sql_type", "varchar(0)" }, { "sql_type", "decimal(39,2)" }, { "sql_type",
        "decimal(2,3)" }, { "sql_type", "integer; DROP" },
    { "one_of(PARQUET, ORC)", "parquet" }, { "one_of(PARQUET)", "x" },
    { "checked_select", "SELECT 1" }, { "checked_select", { sql = "SELECT 1" } },
  }
  for _, case in ipairs(bad) do
    it(("refuses %s %q"):format(case[1], tostring(case[2])), function()
      local sql, err = one(case[1], case[2])
      assert.is_nil(sql)
      assert.equal("BadParam", err.code)
    end)
  end

  it("takes a statement that the guard has judged", function()
    assert.equal("SELECT 1", (one("checked_select", template.checked("SELECT 1"))))
  end)
end)

describe("sql_template repeats", function()
  local source = '-- Lists.\n-- @param c list(name identifier, type sql_type)\nSELECT {each c ", "}CAST({c.name} AS {c.type}){end} FROM t'

  it("a part for each entry, with the separator between", function()
    local sql = assert(template.render(assert(template.parse("t", source)), { c = { { name = "a", type = "date" },
        { name = "b", type = "integer" } } }))
    assert.equal('SELECT CAST("a" AS date), CAST("b" AS integer) FROM t', sql)
  end)

  it("nothing for an empty list", function()
    assert.equal("SELECT  FROM t", (template.render(assert(template.parse("t", source)), { c = {} })))
  end)

  it("and judges every field of every entry", function()
    local sql, err = template.render(assert(template.parse("t", source)), { c = { { name = "a", type = "date" }, { name = "b" } } })
    assert.is_nil(sql)
    assert.matches("c.type must be a plain type", err.message)
  end)
end)

describe("sql_template finds at start", function()
  local faults = {
    { "an undeclared name", "-- Says.\nSELECT {x}", "is not declared" },
    { "an unused parameter", "-- Says.\n-- @param x date\nSELECT 1", "never used" },
    { "an unknown kind", "-- Says.\n-- @param x raw\nSELECT {x}", "unknown kind 'raw'" },
    { "a header without purpose", "-- @param x date\nSELECT {x}", "purpose" },
    { "a loop without end", "-- S.\n-- @param c list(name identifier)\nSELECT {each c}{c.name}", "has no {end}" },
    { "an end without loop", "-- S.\nSELECT 1 {end}", "without {each}" },
    { "a field outside of its loop",
        "-- S.\n-- @param c list(name identifier)\nSELECT {c.name} {each c}{c.name}{end}", "outside of {each c}" },
    { "an unknown field", "-- S.\n-- @param c list(name identifier)\nSELECT {each c}{c.type}{end}", "has no field" },
    { "a list used as a value", "-- S.\n-- @param c list(name identifier)\nSELECT {c}", "is a list" },
    { "two statements", "-- S.\nSELECT 1; DROP TABLE x", "one statement" },
  }
  for _, fault in ipairs(faults) do
    it(fault[1], function()
      local parsed, err = template.parse("t", fault[2])
      assert.is_nil(parsed)
      assert.equal("BadSetting", err.code)
      assert.is_truthy(err.message:find(fault[3], 1, true), err.message)
    end)
  end
end)

describe("sql_template refuses", function()
  local parsed = assert(template.parse("t", "-- S.\n-- @param x date\nSELECT {x}"))
  it("a missing value", function() assert.matches("needs a value for 'x'", select(2, template.render(parsed, {})).message) end)
  it("an extra value", function() assert.matches("takes no value 'y'", select(2, template.render(parsed,
      { x = "2025-01-01", y = 1 })).message) end)
end)
