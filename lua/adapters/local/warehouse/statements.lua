-- Statements that change the lake, one function per kind: each takes the running statement and gives how many rows it
-- touched. Reading statements are in run.lua, what the catalog answers by itself in show.lua.
local change = require "adapters.local.iceberg.change"
local errors = require "lib.errors"
local lake_module = require "adapters.local.lake"
local maintain = require "adapters.local.iceberg.maintain"
local metadata = require "adapters.local.iceberg.metadata"
local names = require "lib.sql.names"
local properties = require "adapters.local.warehouse.properties"
local sql = require "lib.sql"
local sql_types = require "lib.sql.types"
local types = require "adapters.local.iceberg.types"
local writer = require "adapters.local.iceberg.writer"

local M = {}

---@class Running            one statement while it runs
---@field lake Lake
---@field tree table
---@field class table
---@field resolver table
---@field parameters string[]
---@field token string?
---@field connection fun(): table|nil, Error?   the engine connection, opened when first asked for

local function target_name(run, name)
  local ref, message = names.table_ref(name or run.tree.target)
  if not ref then return nil, errors.new("SyntaxError", message) end
  if ref.suffix then return nil, errors.new("NotSupported", "metadata tables cannot be changed") end
  return run.resolver:name(ref)
end

local function target_table(run)
  local database, name = target_name(run)
  if not database then return nil, name end
  if run.lake.catalog:parquet(database, name) then
    return nil, errors.new("NotSupported",
      ("NOT_SUPPORTED: '%s.%s' is plain Parquet; rows of Iceberg tables only can be changed"):format(database, name))
  end
  return run.resolver:load(database, name)
end

local function write_plan(run) return sql.translate.write(run.tree, run.resolver:context(run.parameters)) end

-- INSERT, UPDATE, DELETE, MERGE --------------------------------------------------------------------------------------

-- A change whose token is in the table's history has happened already, whatever became of its record: the process died
-- between the commit and the writing down of its end.
local function already_done(table_, token)
  if not token then return nil end
  for _, snapshot in ipairs(table_.meta.snapshots) do
    local summary = snapshot.summary or {}
    if summary[change.TOKEN] == token then return math.tointeger(tonumber(summary[change.ROWS] or 0)) end
  end
end

local function changing(apply)
  return function(run)
    local table_, err = target_table(run)
    if not table_ then return nil, err end
    local done = already_done(table_, run.token)
    if done then return done end
    local plan
    plan, err = write_plan(run)
    if not plan then return nil, err end
    local con
    con, err = run.connection()
    if not con then return nil, err end
    plan.token = run.token
    return apply(run.lake.store, con, table_, plan)
  end
end

M.INSERT = changing(change.insert)
M.UPDATE = changing(change.update)
M.DELETE = changing(change.delete)
M.MERGE = changing(change.merge)

-- CREATE ---------------------------------------------------------------------------------------------------------------

local function counter()
  local n = 0
  return function()
    n = n + 1
    return n
  end, function() return n end
end

-- Iceberg numbers the columns of a table first, then what is nested in them.
local function fields_from(columns, parse)
  local next_id, last = counter()
  local fields, seen = {}, {}
  for i, c in ipairs(columns) do
    local key = c.name:lower()
    if seen[key] then return nil, errors.new("QueryFailed", ("DUPLICATE_COLUMN_NAME: column '%s' is named twice"):format(c.name)) end
    seen[key] = true
    fields[i] = { id = next_id(), name = key, required = false, doc = c.comment }
  end
  for i, c in ipairs(columns) do
    local found, err = parse(c.type, next_id)
    if not found then return nil, errors.wrap(err, ("column '%s'"):format(c.name)) end
    fields[i].type = found
  end
  return { fields = fields, last_column_id = last() }
end

local function new_table(run, schema, given)
  local database, name = target_name(run)
  if not database then return nil, name end
  if not run.lake.catalog:has_database(database) then return nil, run.lake.store:no_table(database, name) end
  local location = lake_module.location(run.lake, database, name)
  if given.location then
    local err
    location, err = lake_module.location_given(run.lake, given.location)
    if not location then return nil, err end
  end
  return run.lake.store:prepare { database = database, name = name, location = location, fields = schema.fields,
    last_column_id = schema.last_column_id,
    properties = given.kept }
end

-- A table that is being made leaves nothing behind unless it was published, also when its task is stopped.
local function unpublished(run, table_)
  return setmetatable({ published = false }, { __close = function(made)
    if not made.published then run.lake.store:discard(table_) end
  end })
end

-- True when the table is there; an error when it is there and should not be.
local function exists(run)
  local database, name = target_name(run)
  if not database then return nil, name end
  local there = run.lake.catalog:iceberg(database, name) or run.lake.catalog:parquet(database, name)
  if not there then return false end
  if run.tree.if_not_exists then return true end
  return nil, errors.new("Conflict", ("TABLE_ALREADY_EXISTS: table '%s.%s' exists already"):format(database, name))
end

local function refuse_create(run)
  local tree = run.tree
  if tree.replace then return nil, errors.new("NotSupported", "CREATE OR REPLACE TABLE is not supported") end
  if tree.external then return nil, errors.new("NotSupported",
    "CREATE EXTERNAL TABLE is not supported: leave EXTERNAL out, with 'table_type'='ICEBERG'") end
  if tree.partitioning or tree.clustered_by then return nil, errors.new("NotSupported",
    "partitioned tables cannot be written here: leave the clause out") end
  return properties.read(tree.properties, tree.text_properties)
end

-- The properties of the table to be made; false when it is there already and need not be.
local function may_create(run)
  local given, err = refuse_create(run)
  if not given then return nil, err end
  local there
  there, err = exists(run)
  if there == nil then return nil, err end
  return not there and given
end

local function declared_fields(columns)
  return fields_from(columns, function(t, next_id) return types.parse(type(t) == "string" and t or sql_types.text(t), next_id) end)
end

function M.CREATE_TABLE(run)
  local given, err = may_create(run)
  if not given then return given == false and 0 or nil, err end
  local schema
  schema, err = declared_fields(run.tree.columns)
  if not schema then return nil, err end
  given.location = given.location or run.tree.location
  local table_
  table_, err = new_table(run, schema, given)
  if not table_ then return nil, err end
  local making <close> = unpublished(run, table_)
  making.published, err = run.lake.store:publish(table_)
  return making.published and 0, err
end

-- The query's columns as an Iceberg schema, and the SELECT that gives exactly those types.
local function query_schema(plan)
  local schema, err = fields_from(plan.columns, types.parse)
  if not schema then return nil, err end
  local aliases, list = {}, {}
  for i, field in ipairs(schema.fields) do
    aliases[i] = "c" .. i
    list[i] = ("CAST(c%d AS %s) AS %s"):format(i, types.to_duckdb(field.type), types.quote(field.name))
  end
  return schema, ("SELECT %s FROM (%s) AS q(%s)"):format(table.concat(list, ", "), plan.source_sql, table.concat(aliases, ", "))
end

local function fill_new(run, con, table_, select_sql)
  local added, err = {}
  if not run.tree.with_no_data then
    added, err = writer.write(con, table_, select_sql)
    if not added then return nil, err end
  end
  local made
  made, err = run.lake.store:publish_with(table_, added)
  if not made then return nil, err end
  return writer.count(added)
end

function M.CREATE_TABLE_AS_SELECT(run)
  local given, err = may_create(run)
  if not given then return given == false and 0 or nil, err end
  local plan
  plan, err = write_plan(run)
  if not plan then return nil, err end
  local con
  con, err = run.connection()
  if not con then return nil, err end
  local schema, select_sql = query_schema(plan)
  if not schema then return nil, select_sql end
  local table_
  table_, err = new_table(run, schema, given)
  if not table_ then return nil, err end
  local making <close> = unpublished(run, table_)
  local rows
  rows, err = fill_new(run, con, table_, select_sql)
  making.published = rows ~= nil
  return rows, err
end

function M.CREATE_SCHEMA(run)
  local database = names.database(run.tree.target)
  if database == "information_schema" then return nil, errors.new("Conflict", "the name information_schema is taken") end
  if run.lake.catalog:has_database(database) and not run.tree.if_not_exists then
    return nil, errors.new("Conflict", ("SCHEMA_ALREADY_EXISTS: database '%s' exists already"):format(database))
  end
  local ok, err = run.lake.catalog:create_database(database)
  return ok and 0, err
end

-- DROP, ALTER, upkeep ------------------------------------------------------------------------------------------------

function M.DROP_TABLE(run)
  local database, name = target_name(run)
  if not database then return nil, name end
  local ok, err
  if run.lake.catalog:parquet(database, name) then ok, err = run.lake.catalog:drop_parquet(database, name)
  else ok, err = run.lake.store:drop(database, name) end
  if not ok and err.code == "NotFound" and run.tree.if_exists then return 0 end
  return ok and 0, err
end

function M.DROP_SCHEMA(run)
  local database, lake = names.database(run.tree.target), run.lake
  if not lake.catalog:has_database(database) then
    if run.tree.if_exists then return 0 end
    return nil, lake.store:no_table(database, "")
  end
  local tables, err = lake.catalog:tables(database, {})
  if not tables then return nil, err end
  if #tables > 0 and not run.tree.cascade then
    return nil, errors.new("Conflict", ("SCHEMA_NOT_EMPTY: database '%s' holds %d tables"):format(database, #tables))
  end
  for _, item in ipairs(tables) do
    local ok
    if item.type == "parquet" then ok, err = lake.catalog:drop_parquet(database, item.name) else ok, err = lake.store:drop(database,
      item.name) end
    if not ok then return nil, err end
  end
  local ok
  ok, err = lake.catalog:drop_database(database)
  return ok and 0, err
end

local function altering(steps_of)
  return function(run)
    local table_, err = target_table(run)
    if not table_ then
      if run.tree.if_exists and err.code == "NotFound" then return 0 end
      return nil, err
    end
    local steps
    steps, err = steps_of(run.tree)
    if not steps then return nil, err end
    local done
    done, err = run.lake.store:alter(table_.database, table_.name, function(meta, now_ms, previous)
      return metadata.evolve(meta, function(fields, next_id)
        for _, step in ipairs(steps) do
          local ok, problem = step(fields, next_id)
          if not ok then return nil, problem end
        end
        return true
      end, now_ms, previous)
    end)
    return done and 0, err
  end
end

local function kind_of(column)
  return function(next_id) return types.parse(type(column.type) == "string" and column.type or sql_types.text(column.type), next_id) end
end

M.ALTER_TABLE_ADD_COLUMNS = altering(function(tree)
  local steps = {}
  for i, column in ipairs(tree.columns) do steps[i] = metadata.add_column(column.name:lower(), kind_of(column), column.comment) end
  return steps
end)
M.ALTER_TABLE_DROP_COLUMN = altering(function(tree) return { metadata.drop_column(tree.column) } end)
M.ALTER_TABLE_RENAME_COLUMN = altering(function(tree) return { metadata.rename_column(tree.column, tree.new_column:lower()) } end)
M.ALTER_TABLE_CHANGE_COLUMN = altering(function(tree)
  local column = tree.columns[1]
  local steps = { metadata.change_type(tree.column, kind_of(column)) }
  if column.name:lower() ~= tree.column:lower() then steps[2] = metadata.rename_column(tree.column, column.name:lower()) end
  return steps
end)

function M.ALTER_TABLE_SET_PROPERTIES(run)
  local table_, err = target_table(run)
  if not table_ then return nil, err end
  local given
  given, err = properties.read(run.tree.properties, run.tree.text_properties)
  if not given then return nil, err end
  local done
  done, err = run.lake.store:alter(table_.database, table_.name, function(meta, now_ms, previous)
    local out, merged = metadata.follow(meta, now_ms, previous), {}
    for key, value in pairs(meta.properties) do merged[key] = value end
    for key, value in pairs(given.kept) do merged[key] = value end
    out.properties = merged
    return out
  end)
  return done and 0, err
end

function M.ALTER_TABLE_RENAME(run)
  local database, name = target_name(run)
  if not database then return nil, name end
  local table_, err = target_table(run)
  if not table_ then return nil, err end
  local new_database, new_name = target_name(run, run.tree.new_name)
  if not new_database then return nil, new_name end
  if #run.tree.new_name == 1 then new_database = database end
  local ok
  ok, err = run.lake.catalog:rename(database, name, new_database, new_name)
  return ok and 0, err
end

function M.VACUUM(run)
  local table_, err = target_table(run)
  if not table_ then return nil, err end
  local done
  done, err = maintain.vacuum(run.lake.store, table_.database, table_.name)
  return done and 0, err
end

function M.OPTIMIZE(run)
  local table_, err = target_table(run)
  if not table_ then return nil, err end
  if run.tree.where then return nil, errors.new("NotSupported", "OPTIMIZE with WHERE is not supported: tables have no partitions here") end
  local con
  con, err = run.connection()
  if not con then return nil, err end
  local done
  done, err = maintain.optimize(run.lake.store, con, table_.database, table_.name)
  return done and 0, err
end

return M
