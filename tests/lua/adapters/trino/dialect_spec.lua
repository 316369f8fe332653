-- Athena's statements in Trino's words.
local dialect = require "adapters.trino.dialect"
local sql = require "lib.sql"

local function text(statement) return dialect.text(assert(sql.parse(statement))) end

describe("the Trino dialect", function()
  it("leaves queries and changes of rows as they are", function()
    for _, statement in ipairs { "SELECT  a FROM t -- x", "INSERT INTO t SELECT 1", "UPDATE t SET a = 1", "DELETE FROM t WHERE a = ';'",
      "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE", "EXPLAIN SELECT 1" } do
      assert.are.equal(statement, text(statement))
    end
    assert.are.equal("SELECT 1", text "SELECT 1 ;  ")
  end)

  it("keeps what Trino knows of a table's properties, and drops what only Athena means", function()
    assert.are.equal([[CREATE TABLE IF NOT EXISTS "d"."t" WITH (format = 'PARQUET', location = 's3://b/t') AS SELECT CAST(1 AS bigint) AS a WITH NO DATA]],
      text [[CREATE TABLE IF NOT EXISTS d.t WITH (table_type = 'ICEBERG', format = 'PARQUET', is_external = false, location = 's3://b/t',
        vacuum_max_snapshot_age_seconds = 3600, write_compression = 'ZSTD') AS SELECT CAST(1 AS bigint) AS a WITH NO DATA]])
    assert.are.equal([[CREATE TABLE "d"."t" AS SELECT 1 AS a]], text(("CREATE TABLE d.t WITH (location = '%s') AS SELECT 1 AS a"):format(dialect.MANAGED)))
    assert.are.equal([[CREATE TABLE "d"."t" ("a" bigint, "b" timestamp(6)) WITH (location = 's3://b/t', partitioning = ARRAY['month(b)', 'bucket(a, 8)'])]],
      text "CREATE TABLE d.t (a bigint, b timestamp(6)) PARTITIONED BY (month(b), bucket(8, a)) LOCATION 's3://b/t' TBLPROPERTIES ('table_type'='ICEBERG')")
  end)

  it("says VACUUM, OPTIMIZE and the utilities in Trino's words", function()
    local cases = {
      ["VACUUM d.t"] = [[ALTER TABLE "d"."t" EXECUTE expire_snapshots(retention_threshold => '7d')]],
      ["OPTIMIZE d.t REWRITE DATA USING BIN_PACK"] = [[ALTER TABLE "d"."t" EXECUTE optimize]],
      ["ALTER TABLE d.t ADD COLUMNS (c integer)"] = [[ALTER TABLE "d"."t" ADD COLUMN "c" integer]],
      ["DROP TABLE IF EXISTS d.t"] = [[DROP TABLE IF EXISTS "d"."t"]],
      ["CREATE DATABASE IF NOT EXISTS d"] = [[CREATE SCHEMA IF NOT EXISTS "d"]],
      ["SHOW TABLES IN d 'a*'"] = [[SHOW TABLES FROM "d" LIKE 'a%']],
      ["SHOW DATABASES"] = "SHOW SCHEMAS", ["DESCRIBE d.t"] = [[DESCRIBE "d"."t"]],
      ["SHOW PARTITIONS d.t"] = [[SELECT * FROM "d"."t$partitions"]],
    }
    for statement, want in pairs(cases) do assert.are.equal(want, text(statement)) end
  end)

  it("refuses by name what a cluster does not take", function()
    for statement, what in pairs {
      ["UNLOAD (SELECT 1) TO 's3://b/x/' WITH (format = 'PARQUET')"] = "UNLOAD",
      ["CREATE EXTERNAL TABLE d.t (a int) LOCATION 's3://b/x/'"] = "a Hive table",
      ["CREATE TABLE d.t WITH (colour = 'red') AS SELECT 1 AS a"] = "colour",
    } do
      local made, err = text(statement)
      assert.is_nil(made)
      assert.are.equal("NotSupported", err.code)
      assert.matches(what, err.message, 1, true)
    end
  end)
end)
