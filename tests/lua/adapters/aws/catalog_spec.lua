-- Catalog and table store on Glue beyond the contract: partitions, types, pages, databases that are denied, and writers that
-- meet.
local aws = require "aws_fixture"
local hive_types = require "adapters.aws.hive_types"
local scripted = require "scripted"

describe("types of Glue", function()
  for hive, trino in pairs { int = "integer", string = "varchar", ["decimal(12,2)"] = "decimal(12,2)", timestamp = "timestamp(3)",
    ["array<string>"] = "array(varchar)", ["map<string,array<int>>"] = "map(varchar, array(integer))",
    ["struct<a:int,b:struct<c:decimal(5,2),d:string>>"] = "row(a integer, b row(c decimal(5,2), d varchar))", BIGINT = "bigint",
    ["varchar(20)"] = "varchar(20)" } do
    it(hive, function() assert.equal(trino, hive_types.to_trino(hive)) end)
  end
  it("timestamps of Iceberg have microseconds", function()
    assert.equal("array(timestamp(6))", hive_types.to_trino("array<timestamp>", true))
  end)
  for trino, hive in pairs { integer = "int", varchar = "string", ["timestamp(6)"] = "timestamp", ["decimal(12, 2)"] = "decimal(12,2)",
    boolean = "boolean" } do
    it(trino .. " for Glue", function() assert.equal(hive, hive_types.to_hive(trino)) end)
  end
end)

local function catalog_over(api)
  return require("adapters.aws.catalog").new { api = api, clock = require("adapters.local.clock").new(),
    prefixes = { silver = "s3://lake/silver/", gold = "s3://lake/gold/{run}/" }, lake = "s3://lake" }
end

describe("catalog on Glue", function()
  local COLUMNS <const> = { { name = "visit_id", type = "integer" }, { name = "visit_ts", type = "timestamp(6)" } }
  local api, catalog, database

  before_each(function()
    if not aws.has "moto" then return end
    api = api or aws.api()
    database, catalog = aws.fresh("bronze"):gsub("-", "_"), catalog_over(api)
  end)

  local function register(run, more)
    local request = { database = database, table = "visit", columns = COLUMNS, partition = { run = run },
      location = ("s3://lake/bronze/%s/dbo/visit/"):format(run) }
    for name, value in pairs(more or {}) do request[name] = value end
    return catalog.register_partition(request)
  end

  local function partitions()
    local found = {}
    for _, one in ipairs(assert(api:call("glue", "get_partitions", { DatabaseName = database, TableName = "visit" })).Partitions) do
      found[one.Values[1]] = one.StorageDescriptor.Location
    end
    return found
  end

  if aws.has "moto" then
    it("makes database, table and partition, and all of it twice without harm", function()
      for _ = 1, 2 do assert(register "2025-08-13") end
      assert(register "2025-08-14")
      assert.same({ ["2025-08-13"] = "s3://lake/bronze/2025-08-13/dbo/visit/", ["2025-08-14"] = "s3://lake/bronze/2025-08-14/dbo/visit/" }, partitions())
      local found = assert(catalog.table(database, "visit"))
      assert.same({ "parquet", "integer", "timestamp(3)", "run", "date" },
        { found.type, found.columns[1].type, found.columns[2].type, found.columns[3].name, found.partition_keys[1].type })
    end)

    it("adds columns that a load brings, and keeps those that it lacks", function()
      assert(register "2025-08-13")
      assert(register("2025-08-14", { columns = { { name = "visit_id", type = "bigint" }, { name = "added", type = "varchar" } } }))
      local names = {}
      for i, column in ipairs(assert(catalog.table(database, "visit")).columns) do names[i] = column.name .. " " .. column.type end
      assert.same({ "visit_id bigint", "visit_ts timestamp(3)", "added varchar", "run date" }, names)
    end)

    it("moves a partition whose folder is another now", function()
      assert(register "2025-08-13")
      assert(register("2025-08-13", { location = "s3://lake/other/" }))
      assert.same({ ["2025-08-13"] = "s3://lake/other/" }, partitions())
    end)

    it("lets go of a day whose folder holds another day now", function()
      assert(register("2025-08-13", { location = "s3://lake/bronze/dbo/visit/", sole = true }))
      assert(register("2025-08-14", { location = "s3://lake/bronze/dbo/visit/", sole = true }))
      assert.same({ ["2025-08-14"] = "s3://lake/bronze/dbo/visit/" }, partitions())
    end)

    it("refuses a place that is not on S3", function()
      assert.equal("BadS3Uri", select(2, register("2025-08-13", { location = "/tmp/x" })).code)
    end)
  end

  it("knows where new tables belong", function()
    local located = catalog_over({}).location
    assert.equal("s3://lake/silver/t/", located("silver", "t"))
    assert.equal("s3://lake/gold/t/", located("gold", "t")) -- a prefix with {run} is no place for a table
    assert.equal("s3://lake/staging/t/", located("staging", "t"))
  end)

  describe("with a script for Glue", function()
    local server, answers
    before_each(function()
      answers = {
        GetDatabases = function() return { DatabaseList = { { Name = "a" }, { Name = "denied" }, { Name = "z" } } } end,
        GetTables = function(p)
          if p.DatabaseName == "denied" then return scripted.failure("AccessDeniedException", "not yours") end
          return { TableList = { { Name = p.DatabaseName .. "_table" } } }
        end,
      }
      server = scripted.start(function(operation, params) return answers[operation](params) end)
      catalog = catalog_over(aws.api { glue = server.url })
    end)
    after_each(function() server.stop() end)

    it("shows a denied database empty and the others whole, each asked for once", function()
      local counts = {}
      for _, name in ipairs(assert(catalog.databases())) do counts[name] = #assert(catalog.tables(name)).items end
      assert.same({ a = 1, denied = 0, z = 1 }, counts)
      assert.equal(3, server.count "GetTables")
    end)

    it("reads all pages", function()
      answers.GetTables = function(p)
        local page = tonumber(p.NextToken or "1")
        return { TableList = { { Name = "t" .. page } }, NextToken = page < 3 and tostring(page + 1) or nil }
      end
      assert.equal(3, #assert(catalog.tables "a").items)
    end)

    it("hides columns that a table had once", function()
      answers.GetTable = function()
        return { Table = { Name = "t", DatabaseName = "a", Parameters = { table_type = "ICEBERG", ["sewing.replaced"] = "[]", owner = "me" },
          StorageDescriptor = { Location = "s3://lake/t", Columns = { { Name = "now", Type = "timestamp", Parameters = { ["iceberg.field.current"] = "true" } },
            { Name = "once", Type = "int", Parameters = { ["iceberg.field.current"] = "false" } } } } } }
      end
      local found = assert(catalog.table("a", "t"))
      assert.same({ { name = "now", type = "timestamp(6)" } }, found.columns)
      assert.same({ table_type = "ICEBERG", owner = "me" }, found.properties)
    end)

    it("does not swap over a change that somebody else has made, and puts the staged table back", function()
      local entry = { Name = "t", VersionId = "7", Parameters = { table_type = "ICEBERG", metadata_location = "s3://lake/t/1.json" }, StorageDescriptor = {} }
      local created
      answers.GetTable = function(p)
        local found = {}
        for name, value in pairs(entry) do found[name] = value end
        found.Name = p.Name
        return { Table = found }
      end
      answers.DeleteTable = function() return {} end
      answers.UpdateTable = function(p)
        assert.equal("7", p.VersionId)
        return scripted.failure("ConcurrentModificationException", "changed")
      end
      answers.CreateTable = function(p)
        created = p.TableInput.Name
        return {}
      end
      local api_ = aws.api { glue = server.url, s3 = "http://127.0.0.1:9" }
      local store = require("adapters.aws.table_store").new { api = api_, catalog = catalog }
      assert.equal("Conflict", select(2, store.swap("a", "t", "t__build_1")).code)
      assert.equal("t__build_1", created)
    end)
  end)
end)
