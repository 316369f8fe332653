-- kill -9 in the middle of a refresh: after a start it goes on by itself, and gold is what an undisturbed refresh makes.
local files = require "sm.files"
local fixture = require "lake_fixture"
local house_fixture = require "house"
local process = require "process"
local task = require "sm.task"

local KILLS <const> = 6
local SUMS <const> = { "SELECT COUNT(*), SUM(charge_cents), SUM(resident_id) FROM gold.fact_visit",
    "SELECT COUNT(*), SUM(age_years) FROM gold.dim_resident",
  "SELECT COUNT(*), COUNT(DISTINCT visit_id) FROM silver.src_sqlserver__dbo_visit", "SELECT COUNT(*) FROM quarantine.dbo_visit" }

describe("a refresh whose process is killed", function()
  if not fixture.has_engine() then return pending "libduckdb.so is not there" end
  local program = (files.realpath("/proc/self/exe"))
  local folder

  setup(function()
    folder = assert(files.realpath(assert(files.temp_dir())))
    local lake = fixture.open()
    local con <close> = assert(lake.lake.engine:connect())
    assert(require("adapters.local.sample").generate(con, { out = lake.data .. "/sample", residents = 5000, visits = 60000 }))
    assert(files.rename(lake.data .. "/sample", folder .. "/source"))
    con:close()
    lake.close()
  end)
  teardown(function() files.remove_tree(folder) end)

  local function sums(data)
    local house = house_fixture.open { data = data, source = folder .. "/source" }
    local found = {}
    for i, sql in ipairs(SUMS) do found[i] = house.rows(sql)[1] end
    local jobs = assert(house.ports.jobs.list {}).items
    house.close()
    return found, jobs
  end

  local function command(data) return ("%s --lua tests/integration/refresh_once.lua %s %s/source"):format(program, data, folder) end

  it("goes on by itself at its first unfinished step and ends as if nothing had happened", function()
    local whole, broken, log = folder .. "/whole", folder .. "/broken", folder .. "/log"
    assert.matches("SUCCEEDED", (process.run(command(whole))))
    local killed = 0
    for i = 1, KILLS do
      local pid = process.spawn(command(broken), log)
      -- Not synchronisation: the moment of the kill is what is varied.
      task.sleep(0.1 + 0.23 * i)
      if process.is_running(pid) then killed = killed + 1 end
      process.kill(pid)
    end
    assert.is_true(killed > 0, "it was too fast to be killed")
    assert.matches("SUCCEEDED", (process.run(command(broken))))
    local expected = sums(whole)
    local found, jobs = sums(broken)
    assert.same(expected, found)
    assert.equal(1, #jobs)
    assert.same({}, files.exists(broken .. "/lake/bronze/dbo_visit") and (function()
      local rest = {}
      for _, entry in ipairs(files.list(broken .. "/lake/bronze/dbo_visit")) do
        if entry.name:sub(1, 1) == "." then rest[#rest + 1] = entry.name end
      end
      return rest
    end)())
  end)

  it("keeps a second process off the same data", function()
    local data = folder .. "/busy"
    local house = house_fixture.open { data = data, source = folder .. "/source" }
    local output, code = process.run(command(data))
    house.close()
    assert.not_equal(0, code)
    assert.matches("is in use: .* is locked by process %d+", output)
  end)
end)
