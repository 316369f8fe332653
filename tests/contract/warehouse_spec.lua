-- Port warehouse: what every adapter must do with statements, ids, states and results.
local fixture = require "lake_fixture"
local trino = require "trino_fixture"
local json = require "sm.json"
local task = require "sm.task"

local adapters = {}
if fixture.has_engine() then
  adapters["local"] = function(options)
    local f = fixture.open(options)
    f.run("CREATE SCHEMA d")
    return f
  end
end

local function cells(page)
  local rows = {}
  for i, text in ipairs(page.rows_text) do rows[i] = json.decode(text) end
  return rows
end
if trino.url() then
  adapters.trino = function(options)
    local f = trino.open(options)
    f.run("CREATE SCHEMA d")
    return f
  end
end

-- Athena's own queue, its limits and its clearing away are not the adapter's: `aws` is left out of what tries those.
local aws = require "aws_fixture"
if fixture.has_engine() and aws.has "moto" and aws.has "dynamodb" then
  adapters.aws = function(options)
    local f = require("athena_fixture").open(options)
    f.run("CREATE SCHEMA d")
    return f
  end
end

if not next(adapters) then
  describe("port warehouse", function() pending "libduckdb.so is not there" end)
end

for name, open in pairs(adapters) do
  describe("port warehouse (" .. name .. ")", function()
    local f, w

    local function start_with(options)
      if f then f.close() end
      f = open(options)
      w = f.warehouse
    end

    before_each(function()
      f = nil
      start_with()
    end)
    after_each(function() f.close() end)

    local function finished(sql, more)
      local request = { sql = sql, database = "d", caller = "ann", purpose = "query" }
      for key, value in pairs(more or {}) do request[key] = value end
      local started = assert(w.start(request))
      return assert(w.wait(started.id, 30))
    end

    -- Runs for about as long as it is let.
    local SLOW = "SELECT count(*) FROM UNNEST(sequence(1, 9000)) a(x) CROSS JOIN UNNEST(sequence(1, 9000)) b(y) "
      .. "CROSS JOIN UNNEST(sequence(1, 900)) c(z) WHERE x * y * z % 7 = 3"

    it("gives ids, states, columns, text cells and counts", function()
      local e = finished("SELECT 1 AS a, 'x' AS b, CAST(NULL AS varchar) AS c, true AS d, DATE '2024-02-29' AS e, "
        .. "CAST(1.5 AS decimal(5,2)) AS f")
      assert.are.equal("SUCCEEDED", e.state)
      assert.are.equal("SELECT", e.kind)
      if name ~= "aws" then assert.are.equal(1, e.stats.rows) end
      assert.is_true(e.finished_at >= e.submitted_at and e.stats.execution_ms >= 0)
      local page = assert(w.results(e.id, { max_rows = 10 }))
      assert.are.same({ "a", "b", "c", "d", "e", "f" }, page.columns)
      assert.are.equal(6, #page.column_types)
      assert.are.same({ "1", "x", json.null, "true", "2024-02-29", "1.50" }, cells(page)[1])
      assert.is_nil(page.next_token)
    end)

    it("refuses text that cannot be parsed without making an execution", function()
      local started, err = w.start { sql = "SELEC 1", caller = "ann", purpose = "pipeline" }
      assert.is_nil(started)
      assert.are.equal("SyntaxError", err.code)
    end)

    it("lets /query read only, whatever the text hides", function()
      for _, sql in ipairs { "DROP TABLE d.t", "INSERT INTO d.t SELECT 1", "SELECT 1; DROP TABLE d.t", "/* select */ DELETE FROM d.t",
        "CREATE SCHEMA x" } do
        local started, err = w.start { sql = sql, database = "d", caller = "ann", purpose = "query" }
        assert.is_nil(started, sql)
        assert.are.equal("UnsafeSql", err.code, sql)
      end
    end)

    it("hands out a large result page by page, each row once", function()
      local e = finished "SELECT x FROM UNNEST(sequence(1, 2500)) t(x) ORDER BY x"
      local seen, token, pages = {}, nil, 0
      repeat
        local page = assert(w.results(e.id, { max_rows = 1000, token = token }))
        for _, row in ipairs(cells(page)) do seen[#seen + 1] = math.tointeger(tonumber(row[1])) end
        token, pages = page.next_token, pages + 1
        if name ~= "aws" then assert.are.equal(2500, page.row_count) end
      until not token
      assert.are.equal(3, pages)
      for i = 1, 2500 do assert.are.equal(i, seen[i]) end
    end)

    it("refuses a page token of another query, an altered one and nonsense", function()
      local a, b = finished "SELECT x FROM UNNEST(sequence(1, 50)) t(x)", finished "SELECT x FROM UNNEST(sequence(1, 50)) t(x)"
      local token = assert(w.results(a.id, { max_rows = 10 })).next_token
      for _, bad in ipairs { token, "x", "", "AAAA" } do
        local id = bad == token and b.id or a.id
        local page, err = w.results(id, { max_rows = 10, token = bad })
        assert.is_nil(page)
        assert.are.equal("BadParam", err.code)
      end
    end)

    it("shows an execution to its caller only", function()
      local e = finished "SELECT 1"
      assert.is_truthy(w.get(e.id, "ann"))
      assert.are.equal("ann", w.get(e.id).caller)
      for _, call in ipairs { w.get, function(id, who) return w.results(id, {}, who) end, w.cancel, function(id, who) return w.wait(id, 0,
        who) end } do
        local found, err = call(e.id, "bob")
        assert.is_nil(found)
        assert.are.equal("NotFound", err.code)
      end
      local _, err = w.get("no-such-id")
      assert.are.equal("NotFound", err.code)
    end)

    it("tells the caller's mistakes from the engine's faults", function()
      local e = finished "SELECT CAST('x' AS integer)"
      assert.are.equal("FAILED", e.state)
      assert.are.equal("QueryFailed", e.error.code)
      local unknown = finished "SELECT nothing FROM (SELECT 1 AS something) t"
      assert.are.equal("QueryFailed", unknown.error.code)
      local _, err = w.results(e.id, {})
      assert.are.equal("QueryFailed", err.code)
    end)

    it("suggests the nearest table", function()
      f.run("CREATE TABLE d.visits AS SELECT 1 AS a")
      local e = finished "SELECT * FROM visit"
      assert.are.equal("FAILED", e.state)
      assert.matches("visits", e.error.message)
    end)

    it("cancels a running statement at once", function()
      local started = assert(w.start { sql = SLOW, caller = "ann", purpose = "query" })
      while assert(w.get(started.id)).state == "QUEUED" do task.sleep(0.01) end
      task.sleep(0.05)
      assert.are.equal("RUNNING", w.get(started.id).state)
      assert(w.cancel(started.id))
      assert.are.equal("CANCELLED", assert(w.wait(started.id, 5)).state)
      assert.is_true(w.cancel(started.id))
      local _, err = w.results(started.id, {})
      assert.are.equal("QueryCancelled", err.code)
    end)

    it("runs a few at a time and the others in the order they came", function()
      start_with { running = 1 }
      local slow = assert(w.start { sql = SLOW, caller = "ann", purpose = "query" })
      task.sleep(0.05)
      local second = assert(w.start { sql = "SELECT 2", caller = "ann", purpose = "query" })
      local third = assert(w.start { sql = "SELECT 3", caller = "ann", purpose = "query" })
      task.sleep(0.05)
      assert.are.same({ "QUEUED", "QUEUED" }, { w.get(second.id).state, w.get(third.id).state })
      assert(w.cancel(third.id))
      assert.are.equal("CANCELLED", w.get(third.id).state)
      assert(w.cancel(slow.id))
      assert.are.equal("SUCCEEDED", assert(w.wait(second.id, 5)).state)
    end)

    it("waits no longer than asked", function()
      local started = assert(w.start { sql = SLOW, caller = "ann", purpose = "query" })
      local e = assert(w.wait(started.id, 0.05))
      assert.is_true(e.state == "RUNNING" or e.state == "QUEUED")
      assert.are.equal("Conflict", select(2, w.results(started.id, {})).code)
      w.cancel(started.id)
      w.wait(started.id, 5)
    end)

    it("starts one statement for one token", function()
      f.run("CREATE TABLE d.t (a bigint) LOCATION '" .. f.catalog.location("d", "t") .. "' TBLPROPERTIES ('table_type'='ICEBERG')")
      local request = { sql = "INSERT INTO d.t SELECT 1", database = "d", caller = "ann", purpose = "materialize", token = "once" }
      local first = assert(w.run(request))
      local again = assert(w.run(request))
      assert.are.equal(first.id, again.id)
      assert.are.equal("1", f.value("SELECT count(*) FROM d.t"))
      request.sql = "INSERT INTO d.t SELECT 2"
      assert.are.equal("Conflict", select(2, w.run(request)).code)
      request.caller = "bob"
      assert.are_not.equal(first.id, assert(w.run(request)).id)
    end)

    it("does not repeat a change whose record was lost after its commit", function()
      if name ~= "local" then return end
      f.run "CREATE TABLE d.t AS SELECT x AS a FROM UNNEST(sequence(1, 10)) s(x)"
      local sqlite = require "sm.sqlite"
      for i, sql in ipairs { "INSERT INTO d.t SELECT a FROM d.t", "UPDATE d.t SET a = a + 1 WHERE a > 5",
        "DELETE FROM d.t WHERE a % 2 = 0" } do
        local request = { sql = sql, database = "d", caller = "ann", purpose = "pipeline", token = "step " .. i }
        local first = assert(w.run(request))
        local before = f.rows "SELECT count(*), sum(a) FROM d.t"
        -- What a restart makes of a statement whose end was not written down.
        local db <close> = assert(sqlite.open(f.data .. "/state.sqlite"))
        assert.are.equal(1, db:exec([[UPDATE query_executions SET state = 'FAILED',
          error = '{"code":"ServiceUnavailable","message":"x","details":{"retryable":true}}' WHERE id = ?]], first.id))
        local again = assert(w.run(request))
        assert.are.same({ first.id, first.rows }, { again.id, again.rows })
        assert.are.same(before, (f.rows "SELECT count(*), sum(a) FROM d.t"))
      end
    end)

    it("names the setting when a result is too large", function()
      if name == "aws" then return end
      start_with { max_rows = 100 }
      local e = finished "SELECT x FROM UNNEST(sequence(1, 101)) t(x)"
      assert.are.equal("LimitExceeded", e.error.code)
      assert.matches("SEWING_QUERY_MAX_ROWS", e.error.message)
      e = finished("SELECT x FROM UNNEST(sequence(1, 90)) t(x)", { max_bytes = 100 })
      assert.are.equal("LimitExceeded", e.error.code)
      assert.matches("SEWING_QUERY_MAX_BYTES", e.error.message)
    end)

    it("reads no more of the tables than it may", function()
      if name == "aws" then return end
      start_with { max_scanned_bytes = 1000 }
      f.run "CREATE TABLE d.t AS SELECT x, uuid() AS u FROM UNNEST(sequence(1, 1000)) t(x)"
      local e = finished "SELECT sum(length(CAST(u AS varchar))) FROM d.t"
      assert.are.equal("LimitExceeded", e.error.code)
      assert.matches("SEWING_QUERY_MAX_SCAN", e.error.message)
      assert.is_true(e.stats.scanned_bytes > 1000)
      if name == "local" then
        assert.are.equal("LimitExceeded", select(2, w.export { sql = "SELECT * FROM d.t", caller = "ann", format = "parquet" }).code)
      end
      assert.are.equal("SUCCEEDED", finished("SELECT 1").state)
    end)

    it("runs pipeline statements and says how many rows they touched", function()
      local made = f.run "CREATE TABLE d.t AS SELECT x FROM UNNEST(sequence(1, 10)) t(x)"
      assert.are.equal(10, made.rows)
      assert.are.equal(5, f.run("DELETE FROM d.t WHERE x > 5").rows)
      local counted = f.run "SELECT count(*), 'b' FROM d.t"
      assert.are.same({ "5", "b" }, counted.first)
      local failed, err = w.run { sql = "SELECT 1/0", caller = "pipeline", purpose = "pipeline" }
      assert.is_nil(failed)
      assert.are.equal("QueryFailed", err.code)
    end)

    it("stops the engine when the task of run is cancelled", function()
      local job = task.spawn(function() return w.run { sql = SLOW, caller = "pipeline", purpose = "pipeline" } end)
      task.sleep(0.1)
      job:cancel("test")
      job:join()
      -- A single place would stay taken if the slow statement went on.
      assert.are.equal("SUCCEEDED", finished("SELECT 1").state)
    end)

    it("exports a whole result as text without keeping it", function()
      local function read(format, sql)
        local reader = assert(w.export { sql = sql, database = "d", caller = "ann", format = format })
        local parts = {}
        for chunk in reader do parts[#parts + 1] = chunk end
        return table.concat(parts)
      end
      assert.are.equal('"a","b"\n"1","x ""y"""\n', read("csv", [[SELECT 1 AS a, 'x "y"' AS b]]))
      local line = assert(json.decode(read("ndjson", "SELECT 1 AS a, 'x' AS b, CAST(NULL AS varchar) AS c")))
      assert.are.same({ 1, "x", json.null }, { line.a, line.b, line.c })
      local _, lines = read("ndjson", "SELECT x FROM UNNEST(sequence(1, 5000)) t(x)"):gsub("\n", "")
      assert.are.equal(5000, lines)
      if name == "local" then assert.are.equal("PAR1", read("parquet", "SELECT 1 AS a"):sub(1, 4))
      else assert.are.equal("NotSupported", select(2, w.export { sql = "SELECT 1 AS a", caller = "ann", format = "parquet" }).code) end
      local reader, err = w.export { sql = "DELETE FROM d.t", database = "d", caller = "ann", format = "csv" }
      assert.is_nil(reader)
      assert.are.equal("UnsafeSql", err.code)
    end)

    it("takes an export's place back when its reader stops early", function()
      if name == "aws" then return end
      start_with { running = 1 }
      local sql = "SELECT x, y FROM UNNEST(sequence(1, 9000)) a(x) CROSS JOIN UNNEST(sequence(1, 9000)) b(y)"
      do
        local reader <close> = assert(w.export { sql = sql, caller = "ann", format = "csv" })
        assert(reader())
        assert(reader())
      end
      assert.are.equal("SUCCEEDED", finished("SELECT 1").state)
      local job = task.spawn(function()
        local reader <close> = assert(w.export { sql = sql, caller = "ann", format = "ndjson" })
        while reader() do task.sleep(0) end
      end)
      task.sleep(0.1)
      job:cancel("the client left")
      job:join()
      assert.are.equal("SUCCEEDED", finished("SELECT 1").state)
    end)

    it("answers SHOW, DESCRIBE and EXPLAIN", function()
      f.run "CREATE TABLE d.t AS SELECT 1 AS a, 'x' AS b"
      assert.are.same({ { "t" } }, (f.rows "SHOW TABLES IN d"))
      local described = f.rows "DESCRIBE d.t"
      for i, want in ipairs { { "a", "integer" }, { "b", "varchar" } } do assert.are.same(want, { described[i][1], described[i][2] }) end
      assert.are.same({ { "d" } }, (f.rows "SHOW DATABASES LIKE 'd%'"))
      assert.are.equal("date_add", f.value "SHOW FUNCTIONS LIKE 'date_ad%'")
      assert.is_true(#f.rows "EXPLAIN SELECT * FROM d.t" > 0)
      assert.matches("CREATE TABLE [%w.]*d.t", f.rows("SHOW CREATE TABLE d.t")[1][1])
    end)

    it("forgets what is old", function()
      if name == "aws" then return end
      local e = finished "SELECT 1"
      assert.are.equal(0, w.purge(3600))
      assert.is_true(w.purge(-1) >= 1)
      assert.are.equal("NotFound", select(2, w.get(e.id)).code)
    end)

    it("takes parameters for question marks", function()
      local e = finished("SELECT ? AS a, ? AS b", { parameters = { "'x'", "7" } })
      assert.are.same({ "x", "7" }, cells(assert(w.results(e.id, {})))[1])
    end)

    it("keeps records over a restart and calls the interrupted ones failed", function()
      if name ~= "local" then return end
      local e = finished "SELECT 42 AS answer"
      local started = assert(w.start { sql = SLOW, caller = "ann", purpose = "query" })
      task.sleep(0.05)
      -- The records as a killed process leaves them: copied while the statement runs.
      local sqlite, files = require "sm.sqlite", require "sm.files"
      local copy = f.data .. "/copy.sqlite"
      local db = assert(sqlite.open(f.data .. "/state.sqlite"))
      assert(db:exec("VACUUM INTO '" .. copy .. "'"))
      db:close()
      w.cancel(started.id)
      w.wait(started.id, 5)
      local again = assert(require("adapters.local.warehouse").new {
        engine = require("adapters.local.warehouse.embedded").new(f.lake), data = f.data, state = assert(sqlite.open(copy)) })
      local dead = assert(again.get(started.id))
      assert.are.equal("FAILED", dead.state)
      assert.matches("restarted", dead.error.message)
      assert.is_true(dead.error.details.retryable)
      assert.are.same({ "42" }, cells(assert(again.results(e.id, {})))[1])
      files.remove(copy)
    end)
  end)
end
