-- luacheck: no max line length (a case is one line)
local sql = require("lib.sql")

local ctx = { database = "silver", table = function(ref)
  if ref.table == "target" then
    return { sql = "(SELECT 1)", columns = { { name = "id", type = "integer" }, { name = "name", type = "varchar" }, { name = "amount", type = "decimal(12,2)" },
      { name = "is_deleted", type = "boolean" }, { name = "seen", type = "timestamp(6)" } } }
  elseif ref.table == "source" then
    return { sql = "(SELECT 2)", columns = { { name = "id", type = "integer" }, { name = "name", type = "varchar" }, { name = "amount", type = "integer" } } }
  end
end }

local function plan(text, with) return sql.translate.write(assert(sql.parse(text)), with or ctx) end

describe("lib.sql.translate.write", function()
  it("plans an INSERT as a query and its columns", function()
    local p = plan("INSERT INTO gold.target (id, name) SELECT id, name FROM source")
    assert.equal("INSERT", p.kind)
    assert.same({ "gold", "target" }, { p.target.database, p.target.table })
    assert.same({ "id", "name" }, p.columns)
    assert.equal([[SELECT "source"."id" AS "id", "source"."name" AS "name" FROM (SELECT 2) AS "source"]], p.source_sql)
    assert.is_nil(plan("INSERT INTO target VALUES (1)").columns)
  end)

  it("gives NULL the type of the column it goes to", function()
    local text = plan("INSERT INTO target (id, name) SELECT 1, NULL").source_sql
    assert.is_truthy(text:find([[CAST("n"."c2" AS VARCHAR) AS "_col1"]], 1, true), text)
    text = plan("INSERT INTO target VALUES (1, 'x', NULL, TRUE, NULL)").source_sql
    assert.is_truthy(text:find([[CAST("n"."c3" AS DECIMAL(12,2)) AS "_col2"]], 1, true), text)
  end)

  it("keeps microseconds on the way into a table", function()
    assert.is_falsy(plan("INSERT INTO target (seen) SELECT CAST('2020-01-01' AS timestamp)").source_sql:find("TIMESTAMP_MS"))
  end)

  it("plans an UPDATE with its expressions over the target's row", function()
    local p = plan("UPDATE target SET name = upper(name), amount = id WHERE is_deleted IS DISTINCT FROM TRUE")
    assert.equal("target", p.target_alias)
    assert.same({ column = "name", sql = [[upper("target"."name")]] }, p.set[1])
    assert.same({ column = "amount", sql = [[CAST("target"."id" AS DECIMAL(12,2))]] }, p.set[2])
    assert.equal([[("target"."is_deleted" IS DISTINCT FROM true)]], p.where_sql)
  end)

  it("plans a DELETE, with another table in its condition", function()
    local p = plan("DELETE FROM target WHERE id NOT IN (SELECT id FROM source) AND EXISTS (SELECT 1 FROM source s WHERE s.id = target.id)")
    assert.equal([[(("target"."id" NOT IN (SELECT "source"."id" AS "id" FROM (SELECT 2) AS "source")) AND EXISTS (SELECT 1 AS "_col0" FROM (SELECT 2) AS "s" WHERE ("s"."id" = "target"."id")))]],
      p.where_sql)
    assert.is_nil(plan("DELETE FROM target").where_sql)
  end)

  it("uses the alias that the table format asks for", function()
    local p = plan("DELETE FROM target WHERE target.id = 1", { database = "silver", table = ctx.table, target_alias = "old" })
    assert.equal("old", p.target_alias)
    assert.equal([[("old"."id" = 1)]], p.where_sql)
  end)

  it("plans a MERGE clause by clause", function()
    local p = plan([[MERGE INTO target t USING (SELECT * FROM source) s ON t.id = s.id
      WHEN MATCHED AND s.amount > t.amount THEN UPDATE SET name = s.name, t.is_deleted = FALSE
      WHEN MATCHED THEN DELETE
      WHEN NOT MATCHED AND s.id > 0 THEN INSERT (id, name) VALUES (s.id, s.name)]])
    assert.same({ "t", [[("t"."id" = "s"."id")]] }, { p.target_alias, p.on_sql })
    assert.is_truthy(p.source_sql:find([[) AS "s"]], 1, true))
    assert.same({ { true, "update" }, { true, "delete" }, { false, "insert" } },
      { { p.clauses[1].matched, p.clauses[1].action }, { p.clauses[2].matched, p.clauses[2].action }, { p.clauses[3].matched, p.clauses[3].action } })
    assert.equal([[("s"."amount" > "t"."amount")]], p.clauses[1].condition_sql)
    assert.same({ { column = "name", sql = [["s"."name"]] }, { column = "is_deleted", sql = "false" } }, p.clauses[1].set)
    assert.same({ { "id", "name" }, { [["s"."id"]], [["s"."name"]] } }, { p.clauses[3].columns, p.clauses[3].values })
    assert.equal([[("s"."id" > 0)]], p.clauses[3].condition_sql)
  end)

  it("does not show the target's row to WHEN NOT MATCHED", function()
    local _, err = plan("MERGE INTO target t USING source s ON t.id = s.id WHEN NOT MATCHED THEN INSERT (id) VALUES (t.id)")
    assert.is_truthy(err.message:find("COLUMN_NOT_FOUND", 1, true))
  end)

  it("plans a CTAS with its properties and typed columns", function()
    local p = plan("CREATE TABLE x WITH (format = 'PARQUET', is_external = false, partitioned_by = ARRAY['a']) AS SELECT id, CAST(NULL AS varchar) AS n FROM source WITH NO DATA")
    assert.same({ { name = "id", type = "integer" }, { name = "n", type = "varchar" } }, p.columns)
    assert.same({ format = "PARQUET", is_external = false, partitioned_by = { "a" } }, p.properties)
    assert.is_true(p.with_no_data)
  end)

  it("plans CREATE, DROP, ALTER and upkeep by name", function()
    assert.same({ { name = "a", type = "integer" }, { name = "b", type = "array(varchar)" } },
      plan("CREATE TABLE x (a int, b array<string>) TBLPROPERTIES ('table_type'='ICEBERG')").columns)
    assert.same({ "DROP_TABLE", true }, { plan("DROP TABLE IF EXISTS x").kind, plan("DROP TABLE IF EXISTS x").if_exists })
    assert.same({ "rename_column", "a", "b" }, (function(p) return { p.action, p.column, p.new_column } end)(plan("ALTER TABLE x RENAME COLUMN a TO b")))
    assert.equal("VACUUM", plan("VACUUM x").kind)
    assert.equal([[("target"."id" = 1)]], plan("OPTIMIZE target REWRITE DATA USING BIN_PACK WHERE id = 1").where_sql)
    assert.equal("d", plan("CREATE SCHEMA IF NOT EXISTS d").target.database)
  end)

  local refused = {
    { "UPDATE target SET nme = 1", "COLUMN_NOT_FOUND: line 1:19: Column 'nme'" },
    { "UPDATE target SET id = 'x'", "Assignment type of column id does not match: expected integer but found varchar(1)" },
    { "UPDATE target SET name = 1", "Assignment type of column name does not match: expected varchar but found integer" },
    { "UPDATE target SET id = 1, id = 2", "DUPLICATE_COLUMN_NAME" },
    { "UPDATE missing SET id = 1", "TABLE_NOT_FOUND: line 1:8" },
    { "CREATE TABLE x AS SELECT 1", "MISSING_COLUMN_NAME" },
    { "CREATE TABLE x AS SELECT 1 AS a, 2 AS A", "DUPLICATE_COLUMN_NAME" },
    { "CREATE OR REPLACE TABLE x AS SELECT 1 AS a", "CREATE OR REPLACE TABLE is not supported" },
    { "INSERT INTO target (id) SELECT 1, 2", "Insert query has 2 expression(s) but expected 1 target column(s)" },
    { "MERGE INTO target USING source s ON true WHEN NOT MATCHED THEN INSERT (id) VALUES (1, 2)", "names 1 column(s) and gives 2 value(s)" },
    { "UNLOAD (SELECT 1) TO 's3://x/'", "UNLOAD is not supported" },
    { "CREATE VIEW v AS SELECT 1 AS a", "CREATE VIEW is not supported" },
  }
  for _, case in ipairs(refused) do
    it("refuses " .. case[1], function()
      local p, err = plan(case[1])
      assert.is_nil(p)
      assert.is_truthy(err.message:find(case[2], 1, true), err.message)
    end)
  end
end)
