-- luacheck: no max line length (a case is one line)
local sql = require("lib.sql")
local types = require("lib.sql.types")

local function parsed(text) return assert(sql.parse_type(text)) end

describe("lib.sql.types", function()
  local texts = {
    { "bigint", "bigint", "BIGINT" }, { "INT", "integer", "INTEGER" }, { "string", "varchar", "VARCHAR" }, { "float", "real", "FLOAT" },
    { "decimal", "decimal(38,0)", "DECIMAL(38,0)" }, { "decimal(5)", "decimal(5,0)", "DECIMAL(5,0)" }, { "numeric(12, 2)", "decimal(12,2)", "DECIMAL(12,2)" },
    { "timestamp", "timestamp(3)", "TIMESTAMP" }, { "timestamp(9)", "timestamp(9)", "TIMESTAMP_NS" },
    { "timestamp(6) with time zone", "timestamp(6) with time zone", "TIMESTAMPTZ" }, { "time(3)", "time(3)", "TIME" },
    { "array<string>", "array(varchar)", "VARCHAR[]" }, { "array(array(int))", "array(array(integer))", "INTEGER[][]" }, { "bigint array", "array(bigint)", "BIGINT[]" },
    { "map<string,int>", "map(varchar, integer)", "MAP(VARCHAR, INTEGER)" }, { "struct<a:int,b:string>", "row(a integer, b varchar)", 'STRUCT("a" INTEGER, "b" VARCHAR)' },
    { "row(a bigint, \"B c\" date)", 'row(a bigint, "B c" date)', 'STRUCT("a" BIGINT, "B c" DATE)' }, { "row(bigint, array(date))", "row(bigint, array(date))", 'STRUCT("field0" BIGINT, "field1" DATE[])' },
    { "double precision", "double", "DOUBLE" }, { "varchar(10)", "varchar(10)", "VARCHAR" }, { "char", "char(1)", "VARCHAR" }, { "varbinary", "varbinary", "BLOB" },
    { "interval year to month", "interval year to month", "INTERVAL" }, { "json", "json", "JSON" },
  }
  for _, case in ipairs(texts) do
    it("reads " .. case[1], function()
      assert.equal(case[2], types.text(parsed(case[1])))
      assert.equal(case[3], types.engine(parsed(case[1])))
    end)
  end

  for _, text in ipairs { "nonsense", "decimal(39)", "decimal(2,3)", "timestamp(13)", "array", "map(int)", "row()", "", "bigint bigint" } do
    it("refuses '" .. text .. "'", function()
      local t, message = sql.parse_type(text)
      assert.is_nil(t)
      assert.is_string(message)
    end)
  end

  local common = {
    { "integer", "bigint", "bigint" }, { "integer", "double", "double" }, { "integer", "decimal(5,2)", "decimal(12,2)" }, { "decimal(5,2)", "decimal(4,3)", "decimal(6,3)" },
    { "real", "decimal(5,2)", "real" }, { "varchar(3)", "varchar(5)", "varchar(5)" }, { "varchar(3)", "varchar", "varchar" }, { "char(2)", "char(4)", "char(4)" },
    { "date", "timestamp(3)", "timestamp(3)" }, { "timestamp(3)", "timestamp(6)", "timestamp(6)" }, { "timestamp(6)", "timestamp(3) with time zone", "timestamp(6) with time zone" },
    { "unknown", "date", "date" }, { "array(integer)", "array(bigint)", "array(bigint)" }, { "map(varchar, integer)", "map(varchar, double)", "map(varchar, double)" },
    { "row(a integer)", "row(a bigint)", "row(a bigint)" }, { "row(a integer)", "row(b integer)", "row(integer)" }, { "integer", "varchar", nil }, { "date", "varchar", nil },
    { "boolean", "integer", nil }, { "array(date)", "array(integer)", nil }, { "row(a integer)", "row(a integer, b integer)", nil },
  }
  for _, case in ipairs(common) do
    it(("joins %s and %s"):format(case[1], case[2]), function()
      for _, order in ipairs { { 1, 2 }, { 2, 1 } } do
        local t = types.common(parsed(case[order[1]]), parsed(case[order[2]]))
        assert.equal(case[3], t and types.text(t))
      end
    end)
  end
end)
