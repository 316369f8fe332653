-- Port catalog: databases, tables, columns and samples, in a stable order.
local fixture = require "lake_fixture"
local trino = require "trino_fixture"
local json = require "sm.json"

local adapters = {}
if fixture.has_engine() then adapters["local"] = fixture.open end
if trino.url() then adapters.trino = trino.open end
-- Glue with Iceberg tables; its partitions are tried in tests/lua/adapters/aws/catalog_spec.lua.
local aws = require "aws_fixture"
if fixture.has_engine() and aws.has "moto" and aws.has "dynamodb" then adapters.aws = require("glue_fixture").open end

if not next(adapters) then
  describe("port catalog", function() pending "libduckdb.so is not there" end)
end

for name, open in pairs(adapters) do
  describe("port catalog (" .. name .. ")", function()
    local f
    before_each(function()
      f = open()
      f.run "CREATE SCHEMA d"
      f.run "CREATE TABLE d.b AS SELECT x AS id, 'n' || CAST(x AS varchar) AS name FROM UNNEST(sequence(1, 30)) t(x)"
      f.run "CREATE TABLE d.a AS SELECT DATE '2024-01-01' AS day"
    end)
    after_each(function() f.close() end)

    it("lists databases and tables in order", function()
      assert.are.same({ "d" }, assert(f.catalog.databases()))
      assert.are.same({ { name = "a", type = "iceberg" }, { name = "b", type = "iceberg" } }, assert(f.catalog.tables "d").items)
    end)

    it("lists tables page by page", function()
      local page = assert(f.catalog.tables("d", { limit = 1 }))
      assert.are.equal("a", page.items[1].name)
      local rest = assert(f.catalog.tables("d", { limit = 1, cursor = page.next }))
      assert.are.equal("b", rest.items[1].name)
      assert.is_nil(rest.next)
    end)

    it("searches names literally", function()
      assert.are.equal(1, #assert(f.catalog.tables("d", { search = "B" })).items)
      assert.are.equal(0, #assert(f.catalog.tables("d", { search = "%" })).items)
    end)

    it("describes a table", function()
      local t = assert(f.catalog.table("d", "b"))
      assert.are.same({ "id", "bigint" }, { t.columns[1].name, t.columns[1].type })
      assert.are.same({ "name", "varchar" }, { t.columns[2].name, t.columns[2].type })
      assert.are.equal(30, t.row_count)
      assert.is_true(t.byte_count > 0 and t.updated_at >= t.created_at)
      assert.matches("^%d+$", t.snapshot_id)
      assert.are.equal("iceberg", t.type)
    end)

    it("says what is missing and what was probably meant", function()
      local t, err = f.catalog.table("d", "bb")
      assert.is_nil(t)
      assert.are.equal("NotFound", err.code)
      assert.matches("did you mean", err.message)
      assert.are.equal("NotFound", select(2, f.catalog.tables "e").code)
    end)

    it("samples rows as text", function()
      local s = assert(f.catalog.sample("d", "b", 5))
      assert.are.equal(5, #s.rows_text)
      assert.are.same({ "id", "name" }, s.columns)
      assert.are.equal(2, #json.decode(s.rows_text[1]))
    end)

    it("takes folders of Parquet files as partitions of a table, twice without harm", function()
      if name == "aws" then return end
      local files = require "sm.files"
      for run = 1, 2 do
        local folder = ("%s/bronze/visit/run=2025-08-%02d"):format(f.bronze().root, run)
        files.mkdir(folder)
        local con <close> = assert(f.bronze().engine:connect())
        assert(con:exec(("COPY (SELECT i AS visit_id%s FROM range(%d) AS r(i)) TO '%s/part.parquet' (FORMAT parquet)"):format(
          run == 2 and ", 'x' AS added" or "", run * 10, folder)))
        for _ = 1, 2 do
          assert(f.catalog.register_partition { database = "bronze", table = "visit", partition = { run = ("2025-08-%02d"):format(run) },
            location = folder,
            columns = run == 1 and { { name = "visit_id", type = "BIGINT" } } or { { name = "visit_id", type = "BIGINT" },
              { name = "added", type = "VARCHAR" } } })
        end
      end
      local t = assert(f.catalog.table("bronze", "visit"))
      assert.are.same({ "visit_id", "added", "run" }, { t.columns[1].name, t.columns[2].name, t.columns[3].name })
      assert.are.equal(30, t.row_count)
      assert.are.equal("date", t.partition_keys[1].type)
      assert.are.same({ { "2025-08-01", "10", "0" }, { "2025-08-02", "20", "20" } },
        (f.rows "SELECT run, count(*), count(added) FROM bronze.visit GROUP BY run ORDER BY run"))
      assert.are.same({ { "20" } }, (f.rows "SELECT count(*) FROM bronze.visit WHERE run = DATE '2025-08-02'"))
      if name == "local" then assert.are.equal(2, #assert(f.catalog.files("bronze", "visit"))) end
    end)

    it("lists the files of the current version only", function()
      if name == "aws" then return end
      f.run "DELETE FROM d.b WHERE id > 10"
      local found = assert(f.catalog.files("d", "b"))
      assert.are.equal(1, #found)
      if name ~= "local" then return end -- a cluster notes deleted rows beside the file, and its files may be elsewhere
      assert.are.equal(10, found[1].rows)
      assert.is_true(require("sm.files").exists(found[1].path))
    end)
  end)
end
