-- Port table_store on this machine: what materialise needs beside SQL. Iceberg's snapshots make replacing atomic: the old
-- rows stay as the version before, and undo goes back to it.
local errors = require "lib.errors"
local files = require "sm.files"
local lake_module = require "adapters.local.lake"
local maintain = require "adapters.local.iceberg.maintain"
local metadata = require "adapters.local.iceberg.metadata"
local scan = require "adapters.local.iceberg.scan"
local store_module = require "adapters.local.iceberg.store"
local types = require "adapters.local.iceberg.types"
local writer = require "adapters.local.iceberg.writer"

local M = {}

local function same_fields(a, b)
  if #a ~= #b then return false end
  for i, field in ipairs(a) do
    if field.id ~= b[i].id or field.name ~= b[i].name or types.to_trino(field.type) ~= types.to_trino(b[i].type)
      or type(field.type) ~= "string" then return false end
  end
  return true
end

-- The target's schema after a replacement: a column that keeps name and type keeps its id, any other gets a new one.
local function following_schema(target, staged)
  local old, last, fields = {}, target.meta["last-column-id"], {}
  for _, field in ipairs(metadata.schema(target.meta).fields) do old[field.name] = field end
  local function next_id()
    last = last + 1
    return last
  end
  for i, field in ipairs(metadata.schema(staged.meta).fields) do
    local before = old[field.name]
    if before and types.to_trino(before.type) == types.to_trino(field.type) then fields[i] = before
    else fields[i] = { id = next_id(), name = field.name, required = false, type = assert(types.parse(types.to_trino(field.type),
      next_id)) } end
  end
  return { fields = fields, last_column_id = last }
end

-- The staged files under the target's folder, without a copy of their bytes.
local function link_files(target, list)
  local linked, folder = {}, store_module.path(target.location) .. "/data"
  for i, file in ipairs(list) do
    local from = store_module.path(file.path)
    local to = folder .. "/" .. from:match("[^/]*$")
    local ok, message, code = files.link(from, to)
    if not ok then
      writer.remove(linked)
      return nil, errors.from(message, code, "replace table")
    end
    local copy = {}
    for key, value in pairs(file) do copy[key] = value end
    copy.path = store_module.uri(to)
    linked[i] = copy
  end
  files.sync_dir(folder)
  return linked
end

local function rewrite_files(lake, target, staged, list, schema)
  local rows, err = scan.rows(metadata.schema(staged.meta).fields, list)
  if not rows then return nil, err end
  local con <close>, refused = lake.engine:connect()
  if not con then return nil, refused end
  return writer.write(con, target, ("SELECT %s FROM %s"):format(scan.names(schema.fields), rows), schema.fields)
end

local function replace_rows(lake, target, staged, list)
  local added, err, schema
  if same_fields(metadata.schema(target.meta).fields, metadata.schema(staged.meta).fields) then
    added, err = link_files(target, list)
  else
    schema = following_schema(target, staged)
    added, err = rewrite_files(lake, target, staged, list, schema)
  end
  if not added then return nil, err end
  local done
  done, err = lake.store:commit(target, { operation = "overwrite", added = added, removed = "all", schema = schema })
  if done then return done end
  writer.remove(added)
  return nil, err
end

-- There is no table to replace yet: the staged one becomes it, under a location of its own name.
local function first_time(lake, database, name, staged, list)
  local meta = staged.meta
  local made, err = lake.store:prepare { database = database, name = name, location = lake_module.location(lake, database, name),
    fields = metadata.schema(meta).fields, last_column_id = meta["last-column-id"], properties = meta.properties }
  if not made then return nil, err end
  local added
  added, err = link_files(made, list)
  local done
  if added then done, err = lake.store:publish_with(made, added) end
  if done then return done end
  lake.store:discard(made)
  return nil, err
end

local function version_of(table_)
  local newest = maintain.versions(table_)[1]
  return { version = newest and newest.version, rows = newest and newest.rows or 0 }
end

---@param lake Lake
---@return table port
function M.new(lake)
  local port = {}

  function port.versions(database, name)
    local table_, err = lake.store:load(database, name)
    if not table_ then return nil, err end
    return maintain.versions(table_)
  end

  -- Safe to repeat after a crash: as long as the staged table is there, its rows are brought over again.
  function port.swap(database, name, staged_name)
    local staged, err = lake.store:load(database, staged_name)
    if not staged then return nil, err end
    local list
    list, err = lake.store:files(metadata.current(staged.meta))
    if not list then return nil, err end
    local done
    if lake.catalog:iceberg(database, name) then
      local target
      target, err = lake.store:load(database, name)
      if not target then return nil, err end
      done, err = replace_rows(lake, target, staged, list)
    else
      done, err = first_time(lake, database, name, staged, list)
    end
    if not done then return nil, err end
    lake.store:drop(database, staged_name)
    return version_of(done)
  end

  function port.undo(database, name)
    local done, err = maintain.undo(lake.store, database, name)
    if not done then return nil, err end
    return version_of(done)
  end

  return port
end

return M
