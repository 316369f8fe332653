-- Our tables in a reader nobody here wrote, and its tables in ours.
local change = require "adapters.local.iceberg.change"
local files = require "sm.files"
local fixture = require "lake_fixture"
local json = require "sm.json"
local metadata = require "adapters.local.iceberg.metadata"
local process = require "process"
local scan = require "adapters.local.iceberg.scan"
local types = require "adapters.local.iceberg.types"

local python = files.env "SM_TEST_PYTHON"

local function why_not()
  if not fixture.has_engine() then return "libduckdb.so is not there" end
  if not python then return "SM_TEST_PYTHON is not set to a python that has pyiceberg (./sewing test makes one)" end
  local output, code = process.run(python .. " -c 'import pyiceberg, fastavro, pyarrow, sqlalchemy'")
  if code ~= 0 then return "pyiceberg cannot be imported: " .. output end
end

describe("pyiceberg", function()
  local reason = why_not()
  if reason then return pending(reason) end

  local f, con
  before_each(function()
    f = fixture.open()
    con = assert(f.lake.engine:connect())
    assert(f.lake.catalog:create_database("d"))
  end)
  after_each(function()
    con:close()
    f.close()
  end)

  local function check(verb)
    local output, code = process.run(("%s tests/integration/pyiceberg_check.py %s %s"):format(python, verb, f.data))
    assert.are.equal(0, code, output)
    return output
  end

  local function load(database, name) return assert(f.lake.store:load(database, name)) end

  it("reads every type, every version and every bound of our tables", function()
    local last, fields = 0, {}
    local function next_id()
      last = last + 1
      return last
    end
    local columns = { { "id", "bigint" }, { "i", "integer" }, { "b", "boolean" }, { "r", "real" }, { "f", "double" }, { "m",
      "decimal(12,2)" }, { "h", "decimal(38,3)" },
      { "s", "varchar" }, { "bin", "varbinary" }, { "d", "date" }, { "t", "time(6)" }, { "ts", "timestamp(6)" }, { "tz",
        "timestamp(6) with time zone" }, { "u", "uuid" },
      { "l", "array(varchar)" }, { "mp", "map(varchar, integer)" }, { "st", "row(a bigint, l array(row(x date)))" } }
    for i, c in ipairs(columns) do fields[i] = { id = next_id(), name = c[1], required = false } end
    for i, c in ipairs(columns) do fields[i].type = assert(types.parse(c[2], next_id)) end
    assert(f.lake.store:create { database = "d", name = "t", location = "file://" .. f.lake.root .. "/d/t", fields = fields,
      last_column_id = last })
    local row = [[i, i::INT, i % 2 = 0, i / 3::FLOAT, CASE WHEN i = 3 THEN 'NaN'::DOUBLE ELSE i * -1.5 END, i * 1.25,
      -i * 1.001, 'text ' || repeat('é', i::INT),
      'ab\xFF'::BLOB,
      DATE '1960-02-29' + i::INT, TIME '00:00:01.000001', TIMESTAMP '1960-01-01 00:00:00' + INTERVAL (i) DAY,
        TIMESTAMPTZ '2024-06-01 12:00:00+02', uuid(),
      ['a', NULL], MAP(['k'], [i::INT]), {'a': i, 'l': [{'x': DATE '2020-01-01'}]}]]
    assert(change.insert(f.lake.store, con, load("d", "t"), { source_sql = ("SELECT %s FROM range(50) AS r(i)"):format(row) }))
    assert(change.insert(f.lake.store, con, load("d", "t"), { source_sql = "SELECT 100", columns = { "id" } }))
    assert(change.update(f.lake.store, con, load("d", "t"), { where_sql = "id < 10", set = { { column = "s", sql = "NULL" } } }))
    assert(change.delete(f.lake.store, con, load("d", "t"), { where_sql = "id < 5" }))
    assert(f.lake.store:alter("d", "t", function(meta, now, previous) return metadata.evolve(meta, metadata.rename_column("s", "word"),
      now, previous) end))

    local seen = assert(json.decode(check "read"))
    local t = seen.tables["d.t"]
    assert.are.equal(46, t.rows)
    assert.are.equal(46, t.count_of_metadata)
    local rows = {}
    for i, snapshot in ipairs(t.snapshots) do
      rows[i] = snapshot.rows
      assert.are.equal(snapshot.said, snapshot.rows)
    end
    assert.are.same({ 50, 51, 51, 46 }, rows)
    assert.are.equal(4, t.history)
    assert.is_true(t.bounds >= 10)
    assert.are.equal(8, seen.manifests)
  end)

  it("reads the field ids of our files", function()
    assert(f.lake.store:create { database = "d", name = "t", location = "file://" .. f.lake.root .. "/d/t", last_column_id = 7,
      fields = { { id = 7, name = "a", required = false, type = "long" } } })
    assert(change.insert(f.lake.store, con, load("d", "t"), { source_sql = "SELECT 1" }))
    assert.is_true(assert(json.decode(check "read")).tables["d.t"].ids_match)
  end)

  it("writes tables that we read and write: deflated manifests, deleted rows, renamed columns", function()
    check "write"
    local table_ = load("foreign", "p")
    local relation = assert(scan.snapshot(f.lake.store, table_, metadata.current(table_.meta)))
    local sql = "SELECT string_agg(id || coalesce(txt, '-') || len(l), ',' ORDER BY id), count(extra) FROM " .. relation.sql
    local result = assert(con:query(sql))
    assert.are.same({ "1a1,3-0,4d1", 0 }, { result.rows[1][1], result.rows[1][2] })
    assert(change.insert(f.lake.store, con, table_, { source_sql = "SELECT 5, 'e', [1], 7" }))
    assert(change.delete(f.lake.store, con, load("foreign", "p"), { where_sql = "id = 1" }))
    assert.are.equal(3, assert(json.decode(check "read")).tables["foreign.p"].rows)
  end)
end)

describe("pyiceberg after the pipeline", function()
  local reason = why_not()
  if reason then return pending(reason) end

  local house
  before_each(function() house = require("house").open() end)
  after_each(function() house.close() end)

  local function source(day)
    local residents, visits = { "resident_id,first_name,last_name,dob,updated_at" },
      { "visit_id,resident_id,visit_ts,reason,charge_cents,updated_at" }
    for i = day, 40 + day do
      residents[#residents + 1] = ("%d,First %d,Last,1980-01-%02d,2025-01-%02d 10:00:00"):format(i, i, i % 28 + 1, i % 3 + day)
      for n = 1, 3 do
        visits[#visits + 1] = ("%d,%d,2025-01-05 10:00:00,%s,%d,2025-01-%02d 10:00:00"):format(i * 10 + n, i, n == 3 and "née"
          or "checkup", n * 100, n + day)
      end
    end
    visits[#visits + 1] = "999,x,2025-01-05 10:00:00,unreadable,1,2025-01-01 10:00:00"
    return { ["dbo_resident.csv"] = residents, ["dbo_visit.csv"] = visits }
  end

  it("reads every table, and every version of it, with the rows that we count", function()
    for day = 1, 3 do
      house.put(source(day))
      assert.are.equal("SUCCEEDED", house.refresh(("2025-02-%02d"):format(day)).state)
    end
    local output, code = process.run(("%s tests/integration/pyiceberg_check.py read %s"):format(python, house.data))
    assert.are.equal(0, code, output)
    local seen = assert(json.decode(output)).tables
    local tables, versions = 0, 0
    for _, database in ipairs(assert(house.ports.catalog.databases())) do
      for _, item in ipairs(assert(house.ports.catalog.tables(database)).items) do
        local found = seen[database .. "." .. item.name]
        if item.type == "iceberg" then
          tables = tables + 1
          local rows = house.rows(("SELECT count(*) FROM %s.%s"):format(database, item.name))
          assert.are.equal(math.tointeger(tonumber(rows[1])), found.rows, database .. "." .. item.name)
          assert.is_true(found.ids_match)
          for _, snapshot in ipairs(found.snapshots) do
            versions = versions + 1
            assert.are.equal(snapshot.said, snapshot.rows)
          end
        end
      end
    end
    assert.is_true(tables >= 8 and versions >= 20, ("%d tables, %d versions"):format(tables, versions))
  end)
end)
