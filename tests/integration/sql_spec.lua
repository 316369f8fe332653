-- luacheck: no max line length (a case is one line)
-- Translated statements on the real engine: Trino's answers, as text.
local duckdb = require "sm.duckdb"
local sql = require "lib.sql"
local cases = dofile "tests/integration/sql_cases.lua"

local function open()
  assert(duckdb.load(os.getenv "SM_DUCKDB_LIB" or nil))
  local db = assert(duckdb.open { threads = 1, memory_limit = "1GB" })
  assert(db:register_functions())
  local con = assert(db:connect())
  for _, statement in ipairs(sql.macros) do
    local ok, message = con:exec(statement)
    assert(ok, ("%s: %s"):format(statement, tostring(message)))
  end
  return db, con
end

local tables = {
  people = {
    sql = [[(SELECT * FROM (VALUES (1, 'Ann', DATE '1980-12-31', CAST(1.50 AS DECIMAL(12,2)), true, TIMESTAMP '2024-01-01 10:00:00.123456', [1, 2]),
      (2, 'Bob', DATE '2000-02-29', NULL, false, TIMESTAMP '2024-02-01 00:00:00', []),
      (3, NULL, NULL, CAST(2.25 AS DECIMAL(12,2)), NULL, NULL, NULL)) AS v(id, name, born, amount, active, seen, tags))]],
    columns = { { name = "id", type = "integer" }, { name = "name", type = "varchar" }, { name = "born", type = "date" },
      { name = "amount", type = "decimal(12,2)" }, { name = "active", type = "boolean" }, { name = "seen", type = "timestamp(6)" },
      { name = "tags", type = "array(integer)" } },
  },
  visits = {
    sql = "(SELECT * FROM (VALUES (10, 1, 500), (11, 1, 250), (12, 2, NULL), (13, 9, 100)) AS v(visit_id, id, cents))",
    columns = { { name = "visit_id", type = "integer" }, { name = "id", type = "integer" }, { name = "cents", type = "integer" } },
  },
}

local context = {
  database = "db", now = 1700000000, parameters = { "2", "'Ann'", "DATE '2000-02-29'" },
  table = function(ref) return (ref.database == "db" or ref.database == "other") and tables[ref.table] or nil end,
}

-- Runs a statement; gives its rows as JSON texts, or the error's message.
local function run(con, text)
  local tree, err = sql.parse(text)
  if not tree then return nil, err.message end
  local query
  query, err = sql.translate.query(tree, context)
  if not query then return nil, err.message end
  local cursor, message = con:stream(query.sql)
  if not cursor then return nil, sql.translate.engine_error(message, query).message end
  local parts = {}
  while true do
    local rows, problem = cursor:render("rows", 100000)
    if not rows then
      cursor:close()
      if problem then return nil, sql.translate.engine_error(problem, query).message end
      break
    end
    parts[#parts + 1] = rows
  end
  return table.concat(parts):gsub("\n$", ""):gsub("\n", " "), query
end

describe("translated SQL on the engine", function()
  local db, con
  setup(function() db, con = open() end)
  teardown(function()
    con:close()
    db:close()
  end)

  for _, case in ipairs(cases) do
    it(case[1]:gsub("%s+", " "):sub(1, 160), function()
      local rows, found = run(con, case[1])
      if case.fails then
        assert.is_nil(rows)
        assert.is_truthy(found:find(case.fails, 1, true), found)
        return
      end
      assert(rows, found)
      assert.equal(case[2], rows)
      if case.types then
        local list = {}
        for i, column in ipairs(found.columns) do list[i] = column.type end
        assert.equal(case.types, table.concat(list, " | "))
      end
      if case.names then
        local list = {}
        for i, column in ipairs(found.columns) do list[i] = column.name end
        assert.equal(case.names, table.concat(list, " "))
      end
    end)
  end
end)
