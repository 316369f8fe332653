-- What a pipeline list must look like. `prepare` checks it whole, names every fault at once, and returns a fresh copy
-- with defaults filled in; nobody reads the raw list.
local errors = require "lib.errors"
local suggest = require "lib.suggest"
local template = require "lib.sql_template"

local M = {}

local SEVERITIES <const> = { error = true, warn = true }

-- test kind -> the fields it takes; a value of true means required
local TESTS = {
  not_null = { column = true },
  unique = { columns = true },
  accepted_values = { column = true, values = true },
  relationships = { column = true, to = true, to_column = true },
  row_delta = { min_ratio = false },
  freshness = { column = true, max_age_days = true },
}

local SOURCE_FIELDS = { name = true, file = true, bronze = true, staging = true, silver = true, key = true, columns = true,
  newer_by = true, soft_delete = true, tests = true }
local MODEL_FIELDS = { name = true, sql = true, database = true, key = true, columns = true, after = true, tests = true }

local function names_of(set)
  local names = {}
  for name in pairs(set) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- Collects problems under a heading such as "source 'visit'".
local function collector(problems, where)
  return function(text, ...) problems[#problems + 1] = where .. ": " .. text:format(...) end
end

local function check_fields(entry, known, bad)
  for field in pairs(entry) do
    if not known[field] then
      local near = suggest.nearest and suggest.nearest(tostring(field), names_of(known))
      bad("unknown field '%s'%s", tostring(field), near and (" (did you mean '" .. near .. "'?)") or "")
    end
  end
end

local function check_name(entry, field, bad)
  if not template.is_identifier(entry[field]) then
    bad("'%s' must be a name of a-z, 0-9 and _, not '%s'", field, tostring(entry[field]))
  end
end

-- {{"id", "integer"}, ...} -> {{name=, type=}, ...}, by_name
local function read_columns(entry, bad)
  local columns, by_name = {}, {}
  if type(entry.columns) ~= "table" or #entry.columns == 0 then
    bad("'columns' must list { name, type } pairs")
    return columns, by_name
  end
  for i, pair in ipairs(entry.columns) do
    local name, kind = pair[1], pair[2]
    if not template.is_identifier(name) then
      bad("column %d has the name '%s'; names are a-z, 0-9 and _", i, tostring(name))
    elseif by_name[name] then
      bad("column '%s' is listed twice", name)
    elseif not template.is_type(kind) then
      bad("column '%s' has the unknown type '%s'", name, tostring(kind))
    else
      columns[#columns + 1] = { name = name, type = kind }
      by_name[name] = kind
    end
  end
  return columns, by_name
end

local function check_key(entry, by_name, bad)
  if type(entry.key) ~= "table" or #entry.key == 0 then
    bad("'key' must list at least one column")
    return
  end
  for _, name in ipairs(entry.key) do
    if not by_name[name] then bad("key column '%s' is not among its columns", tostring(name)) end
  end
end

local function check_test_columns(test, by_name, bad)
  local wanted = test.columns or { test.column }
  if type(wanted) ~= "table" then return bad("test %s: 'columns' must be a list", test[1]) end
  for _, name in ipairs(wanted) do
    if not by_name[name] then bad("test %s names the unknown column '%s'", test[1], tostring(name)) end
  end
end

local function read_test(test, by_name, layer, sources, bad)
  local kind = test[1]
  local fields = TESTS[kind]
  if not fields then return bad("unknown test '%s' (there are: %s)", tostring(kind), table.concat(names_of(TESTS), ", ")) end
  for field, required in pairs(fields) do
    if required and test[field] == nil then bad("test %s lacks '%s'", kind, field) end
  end
  for field in pairs(test) do
    if field ~= 1 and field ~= "severity" and fields[field] == nil then bad("test %s takes no '%s'", kind, tostring(field)) end
  end
  local severity = test.severity or "error"
  if not SEVERITIES[severity] then bad("test %s: severity is error or warn, not '%s'", kind, tostring(severity)) end
  check_test_columns(test, by_name, bad)
  if kind == "row_delta" and layer ~= "staging" then bad("test row_delta belongs to the staging tests of a source") end
  if kind == "relationships" and layer ~= "silver" then bad("test relationships belongs to the silver tests of a source") end
  if kind == "relationships" and not sources[test.to] then bad("test relationships: there is no source '%s'", tostring(test.to)) end
  local copy = { kind = kind, severity = severity }
  for field in pairs(fields) do copy[field] = test[field] end
  return copy
end

local function read_tests(list, by_name, layer, sources, bad)
  local tests = {}
  for _, test in ipairs(list or {}) do
    tests[#tests + 1] = read_test(test, by_name, layer, sources, bad)
  end
  return tests
end

-- A load is never trusted blindly: the guard against an empty or halved load is there even when the list forgets it.
local function with_guard(tests)
  for _, test in ipairs(tests) do
    if test.kind == "row_delta" then return tests end
  end
  table.insert(tests, 1, { kind = "row_delta", severity = "error" })
  return tests
end

local function read_source(entry, sources, problems)
  local bad = collector(problems, ("source '%s'"):format(tostring(entry.name)))
  check_fields(entry, SOURCE_FIELDS, bad)
  for _, field in ipairs { "name", "bronze", "staging", "silver" } do check_name(entry, field, bad) end
  local columns, by_name = read_columns(entry, bad)
  check_key(entry, by_name, bad)
  if entry.newer_by ~= nil and not by_name[entry.newer_by] then
    bad("'newer_by' names the unknown column '%s'", tostring(entry.newer_by))
  end
  for _, reserved in ipairs { "dms_received_ts", "is_deleted", "run", "reject_reason" } do
    if by_name[reserved] then bad("the column name '%s' is kept for the pipeline", reserved) end
  end
  local tests = entry.tests or {}
  return {
    name = entry.name, file = entry.file or entry.bronze, bronze = entry.bronze, staging = entry.staging, silver = entry.silver,
    key = entry.key, columns = columns, newer_by = entry.newer_by, soft_delete = entry.soft_delete ~= false,
    tests = {
      staging = with_guard(read_tests(tests.staging, by_name, "staging", sources, bad)),
      silver = read_tests(tests.silver, by_name, "silver", sources, bad),
    },
  }
end

local function read_model(entry, sources, models, problems)
  local bad = collector(problems, ("model '%s'"):format(tostring(entry.name)))
  check_fields(entry, MODEL_FIELDS, bad)
  check_name(entry, "name", bad)
  check_name(entry, "sql", bad)
  local columns, by_name = read_columns(entry, bad)
  check_key(entry, by_name, bad)
  if entry.after ~= nil and type(entry.after) ~= "table" then bad("'after' must be a list of names") end
  for _, name in ipairs(type(entry.after) == "table" and entry.after or {}) do
    if not sources[name] and not models[name] then bad("'after' names '%s', which is no source and no model", tostring(name)) end
  end
  return {
    name = entry.name, sql = entry.sql, database = entry.database or "gold", key = entry.key, columns = columns,
    after = entry.after or {}, tests = read_tests(entry.tests, by_name, "gold", sources, bad),
  }
end

-- Model names that wait for each other in a circle, or nil.
local function find_circle(models)
  local by_name, state = {}, {}
  for _, model in ipairs(models) do by_name[model.name] = model end
  local function visit(name, trail)
    local model = by_name[name]
    if not model or state[name] == "done" then return nil end
    if state[name] == "open" then return trail .. name end
    state[name] = "open"
    for _, other in ipairs(model.after) do
      local circle = visit(other, trail .. name .. " -> ")
      if circle then return circle end
    end
    state[name] = "done"
  end
  for _, model in ipairs(models) do
    local circle = visit(model.name, "")
    if circle then return circle end
  end
end

local function index(entries, what, problems)
  local by_name = {}
  for _, entry in ipairs(entries) do
    if by_name[entry.name] then problems[#problems + 1] = ("%s '%s' is listed twice"):format(what, tostring(entry.name)) end
    by_name[entry.name or false] = entry
  end
  return by_name
end

-- Two entries must not write the same table.
local function check_targets(list, problems)
  local owner = {}
  local function claim(database, name, who)
    local target = database .. "." .. tostring(name)
    if owner[target] then problems[#problems + 1] = ("%s and %s both write %s"):format(owner[target], who, target) end
    owner[target] = who
  end
  for _, source in ipairs(list.sources) do
    for _, layer in ipairs { "bronze", "staging", "silver" } do claim(layer, source[layer], "source '" .. tostring(source.name) .. "'") end
  end
  for _, model in ipairs(list.models) do claim(model.database or "gold", model.name, "model '" .. tostring(model.name) .. "'") end
end

---@class Pipeline
---@field sources table[]
---@field models table[]

--- Checks a list as written by people and returns it complete.
---@param list table   {sources, models}
---@return Pipeline|nil, Error?   BadSetting; details.problems lists every fault
function M.prepare(list)
  local problems = {}
  local raw = { sources = list.sources or {}, models = list.models or {} }
  if #raw.sources == 0 then problems[1] = "the list names no source" end
  local sources, models = index(raw.sources, "source", problems), index(raw.models, "model", problems)
  check_targets(raw, problems)
  local ready = { sources = {}, models = {} }
  for _, entry in ipairs(raw.sources) do ready.sources[#ready.sources + 1] = read_source(entry, sources, problems) end
  for _, entry in ipairs(raw.models) do ready.models[#ready.models + 1] = read_model(entry, sources, models, problems) end
  local circle = #problems == 0 and find_circle(ready.models)
  if circle then problems[#problems + 1] = "models wait for each other: " .. circle end
  if #problems > 0 then
    return nil, errors.new("BadSetting", "the pipeline list has faults: " .. table.concat(problems, "; "), { problems = problems })
  end
  return ready
end

return M
