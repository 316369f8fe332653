-- The shipped pipeline on a real Trino server, beside DuckDB on the same source: every step must end alike, and every table
-- must hold the same rows. Run by ./sewing test trino.
local files = require "sm.files"
local house_fixture = require "house"
local trino = require "trino_fixture"

local TABLES <const> = {
  ["staging.dbo_resident_latest"] = "resident_id", ["staging.dbo_visit_latest"] = "visit_id",
  ["quarantine.dbo_resident"] = "resident_id, reject_reason, run", ["quarantine.dbo_visit"] = "visit_id, reject_reason, run",
  ["silver.src_sqlserver__dbo_resident"] = "resident_id", ["silver.src_sqlserver__dbo_visit"] = "visit_id",
  ["gold.dim_resident"] = "resident_id", ["gold.fact_visit"] = "visit_id",
}

local RESIDENTS <const> = { "resident_id,first_name,last_name,dob,updated_at", "1,  Ada ,Lovelace,1980-12-31,2025-01-02 10:00:00",
  "1,Former,Name,1980-12-31,2025-01-01 10:00:00", "2,Bob,Bad,1990-02-30,2025-01-01 10:00:00", "3,,Onlylast,,2025-01-01 10:00:00",
  "4,Zoë,O'Brien,2000-02-29,2025-01-01 10:00:00", ",No,Key,2000-01-01,2025-01-01 10:00:00", "x7,Bad,Key,2000-01-01,2025-01-01 10:00:00",
  "5,Nulltime,Person,1999-09-09,", "6,Gone,Tomorrow,1970-01-01,2025-01-01 10:00:00" }
local VISITS <const> = { "visit_id,resident_id,visit_ts,reason,charge_cents,updated_at",
  "10,1,2025-01-05 10:00:00,checkup,12345,2025-01-05 11:00:00", '11,1,2025-01-05 10:00:00,fever,"12,50",2025-01-05 11:00:00',
  "12,99,2025-01-05 10:00:00,orphan,100,2025-01-05 11:00:00", "13,4,2024-13-45 10:00:00,bad time,100,2025-01-05 11:00:00",
  "14,1,2025-01-05T10:00:00.123456Z, padded ,,2025-01-05 11:00:00", "15,3,2025-01-05 10:00:00,tie a,1,2025-01-05 11:00:00",
  "15,3,2025-01-05 10:00:00,tie b,2,2025-01-05 11:00:00", "16,4,2025-01-05 23:59:59,kept,2147483647,2025-01-05 11:00:00",
  " ,4,2025-01-05 23:59:59,no key,oops,2025-01-05 11:00:00", "17,6,2025-01-06 00:00:00,dies with its resident,5,2025-01-05 11:00:00" }

local function without(lines, prefix)
  local left = {}
  for _, line in ipairs(lines) do
    if line:sub(1, #prefix) ~= prefix then left[#left + 1] = line end
  end
  return left
end

local function lines_with(lines, ...)
  return table.move({ ... }, 1, select("#", ...), #lines + 1, table.move(lines, 1, #lines, 1, {}))
end

if not trino.url() then
  describe("the pipeline on Trino", function() pending "no Trino server: ./sewing test trino starts one" end)
  return
end

local BY_REASON <const> = "SELECT reason, count(*) AS visits, sum(charge_usd) AS charged FROM gold.fact_visit GROUP BY reason"
local BY_REASON_ROWS <const> = "SELECT * FROM gold.by_reason ORDER BY reason, visits"

-- What the tables hold after a refresh, and how each step ended.
local function after_refresh(house, run)
  local job = house.refresh(run)
  local seen = { state = job.state, error = job.error and { job.error.code, job.error.message }, steps = {} }
  for i, step in ipairs(job.steps) do
    seen.steps[i] = { step.name, step.state, step.rows or 0, step.warnings }
  end
  for name, order in pairs(TABLES) do seen[name] = house.rows(("SELECT * FROM %s ORDER BY %s"):format(name, order)) end
  return seen
end

local function materialized(house)
  local target, seen = { db = "gold", table = "by_reason" }, {}
  local function replace_with(sql) assert(house.call("materialize", { sql = sql, target = target, mode = "replace" })) end
  replace_with(BY_REASON)
  assert(house.call("materialize", { sql = BY_REASON, target = target, mode = "append" }))
  seen.appended = house.rows(BY_REASON_ROWS)
  replace_with "SELECT 1 AS one"
  seen.replaced = house.rows "SELECT * FROM gold.by_reason"
  assert(house.call("undo_materialize", { target = target }))
  seen.undone = house.rows(BY_REASON_ROWS)
  return seen
end

-- Everything in order, on one engine: the process has room for one embedded engine at a time.
local function scenario(house)
  local seen = {}
  house.put { ["dbo_resident.csv"] = RESIDENTS, ["dbo_visit.csv"] = VISITS }
  seen.first = after_refresh(house, "2025-08-13")
  house.put { ["dbo_resident.csv"] = lines_with(without(without(RESIDENTS, "6,"), "3,"), "7,New,Person,1950-05-05,2025-02-01 10:00:00",
    "4,Zoë,Changed,2000-02-29,2025-03-01 10:00:00"), ["dbo_visit.csv"] = without(VISITS, "10,") }
  seen.changed = after_refresh(house, "2025-08-14")
  house.put { ["dbo_resident.csv"] = RESIDENTS, ["dbo_visit.csv"] = VISITS }
  seen.back = after_refresh(house, "2025-08-15")
  seen.materialized = materialized(house)
  house.put { ["dbo_resident.csv"] = { RESIDENTS[1] }, ["dbo_visit.csv"] = VISITS }
  seen.empty = after_refresh(house, "2025-08-16")
  local schemas = assert(house.call("schemas", {}))
  seen.schemas = {}
  for _, database in ipairs(schemas.databases) do seen.schemas[database.name] = database.tables end
  local gold = assert(house.ports.storage.list { layer = "gold", run = "2025-08-15", max_dirs = 10, max_files = 10, ttl_seconds = 60, base_url = "http://spec" })
  seen.gold = gold.dir_count
  seen.gold_files = gold.dirs[1].file_count > 0
  return seen
end

local function on_duckdb()
  local house <close> = setmetatable({ house_fixture.open() }, { __close = function(opened) opened[1].close() end })
  return scenario(house[1])
end

local function on_trino()
  local cleaner = trino.open() -- leaves the cluster empty
  local shared = files.env "SEWING_TEST_TRINO_FOLDER"
  local name = ("/house-%d"):format(os.time())
  assert(files.mkdir(shared .. name))
  local house = house_fixture.open { data = shared .. name, settings = { SEWING_ENGINE = "trino", SEWING_TRINO_URL = trino.url(),
    SEWING_TRINO_SHARED = "local://" .. name .. "/lake", SEWING_TRINO_LOCATION = "local://" .. name .. "/lake" } }
  local ok, seen = pcall(scenario, house)
  house.close()
  cleaner.close()
  files.remove_tree(shared .. name)
  files.remove_tree(shared .. name .. "-source")
  assert(ok, seen)
  return seen
end

describe("the pipeline on Trino", function()
  local duck, cluster

  setup(function() duck, cluster = on_duckdb(), on_trino() end)

  for _, day in ipairs { "first", "changed", "back" } do
    it("ends with the same steps and rows as on DuckDB: " .. day, function()
      assert.are.equal("SUCCEEDED", cluster[day].state, cluster[day].error and cluster[day].error[2])
      for name in pairs(TABLES) do assert.are.same(duck[day][name], cluster[day][name], name) end
      assert.are.same(duck[day].steps, cluster[day].steps)
      assert.is_true(#cluster[day]["gold.fact_visit"] >= 2)
    end)
  end

  it("stops at the data tests when a load is empty, and changes nothing", function()
    assert.are.same(duck.empty.error, cluster.empty.error)
    assert.are.equal("DataTestFailed", cluster.empty.error[1])
    for name in pairs(TABLES) do
      if name:find "^gold" or name:find "^silver" then assert.are.same(cluster.back[name], cluster.empty[name], name) end
    end
  end)

  it("materializes, appends and goes back", function()
    assert.are.same(duck.materialized, cluster.materialized)
    assert.are.same(cluster.materialized.appended, cluster.materialized.undone)
  end)

  it("shows schemas, tables and the files of the layers", function()
    assert.are.same(duck.schemas, cluster.schemas)
    assert.are.same({ duck.gold, duck.gold_files }, { cluster.gold, cluster.gold_files })
  end)
end)
