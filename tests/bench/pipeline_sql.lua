-- Prints the shipped pipeline as one DuckDB script over native tables: the same loads, the same translated statements, the
-- same data tests, in step order. Run by pipeline.py: sewing run tests/bench/pipeline_sql.lua SOURCE_DIR BRONZE_DIR RUN
local plan = require "domain.lakehouse.plan"
local guard = require "domain.lakehouse.sql_guard"
local rules = require "domain.lakehouse.pipeline_rules"
local sql = require "lib.sql"
local statements = require "adapters.local.statements"

local source_dir, bronze_dir, run = ...
local pipeline = assert(rules.prepare(require "domain.lakehouse.pipeline"))
local files = statements.new(require("sm.files").realpath("lua/sql/lakehouse"), false)
local catalog = {}

local function named(name) return '"' .. name .. '"' end

local function qualified(ref) return named(ref.database) .. "." .. named(ref.table or ref.name) end

local context = { table = function(ref)
  local found = catalog[ref.database .. "." .. ref.table]
  return { sql = found.sql, columns = found.columns }
end }

-- A write plan as native DML.
local native = {}

function native.INSERT(p)
  local columns = {}
  for i, name in ipairs(p.columns) do columns[i] = named(name) end
  return ("INSERT INTO %s (%s) %s"):format(qualified(p.target), table.concat(columns, ", "), p.source_sql)
end

local function assignments(set)
  local list = {}
  for i, one in ipairs(set) do list[i] = named(one.column) .. " = " .. one.sql end
  return table.concat(list, ", ")
end

function native.UPDATE(p)
  return ("UPDATE %s AS %s SET %s WHERE %s"):format(qualified(p.target), named(p.target_alias), assignments(p.set), p.where_sql or "true")
end

function native.DELETE(p)
  return ("DELETE FROM %s AS %s WHERE %s"):format(qualified(p.target), named(p.target_alias), p.where_sql or "true")
end

function native.MERGE(p)
  local parts = { ("MERGE INTO %s AS %s USING %s ON %s"):format(qualified(p.target), named(p.target_alias), p.source_sql, p.on_sql) }
  for _, clause in ipairs(p.clauses) do
    local action = clause.action == "delete" and "DELETE" or clause.action == "update" and "UPDATE SET " .. assignments(clause.set)
    if clause.action == "insert" then
      local columns = {}
      for i, name in ipairs(clause.columns) do columns[i] = named(name) end
      action = ("INSERT (%s) VALUES (%s)"):format(table.concat(columns, ", "), table.concat(clause.values, ", "))
    end
    parts[#parts + 1] = ("WHEN %s%s THEN %s"):format(clause.matched and "MATCHED" or "NOT MATCHED",
      clause.condition_sql and " AND " .. clause.condition_sql or "", action)
  end
  return table.concat(parts, "\n")
end

local function emit(text) print(text .. ";") end

local function translated(text, database)
  context.database = database
  local tree = assert(sql.parse(text))
  local kind = sql.classify(tree).kind
  if kind == "SELECT" then return assert(sql.translate.query(tree, context)).sql end
  local p = assert(sql.translate.write(tree, context))
  return native[p.kind](p)
end

local function duck_type(text) return text == "timestamp(6)" and "TIMESTAMP" or text end

local function create(wanted)
  local columns = {}
  for i, column in ipairs(wanted.columns) do columns[i] = named(column.name) .. " " .. duck_type(column.type) end
  emit(("CREATE TABLE %s (%s)"):format(qualified(wanted), table.concat(columns, ", ")))
  catalog[wanted.database .. "." .. wanted.name] = { sql = qualified(wanted), columns = wanted.columns }
end

emit "SET TimeZone = 'UTC'"
emit "SET integer_division = true"
emit "SET threads = 2"
emit "SET preserve_insertion_order = false"
for _, macro in ipairs(sql.macros) do
  if not macro:find("trino_", 1, true) then emit(macro) end -- those stand on native functions that the shell lacks
end
for _, name in ipairs(plan.DATABASES) do emit("CREATE SCHEMA IF NOT EXISTS " .. named(name)) end
for _, source in ipairs(pipeline.sources) do
  local folder = ("%s/%s/run=%s"):format(bronze_dir, source.bronze, run)
  local names = {}
  for i, column in ipairs(source.columns) do names[i] = named(column.name) end
  local rows = ("SELECT %s FROM read_csv('%s/%s.csv', header = true, all_varchar = true)")
    :format(table.concat(names, ", "), source_dir, source.bronze)
  emit(("COPY (%s) TO '%s' (FORMAT parquet, COMPRESSION snappy, PER_THREAD_OUTPUT true)"):format(rows, folder))
  local columns = table.move(plan.bronze_columns(source), 1, #source.columns, 1, {})
  columns[#columns + 1] = { name = "run", type = "date" }
  catalog["bronze." .. source.bronze] = { columns = columns,
    sql = ("(SELECT * FROM read_parquet('%s/%s/*/*.parquet', hive_partitioning = true, hive_types = {'run': DATE}))")
      :format(bronze_dir, source.bronze) }
end
for _, wanted in ipairs(plan.tables(pipeline)) do create(wanted) end
for _, step in ipairs(plan.steps(pipeline)) do
  if step.kind == "sql" then
    for _, statement in ipairs(plan.statements(pipeline, step.name, run, run)) do
      local values = {}
      for key, value in pairs(statement.values) do values[key] = value end
      if statement.select then
        local select = assert(files.render(statement.select.template, statement.select.values, { offered = true }))
        values.select = assert(guard.select(select))
      end
      emit(translated(assert(files.render(statement.template, values)), statement.database))
    end
  elseif step.kind == "test" then
    for _, check in ipairs(plan.tests(pipeline, step.name, run)) do
      emit(translated(assert(files.render(check.template, check.values)), step.layer))
    end
  end
end
