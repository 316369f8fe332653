-- A lake in a folder of its own for one spec, and the ports over it.
local files = require "sm.files"

local M = {}

local count = 0

-- True when the engine's library is to be had; specs that need it are pending otherwise.
function M.has_engine()
  return require("sm.duckdb").load() ~= nil
end

-- Adds to a fixture with a warehouse: run, rows, value.
function M.with_queries(f)
  -- Runs a statement and gives what it did; fails the spec when it fails.
  function f.run(sql, database) return assert(f.warehouse.run { sql = sql, database = database or "d", caller = "spec" }) end
  -- The rows of a query, as lists of texts.
  function f.rows(sql, database)
    local done = f.run(sql, database)
    local page = assert(f.warehouse.results(done.id, { max_rows = 1000 }))
    local rows = {}
    for i, text in ipairs(page.rows_text) do rows[i] = assert(require("sm.json").decode(text)) end
    return rows, page
  end
  -- The one cell of a one-row query.
  function f.value(sql, database) return f.rows(sql, database)[1][1] end
end

---@param options table?  {now?, running?, max_rows?, max_bytes?, keep?: data folder to open again}
function M.open(options)
  options = options or {}
  count = count + 1
  local data = options.data or ("%s/sewing-spec-%d-%d"):format(files.temp_dir(), os.time(), count)
  files.mkdir(data)
  local lake = assert(require("adapters.local.lake").open { data = data, now = options.now, engine = { threads = 2,
    memory_bytes = 512 << 20 } })
  local state = assert(require("sm.sqlite").open(data .. "/state.sqlite"))
  local warehouse = assert(require("adapters.local.warehouse").new {
    engine = require("adapters.local.warehouse.embedded").new(lake), data = data, now = lake.now, state = state, running = options.running,
    max_rows = options.max_rows, max_bytes = options.max_bytes, max_scanned_bytes = options.max_scanned_bytes })
  local f = { data = data, lake = lake, warehouse = warehouse, catalog = require("adapters.local.catalog").new(lake),
    table_store = require("adapters.local.table_store").new(lake) }
  function f.bronze() return lake end
  M.with_queries(f)
  function f.stop()
    require("adapters.local.lake").close(lake)
    state:close()
  end
  function f.close()
    f.stop()
    files.remove_tree(data)
  end
  return f
end

return M
