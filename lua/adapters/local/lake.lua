-- The lake of one data folder: its catalog, its tables, its engine. The adapters catalog, warehouse and table_store are
-- three views of it.
local engine = require "adapters.local.engine"
local errors = require "lib.errors"
local files = require "sm.files"
local maintain = require "adapters.local.iceberg.maintain"
local sql_catalog = require "adapters.local.iceberg.sql_catalog"
local sqlite = require "sm.sqlite"
local store = require "adapters.local.iceberg.store"
local time = require "sm.time"

local M = {}

---@class Lake
---@field data string        absolute path of the data folder
---@field root string        the tables' folder in it
---@field engine table
---@field catalog table      the SQL catalog
---@field store table        tables on disk
---@field now fun(): number

-- Tables that a process which is gone was still building: the folder's lock says that nobody else is.
local function drop_abandoned(lake, is_abandoned)
  for _, item in ipairs(lake.catalog:all() or {}) do
    if is_abandoned(item.name) and lake.catalog:iceberg(item.database, item.name) then lake.store:drop(item.database, item.name) end
  end
end

---@param options {data: string, source: string?, now: fun(): number?, engine: table?,
---  is_abandoned: (fun(name: string): boolean)?}  engine: library?, threads?, memory_bytes?
-- options.keep_versions: snapshots that VACUUM leaves when the table itself does not say
---@return Lake|nil lake, Error? err
function M.open(options)
  local now, settings = options.now or time.now, options.engine or {}
  for _, folder in ipairs { "lake", "results", "tmp" } do
    local ok, message, code = files.mkdir(options.data .. "/" .. folder, folder == "lake" and "shared" or "private")
    if not ok then return nil, errors.from(message, code, "data folder") end
  end
  local data = files.realpath(options.data)
  for _, entry in ipairs(files.list(data .. "/tmp") or {}) do files.remove_tree(data .. "/tmp/" .. entry.name) end
  local db, message, code = sqlite.open(data .. "/catalog.sqlite", {})
  if not db then return nil, errors.from(message, code, "catalog") end
  local catalog, err = sql_catalog.open(db)
  if not catalog then return nil, err end
  local lake = { data = data, root = data .. "/lake", now = now, catalog = catalog }
  lake.store = store.new { root = lake.root, catalog = catalog, now = now, keep_versions = options.keep_versions }
  -- what the engine may touch: not the state, the catalog or serve.json beside the lake
  local folders = { lake.root, data .. "/tmp", data .. "/sample" }
  if options.source then folders[4] = files.realpath(options.source) or options.source end
  lake.engine = engine.new {
    library = settings.library, threads = settings.threads, memory_bytes = settings.memory_bytes or 1 << 30, temp_dir = data .. "/tmp",
      folders = folders,
  }
  catalog:abandon_unfinished()
  lake.store:remove_dropped()
  if options.is_abandoned then drop_abandoned(lake, options.is_abandoned) end
  return lake
end

-- Where a table's files belong when nobody says otherwise. CREATE takes a neighbour when something lies there already.
---@param lake Lake
---@return string uri
function M.location(lake, database, name)
  return ("file://%s/%s/%s"):format(lake.root, database, name)
end

-- A location somebody wrote into a statement -> URI below the lake, or a refusal. s3://bucket/key means a folder here
-- that keeps the name, so that a statement for the cloud runs unchanged.
---@return string|nil uri, Error? err
function M.location_given(lake, text)
  local path = text:gsub("/+$", "")
  local bucket_key = path:match("^s3a?://(.+)$")
  if bucket_key then path = lake.root .. "/s3/" .. bucket_key
  else path = store.path(path) end
  if path:sub(1, #lake.root + 1) ~= lake.root .. "/" or path:find("/%.%.?/") or path:find("/%.%.?$") or path:find("[%z\1-\31]") then
    return nil, errors.new("BadParam", ("location '%s' is not below the lake (%s)"):format(text, store.uri(lake.root)))
  end
  return store.uri(path)
end

-- Upkeep of every table: old versions by the tables' own rules, files nobody points to, folders of dropped tables.
---@param lake Lake
---@return {tables: integer, snapshots: integer, files: integer, failures: string[]} done
function M.tidy(lake)
  local done = { tables = 0, snapshots = 0, files = 0, failures = {} }
  for _, item in ipairs(lake.catalog:all() or {}) do
    local tidied, err
    if lake.catalog:iceberg(item.database, item.name) then tidied, err = maintain.vacuum(lake.store, item.database, item.name) end
    if tidied then
      done.tables, done.snapshots, done.files = done.tables + 1, done.snapshots + tidied.snapshots, done.files + tidied.files
    elseif err and err.code ~= "NotFound" then
      done.failures[#done.failures + 1] = ("%s.%s: %s"):format(item.database, item.name, tostring(err))
    end
  end
  lake.store:remove_dropped()
  return done
end

---@param lake Lake
function M.close(lake)
  lake.engine:close()
  lake.catalog:close()
end

return M
