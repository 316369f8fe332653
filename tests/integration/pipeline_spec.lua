-- The shipped pipeline on real files, the real engine and real Iceberg tables.
local fixture = require "lake_fixture"
local house_fixture = require "house"
local task = require "sm.task"

local DAY_1 <const> = {
  ["dbo_resident.csv"] = {
    "resident_id,first_name,last_name,dob,updated_at",
    "1,  Ada ,Lovelace,1980-12-31,2025-01-02 10:00:00",
    "1,Former,Name,1980-12-31,2025-01-01 10:00:00",
    "2,Bob,Bad,1990-02-30,2025-01-01 10:00:00",
    "3,,Onlylast,,2025-01-01 10:00:00",
    "4,Zoë,O'Brien,2000-06-15,2025-01-01 10:00:00",
    ",No,Key,2000-01-01,2025-01-01 10:00:00",
    "x7,Bad,Key,2000-01-01,2025-01-01 10:00:00",
    "5,Nulltime,Person,1999-09-09,",
  },
  ["dbo_visit.csv"] = {
    "visit_id,resident_id,visit_ts,reason,charge_cents,updated_at",
    "10,1,2025-01-05 10:00:00,checkup,12345,2025-01-05 11:00:00",
    '11,1,2025-01-05 10:00:00,fever,"12,50",2025-01-05 11:00:00',
    "12,99,2025-01-05 10:00:00,orphan,100,2025-01-05 11:00:00",
    "13,4,2024-13-45 10:00:00,bad time,100,2025-01-05 11:00:00",
    "14,1,2025-01-05T10:00:00Z, padded ,,2025-01-05 11:00:00",
    "15,3,2025-01-05 10:00:00,tie a,1,2025-01-05 11:00:00",
    "15,3,2025-01-05 10:00:00,tie b,2,2025-01-05 11:00:00",
    "16,4,2025-01-05 23:59:59,kept,2147483647,2025-01-05 11:00:00",
    " ,4,2025-01-05 23:59:59,no key,oops,2025-01-05 11:00:00",
  },
}

local function copy(day)
  local other = {}
  for name, lines in pairs(day) do other[name] = table.move(lines, 1, #lines, 1, {}) end
  return other
end

-- Replaces the line of a key, or takes it away.
local function change(lines, key, line)
  for i = #lines, 2, -1 do
    if lines[i]:match("^[^,]*") == key then
      if line then lines[i] = line else table.remove(lines, i) end
      if line then return end
    end
  end
end

local VISITS <const> = "SELECT visit_id, resident_id, visit_date, reason, charge_cents, charge_usd FROM gold.fact_visit ORDER BY visit_id"
local SILVER_VISITS <const> = "SELECT visit_id, reason, is_deleted FROM silver.src_sqlserver__dbo_visit ORDER BY visit_id"
local SILVER_RESIDENTS <const> = "SELECT resident_id, first_name, last_name, is_deleted FROM silver.src_sqlserver__dbo_resident ORDER BY resident_id"

local function whole_years(from, to)
  local y1, m1, d1 = from:match("(%d+)-(%d+)-(%d+)")
  local y2, m2, d2 = to:match("(%d+)-(%d+)-(%d+)")
  local years = y2 - y1
  if m2 .. d2 < m1 .. d1 then years = years - 1 end
  return math.tointeger(years)
end

describe("the pipeline", function()
  if not fixture.has_engine() then return pending "libduckdb.so is not there" end
  local house
  before_each(function() house = house_fixture.open() end)
  after_each(function() house.close() end)

  local function succeed(run, day)
    house.put(day)
    local job = house.refresh(run)
    assert.equal("SUCCEEDED", job.state, job.error and job.error.message)
    return job
  end

  local function state()
    return { house.rows(SILVER_RESIDENTS), house.rows(SILVER_VISITS), house.rows(VISITS),
        house.rows("SELECT * FROM gold.dim_resident ORDER BY 1") }
  end

  it("fills gold from dirty sources, and says what it left out", function()
    local job = succeed("2025-01-06", DAY_1)
    assert.same({ "10|1|2025-01-05|checkup|12345|123.45", "14|1|2025-01-05|padded|NULL|NULL", "15|3|2025-01-05|tie b|2|0.02",
      "16|4|2025-01-05|kept|2147483647|21474836.47" }, house.rows(VISITS))
    local today = house.ports.clock.today()
    assert.same({
      ("1|Ada|Lovelace|Ada Lovelace|1980-12-31|%d|2025-01-06 00:00:00.000000"):format(whole_years("1980-12-31", today)),
      "3|NULL|Onlylast|Onlylast|NULL|NULL|2025-01-06 00:00:00.000000",
      ("4|Zoë|O'Brien|Zoë O'Brien|2000-06-15|%d|2025-01-06 00:00:00.000000"):format(whole_years("2000-06-15", today)),
      ("5|Nulltime|Person|Nulltime Person|1999-09-09|%d|2025-01-06 00:00:00.000000"):format(whole_years("1999-09-09", today)),
    }, house.rows("SELECT * FROM gold.dim_resident ORDER BY resident_id"))
    assert.same({ "relationships(silver.src_sqlserver__dbo_visit.resident_id): 1 failing" }, house_fixture.step(job,
        "test_silver_visit").warnings)
    assert.same({ "3 rows could not be read and are in quarantine" }, house_fixture.step(job, "quarantine_visit").warnings)
    assert.equal(17, house_fixture.step(job, "load").rows)
    assert.equal(4, house_fixture.step(job, "stage_resident").rows)
    assert.equal(4, house_fixture.step(job, "refresh_fact_visit").rows)
  end)

  it("keeps unreadable rows as they came, with every reason, once however often the run is repeated", function()
    succeed("2025-01-06", DAY_1)
    succeed("2025-01-06", DAY_1)
    assert.same({ "NULL|No|resident_id is missing|2025-01-06", "2|Bob|dob is not a readable date|2025-01-06",
        "x7|Bad|resident_id is not a readable integer|2025-01-06" },
      house.rows("SELECT resident_id, first_name, reject_reason, run FROM quarantine.dbo_resident ORDER BY CASE first_name WHEN 'No' THEN 1 WHEN 'Bob' THEN 2 ELSE 3 END"))
    assert.same({ "11|12,50|charge_cents is not a readable integer", "13|100|visit_ts is not a readable timestamp",
      " |oops|visit_id is missing; charge_cents is not a readable integer" },
      house.rows("SELECT visit_id, charge_cents, reject_reason FROM quarantine.dbo_visit ORDER BY CASE reason WHEN 'fever' THEN 1 WHEN 'bad time' THEN 2 ELSE 3 END"))
  end)

  it("takes updates, ignores older rows, marks deletions, and lets them leave gold", function()
    succeed("2025-01-06", DAY_1)
    local day = copy(DAY_1)
    change(day["dbo_resident.csv"], "1")
    table.insert(day["dbo_resident.csv"], "1,Ada,King,1980-12-31,2025-01-03 10:00:00") -- newer
    change(day["dbo_resident.csv"], "3", "3,Older,Ignored,,2024-01-01 10:00:00")       -- older than silver's
    change(day["dbo_resident.csv"], "4")                                                -- gone, and her visit with her
    change(day["dbo_resident.csv"], "5", "5,Now,Timed,1999-09-09,2020-01-01 00:00:00")  -- silver's has no time stamp
    change(day["dbo_visit.csv"], "10")                                                  -- gone
    change(day["dbo_visit.csv"], "14", "14,1,2025-01-05T10:00:00,worse,not a number,2025-01-09 11:00:00") -- unreadable: not a deletion
    local job = succeed("2025-01-07", day)
    assert.same({ "1|Ada|King|false", "3|NULL|Onlylast|false", "4|Zoë|O'Brien|true", "5|Now|Timed|false" }, house.rows(SILVER_RESIDENTS))
    assert.same({ "10|checkup|true", "12|orphan|false", "14|padded|false", "15|tie b|false", "16|kept|false" }, house.rows(SILVER_VISITS))
    assert.same({ "14|1|2025-01-05|padded|NULL|NULL", "15|3|2025-01-05|tie b|2|0.02" }, house.rows(VISITS))
    assert.equal(1, house_fixture.step(job, "soft_delete_resident").rows)
    assert.equal(1, house_fixture.step(job, "soft_delete_visit").rows)
  end)

  it("makes a row live again that is seen again, even with the same time stamp", function()
    succeed("2025-01-06", DAY_1)
    local day = copy(DAY_1)
    change(day["dbo_resident.csv"], "4")
    succeed("2025-01-07", day)
    assert.equal("4|Zoë|O'Brien|true", house.rows(SILVER_RESIDENTS)[3])
    succeed("2025-01-08", DAY_1)
    assert.equal("4|Zoë|O'Brien|false", house.rows(SILVER_RESIDENTS)[3])
    assert.equal(4, #house.rows(VISITS))
  end)

  it("writes nothing twice when nothing changed", function()
    succeed("2025-01-06", DAY_1)
    local job = succeed("2025-01-07", DAY_1)
    for _, name in ipairs { "merge_resident", "merge_visit", "soft_delete_resident", "soft_delete_visit",
        "refresh_fact_visit", "refresh_dim_resident" } do
      assert.equal(0, house_fixture.step(job, name).rows, name)
    end
  end)

  it("refuses an empty load and one with fewer than half of the live rows, and leaves silver and gold as they were", function()
    succeed("2025-01-06", DAY_1)
    local before = state()
    local empty, halved = copy(DAY_1), copy(DAY_1)
    empty["dbo_visit.csv"] = { DAY_1["dbo_visit.csv"][1] }
    halved["dbo_visit.csv"] = { DAY_1["dbo_visit.csv"][1], DAY_1["dbo_visit.csv"][2], DAY_1["dbo_visit.csv"][4] }
    for i, day in ipairs { empty, halved } do
      change(day["dbo_resident.csv"], "3", "3,New,Name,,2026-01-01 10:00:00")
      house.put(day)
      local job = house.refresh("2025-01-0" .. 6 + i)
      assert.equal("FAILED", job.state)
      assert.equal("DataTestFailed", job.error.code)
      assert.matches(i == 1 and "the load is empty" or "2 rows loaded, fewer than 0.5 times the 5 live rows", job.error.message)
      assert.same(before, state())
    end
    succeed("2025-01-09", DAY_1)
  end)

  it("refuses a first load without rows", function()
    local day = copy(DAY_1)
    day["dbo_visit.csv"] = { DAY_1["dbo_visit.csv"][1] }
    house.put(day)
    assert.equal("FAILED", house.refresh("2025-01-06").state)
  end)

  it("fails with the reason when a source is missing, leaves nothing behind, and goes on by retry", function()
    house.put { ["dbo_resident.csv"] = DAY_1["dbo_resident.csv"] }
    local job = house.refresh("2025-01-06")
    assert.equal("FAILED", job.state)
    assert.matches("no file for table dbo_visit", job.error.message)
    assert.same({}, house.ports.bus.list())
    house.put(DAY_1)
    assert(house.call("retry_run", { jobId = job.id }))
    assert.equal("SUCCEEDED", house.ended(job.id).state)
    assert.equal(4, #house.rows(VISITS))
  end)

  it("has one winner among 50 simultaneous starts", function()
    house.put(DAY_1)
    local calls = {}
    for i = 1, 50 do
      calls[i] = function()
        local answer, err = house.call("run", { run = "2025-01-06" })
        return { job = answer and answer.job_id, code = answer == nil and err.code }
      end
    end
    local results = assert(task.parallel(calls))
    local winner, refused = nil, 0
    for i = 1, 50 do
      if results[i].job then
        assert.is_nil(winner)
        winner = results[i].job
      elseif results[i].code == "CooldownActive" then refused = refused + 1 end
    end
    assert.equal(49, refused)
    assert.equal("SUCCEEDED", house.ended(winner).state)
    assert.equal(1, #house.ports.jobs.list({}).items)
  end)

  it("can be cancelled while a step runs, and taken up again", function()
    house.put(DAY_1)
    local answer = assert(house.call("run", { run = "2025-01-06" }))
    assert(house.call("cancel_run", { jobId = answer.job_id }))
    local job = house.ended(answer.job_id)
    assert.equal("CANCELLED", job.state)
    house.settle()
    assert(house.call("retry_run", { jobId = job.id }))
    job = house.ended(job.id)
    assert.equal("SUCCEEDED", job.state, job.error and job.error.message)
  end)

  it("stops the statement that runs when it is cancelled", function()
    house.close()
    house = house_fixture.open { source = false }
    local lake = house.data .. "/sample"
    local con = assert(require("sm.duckdb").open { threads = 2 })
    local writer = assert(con:connect())
    assert(require("adapters.local.sample").generate(writer, { out = lake, residents = 5000, visits = 400000 }))
    writer:close()
    con:close()
    local answer = assert(house.call("run", { run = "2025-01-06" }))
    local seen, running = 0, false
    while not running do
      for _, event in ipairs(assert(house.ports.jobs.watch(answer.job_id, seen, 20))) do
        seen = event.seq
        running = running or (event.data.name == "stage_visit" and event.data.state == "RUNNING")
      end
    end
    assert(house.call("cancel_run", { jobId = answer.job_id }))
    local job = house.ended(answer.job_id)
    assert.equal("CANCELLED", job.state)
    assert.equal("CANCELLED", house_fixture.step(job, "stage_visit").state)
    assert.equal("PENDING", house_fixture.step(job, "merge_visit").state)
    house.settle()
    assert(house.call("retry_run", { jobId = job.id }))
    job = house.ended(job.id)
    assert.equal("SUCCEEDED", job.state)
    assert.equal(2, house_fixture.step(job, "stage_visit").attempt)
    assert.equal(1, house_fixture.step(job, "load").attempt)
  end)

  it("lists the files of the layers with addresses that open", function()
    succeed("2025-01-06", DAY_1)
    local answer = assert(house.call("run", { run = "2025-01-06" }))
    assert.same({ "dbo_resident/run=2025-01-06/", "dbo_visit/run=2025-01-06/" }, { answer.layers.bronze.dirs[1].name,
        answer.layers.bronze.dirs[2].name })
    assert.equal("dim_resident/", answer.layers.gold.dirs[1].name)
    for _, layer in ipairs { "bronze", "silver", "gold" } do
      for _, dir in ipairs(answer.layers[layer].dirs) do
        assert.is_true(#dir.files > 0, dir.name)
        for _, file in ipairs(dir.files) do
          local path, expires, signature = file.url:match("^http://spec/files/([^?]+)%?expires=(%d+)&signature=([%w_-]+)$")
          path = path:gsub("%%(%x%x)", function(h) return string.char(tonumber(h, 16)) end)
          assert.equal(file.size, assert(house.call("download", { path = path, expires = expires, signature = signature })).size)
        end
      end
    end
    assert.equal("SUCCEEDED", house.ended(answer.job_id).state)
  end)

  it("materialises, replaces, appends and takes back", function()
    succeed("2025-01-06", DAY_1)
    local target = { db = "gold", table = "by_resident" }
    local sql = "SELECT resident_id, COUNT(*) AS visits FROM gold.fact_visit GROUP BY resident_id"
    local made = assert(house.call("materialize", { target = target, sql = sql, mode = "replace" }))
    assert.equal(3, made.rows)
    local count = "SELECT COUNT(*) FROM gold.by_resident"
    assert.same({ "3" }, house.rows(count))
    for _ = 1, 2 do assert(house.call("materialize", { target = target, sql = sql, idempotencyKey = "once" })) end
    assert.same({ "6" }, house.rows(count))
    assert.equal("EmptyResult", select(2, house.call("materialize", { target = target, sql = sql .. " HAVING FALSE",
        mode = "replace" })).code)
    assert.same({ "6" }, house.rows(count))
    assert(house.call("materialize", { target = target, sql = sql .. " HAVING FALSE", mode = "replace", allowEmpty = true }))
    assert.same({ "0" }, house.rows(count))
    assert(house.call("undo_materialize", { target = target }))
    assert.same({ "6" }, house.rows(count))
    assert.equal("Forbidden", select(2, house.call("materialize", { target = { db = "gold", table = "fact_visit" },
        sql = sql, mode = "replace" })).code)
  end)

  it("works on the sample, and gold adds up to what the files say", function()
    house.close()
    house = house_fixture.open { source = false }
    local job = house.refresh("2025-08-13")
    assert.equal("SUCCEEDED", job.state, job.error and job.error.message)
    -- The same rules, applied to the files by hand.
    local residents, best = {}, {}
    local text = assert(require("sm.files").read(house.data .. "/sample/dbo_resident.csv"))
    for line in text:gsub("^[^\n]*\n", ""):gmatch("[^\n]+") do
      local id, dob = line:match("^(%d+),.*,([^,]*),[^,]*$")
      if id and (dob == "" or (dob:find("^%d%d%d%d%-%d%d%-%d%d$") and dob ~= "1987-02-30")) then residents[id] = true end
    end
    text = assert(require("sm.files").read(house.data .. "/sample/dbo_visit.csv"))
    for line in text:gsub("^[^\n]*\n", ""):gmatch("[^\n]+") do
      line = line:gsub('"([^"]*)"', function(inner) return (inner:gsub(",", ";")) end)
      local id, resident, at, rest = line:match("^(%d+),(%d+),([^,]*),(.*)$")
      if id then
        local cents, updated = rest:match(",([^,]*),([^,]*)$")
        cents = cents:match("^%s*(.-)%s*$")
        local readable = not at:find("^2024%-13") and (cents == "" or cents:find("^%d+$"))
        if readable and (not best[id] or updated > best[id].updated) then best[id] = { resident = resident,
            cents = tonumber(cents) or 0, updated = updated } end
      end
    end
    local count, sum, people = 0, 0, 0
    for _, visit in pairs(best) do
      if residents[visit.resident] then count, sum = count + 1, sum + visit.cents end
    end
    for _ in pairs(residents) do people = people + 1 end
    assert.same({ ("%d|%d"):format(count, sum) }, house.rows("SELECT COUNT(*), SUM(charge_cents) FROM gold.fact_visit"))
    assert.same({ tostring(people) }, house.rows("SELECT COUNT(*) FROM gold.dim_resident"))
    assert.is_true(count > 15000)
  end)
end)
