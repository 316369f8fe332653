-- A Trino cluster for one spec, in the form of lake_fixture: only when SEWING_TEST_TRINO names a running one (tests/trino/run).
local files = require "sm.files"

local M = {}

local count = 0

---@return string? url
function M.url() return files.env "SEWING_TEST_TRINO" end

local function clean(client)
  for _, catalog in ipairs { "lake", "hive" } do
    for _, schema in ipairs { "d", "bronze", "staging", "quarantine", "silver", "gold" } do client:run(("DROP SCHEMA IF EXISTS %s.%s CASCADE"):format(catalog, schema)) end
  end
end

---@param options table?  as lake_fixture.open
function M.open(options)
  options = options or {}
  count = count + 1
  local data = ("%s/sewing-trino-%d-%d"):format(files.temp_dir(), os.time(), count)
  files.mkdir(data .. "/results")
  local shared = assert(files.env "SEWING_TEST_TRINO_FOLDER", "SEWING_TEST_TRINO_FOLDER: the folder that the cluster sees as local:///")
  local client = assert(require("adapters.trino.client").new { url = M.url(), user = "spec", catalog = "lake" })
  clean(client)
  local state = assert(require("sm.sqlite").open(data .. "/state.sqlite"))
  local warehouse = assert(require("adapters.local.warehouse").new { engine = require("adapters.trino.engine").new(client,
    require("adapters.trino.catalog").names_of(client, "lake")), data = data,
    state = state, running = options.running, max_rows = options.max_rows, max_bytes = options.max_bytes,
    max_scanned_bytes = options.max_scanned_bytes })
  local catalog = require("adapters.trino.catalog").new { client = client, catalog = "lake", hive = "hive", local_root = shared,
    shared_root = "local://", new_id = require("sm.crypto").uuid }
  local f = { data = data, client = client, warehouse = warehouse, catalog = catalog,
    table_store = assert(require("adapters.trino.table_store").new { client = client, catalog = "lake", table = catalog.table, location = catalog.location, state = state }) }
  -- Parquet files for bronze come from the embedded engine, in a folder that both see.
  local lake
  function f.bronze()
    lake = lake or assert(require("adapters.local.lake").open { data = ("%s/spec-%d-%d"):format(shared, os.time(), count),
      engine = { threads = 1, memory_bytes = 256 << 20 } })
    return lake
  end
  require("lake_fixture").with_queries(f)
  function f.close()
    clean(client)
    if lake then
      require("adapters.local.lake").close(lake)
      files.remove_tree(lake.data)
    end
    state:close()
    files.remove_tree(data)
  end
  return f
end

return M
