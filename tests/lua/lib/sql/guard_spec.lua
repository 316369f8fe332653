-- luacheck: no max line length (a case is one line)
local sql = require("lib.sql")

describe("lib.sql.guard", function()
  local reading = {
    "SELECT 1", "select 1 ;", "  -- DROP TABLE x\n SELECT 1", "/* ; drop table x */ SELECT 1", "(SELECT 1)", "WITH a AS (SELECT 1) SELECT * FROM a",
    "VALUES 1", "TABLE t", "SELECT 'please ; update me'", 'SELECT 1 AS "; drop table x"', "SELECT 1 AS \"delete\"",
    "SELECT updated_at, is_deleted FROM insert_log", "SELECT ';' -- ;",
  }
  local utilities = { "SHOW TABLES", "DESCRIBE t", "EXPLAIN SELECT 1", "SHOW CREATE TABLE t" }
  local unsafe = {
    "select 1; drop table x", "select 1;\ndelete from t", "select 1;truncate table x", "select 1;unload (select 1) to 's3://x/'",
    "DROP TABLE x", "INSERT INTO t SELECT 1", "UPDATE t SET a = 1", "DELETE FROM t", "CREATE TABLE t AS SELECT 1 AS a",
    "MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE", "UNLOAD (SELECT 1) TO 's3://x/'", "VACUUM t", "ALTER TABLE t DROP COLUMN a",
    "EXPLAIN ANALYZE INSERT INTO t SELECT 1", "EXPLAIN DELETE FROM t", "selection", "COPY t TO 'x'", "ATTACH 'x'", "PRAGMA database_list",
    "SET memory_limit = '1GB'", "INSTALL httpfs", "LOAD httpfs", "CALL x()", "USE x", "", ";", "SELECT 1;;DROP TABLE x",
    "SELECT 1; SELECT 2", "/* SELECT 1 */ DROP TABLE x", "-- SELECT\nDROP TABLE x", "CREATE OR REPLACE VIEW v AS SELECT 1 AS a",
  }
  for slip, meant in pairs { ["SELCT 1"] = "SELECT", ["slect a from t"] = "SELECT", ["WIHT a AS (SELECT 1) TABLE a"] = "WITH" } do
    it("takes " .. slip .. " for a slip, not for an attempt", function()
      local tree, err = sql.guard.read_only(slip)
      assert.is_nil(tree)
      assert.equal("SyntaxError", err.code)
      assert.equal(("line 1:1: mismatched input '%s'. Did you mean '%s'?"):format(slip:match("%S+"), meant), err.message)
    end)
  end
  for _, text in ipairs(reading) do
    it("lets through " .. text, function()
      assert.is_table(sql.guard.read_only(text))
      assert.is_table(sql.guard.select(text))
    end)
  end
  for _, text in ipairs(utilities) do
    it("reads but does not materialise " .. text, function()
      assert.is_table(sql.guard.read_only(text))
      local tree, err = sql.guard.select(text)
      assert.is_nil(tree)
      assert.equal("UnsafeSql", err.code)
    end)
  end
  for _, text in ipairs(unsafe) do
    it("refuses " .. text, function()
      for _, check in ipairs { sql.guard.read_only, sql.guard.select } do
        local tree, err = check(text)
        assert.is_nil(tree)
        assert.equal("UnsafeSql", err.code)
      end
    end)
  end

  it("refuses a writable WITH (fabric-dw-mcp-cli#240)", function()
    assert.is_nil((sql.guard.read_only("WITH x AS (DELETE FROM t RETURNING *) SELECT 1")))
    assert.is_nil((sql.guard.select("WITH x AS (INSERT INTO t SELECT 1) SELECT 1")))
  end)

  it("tells a typing error from a forbidden statement", function()
    local _, err = sql.guard.read_only("SELECT 1 FROM WHERE")
    assert.equal("SyntaxError", err.code)
  end)

  -- Work is counted in executed instructions, so the measure is the same on every machine.
  local function work(text)
    local steps = 0
    debug.sethook(function() steps = steps + 1000 end, "", 1000)
    sql.guard.read_only(text)
    debug.sethook()
    return steps
  end

  local growing = {
    ["open brackets"] = function(n) return "SELECT " .. ("("):rep(n) end,
    ["nested brackets"] = function(n) return "SELECT " .. ("("):rep(n) .. "1" .. (")"):rep(n) end,
    ["nested queries"] = function(n) return ("SELECT * FROM ("):rep(n) .. "SELECT 1" .. (")"):rep(n) end,
    ["bracketed queries"] = function(n) return ("("):rep(n) .. "SELECT 1" .. (")"):rep(n) end,
    ["long conjunctions"] = function(n) return "SELECT 1 WHERE a = 1" .. (" AND a = 1"):rep(n // 4) end,
    ["long lists"] = function(n) return "SELECT 1 WHERE a IN (1" .. (", 1"):rep(n // 2) .. ")" end,
    ["minus signs"] = function(n) return "SELECT 1" .. (" - 1"):rep(n // 2) end,
    ["comment openings"] = function(n) return "SELECT 1 " .. ("/*"):rep(n) end,
    ["quotes"] = function(n) return "SELECT '" .. ("''"):rep(n) end,
    ["blanks"] = function(n) return "SELECT" .. (" "):rep(n) .. "1" .. (" "):rep(n) end,
    ["CASE inside CASE"] = function(n) return "SELECT " .. ("CASE WHEN a THEN "):rep(n // 4) end,
    ["lambda inside lambda"] = function(n) return "SELECT " .. ("(x) -> "):rep(n // 4) .. "1" end,
    ["join after join"] = function(n) return "SELECT 1 FROM a" .. (" JOIN b ON true"):rep(n // 8) end,
    ["names with dots"] = function(n) return "SELECT a" .. (".a"):rep(n) end,
  }
  for name, make in pairs(growing) do
    it("costs no more than linear work on " .. name .. " (Chaterm#2500)", function()
      local small, large = work(make(4000)), work(make(32000))
      assert.is_true(large <= small * 12 + 100000, ("%d then %d"):format(small, large))
    end)
  end

  it("takes 200 kB of nested brackets in a bounded number of steps", function()
    local text = "SELECT " .. ("("):rep(100000) .. "1" .. (")"):rep(100000)
    assert.is_true(work(text) < 400 * #text)
  end)
end)
