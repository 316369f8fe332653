-- The shipped pipeline: steps, their order, and that every SQL file renders with what the plan gives it.
local pipeline_rules = require "domain.lakehouse.pipeline_rules"
local plan = require "domain.lakehouse.plan"
local template = require "lib.sql_template"

local FOLDER <const> = "lua/sql/lakehouse/"

local function read_template(name)
  local file = assert(io.open(FOLDER .. name .. ".sql"))
  local source = file:read "a"
  file:close()
  return assert(template.parse(name, source))
end

local function shipped() return assert(pipeline_rules.prepare(require "domain.lakehouse.pipeline")) end

local function position(steps, name)
  for i, step in ipairs(steps) do if step.name == name then return i end end
  error("no step " .. name)
end

describe("the shipped pipeline", function()
  it("passes its own rules", function() shipped() end)

  it("puts every step after those it waits for", function()
    local steps = plan.steps(shipped())
    for i, step in ipairs(steps) do
      for _, name in ipairs(step.after) do assert.is_true(position(steps, name) < i, step.name .. " before " .. name) end
    end
  end)

  it("lets no merge begin before the tests of every load have passed", function()
    local steps = plan.steps(shipped())
    local merge = steps[position(steps, "merge_visit")]
    assert.same({ "test_staging_resident", "test_staging_visit", "quarantine_resident", "quarantine_visit" }, merge.after)
  end)

  it("starts independent steps together", function()
    local steps = plan.steps(shipped())
    for _, step in ipairs(steps) do step.state = (step.name == "load" or step.name == "prepare") and "SUCCEEDED" or "PENDING" end
    local ready = plan.ready(steps)
    local names = {}
    for i, step in ipairs(ready) do names[i] = step.name end
    assert.same({ "stage_resident", "quarantine_resident", "stage_visit", "quarantine_visit" }, names)
  end)

  it("gives every statement exactly the values its file declares", function()
    local pipeline = shipped()
    for _, step in ipairs(plan.steps(pipeline)) do
      for _, statement in ipairs(step.kind == "sql" and plan.statements(pipeline, step.name, "2025-08-13", "2025-08-14") or {}) do
        local values = {}
        for name, value in pairs(statement.values) do values[name] = value end
        if statement.select then
          local select = read_template(statement.select.template)
          local offered = {}
          for name in pairs(select.params) do offered[name] = statement.select.values[name] end
          values.select = template.checked(assert(template.render(select, offered)))
        end
        local sql = assert(template.render(read_template(statement.template), values))
        assert.is_nil(sql:find("[{}]"))
      end
      for _, check in ipairs(step.kind == "test" and plan.tests(pipeline, step.name, "2025-08-13") or {}) do
        assert(template.render(read_template(check.template), check.values))
      end
    end
    for _, made in ipairs(plan.tables(pipeline)) do
      assert(template.render(read_template("create_table"),
        { table = made.database .. "." .. made.name, location = "file:///lake/x", columns = made.columns,
            keep_seconds = made.keep_seconds }))
    end
  end)

  it("splits no list by chance: composite keys and missing newer_by render too", function()
    local pipeline = assert(pipeline_rules.prepare { sources = { { name = "pair", bronze = "pair", staging = "pair", silver = "pair",
      key = { "a", "b" }, columns = { { "a", "varchar" }, { "b", "integer" }, { "c", "double" } } } } })
    for _, name in ipairs { "stage_pair", "quarantine_pair", "merge_pair", "soft_delete_pair" } do
      for _, statement in ipairs(plan.statements(pipeline, name, "2025-08-13", "2025-08-13")) do
        local sql = assert(template.render(read_template(statement.template), statement.values))
        assert.is_nil(sql:find(",%s*,"), sql)
        assert.is_nil(sql:find("%(%s*,"), sql)
      end
    end
  end)
end)

describe("pipeline rules", function()
  local function problems_of(list)
    local ready, err = pipeline_rules.prepare(list)
    assert.is_nil(ready)
    assert.equal("BadSetting", err.code)
    return table.concat(err.details.problems, "\n")
  end

  local function source(changes)
    local entry = { name = "t", bronze = "t", staging = "t", silver = "t", key = { "id" }, columns = { { "id", "integer" } } }
    for name, value in pairs(changes or {}) do entry[name] = value end
    return entry
  end

  local cases = {
    { "an empty list", { sources = {} }, "names no source" },
    { "an unknown field", { sources = { source { colums = {} } } }, "unknown field 'colums' %(did you mean 'columns'%?%)" },
    { "a key that is no column", { sources = { source { key = { "x" } } } }, "key column 'x'" },
    { "a missing key", { sources = { source { key = {} } } }, "'key' must list" },
    { "an unknown type", { sources = { source { columns = { { "id", "int" } } } } }, "unknown type 'int'" },
    { "a type that smuggles SQL", { sources = { source { columns = { { "id", "integer) --" } } } } }, "unknown type" },
    { "a column listed twice", { sources = { source { columns = { { "id", "integer" }, { "id", "date" } } } } }, "listed twice" },
    { "a reserved column", { sources = { source { columns = { { "id", "integer" }, { "is_deleted",
        "boolean" } } } } }, "kept for the pipeline" },
    { "a bad table name", { sources = { source { silver = "x; drop" } } }, "'silver' must be a name" },
    { "two entries with one name", { sources = { source(), source { bronze = "u", staging = "u", silver = "u" } } },
        "source 't' is listed twice" },
    { "two entries with one table", { sources = { source(), source { name = "u", bronze = "u", staging = "u" } } }, "both write silver.t" },
    { "an unknown test", { sources = { source { tests = { silver = { { "no_null", column = "id" } } } } } }, "unknown test 'no_null'" },
    { "a test of an unknown column", { sources = { source { tests = { silver = { { "not_null",
        column = "x" } } } } } }, "unknown column 'x'" },
    { "a test without its field", { sources = { source { tests = { silver = { { "accepted_values",
        column = "id" } } } } } }, "lacks 'values'" },
    { "a strange severity", { sources = { source { tests = { silver = { { "not_null", column = "id",
        severity = "fatal" } } } } } }, "severity is error or warn" },
    { "a relationship to nobody", { sources = { source { tests = { silver = { { "relationships", column = "id",
        to = "z", to_column = "id" } } } } } }, "no source 'z'" },
    { "a model after nobody", { sources = { source() }, models = { { name = "m", sql = "m", key = { "id" },
        columns = { { "id", "integer" } }, after = { "q" } } } }, "'after' names 'q'" },
    { "models in a circle", { sources = { source() }, models = {
      { name = "m", sql = "m", key = { "id" }, columns = { { "id", "integer" } }, after = { "n" } },
      { name = "n", sql = "n", key = { "id" }, columns = { { "id", "integer" } }, after = { "m" } } } }, "m %-> n %-> m" },
  }
  for _, case in ipairs(cases) do
    it("refuses " .. case[1], function() assert.matches(case[3], problems_of(case[2])) end)
  end

  it("names every fault at once", function()
    local text = problems_of { sources = { source { key = { "x" }, newer_by = "y" } } }
    assert.matches("key column 'x'", text)
    assert.matches("'newer_by' names the unknown column 'y'", text)
  end)

  it("guards every source against an empty load, even when the list forgets it", function()
    local ready = assert(pipeline_rules.prepare { sources = { source() } })
    assert.equal("row_delta", ready.sources[1].tests.staging[1].kind)
  end)
end)
