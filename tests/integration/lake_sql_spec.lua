-- Statements as users write them, on real tables: DDL, changes, time travel, upkeep, and what must not be possible.
local files = require "sm.files"
local fixture = require "lake_fixture"
local task = require "sm.task"
local time = require "sm.time"

describe("statements on the lake", function()
  if not fixture.has_engine() then return pending "libduckdb.so is not there" end

  local f
  before_each(function()
    f = fixture.open()
    f.run "CREATE SCHEMA d"
  end)
  after_each(function() f.close() end)

  local function refused(sql, code, pattern)
    local done, err = f.warehouse.run { sql = sql, database = "d", caller = "spec" }
    assert.is_nil(done, sql)
    assert.are.equal(code, err.code, sql .. " -> " .. tostring(err))
    if pattern then assert.matches(pattern, err.message) end
  end

  it("one value of many gigabytes had the kernel kill the server", function()
    refused("SELECT cardinality(repeat('a', 2000000000))", "LimitExceeded", "Out of Memory")
    assert.are.equal("1", f.value "SELECT 1")
  end)

  describe("a damaged file was an internal error without a name:", function()
    local function path_of(uri) return (uri:gsub("^file://", "")) end
    local function locations()
      local table_ = assert(f.lake.store:load("d", "t"))
      local list = table_.meta.snapshots[1]["manifest-list"]
      return { metadata = table_.metadata_location, ["manifest list"] = list, manifest = f.lake.store:manifests(table_.meta.snapshots[1])[1].path }
    end
    local contents = { "", '{"format-version":2', '{"format-version":2}', "[]", "5", '{"format-version":2,"location":"file:///x","schemas":7}',
      "Obj\1", ("x"):rep(5000) }

    for _, which in ipairs { "metadata", "manifest list", "manifest" } do
      it(which, function()
        f.run "CREATE TABLE t AS SELECT 1 AS a"
        local uri = locations()[which]
        local whole = assert(files.read(path_of(uri)))
        for _, text in ipairs(contents) do
          assert(files.write(path_of(uri), text))
          f.lake.store.cache = {}
          local done, err = f.warehouse.run { sql = "SELECT a FROM t", database = "d", caller = "spec" }
          assert.is_nil(done)
          assert.is_true(err.code == "ExternalServiceError" or err.code == "NotSupported", text:sub(1, 40) .. ": " .. tostring(err))
          if err.code == "ExternalServiceError" then assert.is_truthy(err.message:find(uri, 1, true), err.message) end
        end
        assert(files.write(path_of(uri), whole))
        assert.are.equal("1", f.value "SELECT a FROM t")
      end)
    end
  end)

  it("the engine itself reaches the lake, and nothing beside it", function()
    local con <close> = assert(f.lake.engine:connect())
    for _, path in ipairs { "/state.sqlite", "/catalog.sqlite", "/results/x.rows", "/lake/../state.sqlite", "/../x" } do
      local rows, err = con:query(("SELECT size FROM read_blob('%s%s')"):format(f.data, path))
      assert.is_nil(rows)
      assert.equal("UnsafeSql", err.code, path .. ": " .. err.message)
    end
    assert.is_nil((con:exec(("COPY (SELECT 1) TO '%s/serve.json'"):format(f.data))))
    assert.is_table(con:query(("SELECT count(*) FROM glob('%s/lake/**')"):format(f.data)))
  end)

  it("a table that a killed server was building stayed in the catalog for good", function()
    f.run "CREATE TABLE kept AS SELECT 1 AS a"
    f.run "CREATE TABLE kept__build_0123456789ab AS SELECT 2 AS a"
    f.run "CREATE TABLE kept__build_0123 AS SELECT 2 AS a"
    local left = f.lake.store:load("d", "kept__build_0123456789ab").location:gsub("^file://", "")
    require("adapters.local.lake").close(f.lake)
    f.lake = assert(require("adapters.local.lake").open { data = f.data, is_abandoned = require("domain.lakehouse.tables").is_staged })
    assert.is_nil(f.lake.catalog:iceberg("d", "kept__build_0123456789ab"))
    assert.is_false(files.exists(left))
    assert.is_table(f.lake.catalog:iceberg("d", "kept"))
    assert.is_table(f.lake.catalog:iceberg("d", "kept__build_0123"))
    require("adapters.local.lake").close(f.lake)
  end)

  describe("DDL", function()
    it("creates, shows and drops", function()
      f.run [[CREATE TABLE t (id bigint, name string, amount decimal(12,2), tags array<string>, at timestamp)
        LOCATION 's3://bucket/some/t/' TBLPROPERTIES ('table_type'='ICEBERG', 'vacuum_min_snapshots_to_keep'='2')]]
      local rows = f.rows "DESCRIBE t"
      assert.are.same({ "tags", "array(varchar)", "" }, rows[4])
      assert.are.same({ "at", "timestamp(6)", "" }, rows[5])
      f.run "INSERT INTO t (id, name) VALUES (1, 'a'), (2, 'b')"
      assert.are.equal("2", f.value "SELECT count(*) FROM t WHERE amount IS NULL")
      assert.are.equal("2", f.lake.store:load("d", "t").meta.properties.vacuum_min_snapshots_to_keep)
      local path = f.lake.store:load("d", "t").location:gsub("^file://", "")
      assert.are.equal(f.lake.root .. "/s3/bucket/some/t", path)
      f.run "DROP TABLE t"
      assert.is_false(files.exists(path))
      refused("DROP TABLE t", "NotFound")
      f.run "DROP TABLE IF EXISTS t"
    end)

    it("refuses what would not work on Athena or would be lost", function()
      refused("CREATE OR REPLACE TABLE t AS SELECT 1 AS a", "NotSupported")
      refused("CREATE TABLE t WITH (partitioning = ARRAY['a']) AS SELECT 1 AS a", "NotSupported", "partition")
      refused("CREATE TABLE t WITH (no_such = 'a') AS SELECT 1 AS a", "BadParam", "no_such")
      refused("CREATE TABLE t WITH (location = '/etc') AS SELECT 1 AS a", "BadParam", "below the lake")
      refused("CREATE TABLE t WITH (location = 'file://" .. f.lake.root .. "/d/../../x') AS SELECT 1 AS a", "BadParam")
      f.run "CREATE TABLE around AS SELECT 1 AS a"
      refused("CREATE TABLE t WITH (location = '" .. f.lake.store:load("d", "around").location .. "/data/t') AS SELECT 1 AS a", "BadParam",
        "overlaps")
      f.run "DROP TABLE around"
      refused("CREATE TABLE t AS SELECT CAST(1 AS smallint) AS a", "NotSupported", "integer")
      refused("CREATE TABLE t (a bigint) LOCATION 's3://b/t' TBLPROPERTIES ('format'='ORC')", "BadParam")
      refused("CREATE TABLE nowhere.t AS SELECT 1 AS a", "NotFound", "nowhere")
      refused("CREATE SCHEMA d", "Conflict")
      assert.are.same({}, (f.rows "SHOW TABLES"))
    end)

    it("keeps a failed CREATE invisible and its folder gone", function()
      refused("CREATE TABLE t AS SELECT 1 / (x - 3) AS a FROM UNNEST(sequence(1, 5)) s(x)", "QueryFailed", "DIVISION_BY_ZERO")
      assert.are.same({}, (f.rows "SHOW TABLES"))
      assert.is_false(files.exists(f.lake.root .. "/d/t"))
    end)

    it("changes columns without touching data", function()
      f.run "CREATE TABLE t AS SELECT 1 AS a, 'x' AS b"
      f.run "ALTER TABLE t ADD COLUMNS (c bigint, d row(e integer))"
      f.run "INSERT INTO t VALUES (2, 'y', 7, ROW(1))"
      f.run "ALTER TABLE t RENAME COLUMN b TO word"
      f.run "ALTER TABLE t DROP COLUMN a"
      assert.are.same({ { "x", require("sm.json").null }, { "y", "7" } }, (f.rows "SELECT word, c FROM t ORDER BY word"))
      refused("SELECT b FROM t", "QueryFailed", "COLUMN_NOT_FOUND")
      f.run "ALTER TABLE t CHANGE COLUMN c total bigint"
      f.run "ALTER TABLE t RENAME TO d.u"
      assert.are.equal("7", f.value "SELECT sum(total) FROM u")
    end)

    it("makes one table of simultaneous CREATEs, whole", function()
      local jobs, made = {}, 0
      for i = 1, 6 do
        jobs[i] = function()
          local done, err = f.warehouse.run { sql = "CREATE TABLE t AS SELECT " .. i .. " AS a", database = "d", caller = "spec" }
          if done then made = made + 1 else assert.are.equal("Conflict", err.code) end
          return true
        end
      end
      assert(task.parallel(jobs))
      assert.are.equal(1, made)
      assert.are.equal("1", f.value "SELECT count(*) FROM t")
      assert.are.equal(1, #files.list(f.lake.root .. "/d"))
    end)

    it("shows what fits a pattern, in LIKE's spelling and in Athena's", function()
      f.run "CREATE TABLE t AS SELECT 1 AS a"
      for _, pattern in ipairs { "'d'", "LIKE 'd%'", "LIKE 'd*'", "LIKE 'd.*'", "LIKE '_'" } do
        assert.are.same({ { "d" } }, (f.rows("SHOW DATABASES " .. pattern:gsub("^'", "LIKE '"))), pattern)
      end
      assert.are.same({ { "t" } }, (f.rows "SHOW TABLES IN d '.*t|u'"))
      assert.are.same({}, (f.rows "SHOW TABLES IN d 'x.*'"))
    end)

    it("explains without repeating its own text, and refuses what it does not give", function()
      f.run "CREATE TABLE t AS SELECT 1 AS a"
      for _, row in ipairs((f.rows "EXPLAIN ANALYZE SELECT count(*) FROM t")) do assert.is_nil(row[1]:find("read_parquet", 1, true)) end
      refused("EXPLAIN (FORMAT JSON) SELECT 1", "NotSupported", "FORMAT")
      refused("EXPLAIN (TYPE IO) SELECT 1", "NotSupported", "TYPE IO")
    end)

    it("names the database that is not there, and where a bare table lies", function()
      f.run "CREATE TABLE t AS SELECT 1 AS a"
      refused("SELECT * FROM dd.t", "QueryFailed", "SCHEMA_NOT_FOUND: line 1:15: Schema 'dd' does not exist. Did you mean 'd'?")
    end)

    it("drops a database only when it is empty, or with CASCADE", function()
      f.run "CREATE TABLE t AS SELECT 1 AS a"
      refused("DROP SCHEMA d", "Conflict", "holds 1 table")
      f.run "DROP SCHEMA d CASCADE"
      assert.are.same({}, (f.rows "SHOW DATABASES"))
    end)
  end)

  describe("changes", function()
    it("merges by Trino's rules", function()
      f.run "CREATE TABLE t AS SELECT x AS id, 'old' AS v FROM UNNEST(sequence(1, 5)) s(x)"
      local done = f.run [[MERGE INTO t USING (SELECT x AS id, 'new' AS v FROM UNNEST(sequence(4, 8)) s(x)) AS s ON t.id = s.id
        WHEN MATCHED AND s.id = 5 THEN DELETE
        WHEN MATCHED THEN UPDATE SET v = s.v || t.v
        WHEN NOT MATCHED AND s.id < 8 THEN INSERT (id, v) VALUES (s.id, s.v)]]
      assert.are.equal(4, done.rows)
      assert.are.same({ { "1", "old" }, { "2", "old" }, { "3", "old" }, { "4", "newold" }, { "6", "new" }, { "7", "new" } },
        (f.rows "SELECT * FROM t ORDER BY id"))
      refused("MERGE INTO t USING (VALUES 1, 1) AS s(id) ON t.id = s.id WHEN MATCHED THEN DELETE", "QueryFailed",
        "MERGE_TARGET_ROW_MULTIPLE_MATCHES")
    end)

    it("reads the target's rows as they were when a statement changes what it reads", function()
      f.run "CREATE TABLE t AS SELECT x AS id FROM UNNEST(sequence(1, 10)) s(x)"
      f.run "INSERT INTO t SELECT id + 10 FROM t"
      f.run "DELETE FROM t WHERE id > (SELECT avg(id) FROM t)"
      assert.are.same({ { "10", "55" } }, (f.rows "SELECT count(*), sum(id) FROM t"))
      assert.are.equal(10, f.run("UPDATE t SET id = id * 2 WHERE id IN (SELECT id FROM t)").rows)
      assert.are.equal("110", f.value "SELECT sum(id) FROM t")
    end)

    it("refuses rows of the wrong type or number", function()
      f.run "CREATE TABLE t AS SELECT 1 AS a, 'x' AS b"
      refused("INSERT INTO t VALUES (1)", "QueryFailed", "TYPE_MISMATCH")
      refused("INSERT INTO t VALUES ('x', 'y')", "QueryFailed", "TYPE_MISMATCH")
      refused("INSERT INTO t (a, zz) VALUES (1, 'y')", "QueryFailed", "zz")
      refused("UPDATE t SET zz = 1", "QueryFailed", "zz")
      assert.are.equal("1", f.value "SELECT count(*) FROM t")
    end)

    it("empties a table at once", function()
      f.run "CREATE TABLE t AS SELECT x FROM UNNEST(sequence(1, 100)) s(x)"
      assert.are.equal(100, f.run("DELETE FROM t").rows)
      assert.are.equal("0", f.value "SELECT count(*) FROM t")
      assert.are.equal(0, f.run("DELETE FROM t").rows)
    end)

    it("lets one of two overlapping changes win, and the loser say so", function()
      f.run "CREATE TABLE t AS SELECT x AS id, 0 AS n FROM UNNEST(sequence(1, 20000)) s(x)"
      local results = {}
      local function update(i)
        return function()
          local done, err = f.warehouse.run { sql = "UPDATE t SET n = n + 1 WHERE id % 2 = 0", database = "d", caller = "spec" }
          results[i] = done and "done" or err.code
          return true
        end
      end
      assert(task.parallel { update(1), update(2), update(3) })
      local done = 0
      for _, r in ipairs(results) do
        if r == "done" then done = done + 1 else assert.are.equal("Conflict", r) end
      end
      assert.is_true(done >= 1)
      assert.are.equal(tostring(done), f.value "SELECT max(n) FROM t")
    end)
  end)

  describe("versions", function()
    it("reads a table as it was", function()
      f.run "CREATE TABLE t AS SELECT 1 AS a"
      local first = f.value 'SELECT snapshot_id FROM "t$snapshots"'
      task.sleep(0.005)
      local between = time.iso(time.now(), 3):gsub("T", " "):gsub("Z", "")
      task.sleep(0.005)
      f.run "INSERT INTO t VALUES (2)"
      assert.are.equal("2", f.value "SELECT count(*) FROM t")
      assert.are.equal("1", f.value("SELECT count(*) FROM t FOR VERSION AS OF " .. first))
      assert.are.equal("1", f.value(("SELECT count(*) FROM t FOR TIMESTAMP AS OF TIMESTAMP '%s UTC'"):format(between)))
      refused("SELECT * FROM t FOR VERSION AS OF 7", "QueryFailed", "no snapshot 7")
      refused("SELECT * FROM t FOR TIMESTAMP AS OF TIMESTAMP '2001-01-01 00:00:00 UTC'", "QueryFailed", "no version that old")
    end)

    it("shows its history and files as tables", function()
      f.run "CREATE TABLE t AS SELECT 1 AS a"
      f.run "INSERT INTO t VALUES (2)"
      assert.are.same({ { "append", "1" }, { "append", "2" } },
        (f.rows [[SELECT operation, summary['total-records'] FROM "t$snapshots" ORDER BY committed_at]]))
      assert.are.same({ { "2", "true" } }, (f.rows [[SELECT count(*), bool_and(is_current_ancestor) FROM "t$history"]]))
      assert.are.same({ { "2", "2" } }, (f.rows [[SELECT count(*), sum(record_count) FROM "t$files"]]))
      refused('SELECT * FROM "t$nothing"', "NotSupported", "snapshots, history")
    end)

    it("lets go of old versions and small files", function()
      f.run [[CREATE TABLE t (a integer) LOCATION 's3://b/t'
        TBLPROPERTIES ('table_type'='ICEBERG', 'vacuum_max_snapshot_age_seconds'='0', 'vacuum_min_snapshots_to_keep'='2')]]
      for i = 1, 5 do f.run("INSERT INTO t VALUES (" .. i .. ")") end
      f.run "OPTIMIZE t REWRITE DATA USING BIN_PACK"
      assert.are.equal("1", f.value 'SELECT count(*) FROM "t$files"')
      task.sleep(0.005)
      f.run "VACUUM t"
      assert.are.equal("2", f.value 'SELECT count(*) FROM "t$snapshots"')
      assert.are.equal("15", f.value "SELECT sum(a) FROM t")
    end)

    it("keeps the table's compression when it joins small files", function()
      f.run [[CREATE TABLE t (a integer) LOCATION 's3://b/t'
        TBLPROPERTIES ('table_type'='ICEBERG', 'write_compression'='SNAPPY')]]
      for i = 1, 3 do f.run("INSERT INTO t VALUES (" .. i .. ")") end
      f.run "OPTIMIZE t REWRITE DATA USING BIN_PACK"
      local con <close> = assert(f.lake.engine:connect())
      local found = assert(con:query(("SELECT DISTINCT compression FROM parquet_metadata('%s/lake/**/*.parquet')"):format(f.data)))
      assert.are.same({ "SNAPPY" }, { found.rows[1][1], found.rows[2] and found.rows[2][1] })
    end)

    it("keeps the table's compression when rows with other columns replace its own", function()
      f.run [[CREATE TABLE t (a integer) LOCATION 's3://b/t'
        TBLPROPERTIES ('table_type'='ICEBERG', 'write_compression'='SNAPPY')]]
      f.run "CREATE TABLE staged AS SELECT 2 AS b, 'x' AS c"
      assert(f.table_store.swap("d", "t", "staged"))
      local con <close> = assert(f.lake.engine:connect())
      local found = assert(con:query(("SELECT DISTINCT compression FROM parquet_metadata('%s/lake/**/t/data/*.parquet')"):format(f.data)))
      assert.are.same({ "SNAPPY" }, { found.rows[1][1], found.rows[2] and found.rows[2][1] })
    end)
  end)

  describe("names", function()
    it("suggests a table or a database that is nearly it", function()
      f.run "CREATE TABLE visits AS SELECT 1 AS a"
      refused("SELECT * FROM vists", "QueryFailed", "visits")
      refused("SELECT * FROM other.visits", "QueryFailed", "other")
      refused("DROP TABLE vists", "NotFound", "did you mean 'visits'")
    end)

    it("answers information_schema", function()
      f.run "CREATE TABLE t AS SELECT 1 AS a, 'x' AS b"
      assert.are.same({ { "d", "t" } }, (f.rows "SELECT table_schema, table_name FROM information_schema.tables"))
      assert.are.same({ { "a", "1", "integer" }, { "b", "2", "varchar" } },
        (f.rows "SELECT column_name, ordinal_position, data_type FROM information_schema.columns WHERE table_name = 't' ORDER BY 2"))
    end)
  end)

  it("lets nobody reach beyond the lake", function()
    local outside = files.temp_dir() .. "/sewing-outside-" .. os.time() .. ".csv"
    files.write(outside, "a\n1\n")
    for _, sql in ipairs {
      "SELECT * FROM read_csv('" .. outside .. "')", "SELECT * FROM '" .. outside .. "'", "SELECT * FROM \"" .. outside .. "\"",
      "SELECT read_text('" .. outside .. "')", "SELECT * FROM glob('/*')", "SELECT getenv('HOME')", "SELECT * FROM duckdb_settings()",
      "SELECT * FROM duckdb_settings", "SELECT * FROM sqlite_master", "SELECT * FROM pg_catalog.pg_tables",
        "SELECT current_setting('memory_limit')",
      "ATTACH '/tmp/x.db' AS x", "COPY (SELECT 1) TO '/tmp/x'", "PRAGMA database_list", "SET memory_limit = '1GB'", "INSTALL httpfs",
        "LOAD httpfs",
      "EXPORT DATABASE '/tmp/x'", "CALL pragma_version()", "SELECT * FROM query('SELECT 1')", "SELECT * FROM query_table('x')",
    } do
      for _, purpose in ipairs { "query", "pipeline" } do
        local done, err = f.warehouse.run { sql = sql, database = "d", caller = "spec", purpose = purpose }
        assert.is_nil(done, sql)
        assert.is_not_equal("InternalError", err.code, sql)
        assert.is_nil(tostring(err):find("1\n", 1, true))
      end
    end
    -- The engine itself is fenced as well, should a statement ever get through.
    local con <close> = assert(f.lake.engine:connect())
    for _, sql in ipairs { "SELECT * FROM read_csv('" .. outside .. "')", "COPY (SELECT 1) TO '" .. outside .. "'", "ATTACH '" .. outside
      .. ".db'",
      "SET memory_limit = '1GB'", "INSTALL httpfs" } do
      assert.is_nil((con:exec(sql)), sql)
    end
    files.remove(outside)
  end)
end)
