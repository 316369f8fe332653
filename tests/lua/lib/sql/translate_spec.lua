-- luacheck: no max line length (a case is one line)
local sql = require("lib.sql")

local people = { sql = "(SELECT * FROM lake.people)", columns = { { name = "id", type = "integer" }, { name = "name", type = "varchar" },
  { name = "born", type = "date" }, { name = "amount", type = "decimal(12,2)" }, { name = "tags", type = "array(varchar)" },
  { name = "home", type = "row(city varchar, zip integer)" }, { name = "seen", type = "timestamp(6)" } } }

local asked
local ctx = { database = "db", now = 1700000000, table = function(ref)
  asked[#asked + 1] = ref
  return ref.table == "people" and people or nil
end }

local function translate(text, with)
  asked = {}
  local tree = assert(sql.parse(text))
  return sql.translate.query(tree, with or ctx)
end

-- the types of a query's columns
local typed = {
  { "1, 2147483648, -2147483648, 1.5, .05, 1e0, 'abc', TRUE, NULL", "integer bigint integer decimal(2,1) decimal(2,2) double varchar(3) boolean unknown" },
  { "1 + 2, 1 + 2147483648, id + 1.5, id * amount, amount / 3, amount + 1e0", "integer bigint decimal(12,1) decimal(22,2) decimal(12,2) double" },
  { "amount - amount, amount * amount, amount / amount, amount % 7", "decimal(13,2) decimal(24,4) decimal(14,2) decimal(12,2)" },
  { "born + INTERVAL '1' DAY, seen - INTERVAL '1' MONTH, born - born, seen - seen", "date timestamp(6) interval day to second interval day to second" },
  { "tags[1], home.city, home, tags || 'x', cardinality(tags)", "varchar varchar row(city varchar, zip integer) array(varchar) bigint" },
  { "coalesce(id, 1.5), if(TRUE, born, seen), CASE WHEN TRUE THEN 'a' ELSE 'bcd' END, nullif(id, 2)", "decimal(11,1) timestamp(6) varchar(3) integer" },
  { "CAST(id AS varchar), CAST('1' AS decimal(5,1)), CAST(NULL AS array(bigint)), TRY_CAST('x' AS date)", "varchar decimal(5,1) array(bigint) date" },
  { "TIMESTAMP '2020-01-01 00:00:00', TIMESTAMP '2020-01-01 00:00:00.123', current_date, current_timestamp, localtimestamp",
    "timestamp(0) timestamp(3) date timestamp(3) with time zone timestamp(3)" },
  { "transform(tags, t -> length(t)), filter(tags, t -> t > 'a'), reduce(ARRAY[1], 0, (s, x) -> s + x, s -> CAST(s AS varchar))", "array(bigint) array(varchar) varchar" },
  { "map(ARRAY['a'], ARRAY[1]), map(ARRAY['a'], ARRAY[1])['a'], ROW(1, 'x'), ARRAY[1, 2.5]", "map(varchar(1), integer) integer row(integer, varchar(1)) array(decimal(11,1))" },
  { "(SELECT max(id) FROM people), EXISTS (SELECT 1), id IN (1, 2)", "integer boolean boolean" },
  { "round(2.55), round(2.55, 1), round(id), floor(amount), abs(amount), power(2, 3)", "decimal(2,0) decimal(4,2) integer decimal(11,0) decimal(12,2) double" },
  { "date_trunc('month', born), date_add('day', 1, seen), date_diff('day', born, born), year(born)", "date timestamp(6) bigint bigint" },
  { "json_extract('{}', '$.a'), json_extract_scalar('{}', '$.a'), CAST(id AS json)", "json varchar json" },
}

-- statement -> where and why it is refused
local refused = {
  { "SELECT nope FROM people", "COLUMN_NOT_FOUND: line 1:8: Column 'nope' cannot be resolved" },
  { "SELECT p.nam FROM people p", "line 1:8: Column 'p.nam' cannot be resolved or requester is not authorized to access requested resources. Did you mean 'name'?" },
  { "SELECT people.id FROM people p", "COLUMN_NOT_FOUND" },
  { "SELECT id FROM people a CROSS JOIN people b", "AMBIGUOUS_NAME: line 1:8: Column 'id' is ambiguous" },
  { "SELECT 1 FROM peple", "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.db.peple' does not exist" },
  { "SELECT 1 FROM a.b.c.d", "Too many dots in table name" },
  { "SELECT lower(1)", "FUNCTION_NOT_FOUND: line 1:8: Unexpected parameters (integer) for function lower. Expected: lower(varchar)" },
  { "SELECT lowr('x')", "Function 'lowr' is not supported. Did you mean 'lower'?" },
  { "SELECT 1 = 'a'", "TYPE_MISMATCH: line 1:10: Cannot apply operator: integer = varchar(1)" },
  { "SELECT 'a' + 1", "TYPE_MISMATCH: line 1:12: Cannot apply operator: varchar(1) + integer" },
  { "SELECT CASE WHEN 1 THEN 2 END", "CASE WHEN clause must evaluate to a boolean: actual type integer" },
  { "SELECT 1 WHERE 'x'", "WHERE clause must evaluate to a boolean" },
  { "SELECT coalesce(1, 'a')", "All COALESCE operands must be the same type" },
  { "SELECT 1 UNION SELECT 'a'", "column 1 in UNION query has incompatible types: integer, varchar(1)" },
  { "SELECT 1 UNION SELECT 1, 2", "UNION query has different number of fields: 1, 2" },
  { "VALUES (1, 2), (3)", "Values rows have mismatched sizes: 2 vs 1" },
  { "SELECT * FROM people AS p (a, b)", "MISMATCHED_COLUMN_ALIASES: line 1:25: Column alias list has 2 entries but 'p' has 7 columns available" },
  { "SELECT id FROM people ORDER BY 2", "ORDER BY position 2 is not in select list" },
  { "SELECT id FROM people GROUP BY 3", "GROUP BY position 3 is not in select list" },
  { "SELECT name, count(*) FROM people", "EXPRESSION_NOT_AGGREGATE: line 1:8: 'name' must be an aggregate expression or appear in GROUP BY clause" },
  { "SELECT lower(name) FROM people GROUP BY id", "line 1:14: 'name' must be an aggregate expression" },
  { "SELECT id FROM people GROUP BY 1 HAVING name > 'x'", "line 1:41: 'name' must be an aggregate expression" },
  { "SELECT * FROM people GROUP BY id", "line 1:8: 'name' must be an aggregate expression" },
  { "SELECT sum(id) OVER () FROM people GROUP BY name", "line 1:12: 'id' must be an aggregate expression" },
  { "SELECT id, (SELECT count(*) FROM people b WHERE b.name = a.name) FROM people a GROUP BY id", "'name' must be an aggregate expression" },
  { "SELECT row_number()", "Window function row_number requires an OVER clause" },
  { "SELECT lower('x') OVER ()", "lower is not an aggregation function" },
  { "SELECT CAST(born AS integer) FROM people", "Cannot cast date to integer" },
  { "SELECT (SELECT 1, 2)", "Multiple columns returned by subquery are not yet supported. Found 2" },
  { "SELECT DATE '2025-02-30'", "INVALID_LITERAL: line 1:8: '2025-02-30' is not a valid DATE literal" },
  { "SELECT TIMESTAMP 'yesterday'", "is not a valid TIMESTAMP literal" },
  { "SELECT 99999999999999999999", "Invalid numeric literal: 99999999999999999999" },
  { "SELECT date_trunc('eon', DATE '2020-01-01')", "'eon' is not a valid date field" },
  { "SELECT *", "SELECT * not allowed in queries without FROM clause" },
  { "SELECT ?", "no value for parameter 1" },
  { "SELECT home.street FROM people", "Field 'street' cannot be resolved in row(city varchar, zip integer)" },
  { "SELECT regexp_like(name, '(?!x)') FROM people", "line 1:26: look-around in a regular expression: (?! is not supported" },
  { "SELECT id FROM people FETCH FIRST 1 ROW WITH TIES", "FETCH FIRST WITH TIES clause requires ORDER BY" },
}

-- Nothing of the engine's own can be named.
local engine_only = { "read_csv", "read_csv_auto", "read_parquet", "parquet_scan", "read_json", "read_text", "read_blob", "glob", "getenv", "getvariable",
  "current_setting", "duckdb_tables", "duckdb_settings", "duckdb_secrets", "pragma_version", "pragma_table_info", "query", "query_table", "sniff_csv",
  "which_secret", "add_parquet_key", "sql_auto_complete", "json_serialize_sql", "json_execute_serialized_sql", "error", "hash", "set_config", "txid_current",
  "list_transform", "struct_pack", "generate_series", "range", "trino_div", "currval", "nextval", "in_search_path", "write_log", "parse_path" }

-- grouping that must pass
local grouped = {
  "SELECT count(*), 1, max(name) || 'x' FROM people", "SELECT lower(name) || 'x', count(*) FROM people GROUP BY lower(name)",
  "SELECT id + 1, id FROM people GROUP BY id",
  "SELECT name, sum(count(*)) OVER (ORDER BY name) FROM people GROUP BY 1", "SELECT grouping(name), name FROM people GROUP BY ROLLUP (name)",
  "SELECT transform(tags, t -> t || 'x'), count(*) FROM people GROUP BY transform(tags, t -> t || 'x')", "SELECT id, name FROM people GROUP BY (id, name)",
  "SELECT id FROM people GROUP BY GROUPING SETS ((id, name), (id))", "SELECT CASE WHEN id > 1 THEN 'a' END, count(*) FROM people GROUP BY CASE WHEN id > 1 THEN 'a' END",
  "SELECT id, (SELECT count(*) FROM people b WHERE b.id = a.id) FROM people a GROUP BY id", "SELECT max(id) FROM people HAVING count(*) > 0",
  "SELECT (SELECT max(b.id) FROM people b), name FROM people", "SELECT row_number() OVER (ORDER BY id), name FROM people",
}

describe("lib.sql.translate.query", function()
  for _, text in ipairs(grouped) do
    it("accepts the grouping of " .. text, function()
      local query, err = translate(text)
      assert.is_nil(err and err.message)
      assert.is_table(query)
    end)
  end

  for _, case in ipairs(typed) do
    it("knows the types of " .. case[1], function()
      local query, err = translate("SELECT " .. case[1] .. " FROM people")
      assert.is_nil(err and err.message)
      local list = {}
      for i, column in ipairs(query.columns) do list[i] = column.type end
      assert.equal(case[2], table.concat(list, " "))
    end)
  end

  for _, case in ipairs(refused) do
    it("refuses " .. case[1], function()
      local query, err = translate(case[1])
      assert.is_nil(query)
      assert.is_truthy(err.code == "QueryFailed" or err.code == "NotSupported")
      assert.is_truthy(err.message:find(case[2], 1, true), err.message)
    end)
  end

  for _, name in ipairs(engine_only) do
    it("does not know the engine's " .. name, function()
      for _, written in ipairs { name .. "('x')", '"' .. name .. "\"('x')", name:upper() .. "()" } do
        local query, err = translate("SELECT " .. written)
        assert.is_nil(query)
        assert.equal("NotSupported", err.code)
        assert.is_truthy(err.message:find("line 1:8", 1, true))
      end
      assert.is_nil((sql.parse(("SELECT * FROM %s('x')"):format(name))))
      assert.is_nil((translate(("SELECT * FROM \"%s\""):format(name))))
    end)
  end

  it("asks for every table, and reads only what it is answered", function()
    local query = translate("WITH w AS (SELECT * FROM people) SELECT * FROM w, other.people, \"people$snapshots\" s")
    assert.same({ "db", "other", "db" }, { asked[1].database, asked[2].database, asked[3].database })
    assert.same({ 1, 26, "$snapshots" }, { asked[1].line, asked[1].column, asked[3].suffix })
    assert.equal(3, #query.tables)
    local _, count = query.sql:gsub("lake%.people", "")
    assert.equal(3, count)
  end)

  it("tells the snapshot or the moment of time travel", function()
    translate("SELECT * FROM people FOR VERSION AS OF 8954597067493422955")
    assert.same({ snapshot_id = 8954597067493422955 }, asked[1].as_of)
    translate("SELECT * FROM people FOR TIMESTAMP AS OF TIMESTAMP '2023-11-14 22:13:20 UTC'")
    assert.same({ timestamp_ms = 1700000000000 }, asked[1].as_of)
    translate("SELECT * FROM people FOR TIMESTAMP AS OF TIMESTAMP '2023-11-15 00:13:20.5 +02:00' - INTERVAL '1' SECOND")
    assert.same({ timestamp_ms = 1699999999500 }, asked[1].as_of)
    translate("SELECT * FROM people FOR TIMESTAMP AS OF current_timestamp - INTERVAL '1' DAY")
    assert.same({ timestamp_ms = 1699913600000 }, asked[1].as_of)
    local _, err = translate("SELECT * FROM people FOR TIMESTAMP AS OF date_add('day', 1, now())")
    assert.equal("NotSupported", err.code)
  end)

  it("keeps WITH names from meaning tables, and tables from meaning WITH names", function()
    local query = translate("WITH people AS (SELECT 1 AS id) SELECT id FROM people")
    assert.equal(0, #asked)
    assert.is_falsy(query.sql:find("lake", 1, true))
    translate("WITH people AS (SELECT * FROM people) SELECT id FROM people")
    assert.equal(1, #asked)
    translate("SELECT * FROM (WITH w AS (SELECT 1) SELECT * FROM w) a, db.people")
    assert.equal(1, #asked)
  end)

  it("gives relations of one name different names for the engine", function()
    local query = translate("SELECT p.id FROM people p WHERE EXISTS (SELECT 1 FROM people p WHERE p.id = 1) AND p.id = 2")
    assert.is_truthy(query.sql:find([["p_2"."id" = 1]], 1, true))
    assert.is_truthy(query.sql:find([["p"."id" = 2]], 1, true))
  end)

  it("maps offsets of its text to the statement's", function()
    local text = "SELECT id,\n  1 / (id - id) FROM people"
    local query = translate(text)
    local at = query.sql:find("trino.divide", 1, true)
    local err = sql.translate.engine_error({ message = "Invalid Input Error: Division by zero", details = { position = at } }, query)
    assert.equal("DIVISION_BY_ZERO: line 2:5: Division by zero", err.message)
    assert.same({ 2, 5 }, { err.details.line, err.details.column })
  end)

  it("puts parameters in as values, never as text", function()
    local query = translate("SELECT id FROM people WHERE name = ? AND id = ?", { database = "db", table = ctx.table, parameters = { "'x'' OR 1=1 --'", "5" } })
    assert.is_truthy(query.sql:find("= ('x'' OR 1=1 --')", 1, true), query.sql)
    local _, err = translate("SELECT ?", { table = ctx.table, parameters = { "1; DROP TABLE x" } })
    assert.is_truthy(err.message:find("INVALID_PARAMETER_USAGE"))
    _, err = translate("SELECT ?", { table = ctx.table, parameters = { "(SELECT read_csv('x'))" } })
    assert.equal("NotSupported", err.code)
  end)

  it("does not translate what is no query", function()
    local tree = assert(sql.parse("DROP TABLE people"))
    local query, err = sql.translate.query(tree, ctx)
    assert.is_nil(query)
    assert.equal("NotSupported", err.code)
  end)
end)

describe("lib.sql.translate.engine_error", function()
  local said = {
    { "Conversion Error: Could not convert string 'x' to INT32", "INVALID_CAST_ARGUMENT: Cannot cast 'x' to INT32" },
    { "Out of Range Error: Overflow in addition of INT32 (2147483647 + 1)!", "NUMERIC_VALUE_OUT_OF_RANGE: value is out of range" },
    { "Invalid Input Error: More than one row returned by a subquery used as an expression - scalar", "SUBQUERY_MULTIPLE_ROWS: Scalar sub-query has returned multiple rows" },
    { "Invalid Input Error: Cannot cast '1.5' to integer", "INVALID_CAST_ARGUMENT: Cannot cast '1.5' to integer" },
    { "Invalid Input Error: Key not present in map: z", "INVALID_FUNCTION_ARGUMENT: Key not present in map: z" },
    { "Binder Error: column \"id\" must appear in the GROUP BY clause or must be part of an aggregate function.", "EXPRESSION_NOT_AGGREGATE: " },
    { "Binder Error: something new\n\nLINE 1: SELECT secret\n               ^", "GENERIC_USER_ERROR: something new" },
  }
  for _, case in ipairs(said) do
    it("rewords " .. case[1]:gsub("\n.*", ""), function()
      local err = sql.translate.engine_error(case[1])
      assert.equal("QueryFailed", err.code)
      assert.equal(case[2], err.message:sub(1, #case[2]))
      assert.is_falsy(err.message:find("secret", 1, true))
    end)
  end

  it("finds the place by the engine's caret", function()
    local text = "SELECT name FROM people\nWHERE id > 1"
    local query = translate(text)
    local at = query.sql:find("> 1", 1, true) - 2
    local message = ("Binder Error: column id must appear in the GROUP BY clause\n\nLINE 1: %s\n%s^"):format(query.sql,
      (" "):rep(#"LINE 1: " + at - 1))
    assert.is_truthy(sql.translate.engine_error(message, query).message:find("line 2:7:", 1, true))
  end)
end)
