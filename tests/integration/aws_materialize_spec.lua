-- Materialising over Athena and Glue: the use cases as they are, tables of the embedded engine behind Athena's API.
local aws = require "aws_fixture"
local fixture = require "lake_fixture"

if not (fixture.has_engine() and aws.has "moto" and aws.has "dynamodb") then
  describe("materialising on AWS", function() pending "libduckdb.so, moto or DynamoDB Local is not there" end)
  return
end

describe("materialising on AWS", function()
  local f, ports
  local TARGET <const> = { db = "gold", table = "by_month" }

  before_each(function()
    f = require("glue_fixture").open()
    f.run "CREATE SCHEMA gold"
    f.run "CREATE TABLE gold.visits AS SELECT x AS id, x % 3 AS month FROM UNNEST(sequence(1, 9)) t(x)"
    ports = { catalog = f.catalog, ids = require("adapters.local.ids").new(), table_store = f.table_store, warehouse = f.warehouse,
      statements = require("adapters.local.statements").new(require("sm.bundle").folder .. "/sql/lakehouse", false) }
  end)
  after_each(function() f.close() end)

  local function use(name, input)
    local use_case = require("usecases.lakehouse." .. name)
    local clean = assert(require("lib.shape").check(use_case.input, input))
    return use_case.run(ports, clean, require("fakes").ctx())
  end

  local function names()
    local list = {}
    for i, item in ipairs(assert(f.catalog.tables "gold").items) do list[i] = item.name end
    return list
  end

  local SQL <const> = "SELECT month, count(*) AS visits FROM gold.visits GROUP BY month"

  it("replaces, goes back, and leaves nothing staged", function()
    local done = assert(use("materialize", { target = TARGET, sql = SQL, mode = "replace" }))
    assert.same({ "gold.by_month", 3 }, { done.table, done.rows })
    assert(use("materialize", { target = TARGET, sql = "SELECT 7 AS only", mode = "replace", properties = { write_compression = "snappy" } }))
    assert.equal("7", f.value "SELECT only FROM gold.by_month")
    assert.same({ "by_month", "visits" }, names())
    local undone = assert(use("undo_materialize", { target = TARGET }))
    assert.equal(3, undone.rows)
    assert.equal("3", f.value "SELECT max(visits) FROM gold.by_month")
    assert.equal("integer", f.catalog.table("gold", "by_month").columns[1].type:gsub("bigint", "integer"))
  end)

  it("appends once for one key, and takes an append back", function()
    assert(use("materialize", { target = TARGET, sql = SQL, mode = "replace" }))
    for _ = 1, 2 do
      assert.equal(1, assert(use("materialize", { target = TARGET, sql = "SELECT 9 AS month, 1 AS visits", idempotency_key = "k" })).rows)
    end
    assert.equal("4", f.value "SELECT count(*) FROM gold.by_month")
    assert(use("undo_materialize", { target = TARGET }))
    assert.equal("3", f.value "SELECT count(*) FROM gold.by_month")
  end)

  it("keeps the table, and drops what was staged, when the query is empty or fails", function()
    assert(use("materialize", { target = TARGET, sql = SQL, mode = "replace" }))
    local _, err = use("materialize", { target = TARGET, sql = SQL .. " HAVING false", mode = "replace" })
    assert.equal("EmptyResult", err.code)
    _, err = use("materialize", { target = TARGET, sql = "SELECT 1 / (month - month) AS a FROM gold.visits", mode = "replace" })
    assert.equal("QueryFailed", err.code)
    assert.same({ "by_month", "visits" }, names())
    assert.equal("3", f.value "SELECT count(*) FROM gold.by_month")
  end)
end)
