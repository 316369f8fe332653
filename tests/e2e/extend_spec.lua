-- docs/extend.md's worked example, done in a copy of the scripts: a real data set becomes a third source table by list
-- entry and SQL file alone.
local files = require "sm.files"
local process = require "tests.support.process"

local PROGRAM <const> = files.realpath("/proc/self/exe")
local PYTHON <const> = files.env("SM_TEST_PYTHON")

local function airports_csv()
  if not PYTHON then return nil, "SM_TEST_PYTHON is not set (tests/run sets it)" end
  local path, code = process.run(PYTHON .. ' -c "import airportsdata, os; print(os.path.dirname(airportsdata.__file__))"')
  if code ~= 0 then return nil, "the Python package airportsdata is not installed" end
  return path:match("^[^\n]+") .. "/airports.csv"
end

describe("a table of one's own", function()
  local root, csv, why

  local function sewing(arguments)
    return process.run(("cd %s && SEWING_ROOT=%s SEWING_SOURCE=sources %s %s"):format(root, root, PROGRAM, arguments))
  end

  local function query(sql)
    local text, code = sewing(([[query --quiet --output csv --data data "%s"]]):format(sql))
    assert.equal(0, code, text)
    return text
  end

  setup(function()
    csv, why = airports_csv()
    if not csv then return end
    root = files.temp_dir() .. "/sewing-extend-" .. require("sm.crypto").uuid()
    files.mkdir(root .. "/sources")
    process.run(("cp -r lua runtime %s && cp %s %s/sources/"):format(root, csv, root))
    local list = root .. "/lua/domain/lakehouse/pipeline.lua"
    local shipped = assert(files.read(list))
    local entries = assert(files.read("docs/examples/airports/entries.lua"))
    files.write(list, (shipped:gsub("return M\n$", function() return entries .. "return M\n" end)))
    process.run(("cp docs/examples/airports/gold_airports_by_country.sql %s/lua/sql/lakehouse/"):format(root))
  end)

  teardown(function() if root then files.remove_tree(root) end end)

  it("fills staging, silver and gold from the real file", function()
    if not csv then return pending(why) end
    local made, made_code = sewing("run runtime/sample/generate.lua --residents 50 --visits 200 --out sources")
    assert.equal(0, made_code, made)
    local text, code = sewing("runs start --follow --data data")
    assert.equal(0, code, text)
    assert.matches("refresh_airports_by_country +SUCCEEDED +234 rows", text)

    assert.matches('"28298"', query("SELECT count(*) FROM silver.airport"), 1, true)
    assert.matches('"28298"', query("SELECT sum(airports) FROM gold.airports_by_country"), 1, true)
    assert.matches('"US","12579"', query("SELECT country, airports FROM gold.airports_by_country ORDER BY airports DESC LIMIT 1"), 1, true)
    assert.matches('"Amsterdam Airport Schiphol","-11.0"', query("SELECT name, elevation FROM silver.airport WHERE icao = 'EHAM'"), 1, true)
  end)
end)
