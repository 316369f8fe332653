-- query, query_status, cancel_query on fakes.
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

describe("query", function()
  it("gives a page with columns, types and statistics", function()
    local ports = fakes.ports()
    local page, outcome = call("query", ports, { sql = "SELECT 1 AS a" })
    assert.is_nil(outcome)
    assert.same({ "a" }, { page.columns[1] })
    assert.equal("integer", page.column_types[1])
    assert.equal(12, page.stats.scanned_bytes)
    assert.equal(3, page.stats.execution_time_ms)
    assert.equal("e1", page.query_execution_id)
    assert.equal(500, ports.warehouse.read.options.max_rows)
    assert.equal(25, ports.warehouse.waited)
  end)

  it("says 'accepted' with the id when the wait ends first", function()
    local ports = fakes.ports()
    ports.warehouse.state = "RUNNING"
    local answer, outcome = call("query", ports, { sql = "SELECT 1", wait = 2 })
    assert.equal("accepted", outcome)
    assert.same({ query_execution_id = "e1", state = "RUNNING" }, answer)
    assert.equal(2, ports.warehouse.waited)
    assert.same({}, ports.warehouse.cancelled)
  end)

  it("answers a resumed query that still runs with its state, not a fault", function()
    local ports = fakes.ports()
    ports.warehouse.state = "RUNNING"
    call("query", ports, { sql = "SELECT 1" })
    assert.equal("accepted", (select(2, call("query", ports, { queryExecutionId = "e1" }))))
    assert.equal(1, #ports.warehouse.executions)
  end)

  it("reads on with a token", function()
    local ports = fakes.ports()
    call("query", ports, { sql = "SELECT 1" })
    call("query", ports, { queryExecutionId = "e1", nextPageToken = "t", maxRows = "7" })
    assert.same({ max_rows = 7, token = "t" }, ports.warehouse.read.options)
  end)

  it("refuses a page that the answer cannot carry, with the id under which smaller ones are read", function()
    local ports = fakes.ports()
    local settings = setmetatable({ answer_bytes = 5 << 20 }, { __index = fakes.settings })
    local rows = {}
    for i = 1, 1000 do rows[i] = '["' .. ("x"):rep(6000) .. '"]' end
    ports.warehouse.results = function(_, options)
      return { columns = { "a" }, column_types = { "varchar" }, rows_text = table.move(rows, 1, options.max_rows, 1, {}) }
    end
    local page, err = call("query", ports, { sql = "SELECT 1", max_rows = 1000 }, fakes.ctx { settings = settings })
    assert.is_nil(page)
    assert.equal("PayloadTooLarge", err.code)
    assert.equal("e1", err.details.query_execution_id)
    assert.is_table(call("query", ports, { query_execution_id = "e1", max_rows = 500 }, fakes.ctx { settings = settings }))
  end)

  it("refuses to show somebody else's query, as if there were none", function()
    local ports = fakes.ports()
    call("query", ports, { sql = "SELECT 1" })
    local stranger, unknown = fakes.ctx { caller = "ben" }, "e9"
    local _, theirs = call("query", ports, { queryExecutionId = "e1" }, stranger)
    local _, none = call("query", ports, { queryExecutionId = unknown }, stranger)
    assert.equal("NotFound", theirs.code)
    assert.equal((none.message:gsub("e9", "e1")), theirs.message)
    assert.equal("NotFound", select(2, call("query_status", ports, { query_execution_id = "e1" }, stranger)).code)
    assert.equal("NotFound", select(2, call("cancel_query", ports, { query_execution_id = "e1" }, stranger)).code)
    assert.same({}, ports.warehouse.cancelled)
  end)

  for _, sql in ipairs { "DROP TABLE x", "SELECT 1; DROP TABLE x", "DELETE FROM gold.x", "INSERT INTO gold.x SELECT 1",
    "CREATE TABLE gold.x AS SELECT 1 AS a", "EXPLAIN ANALYZE DELETE FROM gold.x", "UPDATE gold.x SET a = 1",
        "COPY x TO 'y'", "ATTACH 'x'" } do
    it("refuses " .. sql, function()
      local ports = fakes.ports()
      local answer, err = call("query", ports, { sql = sql })
      assert.is_nil(answer)
      assert.equal("UnsafeSql", err.code)
      assert.equal(0, #ports.warehouse.executions)
      assert.equal("UnsafeSql", select(2, call("query", ports, { sql = sql, format = "csv" })).code)
      assert.is_nil(ports.warehouse.exported)
    end)
  end

  for _, sql in ipairs { "-- delete\nSELECT 'please update me'", "WITH a AS (SELECT 1 AS x) SELECT * FROM a", "(SELECT 1)", "VALUES 1",
    "SHOW TABLES IN gold", "DESCRIBE gold.dim_resident", "EXPLAIN SELECT 1", 'SELECT "drop" FROM gold.x;' } do
    it("lets through " .. sql:gsub("\n", " "), function() assert(call("query", fakes.ports(), { sql = sql })) end)
  end

  it("wants sql or an id", function()
    assert.equal("MissingParam", select(2, call("query", fakes.ports(), {})).code)
    assert.equal("MissingParam", select(2, call("query", fakes.ports(), { sql = "  " })).code)
    assert.equal("MissingParam", select(2, call("query", fakes.ports(), { nextPageToken = "t" })).code)
  end)

  it("refuses maxRows that is no number, and clamps one that is", function()
    assert.equal("BadParam", select(2, call("query", fakes.ports(), { sql = "SELECT 1", maxRows = "many" })).code)
    local ports = fakes.ports()
    call("query", ports, { sql = "SELECT 1", maxRows = 5000 })
    assert.equal(1000, ports.warehouse.read.options.max_rows)
    call("query", ports, { sql = "SELECT 1", maxRows = -3 })
    assert.equal(1, ports.warehouse.read.options.max_rows)
  end)

  it("lets catalog win over database, and database over the setting", function()
    local ports = fakes.ports()
    local ctx = fakes.ctx { settings = setmetatable({ athena_default_db = "std" }, { __index = fakes.settings }) }
    call("query", ports, { sql = "SELECT 1", database = "d", catalog = "c" }, ctx)
    call("query", ports, { sql = "SELECT 1", database = "d", catalog = "" }, ctx)
    call("query", ports, { sql = "SELECT 1", database = "" }, ctx)
    assert.same({ "c", "d", "std" }, { ports.warehouse.executions[1].database,
        ports.warehouse.executions[2].database, ports.warehouse.executions[3].database })
  end)

  it("tells the engine's refusal as the caller's fault", function()
    local ports = fakes.ports()
    ports.warehouse.state, ports.warehouse.error = "FAILED", { code = "QueryFailed", message = "COLUMN_NOT_FOUND: line 1:8" }
    local _, err = call("query", ports, { sql = "SELECT x" })
    assert.equal("QueryFailed", err.code)
    assert.equal("COLUMN_NOT_FOUND: line 1:8", err.message)
  end)

  it("tells a cancelled query", function()
    local ports = fakes.ports()
    ports.warehouse.state = "CANCELLED"
    assert.equal("QueryCancelled", select(2, call("query", ports, { sql = "SELECT 1" })).code)
  end)

  it("stops the query when the caller leaves before learning its id", function()
    local ports = fakes.ports()
    ports.warehouse.wait = function() error("cancelled: the client left") end
    assert.has_error(function() call("query", ports, { sql = "SELECT 1" }) end)
    assert.same({ "e1" }, ports.warehouse.cancelled)
  end)

  it("leaves a resumed query alone when the caller leaves", function()
    local ports = fakes.ports()
    call("query", ports, { sql = "SELECT 1" })
    ports.warehouse.wait = function() error("cancelled: the client left") end
    assert.has_error(function() call("query", ports, { queryExecutionId = "e1" }) end)
    assert.same({}, ports.warehouse.cancelled)
  end)

  it("passes on what the warehouse does not take", function()
    local ports = fakes.ports()
    ports.warehouse.start = function() return nil, errors.new("EngineUnavailable", "engine unavailable") end
    assert.equal("EngineUnavailable", select(2, call("query", ports, { sql = "SELECT 1" })).code)
    ports = fakes.ports()
    ports.warehouse.results = function() return nil, errors.new("BadParam", "Malformed nextPageToken x") end
    assert.equal("BadParam", select(2, call("query", ports, { sql = "SELECT 1" })).code)
  end)

  it("downloads the whole result in the format asked for", function()
    local ports = fakes.ports()
    local answer = assert(call("query", ports, { sql = "SELECT 1", format = "ndjson" }))
    assert.equal("application/x-ndjson", answer.content_type)
    assert.equal("ndjson", ports.warehouse.exported.format)
    assert.equal("anna", ports.warehouse.exported.caller)
    assert.equal("MissingParam", select(2, call("query", ports, { queryExecutionId = "e1", format = "csv" })).code)
  end)
end)

describe("query_status", function()
  it("shows state, times and statistics", function()
    local ports = fakes.ports()
    call("query", ports, { sql = "SELECT 1" })
    local answer = assert(call("query_status", ports, { query_execution_id = "e1" }))
    assert.equal("SUCCEEDED", answer.state)
    assert.equal("2025-08-13T08:00:00Z", answer.submitted_at)
  end)
end)

describe("cancel_query", function()
  it("stops a running query and says how it ended", function()
    local ports = fakes.ports()
    ports.warehouse.state = "RUNNING"
    call("query", ports, { sql = "SELECT 1" })
    assert.equal("CANCELLED", assert(call("cancel_query", ports, { query_execution_id = "e1" })).state)
  end)

  it("leaves an ended query as it ended", function()
    local ports = fakes.ports()
    call("query", ports, { sql = "SELECT 1" })
    assert.equal("SUCCEEDED", assert(call("cancel_query", ports, { query_execution_id = "e1" })).state)
    assert.same({}, ports.warehouse.cancelled)
  end)
end)
