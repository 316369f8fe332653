-- How one step of a job is done: making tables, running its statements, judging its data tests.
local errors = require "lib.errors"
local plan = require "domain.lakehouse.plan"
local guard = require "domain.lakehouse.sql_guard"

local M = {}

-- Prepare ----------------------------------------------------------------------------------------------------------

local function run_template(ports, template, values, database)
  local sql, err = ports.statements.render(template, values)
  if not sql then return nil, err end
  return ports.warehouse.run { sql = sql, database = database, caller = "pipeline", purpose = "pipeline" }
end

-- A table that is there must have the columns the list declares; adding one to the list is said, not guessed.
local function check_columns(wanted, found)
  local has = {}
  for _, column in ipairs(found.columns) do has[column.name] = true end
  for _, column in ipairs(wanted.columns) do
    if not has[column.name] then
      return nil, errors.new("Conflict",
          ("%s.%s lacks the column '%s' that the pipeline list declares; add it: ALTER TABLE %s.%s ADD COLUMNS (%s %s)")
        :format(wanted.database, wanted.name, column.name, wanted.database, wanted.name, column.name, column.type))
    end
  end
  return true
end

local function ensure_table(ports, wanted)
  local found, err = ports.catalog.table(wanted.database, wanted.name)
  if found then return check_columns(wanted, found) end
  if err.code ~= "NotFound" then return nil, err end
  local name = wanted.database .. "." .. wanted.name
  return run_template(ports, "create_table",
    { table = name, location = ports.catalog.location(wanted.database, wanted.name), columns = wanted.columns,
      keep_seconds = wanted.keep_seconds }, wanted.database)
end

local function ensure_databases(ports, tables)
  local there, err = ports.catalog.databases()
  if not there then return nil, err end
  local known = {}
  for _, name in ipairs(there) do known[name] = true end
  for _, wanted in ipairs(tables) do
    if not known[wanted.database] then
      local made, problem = run_template(ports, "create_schema", { name = wanted.database }, wanted.database)
      if not made then return nil, problem end
      known[wanted.database] = true
    end
  end
  return true
end

local function prepare(ports, work)
  local tables = plan.tables(work.pipeline)
  local ok, err = ensure_databases(ports, tables)
  if not ok then return nil, err end
  for _, wanted in ipairs(tables) do
    ok, err = ensure_table(ports, wanted)
    if not ok then return nil, errors.wrap(err, wanted.database .. "." .. wanted.name) end
  end
  return { rows = 0 }
end

-- Statements -------------------------------------------------------------------------------------------------------

-- A model's SELECT comes from an operator's file: the guard judges it like anybody else's.
local function with_select(ports, statement)
  if not statement.select then return statement.values end
  local sql, err = ports.statements.render(statement.select.template, statement.select.values, { offered = true })
  if not sql then return nil, err end
  local checked
  checked, err = guard.select(sql)
  if not checked then return nil, errors.wrap(err, statement.select.template) end
  local values = { select = checked }
  for name, value in pairs(statement.values) do values[name] = value end
  return values
end

local function run_statement(ports, work, step, index, statement)
  local values, err = with_select(ports, statement)
  if not values then return nil, err end
  local sql
  sql, err = ports.statements.render(statement.template, values)
  if not sql then return nil, err end
  -- The token makes a repeated call of the same attempt wait for the same execution instead of starting another. Where the time
  -- of an invocation is limited, the statement outlives it and the next one waits on.
  local token = ports.ids.digest(table.concat({ work.job.id, step.name, step.attempt, index, sql }, "/"))
  return ports.warehouse.run { sql = sql, database = statement.database, job_id = work.job.id, token = token,
    caller = "pipeline", purpose = "pipeline", keep = ports.tasks.remaining() ~= nil }
end

local function statements(ports, work, step)
  local rows = 0
  for index, statement in ipairs(plan.statements(work.pipeline, step.name, work.job.run, work.today)) do
    local done, err = run_statement(ports, work, step, index, statement)
    if not done then return nil, err end
    if statement.counts then rows = rows + (done.rows or 0) end
  end
  local warnings = {}
  if step.layer == "quarantine" and rows > 0 then
    warnings[1] = ("%d rows could not be read and are in quarantine"):format(rows)
  end
  return { rows = rows, warnings = warnings }
end

-- Data tests -------------------------------------------------------------------------------------------------------

local function subject(check)
  local test = check.test
  local columns = test.column or (test.columns and table.concat(test.columns, ", "))
  return columns and ("%s(%s.%s)"):format(test.kind, check.target, columns) or ("%s(%s)"):format(test.kind, check.target)
end

-- The sentence that says what is wrong, or nil.
local function judge(check, first, min_ratio)
  local a, b = tonumber(first and first[1]), tonumber(first and first[2])
  if check.test.kind ~= "row_delta" then
    if not a then return subject(check) .. " gave no count" end
    return a > 0 and ("%s: %d failing"):format(subject(check), a) or nil
  end
  if not a or not b then return subject(check) .. " gave no count" end
  if a == 0 then return ("%s: the load is empty (%d live rows stay as they are)"):format(subject(check), b) end
  local ratio = check.test.min_ratio or min_ratio
  if a < b * ratio then
    return ("%s: %d rows loaded, fewer than %g times the %d live rows"):format(subject(check), a, ratio, b)
  end
end

local function tests(ports, work, step)
  local failed, warnings = {}, {}
  for _, check in ipairs(plan.tests(work.pipeline, step.name, work.job.run)) do
    local done, err = run_template(ports, check.template, check.values, step.layer)
    if not done then return nil, errors.wrap(err, subject(check)) end
    local problem = judge(check, done.first, work.min_live_ratio)
    local list = check.test.severity == "warn" and warnings or failed
    list[#list + 1] = problem
  end
  if #failed > 0 then
    return nil, errors.new("DataTestFailed", table.concat(failed, "; "), { failed = failed, warnings = warnings })
  end
  return { warnings = warnings }
end

-- Tidy -------------------------------------------------------------------------------------------------------------

-- Lets go of versions that have outlived their time. The refresh is complete by now, so a table that cannot be tidied is
-- a warning.
local function tidy(ports, work)
  local warnings = {}
  for _, made in ipairs(plan.tables(work.pipeline)) do
    local name = made.database .. "." .. made.name
    local done, err = run_template(ports, "vacuum", { table = name }, made.database)
    if not done then warnings[#warnings + 1] = ("%s: %s"):format(name, err.message) end
  end
  return { warnings = warnings }
end

local kinds = { prepare = prepare, sql = statements, test = tests, tidy = tidy }

--- Does one step.
---@param ports table   warehouse, catalog, statements, tasks, ids
---@param work table    {job, pipeline, today, min_live_ratio}
---@param step Step
---@return table|nil {rows?, warnings?}, Error?
function M.step(ports, work, step)
  return kinds[step.kind](ports, work, step)
end

return M
