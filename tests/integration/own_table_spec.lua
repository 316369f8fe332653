-- A list that somebody else wrote: a key of two columns, no time stamp, tests of every kind, a model after a model.
local files = require "sm.files"
local fixture = require "lake_fixture"
local house_fixture = require "house"

local LIST <const> = {
  sources = {
    { name = "stock", bronze = "shop_stock", staging = "stock_latest", silver = "shop_stock", key = { "shop", "item" },
      columns = { { "shop", "varchar" }, { "item", "integer" }, { "pieces", "decimal(10,2)" }, { "counted", "date" },
          { "open", "boolean" } },
      tests = {
        staging = { { "row_delta", min_ratio = 0.9 }, { "accepted_values", column = "shop", values = { "north", "south" } } },
        silver = { { "unique", columns = { "shop", "item" } }, { "freshness", column = "counted", max_age_days = 1, severity = "warn" } },
      } },
  },
  models = {
    { name = "stock_now", sql = "spec_stock_now", key = { "shop", "item" }, after = { "stock" },
      columns = { { "shop", "varchar" }, { "item", "integer" }, { "pieces", "decimal(10,2)" } },
          tests = { { "unique", columns = { "shop", "item" } } } },
    { name = "stock_total", sql = "spec_stock_total", key = { "shop" }, after = { "stock_now" },
      columns = { { "shop", "varchar" }, { "pieces", "decimal(38,2)" } } },
  },
}

local FILES <const> = {
  spec_stock_now = "-- Live stock on the day.\n-- @param run date\nSELECT s.shop, s.item, s.pieces FROM silver.shop_stock s\nWHERE s.is_deleted IS DISTINCT FROM TRUE AND {run} > DATE '2000-01-01'\n",
  spec_stock_total = "-- Pieces of each shop.\nSELECT n.shop, SUM(n.pieces) AS pieces FROM gold.stock_now n GROUP BY n.shop\n",
}

describe("a pipeline of one's own", function()
  if not fixture.has_engine() then return pending "libduckdb.so is not there" end
  local house, shipped

  setup(function()
    shipped = package.loaded["domain.lakehouse.pipeline"]
    package.loaded["domain.lakehouse.pipeline"] = LIST
  end)
  teardown(function()
    package.loaded["domain.lakehouse.pipeline"] = shipped
  end)
  before_each(function()
    house = house_fixture.open()
    -- The files of this list, beside the shipped ones.
    local folder = house.data .. "/sql"
    assert(files.mkdir(folder))
    for name, text in pairs(FILES) do assert(files.write(folder .. "/" .. name .. ".sql", text)) end
    local shipped_files, own_files = house.ports.statements.render, require("adapters.local.statements").new(folder, false).render
    house.ports.statements.render = function(name, ...) return (FILES[name] and own_files or shipped_files)(name, ...) end
  end)
  after_each(function() house.close() end)

  local NOW <const> = "SELECT * FROM gold.stock_now ORDER BY shop, item"

  it("needs a list entry and SQL files, and no code", function()
    house.put { ["stock.csv"] = { "shop,item,pieces,counted,open", "north,1,1.50,2025-01-01,true",
        "north,2,2,2025-01-01,FALSE", "south,1,7,2025-01-01,",
      "south,2,x,2025-01-01,perhaps", ",3,1,2025-01-01,true" } }
    local job = house.refresh("2025-01-01")
    assert.equal("SUCCEEDED", job.state, job.error and job.error.message)
    assert.same({ "north|1|1.50", "north|2|2.00", "south|1|7.00" }, house.rows(NOW))
    assert.same({ "north|3.50", "south|7.00" }, house.rows("SELECT * FROM gold.stock_total ORDER BY shop"))
    assert.same({ "NULL|shop is missing", "south|pieces is not a readable decimal; open is not a readable boolean" },
      house.rows("SELECT shop, reject_reason FROM quarantine.shop_stock ORDER BY item DESC"))

    house.put { ["stock.csv"] = { "shop,item,pieces,counted,open", "north,1,9,2025-01-03,true",
        "south,1,7,2025-01-01,", "south,3,1,2025-01-03,true" } }
    job = house.refresh("2025-01-03")
    assert.equal("SUCCEEDED", job.state, job.error and job.error.message)
    assert.same({ "north|1|9.00", "south|1|7.00", "south|3|1.00" }, house.rows(NOW))
    assert.same({ "north|9.00", "south|8.00" }, house.rows("SELECT * FROM gold.stock_total ORDER BY shop"))
    assert.equal(2, house_fixture.step(job, "merge_stock").rows)
    assert.equal(1, house_fixture.step(job, "soft_delete_stock").rows)
  end)

  it("is stopped by a test of its own", function()
    house.put { ["stock.csv"] = { "shop,item,pieces,counted,open", "west,1,1,2025-01-01,true" } }
    local job = house.refresh("2025-01-01")
    assert.equal("DataTestFailed", job.error.code)
    assert.matches("accepted_values%(staging.stock_latest.shop%): 1 failing", job.error.message)
  end)
end)
