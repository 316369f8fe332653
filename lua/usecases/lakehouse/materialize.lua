-- Keeps the rows of a query as a table: added to what is there, or in its place.
--
-- What it does: lets one query through, checks every name and property, and then appends (once per idempotency key), or
-- builds the new table beside the old one and swaps both in a moment. Readers see the old rows or the new ones, never
-- none; an empty result replaces a table with rows only when that is asked for. Earlier versions stay for undo.
-- What you may change here: the default mode, how long a query may be. Properties: domain/lakehouse/tables.lua.
local errors = require "lib.errors"
local json = require "lib.json"
local shape = require "lib.shape"
local guard = require "domain.lakehouse.sql_guard"
local sql_place = require "domain.lakehouse.sql_place"
local tables = require "domain.lakehouse.tables"

local M = {}

M.name = "materialize"
M.summary = "Append a query's rows to a table, or replace the table by them."
M.ports = { "catalog", "ids", "statements", "table_store", "warehouse" }
M.input = shape.object {
  target = shape.object({
    db = shape.string { doc = "database", example = "gold" },
    table = shape.string { doc = "table", example = "visits_by_month" },
  }, { optional = true, doc = "required" }),
  sql = shape.string { min = 1, max = 262144, doc = "one query" },
  mode = shape.enum({ "append", "replace" }, { default = "append", fold_case = true }),
  properties = shape.map(shape.any {}, { optional = true, max = 20, doc = "properties of a replaced table" }),
  dry_run = shape.boolean { default = false, doc = "only tell the statements" },
  allow_empty = shape.boolean { default = false, doc = "an empty result may replace rows" },
  idempotency_key = shape.string { optional = true, min = 1, max = 200, doc = "the same key appends once" },
}

local function answer(input, done, statements)
  return { status = input.dry_run and "dry run" or "ok", table = tables.full_name(input.target), mode = input.mode,
    qid = done and done.id, rows = done and done.rows, statements = json.list(statements) }
end

local function execute(ports, input, ctx, sql, select, token)
  local done, err = ports.warehouse.run { sql = sql, database = input.target.db, caller = ctx.caller, purpose = "materialize", token = token }
  return done, err and sql_place.in_query(err, sql, select.sql, input.sql)
end

local function append(ports, input, ctx, select, found)
  if not found then
    return nil, errors.new("NotFound", ("there is no table %s to append to; mode replace makes it"):format(tables.full_name(input.target)))
  end
  if input.properties and next(input.properties) then
    return nil, errors.new("BadParam", "properties belong to mode replace; appending leaves the table's own")
  end
  local sql, err = ports.statements.render("materialize_append", { target = tables.full_name(input.target), select = select })
  if not sql then return nil, err end
  if input.dry_run then return answer(input, nil, { sql }) end
  local token = input.idempotency_key and ports.ids.digest(ctx.caller .. "\nmaterialize\n" .. input.idempotency_key) or nil
  local done
  done, err = execute(ports, input, ctx, sql, select, token)
  return done and answer(input, done, { sql }), err
end

local function swap_in(ports, input, staged, found, done)
  if done.rows == 0 and found and (found.row_count or 0) > 0 and not input.allow_empty then
    return nil, errors.new("EmptyResult", ("the query gave no rows; %s keeps its %d (send allowEmpty to empty it)")
      :format(tables.full_name(input.target), found.row_count))
  end
  return ports.table_store.swap(input.target.db, input.target.table, staged)
end

local function replace(ports, input, ctx, select, found)
  local properties, err = tables.properties(input.properties)
  if not properties then return nil, err end
  local staged = tables.staged_name(input.target.table, ports.ids.uuid())
  local target = input.target.db .. "." .. staged
  local sql
  sql, err = ports.statements.render("materialize_build", { target = target, select = select, format = properties.format,
    compression = properties.write_compression, location = ports.catalog.location(input.target.db, staged) })
  if not sql then return nil, err end
  if input.dry_run then return answer(input, nil, { sql }) end
  local done, swapped
  done, err = execute(ports, input, ctx, sql, select)
  if done then swapped, err = swap_in(ports, input, staged, found, done) end
  if swapped then return answer(input, done, { sql }) end
  local drop = ports.statements.render("drop_table", { table = target })
  ports.warehouse.run { sql = drop, database = input.target.db, caller = ctx.caller, purpose = "materialize" }
  return nil, err
end

function M.run(ports, input, ctx)
  local found, err = tables.find_target(ports, ctx.pipeline, input.target)
  if err then return nil, err end
  local select
  select, err = guard.select(input.sql)
  if not select then return nil, err end
  if input.mode == "append" then return append(ports, input, ctx, select, found) end
  return replace(ports, input, ctx, select, found)
end

return M
