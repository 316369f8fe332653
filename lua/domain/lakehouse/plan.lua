-- From the pipeline list to the steps of a job, and from a step to the statements it runs.
-- A step may start when every step it names in `after` has succeeded; the tests of a layer stand between it and the next.

local M = {}

---@class Statement
---@field template string    name of a file in lua/sql/lakehouse
---@field values table
---@field database string
---@field select table?      {template, values}: a model's SELECT, judged and then put in as value `select`
---@field counts boolean?    its affected rows are the step's rows

M.DATABASES = { "bronze", "staging", "quarantine", "silver", "gold" }

local TIMES <const> = { timestamp = true, ["timestamp(3)"] = true, ["timestamp(6)"] = true }

local function is_text(column) return column.type:find("^varchar") ~= nil or column.type:find("^char") ~= nil end

-- Steps ------------------------------------------------------------------------------------------------------------

local function names(steps, layer, kind)
  local list = {}
  for _, step in ipairs(steps) do
    if step.layer == layer and (not kind or step.kind == kind) then list[#list + 1] = step.name end
  end
  return list
end

local function add(steps, name, layer, kind, after)
  steps[#steps + 1] = { name = name, layer = layer, kind = kind, after = after }
end

local function add_source_steps(steps, pipeline)
  for _, source in ipairs(pipeline.sources) do
    add(steps, "stage_" .. source.name, "staging", "sql", { "prepare" })
    add(steps, "quarantine_" .. source.name, "quarantine", "sql", { "prepare" })
    add(steps, "test_staging_" .. source.name, "staging", "test", { "stage_" .. source.name })
  end
end

local function add_silver_steps(steps, pipeline)
  local gate = names(steps, "staging", "test")
  for _, name in ipairs(names(steps, "quarantine")) do gate[#gate + 1] = name end
  for _, source in ipairs(pipeline.sources) do
    local last = "merge_" .. source.name
    add(steps, last, "silver", "sql", gate)
    if source.soft_delete then
      add(steps, "soft_delete_" .. source.name, "silver", "sql", { last })
    end
  end
  local written = names(steps, "silver")
  for _, source in ipairs(pipeline.sources) do
    if #source.tests.silver > 0 then add(steps, "test_silver_" .. source.name, "silver", "test", written) end
  end
end

local function add_model_steps(steps, pipeline)
  local gate = names(steps, "silver")
  local is_model = {}
  for _, model in ipairs(pipeline.models) do is_model[model.name] = model end
  for _, model in ipairs(pipeline.models) do
    local after = table.move(gate, 1, #gate, 1, {})
    for _, name in ipairs(model.after) do
      if is_model[name] then after[#after + 1] = (#is_model[name].tests > 0 and "test_gold_" or "refresh_") .. name end
    end
    add(steps, "refresh_" .. model.name, "gold", "sql", after)
    if #model.tests > 0 then add(steps, "test_gold_" .. model.name, "gold", "test", { "refresh_" .. model.name }) end
  end
end

--- The steps of one run, in an order in which they could be run one by one.
---@param pipeline Pipeline
---@return table[] steps  {name, layer, kind, after}
function M.steps(pipeline)
  local steps = {}
  add(steps, "load", "bronze", "load", {})
  add(steps, "prepare", "staging", "prepare", { "load" })
  add_source_steps(steps, pipeline)
  add_silver_steps(steps, pipeline)
  add_model_steps(steps, pipeline)
  local all = {}
  for i, step in ipairs(steps) do all[i] = step.name end
  add(steps, "tidy", "gold", "tidy", all)
  return steps
end

--- Steps that may start now: not begun (or begun by a runner that is gone), everything before them succeeded.
---@param steps Step[]
---@return Step[] ready, boolean complete
function M.ready(steps)
  local done, complete = {}, true
  for _, step in ipairs(steps) do
    if step.state == "SUCCEEDED" then done[step.name] = true else complete = false end
  end
  local ready = {}
  for _, step in ipairs(steps) do
    local free = not done[step.name]
    for _, name in ipairs(step.after) do free = free and done[name] end
    if free then ready[#ready + 1] = step end
  end
  return ready, complete
end

-- Tables -----------------------------------------------------------------------------------------------------------

local function with(columns, ...)
  local all = table.move(columns, 1, #columns, 1, {})
  for _, column in ipairs { ... } do all[#all + 1] = column end
  return all
end

local function as_text(columns)
  local all = {}
  for _, column in ipairs(columns) do all[#all + 1] = { name = column.name, type = "varchar" } end
  return all
end

--- The columns of a bronze table as it is registered: text, as the source said it.
---@param source table
---@return table[]
function M.bronze_columns(source) return as_text(source.columns) end

-- Staging is made anew with every load: nobody travels back in it. Elsewhere old versions stay for some days.
local STAGING_SECONDS <const> = 3600
local KEPT_SECONDS <const> = 5 * 86400

--- Every Iceberg table the pipeline writes, with its columns and how long its versions are kept.
---@param pipeline Pipeline
---@return table[] {database, name, columns, keep_seconds}
function M.tables(pipeline)
  local received = { name = "dms_received_ts", type = "timestamp(6)" }
  local list = {}
  for _, s in ipairs(pipeline.sources) do
    list[#list + 1] = { database = "staging", name = s.staging, columns = with(s.columns, received) }
    list[#list + 1] = { database = "quarantine", name = s.bronze,
      columns = with(as_text(s.columns), { name = "reject_reason", type = "varchar" }, { name = "run", type = "date" }) }
    list[#list + 1] = { database = "silver", name = s.silver,
      columns = with(s.columns, received, { name = "is_deleted", type = "boolean" }) }
  end
  for _, model in ipairs(pipeline.models) do
    list[#list + 1] = { database = model.database, name = model.name, columns = model.columns }
  end
  for _, made in ipairs(list) do made.keep_seconds = made.database == "staging" and STAGING_SECONDS or KEPT_SECONDS end
  return list
end

-- Statements -------------------------------------------------------------------------------------------------------

local function list_of(all) -- of names
  local list = {}
  for i, name in ipairs(all) do list[i] = { name = name } end
  return list
end

--- The name under which a statement carries a column as it came, beside its value.
---@param name string
---@return string
function M.raw_name(name) return "raw__" .. name:sub(1, 120) end

-- Key columns with type and messages; other columns split by how their text is read.
local function split(source)
  local is_key, texts, times, typed, keys, fields = {}, {}, {}, {}, {}, {}
  for _, name in ipairs(source.key) do is_key[name] = true end
  for _, column in ipairs(source.columns) do
    local entry = { name = column.name, type = column.type, raw = M.raw_name(column.name), missing = column.name .. " is missing",
      unreadable = ("%s is not a readable %s"):format(column.name, column.type:match("^%a+")) }
    local group = is_text(column) and texts or TIMES[column.type] and times or typed
    group[#group + 1] = entry
    local kept = is_key[column.name] and keys or fields
    kept[#kept + 1] = entry
  end
  return { texts = texts, times = times, typed = typed, keys = keys, fields = fields }
end

local function only(entries, ...)
  local list = {}
  for i, entry in ipairs(entries) do
    list[i] = {}
    for _, field in ipairs { ... } do list[i][field] = entry[field] end
  end
  return list
end

local function staging_of(s) return "staging." .. s.staging end
local function silver_of(s) return "silver." .. s.silver end
local function bronze_of(s) return "bronze." .. s.bronze end
local function quarantine_of(s) return "quarantine." .. s.bronze end

local function stage(s, run)
  local parts = split(s)
  return {
    { template = "clear_table", database = "staging", values = { table = staging_of(s) } },
    { template = "stage", database = "staging", counts = true, values = {
      staging = staging_of(s), bronze = bronze_of(s), run = run, columns = only(s.columns, "name"), keys = only(parts.keys, "name"),
      newer = list_of { s.newer_by }, texts = only(parts.texts, "name"), times = only(parts.times, "name", "type", "raw"),
      typed = only(parts.typed, "name", "type", "raw") } },
  }
end

local function quarantine(s, run)
  local parts, columns = split(s), {}
  for i, column in ipairs(s.columns) do columns[i] = { name = column.name, raw = M.raw_name(column.name) } end
  return {
    { template = "quarantine_clear", database = "quarantine", values = { quarantine = quarantine_of(s), run = run } },
    { template = "quarantine", database = "quarantine", counts = true, values = {
      quarantine = quarantine_of(s), bronze = bronze_of(s), run = run, columns = columns,
      keys = only(parts.keys, "name", "missing"), times = only(parts.times, "name", "type", "unreadable"),
      typed = only(parts.typed, "name", "type", "unreadable") } },
  }
end

local function merge(s)
  local parts = split(s)
  return { { template = "merge", database = "silver", counts = true, values = {
    silver = silver_of(s), staging = staging_of(s), keys = only(parts.keys, "name"), newer = list_of { s.newer_by },
    fields = only(parts.fields, "name"),
    columns = only(s.columns, "name") } } }
end

local function soft_delete(s, run)
  return { { template = "soft_delete", database = "silver", counts = true, values = {
    silver = silver_of(s), staging = staging_of(s), quarantine = quarantine_of(s), run = run,
    keys = only(split(s).keys, "name", "type") } } }
end

local function refresh(model, run, today)
  local parts = split(model)
  return { { template = "refresh_model", database = model.database, counts = true,
    select = { template = model.sql, values = { run = run, today = today } },
    values = { target = model.database .. "." .. model.name, keys = only(parts.keys, "name"),
      fields = only(parts.fields, "name"), columns = only(model.columns, "name") } } }
end

local makers = { stage = stage, quarantine = quarantine, merge = merge, soft_delete = soft_delete }

--- The statements of a `sql` step.
---@param pipeline Pipeline
---@param step_name string
---@param run string     date of the run
---@param today string
---@return Statement[]
function M.statements(pipeline, step_name, run, today)
  for _, source in ipairs(pipeline.sources) do
    local prefix = step_name:sub(1, -#source.name - 2)
    if step_name == prefix .. "_" .. source.name and makers[prefix] then return makers[prefix](source, run) end
  end
  for _, model in ipairs(pipeline.models) do
    if step_name == "refresh_" .. model.name then return refresh(model, run, today) end
  end
  error("no statements for step '" .. tostring(step_name) .. "'")
end

-- Data tests -------------------------------------------------------------------------------------------------------

local test_values = {}

function test_values.not_null(test, target) return { table = target, column = test.column } end
function test_values.unique(test, target) return { table = target, columns = list_of(test.columns) } end

function test_values.accepted_values(test, target)
  local values = {}
  for i, value in ipairs(test.values) do values[i] = { value = tostring(value) } end
  return { table = target, column = test.column, values = values }
end

function test_values.freshness(test, target, _, run)
  return { table = target, column = test.column, run = run, days = test.max_age_days }
end

function test_values.row_delta(_, target, source) return { staging = target, silver = silver_of(source) } end

function test_values.relationships(test, target, _, _, pipeline)
  for _, parent in ipairs(pipeline.sources) do
    if parent.name == test.to then
      return { child = target, child_column = test.column, parent = silver_of(parent), parent_column = test.to_column }
    end
  end
end

local function tests_of(tests, target, source, run, pipeline)
  local list = {}
  for i, test in ipairs(tests) do
    list[i] = { test = test, target = target, template = "test_" .. test.kind,
      values = test_values[test.kind](test, target, source, run, pipeline) }
  end
  return list
end

--- The data tests of a `test` step.
---@param pipeline Pipeline
---@param step_name string
---@param run string
---@return table[] {test, target, template, values}
function M.tests(pipeline, step_name, run)
  for _, s in ipairs(pipeline.sources) do
    if step_name == "test_staging_" .. s.name then return tests_of(s.tests.staging, staging_of(s), s, run, pipeline) end
    if step_name == "test_silver_" .. s.name then return tests_of(s.tests.silver, silver_of(s), s, run, pipeline) end
  end
  for _, model in ipairs(pipeline.models) do
    if step_name == "test_gold_" .. model.name then
      return tests_of(model.tests, model.database .. "." .. model.name, nil, run, pipeline)
    end
  end
  error("no tests for step '" .. tostring(step_name) .. "'")
end

return M
