-- kill -9 in the middle of commits: whatever was going on, the table is at its old or its new version, whole.
local files = require "sm.files"
local fixture = require "lake_fixture"
local maintain = require "adapters.local.iceberg.maintain"
local metadata = require "adapters.local.iceberg.metadata"
local process = require "process"
local scan = require "adapters.local.iceberg.scan"
local task = require "sm.task"

local KILLS = 20

describe("a killed writer", function()
  if not fixture.has_engine() then return pending "libduckdb.so is not there" end
  local program = (files.realpath("/proc/self/exe"))

  local f
  before_each(function()
    f = fixture.open()
    assert(f.lake.catalog:create_database("d"))
    assert(f.lake.store:create { database = "d", name = "t", location = "file://" .. f.lake.root .. "/d/t", last_column_id = 2,
      fields = { { id = 1, name = "id", required = false, type = "long" }, { id = 2, name = "v", required = false, type = "long" } } })
    f.stop()
  end)
  after_each(function() files.remove_tree(f.data) end)

  -- The table as a fresh process finds it: {rows, versions of v, snapshots}.
  local function inspect()
    f = fixture.open { data = f.data }
    local con <close> = assert(f.lake.engine:connect())
    local table_ = assert(f.lake.store:load("d", "t"))
    local current = metadata.current(table_.meta)
    local seen = { rows = 0, said = 0 }
    if current then
      local relation = assert(scan.snapshot(f.lake.store, table_, current))
      local row = assert(con:query("SELECT count(*), count(*) FILTER (id BETWEEN 0 AND 9 AND v >= 0) FROM " .. relation.sql)).rows[1]
      seen = { rows = row[1], good = row[2], said = math.tointeger(tonumber(current.summary["total-records"])),
        version = current["sequence-number"] }
    end
    con:close()
    f.stop()
    return seen
  end

  it("leaves the old rows or the new ones, " .. KILLS .. " times", function()
    local before, log = { rows = 0, version = 0 }, f.data .. ".log"
    for i = 1, KILLS do
      local pid = process.spawn(("%s --lua tests/integration/crash_writer.lua %s"):format(program, f.data), log)
      -- Not synchronisation: the moment of the kill is what is varied.
      task.sleep(0.15 + 0.037 * (i % 7))
      assert.is_true(process.is_running(pid), files.read(log))
      process.kill(pid)
      local after = inspect()
      assert.are.equal(after.said, after.rows)
      if after.rows > 0 then assert.are.equal(after.rows, after.good) end
      assert.are.equal(0, after.rows % 10)
      assert.is_true(after.rows >= before.rows and (after.version or 0) >= (before.version or 0))
      before = after
    end
    assert.is_true(before.rows > 0, "the writer never got to commit")
    files.remove(log)
  end)

  it("leaves orphans that VACUUM takes away", function()
    f = fixture.open { data = f.data, now = function() return os.time() + 10 * 86400 end }
    local orphan = f.lake.root .. "/d/t/data/half-written.parquet"
    files.write(orphan, "PAR1")
    assert(maintain.vacuum(f.lake.store, "d", "t"))
    assert.is_false(files.exists(orphan))
    f.stop()
  end)
end)
