-- luacheck: no max line length (a case is one line)
local sql = require("lib.sql")

local kinds = {
  { "SELECT 1", "SELECT", "DML", true }, { "(VALUES 1)", "SELECT", "DML", true }, { "TABLE t", "SELECT", "DML", true }, { "WITH a AS (SELECT 1) TABLE a", "SELECT", "DML", true },
  { "INSERT INTO a.t SELECT 1", "INSERT", "DML", false }, { "UPDATE t SET a = 1", "UPDATE", "DML", false }, { "DELETE FROM t", "DELETE", "DML", false },
  { "MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE", "MERGE", "DML", false }, { "UNLOAD (SELECT 1) TO 's3://x/'", "UNLOAD", "DML", false },
  { "CREATE TABLE t AS SELECT 1 AS a", "CREATE_TABLE_AS_SELECT", "DDL", false }, { "CREATE TABLE t (a int)", "CREATE_TABLE", "DDL", false },
  { "CREATE VIEW v AS SELECT 1", "CREATE_VIEW", "DDL", false }, { "DROP VIEW v", "DROP_VIEW", "DDL", false }, { "DROP TABLE t", "DROP_TABLE", "DDL", false },
  { "CREATE DATABASE d", "CREATE_SCHEMA", "DDL", false }, { "DROP SCHEMA d", "DROP_SCHEMA", "DDL", false },
  { "ALTER TABLE t ADD COLUMNS (a int)", "ALTER_TABLE_ADD_COLUMNS", "DDL", false }, { "ALTER TABLE t DROP COLUMN a", "ALTER_TABLE_DROP_COLUMN", "DDL", false },
  { "ALTER TABLE t RENAME TO u", "ALTER_TABLE_RENAME", "DDL", false }, { "ALTER TABLE t SET TBLPROPERTIES ('a'='b')", "ALTER_TABLE_SET_PROPERTIES", "DDL", false },
  { "OPTIMIZE t REWRITE DATA USING BIN_PACK", "OPTIMIZE", "DDL", false }, { "VACUUM t", "VACUUM", "DML", false },
  { "SHOW TABLES", "SHOW_TABLES", "UTILITY", true }, { "SHOW SCHEMAS", "SHOW_DATABASES", "UTILITY", true }, { "SHOW COLUMNS IN t", "SHOW_COLUMNS", "UTILITY", true },
  { "SHOW CREATE TABLE t", "SHOW_CREATE_TABLE", "UTILITY", true }, { "SHOW TBLPROPERTIES t", "SHOW_TABLE_PROPERTIES", "UTILITY", true },
  { "DESCRIBE t", "DESCRIBE_TABLE", "UTILITY", true }, { "EXPLAIN SELECT 1", "EXPLAIN", "DML", true }, { "EXPLAIN ANALYZE SELECT 1", "EXPLAIN", "DML", true },
  { "EXPLAIN DROP TABLE t", "EXPLAIN", "DML", false },
}

describe("lib.sql.classify", function()
  for _, case in ipairs(kinds) do
    it("tells what " .. case[1] .. " is", function()
      local class = sql.classify(assert(sql.parse(case[1])))
      assert.same({ case[2], case[3], case[4] }, { class.kind, class.type, class.read_only })
    end)
  end

  it("names the target and every table read, in order and with its place", function()
    local class = sql.classify(assert(sql.parse("INSERT INTO Gold.T\nWITH w AS (SELECT * FROM a) SELECT * FROM w, b.c x WHERE EXISTS (SELECT 1 FROM cat.d.e)")))
    assert.same({ database = "gold", table = "t" }, class.target)
    local list = {}
    for i, ref in ipairs(class.tables) do list[i] = ("%s.%s.%s@%d:%d"):format(ref.catalog or "", ref.database or "", ref.table, ref.line, ref.column) end
    assert.same({ "..a@2:26", ".b.c@2:46", "cat.d.e@2:80" }, list)
  end)

  it("does not take the names of WITH for tables where they are not in scope", function()
    local class = sql.classify(assert(sql.parse("SELECT * FROM (WITH w AS (SELECT 1) SELECT * FROM w), w")))
    assert.equal(1, #class.tables)
    class = sql.classify(assert(sql.parse("WITH w AS (SELECT * FROM w) SELECT * FROM w")))
    assert.equal(1, #class.tables)
  end)
end)
