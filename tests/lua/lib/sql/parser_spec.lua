-- luacheck: no max line length (a case is one line)
local sql = require("lib.sql")

-- statements that must parse
local accepted = {
  "SELECT 1",
  "select 1;",
  "-- a comment\nSELECT /* another */ 1",
  "SELECT a, b c, count(*) FILTER (WHERE x > 1) OVER (PARTITION BY y ORDER BY z ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t",
  "SELECT * FROM a JOIN b USING (id) LEFT JOIN c ON a.x = c.x CROSS JOIN UNNEST(ARRAY[1,2]) WITH ORDINALITY AS u(v, n)",
  "((SELECT 1) UNION ALL (SELECT 2)) ORDER BY 1",
  "SELECT ((SELECT 1) + 1), (1, 2), transform(a, (x, y) -> x * y)[1].foo, x -> x + 1, () -> 1",
  "WITH RECURSIVE t(n) AS (VALUES 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) TABLE t",
  "SELECT CAST(x AS ROW(a bigint, b array(varchar(10)))), INTERVAL '1' DAY, DATE '2020-01-01', INTERVAL -'1-2' YEAR TO MONTH",
  "SELECT TIMESTAMP '2020-01-01 00:00:00' AT TIME ZONE 'UTC', TIMESTAMP '2020-01-01' AT TIME ZONE INTERVAL '1' HOUR",
  "SELECT * FROM t FOR TIMESTAMP AS OF TIMESTAMP '2020-01-01 00:00:00' x",
  "SELECT * FROM t FOR VERSION AS OF 123",
  "SELECT t.* FROM \"t$snapshots\" t ORDER BY 1 DESC NULLS FIRST OFFSET 3 ROWS FETCH FIRST 2 ROWS WITH TIES",
  "SELECT x.y.z FROM t GROUP BY GROUPING SETS ((a, b), (a), ()), ROLLUP (c, d), CUBE (e)",
  "SELECT * FROM (a JOIN b ON true) JOIN c ON a.a = c.c",
  "SELECT * FROM a JOIN b JOIN c ON b.x = c.x ON a.x = b.x",
  "SELECT TRY_CAST(a AS bigint), TRIM(BOTH 'x' FROM y), EXTRACT(YEAR FROM z), SUBSTRING(a FROM 1 FOR 2), POSITION('a' IN b) AS position",
  "SELECT a AS \"select\", b limit FROM t limit LIMIT 5",
  "SELECT a year, b date, c AS timestamp, d map, e array FROM t",
  "SELECT listagg(x, ',') WITHIN GROUP (ORDER BY y) FROM t",
  "SELECT array_agg(x ORDER BY y DESC NULLS LAST) FROM t WINDOW w AS (PARTITION BY a)",
  "SELECT lag(x) IGNORE NULLS OVER w FROM t WINDOW w AS (ORDER BY y)",
  "SELECT x = ANY (SELECT 1), x <> ALL (VALUES 1, 2), EXISTS (SELECT 1), x IN (1, 2), (x, y) IN (SELECT 1, 2)",
  "SELECT a LIKE 'x%' ESCAPE '\\', a NOT LIKE b, a IS NOT DISTINCT FROM b, a NOT BETWEEN 1 AND 2 AND c",
  "SELECT U&'snow\\2603' , X'65683F', 1e3, .5, 1., 0x1F, 1_000",
  "SELECT * FROM t TABLESAMPLE BERNOULLI (10)",
  "SELECT ?, a FROM t WHERE b = ? LIMIT ?",
  "VALUES 1, (2), ROW(3)",
  "TABLE a.b",
  "INSERT INTO t (a, b) SELECT 1, 2",
  "INSERT INTO t (SELECT 1)",
  "INSERT INTO t VALUES (1, 'x'), (2, NULL)",
  "UPDATE db.t SET a = 1, b = b + 1 WHERE c IS NULL",
  "DELETE FROM t WHERE a NOT IN (SELECT 1)",
  [[MERGE INTO a t USING (SELECT * FROM b) s ON t.id = s.id
    WHEN MATCHED AND s.u > t.u THEN UPDATE SET x = s.x, y = 2
    WHEN MATCHED THEN DELETE
    WHEN NOT MATCHED AND s.x > 0 THEN INSERT (a, b) VALUES (s.a, s.b)]],
  [[CREATE TABLE IF NOT EXISTS db.t (a int, b array<struct<x:int,y:string>> COMMENT 'x') PARTITIONED BY (month(a), b, bucket(16, c))
    LOCATION 's3://bucket/x/' TBLPROPERTIES ('table_type'='ICEBERG', 'format'='parquet')]],
  "CREATE TABLE t WITH (format = 'PARQUET', partitioned_by = ARRAY['a'], is_external = false) AS SELECT 1 AS a",
  "CREATE TABLE t AS (SELECT 1 AS a) WITH NO DATA",
  "CREATE EXTERNAL TABLE t (a int) PARTITIONED BY (run date) STORED AS PARQUET LOCATION 's3://x/'",
  "CREATE EXTERNAL TABLE t (`a` string) ROW FORMAT SERDE 'x.y' WITH SERDEPROPERTIES ('a'='b') LOCATION 's3://x/'",
  "CREATE OR REPLACE VIEW v AS SELECT 1 AS a",
  "CREATE DATABASE IF NOT EXISTS d COMMENT 'c' LOCATION 's3://x/'",
  "DROP TABLE IF EXISTS a.b", "DROP VIEW v", "DROP SCHEMA s CASCADE",
  "ALTER TABLE t ADD COLUMNS (a int, b string)", "ALTER TABLE t DROP COLUMN a", "ALTER TABLE t RENAME COLUMN a TO b",
  "ALTER TABLE a.t RENAME TO a.u", "ALTER TABLE t SET TBLPROPERTIES ('a'='b')", "ALTER TABLE t CHANGE COLUMN a b bigint",
  "SHOW TABLES", "SHOW TABLES IN d 'x*'", "SHOW DATABASES LIKE 'a%'", "SHOW COLUMNS IN t FROM d", "SHOW CREATE TABLE a.t",
  "SHOW PARTITIONS t", "SHOW TBLPROPERTIES t('x')", "SHOW FUNCTIONS",
  "DESCRIBE a.t", "DESC t", "EXPLAIN SELECT 1", "EXPLAIN ANALYZE SELECT 1", "EXPLAIN (FORMAT JSON, TYPE DISTRIBUTED) SELECT 1",
  "OPTIMIZE d.t REWRITE DATA USING BIN_PACK WHERE a = 1", "VACUUM t",
  "UNLOAD (SELECT 1) TO 's3://x/' WITH (format = 'PARQUET')",
}

-- statement -> the message it is refused with (plain text, may be a part of it)
local refused = {
  { "", "line 1:1: the text holds no statement" },
  { "SELECT from t", "line 1:8: mismatched input 'from'. Expecting: " },
  { "selec 1", "line 1:1: mismatched input 'selec'. Expecting: " },
  { "SELECT 1\n  FROM t WHERE", "line 2:15: mismatched input '<EOF>'. Expecting: " },
  { "SELECT 1; DROP TABLE x", "line 1:11: Only one sql statement is allowed. Got: DROP TABLE x" },
  { "SELECT 'abc", "line 1:8: string literal is not closed" },
  { "SELECT 1 /* x", "line 1:10: comment is not closed" },
  { "SELECT ~a", "line 1:8: mismatched input '~'" },
  { "SELECT 'é' ~", "line 1:12: mismatched input '~'" },
  { "UPDATE x t SET a = 1", "line 1:10: mismatched input 't'. Expecting: 'SET'" },
  { "DELETE FROM x t WHERE a = 1", "line 1:15: mismatched input 't'" },
  { "SELECT a::int FROM t", "line 1:9: mismatched input ':'" },
  { "SELECT * FROM 'file.csv'", "line 1:15: mismatched input ''file.csv''" },
  { "SELECT * FROM read_csv('x')", "line 1:23: mismatched input '('" },
  { "FROM t", "line 1:1: mismatched input 'FROM'" },
  { "SELECT 1 QUALIFY x", "mismatched input 'x'" },
  { "CREATE TABLE t WITH ('format' = 'PARQUET') AS SELECT 1 AS a", "line 1:22: mismatched input ''format''. Expecting: <identifier>" },
  { "SELECT `a` FROM t", "line 1:8: backquoted identifiers are not supported" },
  { "SELECT 1a", "line 1:8: identifiers must not start with a digit" },
  { "SELECT X'abc'", "line 1:8: binary literal must contain an even number of digits" },
  { "SELECT CAST(1 AS nonsense)", "line 1:18: Unknown type: nonsense" },
  { "WITH x AS (DELETE FROM t) SELECT 1", "line 1:12: mismatched input 'DELETE'" },
}

describe("lib.sql.parse", function()
  for _, text in ipairs(accepted) do
    it("accepts " .. text:gsub("%s+", " "):sub(1, 90), function()
      local tree, err = sql.parse(text)
      assert.is_nil(err and err.message)
      assert.is_table(tree)
    end)
  end

  for _, case in ipairs(refused) do
    it("refuses " .. case[1]:sub(1, 60), function()
      local tree, err = sql.parse(case[1])
      assert.is_nil(tree)
      assert.equal("SyntaxError", err.code)
      assert.is_truthy(err.message:find(case[2], 1, true), err.message)
      assert.is_number(err.details.line)
    end)
  end

  it("gives positions as bytes and as line and column", function()
    local _, err = sql.parse("SELECT 'ü',\n 1 FORM t x y")
    assert.same({ 2, 9, 22 }, { err.details.line, err.details.column, err.details.offset })
  end)

  it("names statements that Athena does not take", function()
    for _, text in ipairs { "USE x", "ANALYZE t", "START TRANSACTION", "SET SESSION a = 1", "MSCK REPAIR TABLE t" } do
      local _, err = sql.parse(text)
      assert.equal("NotSupported", err.code)
    end
  end)
end)
