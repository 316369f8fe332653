-- materialize, undo_materialize, schemas, table_schema, health, runs, run_status, run_events, download on fakes.
local errors = require "lib.errors"
local fakes = require "fakes"
local ports_list = require "ports"
local shape = require "lib.shape"

local function call(name, ports, input, ctx)
  local uc = require("usecases.lakehouse." .. name)
  local clean, err = shape.check(uc.input, input)
  if not clean then return nil, err end
  return uc.run(ports_list.only(ports, uc.ports), clean, ctx or fakes.ctx())
end

local function request(changes)
  local input = { target = { db = "gold", table = "mine" }, sql = "SELECT 1 AS a" }
  for name, value in pairs(changes or {}) do input[name] = value end
  return input
end

local function with_table(rows)
  local ports = fakes.ports()
  ports.catalog.known["gold.mine"] = { columns = { { name = "a", type = "integer" } }, row_count = rows or 5, type = "iceberg" }
  return ports
end

describe("materialize", function()
  it("appends by default and tells rows and statements", function()
    local ports = with_table()
    local answer = assert(call("materialize", ports, request()))
    assert.equal("ok", answer.status)
    assert.equal("gold.mine", answer.table)
    assert.equal("append", answer.mode)
    assert.equal(3, answer.rows)
    assert.equal("q1", answer.qid)
    assert.matches("^materialize_append", answer.statements[1])
    assert.equal("gold", ports.warehouse.ran[1].database)
  end)

  it("appends once per idempotency key of a caller", function()
    local ports = with_table()
    for _ = 1, 2 do call("materialize", ports, request { idempotency_key = "k" }) end
    call("materialize", ports, request { idempotency_key = "k" }, fakes.ctx { caller = "ben" })
    local ran = ports.warehouse.ran
    assert.is_string(ran[1].token)
    assert.equal(ran[1].token, ran[2].token)
    assert.not_equal(ran[1].token, ran[3].token)
  end)

  it("does not append to a table that is not there", function()
    assert.equal("NotFound", select(2, call("materialize", fakes.ports(), request())).code)
  end)

  it("replaces by building beside and swapping", function()
    local ports = with_table()
    local answer = assert(call("materialize", ports, request { mode = "REPLACE" }))
    assert.equal("replace", answer.mode)
    local swap = ports.table_store.swapped[1]
    assert.equal("mine", swap.table)
    assert.matches("^mine__build_[0-9a-f]+$", swap.staged)
    assert.matches("target=gold%.mine__build_", ports.warehouse.ran[1].sql)
  end)

  it("makes a new table by replace", function()
    local ports = fakes.ports()
    ports.warehouse.rows = 0
    assert(call("materialize", ports, request { mode = "replace" }))
    assert.equal(1, #ports.table_store.swapped)
  end)

  it("keeps a table with rows when the query gives none", function()
    local ports = with_table()
    ports.warehouse.rows = 0
    local _, err = call("materialize", ports, request { mode = "replace" })
    assert.equal("EmptyResult", err.code)
    assert.same({}, ports.table_store.swapped)
    assert.matches("^drop_table", ports.warehouse.ran[2].sql)
  end)

  it("empties a table when that is asked for", function()
    local ports = with_table()
    ports.warehouse.rows = 0
    assert(call("materialize", ports, request { mode = "replace", allowEmpty = true }))
    assert.equal(1, #ports.table_store.swapped)
  end)

  it("drops what it built when the swap fails", function()
    local ports = with_table()
    ports.table_store.swap = function() return nil, errors.new("Conflict", "somebody was faster") end
    assert.equal("Conflict", select(2, call("materialize", ports, request { mode = "replace" })).code)
    assert.matches("^drop_table", ports.warehouse.ran[2].sql)
  end)

  it("keeps the old table when the query fails", function()
    local ports = with_table()
    ports.warehouse.run = function(r)
      if r.sql:find("^materialize_build") then return nil, errors.new("QueryFailed", "no column") end
      return {}
    end
    assert.equal("QueryFailed", select(2, call("materialize", ports, request { mode = "replace" })).code)
    assert.same({}, ports.table_store.swapped)
  end)

  it("only tells the statements in a dry run", function()
    for _, mode in ipairs { "append", "replace" } do
      local ports = with_table()
      local answer = assert(call("materialize", ports, request { mode = mode, dryRun = true }))
      assert.equal("dry run", answer.status)
      assert.equal(1, #answer.statements)
      assert.same({}, ports.warehouse.ran)
    end
  end)

  local refused = {
    { "no target", { target = false }, "BadRequest" }, { "a target that is text", { target = "gold.mine" }, "BadRequest" },
    { "no table", { target = { db = "gold" } }, "MissingParam" }, { "no db", { target = { table = "x" } }, "MissingParam" },
    { "an unknown mode", { mode = "merge" }, "BadParam" }, { "a list of properties", { properties = { 1 } }, "BadParam" },
    { "a table name with a quote", { target = { db = "gold", table = 'x"; DROP TABLE y' } }, "BadParam" },
    { "a table name with a dot", { target = { db = "gold", table = "a.b" } }, "BadParam" },
    { "a database that is not there", { target = { db = "nowhere", table = "x" } }, "NotFound" },
    { "two statements", { sql = "select 1; drop table x" }, "UnsafeSql" }, { "two lines",
        { sql = "select 1;\ndelete from t" }, "UnsafeSql" },
    { "truncate", { sql = "select 1;truncate x" }, "UnsafeSql" }, { "a word that begins like select", { sql = "selection" }, "UnsafeSql" },
    { "DML", { sql = "DELETE FROM t" }, "UnsafeSql" }, { "SHOW", { sql = "SHOW TABLES" }, "UnsafeSql" },
    { "an unknown property", { mode = "replace", properties = { location = "s3://elsewhere/" } }, "BadParam" },
    { "a property of another type", { mode = "replace", properties = { format = { "x" } } }, "BadParam" },
    { "a property value with a quote", { mode = "replace", properties = { format = "PARQUET'" } }, "BadParam" },
    { "properties with append", { properties = { format = "PARQUET" } }, "BadParam" },
    { "a table of the pipeline", { target = { db = "gold", table = "dim_thing" } }, "Forbidden" },
    { "a bronze table", { target = { db = "bronze", table = "x" } }, "Forbidden" },
  }
  for _, case in ipairs(refused) do
    it("refuses " .. case[1], function()
      local ports = with_table()
      local input = request(case[2])
      if input.target == false then input.target = nil end
      local answer, err = call("materialize", ports, input)
      assert.is_nil(answer)
      assert.equal(case[3], err.code)
      assert.same({}, ports.warehouse.ran)
    end)
  end

  for _, sql in ipairs { "WITH a AS (SELECT 1 AS x) SELECT * FROM a", "-- hello\nSELECT 'please update me' AS a",
      "(SELECT 1 AS a)", "VALUES (1)", "SELECT 1 AS a; -- done" } do
    it("takes " .. sql:gsub("\n", " "), function() assert(call("materialize", with_table(), request { sql = sql })) end)
  end

  it("composes without the comment or semicolon at the end", function()
    local answer = assert(call("materialize", with_table(), request { sql = " SELECT 1 AS a ; -- done" }))
    assert.equal("materialize_append select=SELECT 1 AS a target=gold.mine", answer.statements[1])
  end)
end)

describe("undo_materialize", function()
  local target = { target = { db = "gold", table = "mine" } }
  it("goes back one version", function()
    assert.same({ status = "ok", table = "gold.mine", version = "1", rows = 5 }, (call("undo_materialize", with_table(), target)))
  end)
  it("refuses a table that is not there", function() assert.equal("NotFound", select(2, call("undo_materialize",
      fakes.ports(), target)).code) end)
  it("refuses a table of the pipeline", function()
    assert.equal("Forbidden", select(2, call("undo_materialize", fakes.ports(), { target = { db = "gold", table = "dim_thing" } })).code)
  end)
  it("says when there is no earlier version", function()
    local ports = with_table()
    ports.table_store.undo = function() return nil, errors.new("Conflict", "no earlier version") end
    assert.equal("Conflict", select(2, call("undo_materialize", ports, target)).code)
  end)
end)

describe("schemas", function()
  local function lake()
    local ports = fakes.ports()
    for _, name in ipairs { "gold.a", "gold.b", "gold.c", "silver.d" } do
      ports.catalog.known[name] = { type = "iceberg", columns = { { name = "x", type = "date" } } }
    end
    ports.catalog.tables = function(database, query)
      local items, after = {}, query.cursor
      for _, name in ipairs { "a", "b", "c", "d" } do
        if ports.catalog.known[database .. "." .. name] and (not after or name > after) and (not query.search
            or name:find(query.search, 1, true)) then
          items[#items + 1] = { name = name, type = "iceberg" }
        end
      end
      local page = {}
      for i = 1, math.min(query.limit or #items, #items) do page[i] = items[i] end
      return { items = page, next = #page < #items and page[#page].name or nil }
    end
    return ports
  end

  local function flat(answer)
    local list = {}
    for _, database in ipairs(answer.databases) do
      for _, name in ipairs(database.tables) do list[#list + 1] = database.name .. "." .. (type(name) == "table" and name.name or name) end
    end
    return table.concat(list, " ")
  end

  it("names every database and table", function()
    local answer = assert(call("schemas", lake(), {}))
    assert.equal("bronze", answer.databases[1].name)
    assert.equal("gold.a gold.b gold.c silver.d", flat(answer))
  end)

  it("gives pages that together hold every table once", function()
    local ports = lake()
    local seen, token = {}, nil
    for _ = 1, 10 do
      local answer = assert(call("schemas", ports, { limit = 2, nextPageToken = token }))
      seen[#seen + 1] = flat(answer)
      token = type(answer.next_page_token) == "string" and answer.next_page_token or nil
      if not token then break end
    end
    assert.equal("gold.a gold.b|gold.c silver.d", (table.concat(seen, "|"):gsub("|$", "")))
  end)

  it("searches, and tells columns when asked", function()
    local answer = assert(call("schemas", lake(), { search = "d", columns = true }))
    assert.equal("silver.d", flat(answer))
    assert.same({ name = "x", type = "date" }, answer.databases[1].tables[1].columns[1])
    assert.equal(1, #answer.databases, "a database without a match is listed")
  end)

  it("passes a failing catalog on", function()
    local ports = fakes.ports { catalog = fakes.catalog { databases = function() return nil,
        errors.new("ExternalServiceError", "no") end } }
    assert.equal("ExternalServiceError", select(2, call("schemas", ports, {})).code)
  end)
end)

describe("table_schema", function()
  it("describes a table, with rows when asked", function()
    local ports = with_table(5)
    local answer = assert(call("table_schema", ports, { database = "gold", table = "mine", sample = true }))
    assert.equal(5, answer.row_count)
    assert.equal("integer", answer.columns[1].type)
    assert.is_table(answer.sample)
    assert.is_nil(call("table_schema", ports, { database = "gold", table = "mine" }).sample)
  end)
  it("says when there is none", function()
    assert.equal("NotFound", select(2, call("table_schema", fakes.ports(), { database = "gold", table = "x" })).code)
  end)
end)

describe("health", function()
  it("touches nothing", function()
    local ports = fakes.ports()
    for _, name in ipairs { "warehouse", "catalog", "jobs", "lock" } do ports[name] = setmetatable({},
        { __index = function() error("touched " .. name) end }) end
    local answer = assert(call("health", ports, {}))
    assert.same({ status = "ok", service = "sewingmachine", time = "2025-08-13T08:00:00Z", version = "test" }, answer)
  end)

  it("tries every port when asked", function()
    local answer = assert(call("health", fakes.ports(), { deep = true }))
    assert.equal("ok", answer.status)
    assert.equal(8, #answer.ports)
  end)

  for _, case in ipairs { { "catalog", "databases" }, { "jobs", "list" }, { "warehouse", "run" }, { "storage",
      "list" }, { "statements", "check" }, { "bus", "list" }, { "lock", "read" } } do
    it("names a bad " .. case[1], function()
      local ports = fakes.ports()
      ports[case[1]][case[2]] = function() return nil, errors.new("ExternalServiceError", "out of order") end
      local answer, outcome = call("health", ports, { deep = true })
      assert.equal("degraded", answer.status)
      assert.equal("degraded", outcome)
      for _, port in ipairs(answer.ports) do
        assert.equal(port.port ~= case[1], port.ok)
        if not port.ok then assert.equal("out of order", port.error.message) end
      end
    end)
  end
end)

describe("runs", function()
  local function refresh(ports)
    local uc = require "usecases.lakehouse.run"
    return assert(uc.run(ports_list.only(ports, uc.ports), {}, fakes.ctx())).job_id
  end

  it("lists refreshes", function()
    local ports = fakes.ports()
    local id = refresh(ports)
    local answer = assert(call("runs", ports, {}))
    assert.equal(id, answer.runs[1].job_id)
    assert.equal("QUEUED", answer.runs[1].state)
  end)

  it("shows one with its steps", function()
    local ports = fakes.ports()
    local answer = assert(call("run_status", ports, { job_id = refresh(ports) }))
    assert.equal("load", answer.steps[1].name)
    assert.equal("PENDING", answer.steps[1].state)
    assert.equal("NotFound", select(2, call("run_status", ports, { job_id = "x" })).code)
  end)

  it("tells events after the last one seen, and ends when the refresh is over", function()
    local ports = fakes.ports()
    local id = refresh(ports)
    local log = { { seq = 1, at = fakes.NOW, type = "job", data = { state = "QUEUED" } }, { seq = 2, at = fakes.NOW,
        type = "job", data = { state = "RUNNING" } } }
    ports.jobs.events = function(_, after)
      local list = {}
      for _, event in ipairs(log) do if event.seq > after then list[#list + 1] = event end end
      return list
    end
    local answer = assert(call("run_events", ports, { job_id = id, after = 1 }))
    local first = answer.events(0)
    assert.equal(1, #first)
    assert.equal(2, first[1].id)
    assert.equal("RUNNING", first[1].data.state)
    assert.same({}, answer.events(0))
    ports.jobs.all[id].state = "SUCCEEDED"
    assert.is_nil(answer.events(0))
  end)
end)

describe("download", function()
  it("gives the file behind a good address and refuses any other", function()
    local ports = fakes.ports()
    assert.equal("Forbidden", select(2, call("download", ports, { path = "lake/x", expires = "1", signature = "y" })).code)
    ports.storage.open_signed = function(path, query) return { path = "/data/" .. path .. query.signature, size = 9,
        name = "x.parquet" } end
    assert.equal("/data/lake/xy", call("download", ports, { path = "lake/x", expires = "1", signature = "y" }).file)
  end)
end)
