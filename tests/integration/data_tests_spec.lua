-- The SQL of every data test on real tables: what it finds, and what it lets pass.
local fixture = require "lake_fixture"

describe("the data test", function()
  if not fixture.has_engine() then return pending "libduckdb.so is not there" end
  local f, statements

  setup(function()
    f = fixture.open()
    statements = require("adapters.local.statements").new(require("sm.files").cwd() .. "/lua/sql/lakehouse", false)
    for _, name in ipairs { "staging", "silver" } do f.run("CREATE SCHEMA IF NOT EXISTS " .. name) end
    f.run([[CREATE TABLE silver.child AS SELECT * FROM (VALUES
      (1, 'a', 10, TIMESTAMP '2025-01-01 00:00:00.000000', false), (2, NULL, 20, NULL, false), (2, 'c', 30,
          TIMESTAMP '2025-01-10 00:00:00.000000', NULL),
      (3, 'a', NULL, NULL, false), (4, 'a', 99, NULL, true)) AS t (id, kind, parent_id, at, is_deleted)]], "silver")
    f.run("CREATE TABLE silver.parent AS SELECT * FROM (VALUES (10, false), (20, true), (30, NULL)) AS t (id, is_deleted)", "silver")
    f.run("CREATE TABLE staging.child AS SELECT id FROM silver.child WHERE id < 2", "staging")
    f.run("CREATE TABLE staging.none AS SELECT id, at FROM silver.child WHERE id > 100", "staging")
  end)
  teardown(function() f.close() end)

  local function first(name, values)
    local sql = assert(statements.render("test_" .. name, values))
    return assert(f.warehouse.run { sql = sql, database = "silver", caller = "spec" }).first
  end

  it("not_null counts rows without a value", function()
    assert.same({ "1" }, first("not_null", { table = "silver.child", column = "kind" }))
    assert.same({ "0" }, first("not_null", { table = "silver.child", column = "id" }))
  end)

  it("unique counts combinations that occur twice", function()
    assert.same({ "1" }, first("unique", { table = "silver.child", columns = { { name = "id" } } }))
    assert.same({ "0" }, first("unique", { table = "silver.child", columns = { { name = "id" }, { name = "parent_id" } } }))
  end)

  it("accepted_values counts other values, and lets none pass", function()
    assert.same({ "1" }, first("accepted_values", { table = "silver.child", column = "kind",
        values = { { value = "a" }, { value = "b'; --" } } }))
    assert.same({ "0" }, first("accepted_values", { table = "silver.child", column = "kind",
        values = { { value = "a" }, { value = "c" } } }))
    assert.same({ "4" }, first("accepted_values", { table = "silver.child", column = "id", values = { { value = "1" } } }))
  end)

  it("relationships counts live rows without a live parent", function()
    assert.same({ "2" }, first("relationships", { child = "silver.child", child_column = "parent_id",
        parent = "silver.parent", parent_column = "id" }))
  end)

  it("row_delta tells loaded and live rows", function()
    assert.same({ "1", "4" }, first("row_delta", { staging = "staging.child", silver = "silver.child" }))
    assert.same({ "0", "4" }, first("row_delta", { staging = "staging.none", silver = "silver.child" }))
  end)

  it("freshness fails when the latest value is too old, or when there is none", function()
    local function fresh(days, run, name)
      return first("freshness", { table = name or "silver.child", column = "at", run = run, days = days })[1]
    end
    assert.equal("0", fresh(5, "2025-01-12"))
    assert.equal("0", fresh(5, "2025-01-15"))
    assert.equal("1", fresh(5, "2025-01-16"))
    assert.equal("1", fresh(5, "2025-01-12", "staging.none"))
  end)
end)
