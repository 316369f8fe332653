-- sm.duckdb with the real engine: what tasks see of it. Types and errors below Lua are in tests/core/test_duckdb.c.

local duckdb = require "sm.duckdb"
local task = require "sm.task"
local time = require "sm.time"

local engine, reason = duckdb.load()
local ENDLESS = "SELECT sum(sin(a.range * b.range)) FROM range(1000000) a, range(1000000) b"

local function resident_kib()
  for line in io.lines("/proc/self/status") do
    local kib = line:match("^VmRSS:%s*(%d+)")
    if kib then return tonumber(kib) end
  end
end

local function drain(cursor, format, max_bytes)
  local texts, rows, pieces = {}, 0, 0
  while true do
    local text, count, code = cursor:render(format, max_bytes)
    if not text then
      if count then return nil, count, code end
      return table.concat(texts), rows, pieces
    end
    assert(#text <= (max_bytes or 1 << 20))
    texts[#texts + 1], rows, pieces = text, rows + count, pieces + 1
  end
end

describe("sm.duckdb", function()
  if not engine then
    pending("needs the engine: " .. tostring(reason))
    return
  end

  local db, con

  before_each(function()
    db = assert(duckdb.open { threads = 2, memory_limit = "1GB" })
    con = assert(db:connect())
  end)

  after_each(function()
    con:close()
    assert(db:close())
  end)

  local function one(sql, params)
    local result, message = con:query(sql, params)
    if not result then error(message, 2) end
    return result.rows[1][1]
  end

  it("says which library it has", function()
    assert.equal("v1.5.5", engine.version)
    assert.truthy(engine.path:find("libduckdb.so", 1, true))
  end)

  it("refuses a second database and allows one again after close", function()
    local second, message, code = duckdb.open {}
    assert.is_nil(second)
    assert.equal("exists", code)
    assert.truthy(message:find("one per process", 1, true))
    con:close()
    assert(db:close())
    db = assert(duckdb.open {})
    con = assert(db:connect())
    assert.equal(1, one("SELECT 1"))
  end)

  it("names a setting the engine does not know", function()
    con:close()
    assert(db:close())
    local nothing, message, code = duckdb.open { config = { no_such_setting = "1" } }
    assert.is_nil(nothing)
    assert.equal("engine", code)
    assert.truthy(message:find("no_such_setting", 1, true))
    db = assert(duckdb.open {})
    con = assert(db:connect())
  end)

  it("gives typed values", function()
    local result = assert(con:query([[SELECT 9223372036854775807, 1.5::DOUBLE, true, 'é', NULL,
      12345678901234567890123456789012345.678::DECIMAL(38,3),
      170141183460469231731687303715884105727::HUGEINT, DATE '2026-10-10',
      TIMESTAMP '2026-10-10 01:02:03.5', '\x00\xff'::BLOB,
      [1, NULL, 3], {'a': 1, 'b': {'c': 'x'}}, MAP {'k': 2}, 18446744073709551615::UBIGINT]]))
    local row = result.rows[1]
    assert.equal(math.maxinteger, row[1])
    assert.equal("integer", math.type(row[1]))
    assert.equal(1.5, row[2])
    assert.is_true(row[3])
    assert.equal("é", row[4])
    assert.is_nil(row[5])
    assert.equal("12345678901234567890123456789012345.678", row[6])
    assert.equal("170141183460469231731687303715884105727", row[7])
    assert.equal("2026-10-10", row[8])
    assert.equal("2026-10-10 01:02:03.500000", row[9])
    assert.equal("\0\255", row[10])
    assert.same({ 1, nil, 3, n = 3 }, row[11])
    assert.same({ a = 1, b = { c = "x" } }, row[12])
    assert.same({ k = 2 }, row[13])
    assert.equal("18446744073709551615", row[14])
    assert.equal(14, row.n)
  end)

  it("describes columns for DuckDB, Trino and Athena", function()
    local columns = assert(con:query([[SELECT 1::REAL AS r, 1.5::DECIMAL(12,2) AS d, 'x' AS v, [1::BIGINT] AS l,
      TIMESTAMP '2026-01-01' AS t,
      {'a': 1, 'B c': 'x'} AS s, MAP {'k': 1.5::DOUBLE} AS m, '{}'::JSON AS j]])).columns
    local seen = {}
    for i, c in ipairs(columns) do
      seen[i] = ("%s %s|%s|%s %d %d"):format(c.name, c.type, c.trino_type, c.athena_type, c.precision, c.scale)
    end
    assert.same({
      "r FLOAT|real|float 17 0", "d DECIMAL(12,2)|decimal(12,2)|decimal 12 2", "v VARCHAR|varchar|varchar 2147483647 0",
      "l BIGINT[]|array(bigint)|array 0 0", "t TIMESTAMP|timestamp(6)|timestamp 3 0",
      's STRUCT(a INTEGER, "B c" VARCHAR)|row(a integer, "B c" varchar)|row 0 0',
      "m MAP(VARCHAR, DOUBLE)|map(varchar, double)|map 0 0", "j JSON|json|json 0 0",
    }, seen)
  end)

  it("binds parameters by type", function()
    local row = assert(con:query("SELECT typeof($1), typeof($2), typeof($3), typeof($4), $5, $4",
      { true, 1, 1.5, "it's \0 é", nil, n = 5 })).rows[1]
    assert.same({ "BOOLEAN", "BIGINT", "DOUBLE", "VARCHAR", nil, "it's \0 é", n = 6 }, row)
    local _, _, code = con:query("SELECT $1", {})
    assert.equal("invalid", code)
    local _, message = con:query("SELECT $1", { "\xff\xfe" })
    assert.truthy(message:find("UTF%-8") or message:find("UTF8"))
    assert.has_error(function() con:query("SELECT $1", { {} }) end)
    assert.has_error(function() con:query("SELECT 1\0") end)
  end)

  it("tells kind and place of an error", function()
    local nothing, message, code, details = con:query("SELECT 'é',\n  nix FROM range(3)")
    assert.is_nil(nothing)
    assert.equal("engine", code)
    assert.truthy(message:find('"nix" not found', 1, true))
    assert.same({ kind = "Binder", offset = 15, line = 2, column = 3 }, details)
    nothing, message, code, details = con:query("SELECT (1")
    assert.is_nil(nothing)
    assert.truthy(message:find("syntax error", 1, true))
    assert.equal("engine", code)
    assert.equal("Parser", details.kind)
    nothing, message, code = con:query("SELECT 1; SELECT 2")
    assert.is_nil(nothing)
    assert.equal("only one statement is allowed", message)
    assert.equal("invalid", code)
    nothing, message, code = con:query("  -- nothing\n")
    assert.is_nil(nothing)
    assert.equal("invalid", code)
    assert.equal("the statement is empty", message)
    assert.equal(1, one("SELECT 1"))
  end)

  it("counts changed rows and runs scripts", function()
    assert(con:exec_script("CREATE TABLE t (i INTEGER); INSERT INTO t SELECT range FROM range(10)"))
    assert.equal(4, con:exec("UPDATE t SET i = i + 1 WHERE i >= ?", { 6 }))
    assert.equal(10, con:query("DELETE FROM t").changed)
    local ok, _, code = con:exec_script("INSERT INTO t VALUES (1); SELEC")
    assert.is_nil(ok)
    assert.equal("engine", code)
  end)

  it("streams in pieces no larger than asked, losing nothing", function()
    local cursor <close> = assert(con:stream("SELECT range AS i, repeat('x', (range % 40)::INT) AS s FROM range(50000)"))
    assert.same({ "i", "s" }, { cursor:columns()[1].name, cursor:columns()[2].name })
    local text, rows, pieces = drain(cursor, "rows", 5000)
    assert.equal(50000, rows)
    assert.truthy(pieces > 100)
    local _, lines = text:gsub("\n", "")
    assert.equal(50000, lines)
    assert.equal('["0",""]', text:match("^[^\n]*"))
    assert.is_nil(cursor:render("rows"))
  end)

  it("writes Athena's CSV with a header and typed NDJSON", function()
    local sql = [[SELECT 1 AS a, NULL AS b, 'x"y' AS "c,d", 1e20::DOUBLE AS e]]
    local cursor = assert(con:stream(sql))
    assert.equal('"a","b","c,d","e"\n', cursor:header("csv"))
    assert.equal("", cursor:header("ndjson"))
    assert.equal('"1",,"x""y","1.0E20"\n', (cursor:render("csv")))
    cursor:close()
    cursor = assert(con:stream(sql))
    assert.equal('{"a":1,"b":null,"c,d":"x\\"y","e":1.0E20}\n', (cursor:render("ndjson")))
    cursor:close()
    assert.has_error(function() cursor:render("csv") end)
  end)

  it("says when one row is larger than a piece", function()
    local cursor <close> = assert(con:stream("SELECT repeat('x', 1000)"))
    local text, _, code = cursor:render("rows", 100)
    assert.is_nil(text)
    assert.equal("limit", code)
  end)

  it("gives the error of a stream that fails late, not an end", function()
    local cursor <close> = assert(con:stream("SELECT CASE WHEN range = 900000 THEN error('late') ELSE range END FROM range(1000000)"))
    local text, message, code = drain(cursor, "rows")
    assert.is_nil(text)
    assert.truthy(message:find("late", 1, true))
    assert.equal("engine", code)
  end)

  it("lets a connection serve one stream at a time", function()
    local cursor = assert(con:stream("SELECT * FROM range(10000000)"))
    cursor:render("rows", 1000)
    local _, _, code = con:query("SELECT 1")
    assert.equal("conflict", code)
    cursor:close()
    cursor:close()
    assert.equal(1, one("SELECT 1"))
  end)

  it("keeps memory flat while five million rows go by", function()
    local cursor <close> = assert(con:stream("SELECT range AS a, range * 1.5::DOUBLE AS b, 'text ' || range AS c FROM range(5000000)"))
    cursor:render("ndjson")
    collectgarbage()
    local before, most, rows = resident_kib(), 0, 0
    while true do
      local text, count = cursor:render("ndjson")
      if not text then break end
      rows = rows + count
      if rows % 50 < 5 then most = math.max(most, resident_kib()) end
    end
    assert.truthy(rows > 4900000)
    assert.truthy(math.max(most, resident_kib()) - before < 64 * 1024)
  end)

  it("refuses a query result that belongs into a stream", function()
    local result, _, code = con:query("SELECT * FROM range(1000000)")
    assert.is_nil(result)
    assert.equal("limit", code)
  end)

  it("cancels within 200 ms, from any task, whatever the moment", function()
    for delay = 0, 60, 15 do
      local running = task.spawn(function() return con:query(ENDLESS) end)
      task.sleep(delay / 1000)
      local start = time.monotonic()
      if delay == 0 then task.sleep(0) end
      con:cancel()
      local result, message = running:join()
      assert.is_nil(result)
      assert.equal("the query was cancelled", message)
      assert.truthy(time.monotonic() - start < 0.2)
    end
    assert.equal(1, one("SELECT 1"))
  end)

  it("interrupts the engine when the task is cancelled", function()
    local running = task.spawn(function() return con:query(ENDLESS) end)
    task.sleep(0.05)
    running:cancel("enough")
    local start = time.monotonic()
    assert.equal(1, one("SELECT 1")) -- the connection's thread is free again
    assert.truthy(time.monotonic() - start < 0.2)
  end)

  it("cancels a cursor between and during renders", function()
    local cursor <close> = assert(con:stream("SELECT a.range FROM range(100000) a, range(100000) b"))
    assert(cursor:render("rows", 1000))
    con:cancel()
    local text, _, code = cursor:render("rows", 1000)
    assert.is_nil(text)
    assert.equal("cancelled", code)
  end)

  it("does not hold up the loop while it works", function()
    local running = task.spawn(function() return con:query(ENDLESS) end)
    local worst = 0
    for _ = 1, 20 do
      local start = time.monotonic()
      task.sleep(0.005)
      worst = math.max(worst, time.monotonic() - start - 0.005)
    end
    con:cancel()
    running:join()
    assert.truthy(worst < 0.1)
  end)

  it("reports progress of a scan", function()
    assert(con:exec("CREATE TABLE big AS SELECT range AS i, random() AS r FROM range(4000000)"))
    local running = task.spawn(function()
      return con:query("SELECT count(*) FROM big WHERE sin(r) + cos(r) + tan(r) + ln(r + 1) + sqrt(r) + exp(r) + sin(i) + cos(i) > 100")
    end)
    local seen
    for _ = 1, 3000 do
      local progress = con:progress()
      if progress and progress.percent > 0 then
        seen = progress
        break
      end
      if running:status() ~= "running" then break end
      task.sleep(0.001)
    end
    con:cancel()
    running:join()
    assert.truthy(seen and seen.percent <= 100 and seen.total > 0)
    assert.is_nil(con:progress())
  end)

  it("runs many connections side by side", function()
    local work = {}
    for i = 1, 40 do
      work[i] = function()
        local c <close> = assert(db:connect())
        return assert(c:query("SELECT sum(range) + ? FROM range(100000)", { i })).rows[1][1]
      end
    end
    local results = assert(task.parallel(work))
    for i = 1, 40 do assert.equal(tostring(4999950000 + i), results[i]) end
  end)

  it("answers calls on a closed connection and a closed database as misuse", function()
    local other = assert(db:connect())
    other:close()
    other:close()
    assert.has_error(function() other:query("SELECT 1") end)
    local running = task.spawn(function() return con:query(ENDLESS) end)
    task.sleep(0.02)
    assert(db:close())
    assert.is_nil((running:join()))
    assert.has_error(function() db:connect() end)
    local _, _, code = con:query("SELECT 1")
    assert.equal("closed", code)
    con:close()
    db = assert(duckdb.open {})
    con = assert(db:connect())
  end)

  it("keeps statements inside the allowed directories", function()
    local files = require "sm.files"
    local inside = os.tmpname() .. ".lake"
    assert(files.mkdir(inside))
    assert(db:lock_down { directories = { inside } })
    assert(con:exec(("COPY (SELECT 42 AS a) TO '%s/a.parquet'"):format(inside)))
    assert.equal(42, one(("SELECT a FROM read_parquet('%s/a.parquet')"):format(inside)))
    for _, sql in ipairs {
      "SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM read_csv('/etc/passwd')", "COPY (SELECT 1) TO '/tmp/outside.csv'",
      "COPY (SELECT 1) TO '" .. inside .. "/../outside.csv'", "ATTACH '/tmp/outside.db'", "INSTALL httpfs", "LOAD httpfs",
      "SET threads = 1", "SET enable_external_access = true", "SET lock_configuration = false", "RESET allowed_directories",
      "EXPORT DATABASE '/tmp/outside'", "SELECT * FROM glob('/etc/*')",
    } do
      local result, _, code = con:query(sql)
      assert.is_nil(result, sql)
      assert.equal("refused", code, sql)
    end
    files.remove_tree(inside)
  end)

  it("divides as Trino does and keeps UTC", function()
    assert.equal(3, one("SELECT 7 / 2"))
    assert.equal("UTC", one("SELECT current_setting('TimeZone')"))
  end)
end)
