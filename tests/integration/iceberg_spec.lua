-- Tables on disk with the real engine and the real catalog, below SQL: what a commit leaves, and what it does not.
local change = require "adapters.local.iceberg.change"
local files = require "sm.files"
local fixture = require "lake_fixture"
local maintain = require "adapters.local.iceberg.maintain"
local metadata = require "adapters.local.iceberg.metadata"
local scan = require "adapters.local.iceberg.scan"
local store_module = require "adapters.local.iceberg.store"

if not fixture.has_engine() then
  describe("iceberg tables", function() pending("libduckdb.so is not there: build/lib/libduckdb.so or $SM_DUCKDB_LIB") end)
  return
end

describe("iceberg tables", function()
  local f, con, store, clock

  before_each(function()
    clock = 1700000000
    f = fixture.open { now = function() return clock end }
    store, con = f.lake.store, assert(f.lake.engine:connect())
    assert(f.lake.catalog:create_database("d"))
  end)

  after_each(function()
    con:close()
    f.close()
  end)

  local function load(name) return assert(store:load("d", name or "t")) end

  local function create(name)
    return assert(store:create { database = "d", name = name or "t", location = "file://" .. f.lake.root .. "/d/" .. (name or "t"),
      last_column_id = 2,
      fields = { { id = 1, name = "id", required = false, type = "long" }, { id = 2, name = "v", required = false, type = "string" } } })
  end

  local function query(select, snapshot)
    local table_ = load()
    local relation = assert(scan.snapshot(store, table_, snapshot or metadata.current(table_.meta)))
    return assert(con:query(("SELECT %s FROM %s AS t"):format(select, relation.sql))).rows[1]
  end

  local function insert(from, to)
    return assert(change.insert(store, con, load(), { source_sql = ("SELECT i, 'v' || i FROM range(%d, %d) AS r(i)"):format(from, to) }))
  end

  local function merge(source, clauses)
    return change.merge(store, con, load(), { source_sql = "(" .. source .. ") AS s", target_alias = "t", on_sql = "t.id = s.id",
      clauses = clauses })
  end

  local upsert = {
    { matched = true, condition_sql = "s.v <> t.v", action = "update", set = { { column = "v", sql = "s.v" } } },
    { matched = false, action = "insert", columns = { "id", "v" }, values = { "s.id", "s.v" } },
  }

  it("appends without touching the files that are there", function()
    create()
    insert(0, 10)
    local before = assert(store:files(metadata.current(load().meta)))
    insert(10, 15)
    local after = assert(store:files(metadata.current(load().meta)))
    assert.are.equal(1, #before)
    assert.are.equal(2, #after)
    assert.are.same({ 15, 105 }, { query("count(*), CAST(sum(id) AS BIGINT)")[1], query("CAST(sum(id) AS BIGINT)")[1] })
    local summary = metadata.current(load().meta).summary
    assert.are.equal("append", summary.operation)
    assert.are.equal("15", summary["total-records"])
    assert.are.equal("5", summary["added-records"])
  end)

  it("rewrites only the files that hold an affected row", function()
    create()
    for i = 0, 4 do insert(i * 10, i * 10 + 10) end
    local before = {}
    for _, file in ipairs(store:files(metadata.current(load().meta))) do before[file.path] = true end
    assert.are.equal(3, assert(change.update(store, con, load(), { where_sql = "id IN (12, 31, 35)", set = { { column = "v",
      sql = "'new'" } } })))
    local kept = 0
    for _, file in ipairs(store:files(metadata.current(load().meta))) do
      if before[file.path] then kept = kept + 1 end
    end
    assert.are.equal(3, kept)
    assert.are.same({ 50, 3, 1225 }, { query("count(*)")[1], query("count(*) FILTER (v = 'new')")[1], query("CAST(sum(id) AS BIGINT)")[1] })
    assert.are.equal("v32", query("max(v) FILTER (id = 32)")[1])
  end)

  it("finds the right rows again in every file of many", function()
    create()
    for i = 0, 6 do insert(i * 100, i * 100 + 100) end
    assert.are.equal(14, assert(change.delete(store, con, load(), { where_sql = "id % 100 IN (7, 93)" })))
    assert.are.equal(0, query("count(*) FILTER (id % 100 IN (7, 93))")[1])
    assert.are.equal(686, query("count(DISTINCT id)")[1])
  end)

  it("makes no snapshot when nothing is affected", function()
    create()
    insert(0, 10)
    local before = load().metadata_location
    assert.are.equal(0, assert(change.update(store, con, load(), { where_sql = "id = 99", set = { { column = "v", sql = "'x'" } } })))
    assert.are.equal(0, assert(change.delete(store, con, load(), { where_sql = "id = 99" })))
    assert.are.equal(0, assert(merge("SELECT 3 AS id, 'v3' AS v", upsert)))
    assert.are.equal(before, load().metadata_location)
  end)

  it("merges into an empty table, then updates and adds in one commit", function()
    create()
    assert.are.equal(100, assert(merge("SELECT i AS id, 'v' || i AS v FROM range(100) AS r(i)", upsert)))
    assert.are.equal(20, assert(merge("SELECT i AS id, 'w' || i AS v FROM range(90, 110) AS r(i)", upsert)))
    assert.are.same({ 110, 20 }, { query("count(*)")[1], query("count(*) FILTER (v LIKE 'w%')")[1] })
    assert.are.equal(2, #load().meta.snapshots)
  end)

  it("picks the first clause that applies, and deletes", function()
    create()
    insert(0, 10)
    local rows = assert(merge("SELECT i AS id, 'w' AS v FROM range(5, 15) AS r(i)", {
      { matched = true, condition_sql = "t.id = 5", action = "delete" },
      { matched = true, condition_sql = "t.id < 8", action = "update", set = { { column = "v", sql = "'low'" } } },
      { matched = true, action = "update", set = { { column = "v", sql = "s.v" } } },
      { matched = false, condition_sql = "s.id > 12", action = "insert", values = { "s.id", "s.v" } },
    }))
    assert.are.equal(7, rows)
    assert.are.same({ 11, 2, 4, 0 }, { query("count(*)")[1], query("count(*) FILTER (v = 'low')")[1], query("count(*) FILTER (v = 'w')")[1],
      query("count(*) FILTER (id = 5)")[1] })
  end)

  it("refuses a MERGE that matches one target row twice", function()
    create()
    insert(0, 10)
    local rows, err = merge("SELECT 3 AS id, 'a' AS v UNION ALL SELECT 3, 'b'", upsert)
    assert.is_nil(rows)
    assert.matches("MERGE_TARGET_ROW_MULTIPLE_MATCHES", err.message)
    assert.are.equal("v3", query("max(v) FILTER (id = 3)")[1])
  end)

  it("fails an overwrite that another writer overtook, and says so", function()
    create()
    insert(0, 10)
    local stale = load()
    insert(10, 20)
    local rows, err = change.delete(store, con, stale, { where_sql = "id = 1" })
    assert.is_nil(rows)
    assert.are.equal("Conflict", err.code)
    assert.matches("changed by another statement", err.message)
    assert.are.equal(20, query("count(*)")[1])
  end)

  it("lets an overwrite through that only VACUUM or a property overtook", function()
    create()
    insert(0, 10)
    insert(10, 20)
    local stale = load()
    clock = clock + 864000
    assert.are.equal(1, assert(maintain.vacuum(store, "d", "t")).snapshots)
    assert.are_not.equal(stale.metadata_location, load().metadata_location)
    assert.are.equal(1, assert(change.delete(store, con, stale, { where_sql = "id = 1" })))
    assert.are.equal(19, query("count(*)")[1])
    assert.are.equal(2, #load().meta.snapshots)
  end)

  it("tidies every table, and says which it could not", function()
    create()
    insert(0, 10)
    insert(10, 20)
    create("other")
    clock = clock + 864000
    local lake_module = require "adapters.local.lake"
    assert.are.same({ 2, 1, 0 }, { lake_module.tidy(f.lake).tables, #load().meta.snapshots, #lake_module.tidy(f.lake).failures })
    files.remove(store_module.path(load("other").metadata_location))
    store.cache = {}
    assert.matches("d.other", lake_module.tidy(f.lake).failures[1])
    assert.are.equal(20, query("count(*)")[1])
  end)

  it("puts an append that was overtaken on top of the other", function()
    create()
    local stale = load()
    insert(0, 10)
    assert.are.equal(1, assert(change.insert(store, con, stale, { source_sql = "SELECT 99, 'late'" })))
    assert.are.equal(11, query("count(*)")[1])
    local sequence = {}
    for i, s in ipairs(load().meta.snapshots) do sequence[i] = s["sequence-number"] end
    assert.are.same({ 1, 2 }, sequence)
  end)

  it("loses no append of many tasks", function()
    create()
    local task, jobs = require "sm.task", {}
    for i = 1, 8 do
      jobs[i] = function()
        local own <close> = assert(f.lake.engine:connect())
        return assert(change.insert(store, own, load(), { source_sql = ("SELECT %d, 'x'"):format(i) }))
      end
    end
    assert(task.parallel(jobs))
    assert.are.same({ 8, 36 }, { query("count(*)")[1], query("CAST(sum(id) AS BIGINT)")[1] })
  end)

  it("leaves no file behind when a write fails half way", function()
    create()
    local _, err = change.insert(store, con, load(),
      { source_sql = "SELECT CASE WHEN i > 90000 THEN error('stop') ELSE i END AS i, 'v' FROM range(100000) AS r(i)" })
    assert.are.equal("QueryFailed", err and err.code)
    assert.are.equal(0, #files.list(f.lake.root .. "/d/t/data"))
  end)

  it("keeps old versions readable while columns come, go and change names", function()
    create()
    insert(0, 3)
    local first = metadata.current(load().meta)
    local function evolve(change_fields)
      return assert(store:alter("d", "t", function(meta, now, previous) return metadata.evolve(meta, change_fields, now, previous) end))
    end
    evolve(metadata.rename_column("v", "word"))
    evolve(metadata.add_column("n", function() return "int" end))
    assert.are.same({ "v0", 0 }, { query("min(word)")[1], query("count(n)")[1] })
    assert.are.equal(2, assert(change.update(store, con, load(), { where_sql = "id > 0", set = { { column = "n", sql = "7" } } })))
    evolve(metadata.drop_column("word"))
    assert.are.equal("id,n", scan.names(metadata.schema(load().meta).fields):gsub('"', ""):gsub(" ", ""))
    assert.are.equal("v2", query("max(v)", first)[1])
    -- A new column of an old name is not the old column.
    evolve(metadata.add_column("word", function() return "string" end))
    assert.are.equal(0, query("count(word)")[1])
  end)

  it("lets VACUUM remove old snapshots and their files, but not those somebody reads", function()
    create()
    insert(0, 10)
    local old = metadata.current(load().meta)
    local release = store:pin(load(), old)
    assert(change.update(store, con, load(), { set = { { column = "v", sql = "'x'" } } }))
    assert(change.update(store, con, load(), { set = { { column = "v", sql = "'y'" } } }))
    clock = clock + 864000
    assert.are.equal(1, assert(maintain.vacuum(store, "d", "t")).snapshots)
    assert.are.equal(10, query("count(*) FILTER (v LIKE 'v%')", old)[1])
    release()
    assert.are.equal(1, assert(maintain.vacuum(store, "d", "t")).snapshots)
    assert.are.equal(1, #files.list(f.lake.root .. "/d/t/data"))
    assert.are.equal(10, query("count(*) FILTER (v = 'y')")[1])
  end)

  it("removes orphans only when they are old", function()
    create()
    insert(0, 1)
    local orphan = f.lake.root .. "/d/t/data/orphan.parquet"
    files.write(orphan, "x")
    clock = require("sm.time").now()
    assert.are.equal(0, assert(maintain.vacuum(store, "d", "t")).files)
    assert.is_true(files.exists(orphan))
    clock = clock + 2 * 86400
    maintain.vacuum(store, "d", "t")
    assert.is_false(files.exists(orphan))
    assert.are.equal(1, query("count(*)")[1])
  end)

  it("puts small files together without changing a row", function()
    create()
    for i = 0, 5 do insert(i, i + 1) end
    local done = assert(maintain.optimize(store, con, "d", "t"))
    assert.are.same({ 6, 1 }, { done.files_before, done.files_after })
    assert.are.same({ 6, 15 }, { query("count(*)")[1], query("CAST(sum(id) AS BIGINT)")[1] })
    assert.are.equal("replace", metadata.current(load().meta).summary.operation)
  end)

  it("goes back a version and forward again by writing", function()
    create()
    insert(0, 1)
    insert(1, 2)
    assert(maintain.undo(store, "d", "t"))
    assert.are.equal(1, query("count(*)")[1])
    insert(5, 6)
    assert.are.equal(2, query("count(*)")[1])
    assert(maintain.undo(store, "d", "t"))
    local _, err = maintain.undo(store, "d", "t")
    assert.are.equal("Conflict", err.code)
  end)

  it("writes its manifests anew before there are too many", function()
    create()
    for i = 1, 30 do insert(i, i + 1) end
    assert.is_true(#store:manifests(metadata.current(load().meta)) < 24)
    assert.are.equal(30, query("count(*)")[1])
  end)

  it("removes a dropped table's files when its last reader has gone, and only below the lake", function()
    create()
    insert(0, 1)
    local path = store_module.path(load().location)
    local release = store:pin(load(), metadata.current(load().meta))
    assert(store:drop("d", "t"))
    assert.is_true(files.exists(path))
    release()
    store:remove_dropped()
    assert.is_false(files.exists(path))
  end)

  it("finishes an interrupted removal at the next start", function()
    create()
    insert(0, 1)
    local path = store_module.path(load().location)
    f.lake.catalog:mark_dropped("file://" .. path)
    con:close()
    f.stop()
    f = fixture.open { data = f.data }
    con = assert(f.lake.engine:connect())
    assert.is_false(files.exists(path))
  end)

  it("cleans up after a CREATE that never ended", function()
    local location = "file://" .. f.lake.root .. "/d/t"
    assert(store:prepare { database = "d", name = "t", location = location, last_column_id = 1,
      fields = { { id = 1, name = "a", required = false, type = "long" } } })
    create("whole")
    con:close()
    f.stop()
    f = fixture.open { data = f.data }
    store, con = f.lake.store, assert(f.lake.engine:connect())
    assert.is_false(files.exists(store_module.path(location)))
    assert.is_truthy(load("whole"))
    assert.are.equal(location, require("adapters.local.lake").location(f.lake, "d", "t"))
  end)

  it("survives names and values with quotes", function()
    store:create { database = "d", name = "t", location = "file://" .. f.lake.root .. "/d/t", last_column_id = 1,
      fields = { { id = 1, name = [[o'b"c]], required = false, type = "string" } } }
    assert(change.insert(store, con, load(), { source_sql = "SELECT 'it''s'" }))
    assert.are.equal("it's", query([["o'b""c"]])[1])
  end)
end)
