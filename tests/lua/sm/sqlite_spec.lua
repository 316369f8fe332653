-- sm.sqlite: SQLite files for scripts.
local sqlite, files, task, time = require "sm.sqlite", require "sm.files", require "sm.task", require "sm.time"

describe("sm.sqlite", function()
  local dir, db

  before_each(function()
    dir = assert(files.temp_dir())
    db = assert(sqlite.open(dir .. "/t.sqlite"))
    assert(db:script("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, x)"))
  end)

  after_each(function()
    db:close()
    assert(files.remove_tree(dir))
  end)

  local function count()
    return assert(db:row("SELECT count(*) AS n FROM t")).n
  end

  it("keeps the type and the bytes of every value", function()
    local values = { math.maxinteger, math.mininteger, 0.1, "text", "a\0b\xff", "", true }
    for i, value in ipairs(values) do assert(db:exec("INSERT INTO t (id, x) VALUES (?, ?)", i, value)) end
    local rows = assert(db:rows("SELECT x FROM t ORDER BY id"))
    values[7] = 1
    for i, value in ipairs(values) do
      assert.are.equal(value, rows[i].x)
      assert.are.equal(math.type(value), math.type(rows[i].x))
    end
  end)

  it("binds nil as NULL and leaves NULL out of rows", function()
    assert(db:exec("INSERT INTO t (name, x) VALUES (?, ?)", nil, nil))
    assert.are.same({ id = 1 }, db:row("SELECT * FROM t"))
    assert.is_nil(db:row("SELECT * FROM t WHERE id = ?", 99))
  end)

  it("binds named values", function()
    assert(db:exec("INSERT INTO t (name, x) VALUES (:name, :x)", { name = "n", x = sqlite.blob "b" }))
    assert.are.same({ id = 1, name = "n", x = "b", kind = "blob" }, db:row("SELECT *, typeof(x) AS kind FROM t"))
    assert(db:exec("INSERT INTO t (name, x) VALUES (:name, :x)", {}))
    assert.are.equal(2, count())
  end)

  it("tells how many rows changed and the last row id", function()
    assert.are.same({ 2, 2 }, { db:exec("INSERT INTO t (name) VALUES ('a'), ('b')") })
    assert.are.equal(2, (db:exec("UPDATE t SET x = 1")))
    assert.are.equal(0, (db:exec("CREATE TABLE u (y)")))
    assert.are.equal(0, (db:exec("DELETE FROM t WHERE id = 99")))
  end)

  it("names the statement and the kind of failure", function()
    assert(db:exec("INSERT INTO t (name) VALUES ('a')"))
    local cases = {
      { "exists", "UNIQUE constraint failed: t.name .in: INSERT INTO t", "\n  INSERT INTO t (name)\n VALUES ('a')" },
      { "engine", 'near "SELEC": syntax error .in: SELEC 1.', "SELEC 1" },
      { "engine", "no such table: nowhere", "SELECT * FROM nowhere" },
      { "invalid", "takes 1 values, 0 were given", "SELECT ?" },
      { "invalid", "more than one statement", "DELETE FROM t; DELETE FROM t" },
      { "invalid", "empty", "  -- nothing" },
    }
    for _, case in ipairs(cases) do
      local ok, message, code = db:exec(case[3])
      assert.is_nil(ok)
      assert.matches(case[2], message)
      assert.are.equal(case[1], code)
    end
    assert.are.equal(1, count())
  end)

  it("raises for values that SQLite has no type for", function()
    assert.error_matches(function() db:exec("SELECT ?", print) end, "nil, boolean, number, string")
    assert.error_matches(function() db:exec("SELECT ?", 0 / 0) end, "NaN")
    assert.error_matches(function() db:exec("SELECT ?", {}, {}) end, "sqlite.blob expected")
    db:close()
    assert.error_matches(function() db:exec("SELECT 1") end, "closed")
  end)

  describe("transaction", function()
    it("commits and gives the results of the function", function()
      local a, b = db:transaction(function(tx, name)
        assert(tx:exec("INSERT INTO t (name) VALUES (?)", name))
        return tx:row("SELECT name FROM t").name, "second"
      end, "first")
      assert.are.same({ "first", "second", 1 }, { a, b, count() })
      assert.is_true(db:transaction(function() end))
    end)

    it("undoes everything when the function returns nil, err", function()
      local ok, err = db:transaction(function(tx)
        assert(tx:exec("INSERT INTO t (name) VALUES ('x')"))
        return nil, { code = "Conflict" }
      end)
      assert.is_nil(ok)
      assert.are.same({ code = "Conflict" }, err)
      assert.are.equal(0, count())
    end)

    it("undoes everything when the function raises", function()
      assert.error_matches(function()
        db:transaction(function(tx)
          assert(tx:exec("INSERT INTO t (name) VALUES ('x')"))
          error "on purpose"
        end)
      end, "on purpose")
      assert.are.equal(0, count())
    end)

    it("does not nest, and says so", function()
      db:transaction(function(tx)
        assert.error_matches(function() tx:transaction(print) end, "do not nest")
        assert.error_matches(function() db:transaction(print) end, "do not nest")
      end)
      assert.matches("use db:transaction", select(2, db:exec("BEGIN")))
      assert.are.equal(1, (db:exec("INSERT INTO t (name) VALUES ('after')")))
    end)

    it("takes calls of its own task on the connection into the transaction", function()
      db:transaction(function()
        assert(db:exec("INSERT INTO t (name) VALUES ('x')"))
        return nil, "undo"
      end)
      assert.are.equal(0, count())
    end)

    it("keeps other tasks waiting, first come first served", function()
      local order, inside = {}, task.queue()
      local holder = task.spawn(function()
        return db:transaction(function(tx)
          inside:push(true)
          for i = 1, 5 do
            assert(tx:exec("INSERT INTO t (name) VALUES (?)", "h" .. i))
            task.sleep(0.002)
          end
          order[#order + 1] = "holder"
          return true
        end)
      end)
      inside:pop()
      local others = {}
      for i = 1, 5 do
        others[i] = task.spawn(function()
          local n = assert(db:row("SELECT count(*) AS n FROM t")).n
          order[#order + 1] = i
          return n
        end)
      end
      assert.is_true(holder:join())
      for i = 1, 5 do assert.are.equal(5, others[i]:join()) end
      assert.are.same({ "holder", 1, 2, 3, 4, 5 }, order)
    end)

    it("lets exactly one of many increments happen at a time", function()
      assert(db:exec("INSERT INTO t (id, x) VALUES (1, 0)"))
      local jobs = {}
      for i = 1, 40 do
        jobs[i] = function()
          return db:transaction(function(tx)
            local x = assert(tx:row("SELECT x FROM t WHERE id = 1")).x
            if i % 4 == 0 then task.sleep(0.0005) end
            return tx:exec("UPDATE t SET x = ? WHERE id = 1", x + 1)
          end)
        end
      end
      assert(task.parallel(jobs))
      assert.are.equal(40, db:row("SELECT x FROM t").x)
    end)

    it("is undone when its task is cancelled, and frees the connection", function()
      local inside = task.queue()
      local holder = task.spawn(function()
        db:transaction(function(tx)
          assert(tx:exec("INSERT INTO t (name) VALUES ('x')"))
          inside:push(true)
          task.sleep(60)
        end)
      end)
      inside:pop()
      local waiting = task.spawn(function() return count() end)
      local given_up = task.spawn(function() return db:transaction(function() return "never" end) end)
      task.sleep(0)
      given_up:cancel("changed its mind")
      holder:cancel("enough")
      assert.are.equal(0, waiting:join())
      holder:join()
      assert.are.equal("cancelled", holder:status())
      assert.is_true(db:transaction(function(tx) return (tx:exec("INSERT INTO t (name) VALUES ('y')")) == 1 end))
    end)

    it("is undone when its task is cancelled while BEGIN still waits for another connection", function()
      local other <close> = assert(sqlite.open(dir .. "/t.sqlite", { busy_ms = 10000 }))
      local late
      db:transaction(function()
        late = task.spawn(function() return other:transaction(function() return "never" end) end)
        task.sleep(0.02)
        late:cancel("enough")
        late:join()
      end)
      assert.are.equal("cancelled", late:status())
      assert.are.equal(1, (other:exec("INSERT INTO t (name) VALUES ('other')")))
      assert.are.equal(1, (db:exec("INSERT INTO t (name) VALUES ('db')")))
      assert.is_true(other:transaction(function() return true end))
    end)

    it("does not go on outside the transaction after SQLite ended it by itself", function()
      local _, message, code = db:transaction(function(tx)
        assert(tx:exec("INSERT INTO t (name) VALUES ('first')"))
        assert(tx:exec("INSERT OR ROLLBACK INTO t (name) VALUES ('first')") == nil)
        local ok, why, kind = tx:exec("INSERT INTO t (name) VALUES ('second')")
        assert.is_nil(ok)
        return nil, why, kind
      end)
      assert.matches("rolled back by an earlier failure", message)
      assert.are.equal("cancelled", code)
      assert.are.equal(0, count())
    end)

    it("leaves a tx handle that is over unusable", function()
      local kept
      db:transaction(function(tx) kept = tx end)
      assert.error_matches(function() kept:exec("DELETE FROM t") end, "over")
    end)
  end)

  it("stops a long statement when its task is cancelled", function()
    local started = time.monotonic()
    local long = task.spawn(function()
      return db:rows("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT max(n) AS m FROM c")
    end)
    task.sleep(0.02)
    long:cancel("enough")
    assert.are.equal(0, count())
    assert.is_true(time.monotonic() - started < 5)
  end)

  it("does not stop the loop while SQLite works", function()
    local turns, done = 0, false
    local long = task.spawn(function()
      assert(db:rows("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 2000000) SELECT max(n) AS m FROM c"))
      done = true
    end)
    while not done do
      turns = turns + 1
      task.sleep(0.001)
    end
    long:join()
    assert.is_true(turns > 3)
  end)

  describe("reader", function()
    local many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250) INSERT INTO t (name) SELECT 'n' || i FROM n"

    it("gives all rows in pieces, each once, and nil at the end and after it", function()
      assert(db:exec(many))
      local next_rows, seen, sizes = assert(db:reader("SELECT id FROM t")), {}, {}
      for rows in function() return next_rows(100) end do
        sizes[#sizes + 1] = #rows
        for _, row in ipairs(rows) do seen[row.id] = (seen[row.id] or 0) + 1 end
      end
      assert.are.same({ 100, 100, 50 }, sizes)
      for id = 1, 250 do assert.are.equal(1, seen[id]) end
      assert.are.same({ n = 1 }, table.pack(next_rows(100)))
    end)

    it("sees the rows of the moment it began at, whatever others write", function()
      assert(db:exec(many))
      local other <close> = assert(sqlite.open(dir .. "/t.sqlite", { readonly = true }))
      local next_rows = assert(other:reader("SELECT name FROM t"))
      assert.are.equal(100, #assert(next_rows(100)))
      assert(db:exec("DELETE FROM t"))
      assert.are.equal(150, #assert(next_rows(1000)))
    end)

    it("is one at a time: the next one ends it", function()
      assert(db:exec(many))
      local first = assert(db:reader("SELECT id FROM t"))
      assert(db:reader("SELECT id FROM t"))
      assert.are.equal("cancelled", select(3, first(1)))
    end)

    it("refuses what is not one SELECT without values, and does not outlive the connection", function()
      assert.are.equal("invalid", select(3, db:reader("DELETE FROM t")))
      assert.are.equal("invalid", select(3, db:reader("SELECT ?")))
      assert.are.equal("engine", select(3, db:reader("SELECT * FROM nothing")))
      local next_rows = assert(db:reader("SELECT 1"))
      assert.has_error(function() next_rows(0) end)
      db:close()
      assert.has_error(function() next_rows(1) end)
    end)

    it("tells a failure in the middle and is over then", function()
      local next_rows = assert(db:reader("SELECT abs(column1) FROM (VALUES (1), (-9223372036854775808))"))
      assert.are.equal(1, #next_rows(1))
      local rows, message, code = next_rows(1)
      assert.is_nil(rows)
      assert.matches("overflow", message)
      assert.are.equal("engine", code)
      assert.are.same({ n = 1 }, table.pack(next_rows(1)))
    end)
  end)

  it("closes with statements under way: they finish, what waits is told", function()
    local inside = task.queue()
    local holder = task.spawn(function()
      return db:transaction(function()
        inside:push(true)
        task.sleep(60)
      end)
    end)
    inside:pop()
    local waiting = task.spawn(function() return db:row("SELECT 1") end)
    task.sleep(0)
    assert.is_true(db:close())
    local value, err = waiting:join()
    assert.is_nil(value)
    assert.matches("closed", tostring(type(err) == "table" and err.message or err))
    holder:cancel("end")
    holder:join()
  end)

  it("refuses to write when opened read-only, and a file that is no database", function()
    assert(db:exec("INSERT INTO t (name) VALUES ('a')"))
    local reader <close> = assert(sqlite.open(dir .. "/t.sqlite", { readonly = true }))
    assert.are.equal("a", reader:row("SELECT name FROM t").name)
    assert.are.equal("refused", select(3, reader:exec("DELETE FROM t")))
    assert.are.equal("not_found", select(3, sqlite.open(dir .. "/none", { readonly = true })))
    assert(files.write(dir .. "/junk", ("junk"):rep(1000)))
    assert.are.equal("io", select(3, sqlite.open(dir .. "/junk")))
  end)

  it("says conflict when another connection holds the file longer than busy_ms", function()
    local other <close> = assert(sqlite.open(dir .. "/t.sqlite", { busy_ms = 20 }))
    db:transaction(function()
      local ok, message, code = other:exec("INSERT INTO t (name) VALUES ('x')")
      assert.is_nil(ok)
      assert.matches("locked", message)
      assert.are.equal("conflict", code)
    end)
    assert.are.equal(1, (other:exec("INSERT INTO t (name) VALUES ('x')")))
  end)

  it("waits for the other connection within busy_ms", function()
    local other <close> = assert(sqlite.open(dir .. "/t.sqlite", { busy_ms = 10000 }))
    local writer
    db:transaction(function()
      writer = task.spawn(function() return (other:exec("INSERT INTO t (name) VALUES ('x')")) end)
      task.sleep(0.02)
    end)
    assert.are.equal(1, writer:join())
  end)

  it("enforces foreign keys and uses a write-ahead log", function()
    assert(db:script("CREATE TABLE child (t_id REFERENCES t (id))"))
    local _, message, code = db:exec("INSERT INTO child VALUES (42)")
    assert.matches("FOREIGN KEY", message)
    assert.are.equal("invalid", code)
    assert.are.equal("wal", db:row("PRAGMA journal_mode").journal_mode)
  end)
end)
