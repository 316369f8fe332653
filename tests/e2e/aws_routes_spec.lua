-- Routes of the API on AWS beside the refresh: the built bootstrap in front of moto, every signature checked.
local events = require "lambda_events"
local journey = require "aws_journey"
local json = require "lib.json"

describe("the API on AWS", function()
  if not journey.available() then return pending "moto or the program bootstrap is not there" end

  local world
  setup(function()
    world = journey.start { functions = { health = { handler = "lakehouse/health" }, schemas = { handler = "lakehouse/schemas" } } }
  end)
  teardown(function() world:stop() end)
  before_each(function() world.caller = nil end)
  after_each(function() assert.is_nil(world.server.complaint()) end)

  it("answers a query with rows, and reads on by its id for the same caller only", function()
    local status, _, body = world:request("POST", "/query", { sql = "SELECT loaded AS loaded, live FROM gold.fact_visit" })
    assert.are.equal(200, status)
    assert.are.same({ "a", "b" }, body.columns)
    assert.are.same({ { "10", "10" } }, body.rows)
    local path = "/query/" .. body.queryExecutionId
    assert.are.equal("SUCCEEDED", select(3, world:request("GET", path)).state)
    status, _, body = world:request("POST", "/query", { queryExecutionId = body.queryExecutionId, maxRows = 1 })
    assert.are.equal(200, status)
    assert.are.same({ { "10", "10" } }, body.rows)
    world.caller = "ben"
    assert.are.equal(404, (world:request("GET", path)))
  end)

  it("refuses statements that write before anything is asked of AWS", function()
    local before = #world.statements
    local status, headers, body = world:request("POST", "/query", { sql = "DROP TABLE gold.fact_visit" }, { headers = { Origin = "https://lake.example.org" },
      multiValueHeaders = json.null })
    assert.are.equal(400, status)
    assert.are.equal("UnsafeSql", body.error.code)
    assert.are.equal("https://lake.example.org", headers["Access-Control-Allow-Origin"])
    assert.are.equal(before, #world.statements)
  end)

  it("lists databases and tables", function()
    for _, name in ipairs { "gold", "silver" } do assert(world.api:call("glue", "create_database", { DatabaseInput = { Name = name } })) end
    assert(world.api:call("glue", "create_table", { DatabaseName = "gold", TableInput = { Name = "fact_visit",
      StorageDescriptor = { Columns = { { Name = "visit_id", Type = "int" } }, Location = "s3://" .. world.bucket .. "/gold/fact_visit/" } } }))
    local status, headers, body = world:request("GET", "/schemas")
    assert.are.equal(200, status)
    local found = {}
    for _, database in ipairs(body.databases) do found[database.name] = #database.tables end
    assert.are.same({ gold = 1, silver = 0 }, { gold = found.gold, silver = found.silver })
    assert.are.equal(304, (world:request("GET", "/schemas", nil, { headers = { ["If-None-Match"] = headers["ETag"] }, multiValueHeaders = json.null })))
    status, headers, body = world:request("GET", "/schemas/gold/fact_visit")
    assert.is_string(headers["ETag"])
    assert.are.equal(200, status)
    assert.are.equal("visit_id", body.columns[1].name)
    assert.are.equal(404, (world:request("GET", "/schemas/gold/nothing")))
  end)

  it("tells what it depends on", function()
    local status, _, body = world:request("GET", "/health")
    assert.are.same({ 200, "ok", "sewingmachine" }, { status, body.status, body.service })
    status, _, body = world:request("GET", "/health", nil, { queryStringParameters = { deep = "1" } })
    local well = {}
    for _, port in ipairs(body.ports) do well[port.port] = port.ok or tostring(port.error.message) end
    assert.are.same({ bus = true, catalog = true, jobs = true, lock = true, replication = true, statements = true, storage = true, warehouse = true }, well)
    assert.are.equal(200, status)
  end)

  it("streams a download through a function URL", function()
    local event = events.function_url("POST", "/query", "", { body = '{"sql":"SELECT loaded AS loaded, live FROM gold.fact_visit"}' })
    event.headers.accept = "application/x-ndjson"
    local head, body = world.lambda:raw("url", event):match("^(.-)%z%z%z%z%z%z%z%z(.*)$")
    head = assert(json.decode(head))
    assert.are.equal(200, head.statusCode)
    assert.are.equal("application/x-ndjson", head.headers["Content-Type"])
    assert.are.same({ a = "10", b = "10" }, json.decode(body))
  end)

  it("may be cut into a function for each route, behind whatever path", function()
    for _, event in ipairs { { httpMethod = "GET", headers = json.null, body = json.null }, events.http_api("GET", "/other/name"),
      events.alb("GET", "/health") } do
      local value = assert(world.lambda:invoke("health", event))
      assert.are.equal(200, value.statusCode)
      assert.are.equal("ok", json.decode(value.body).status)
    end
    assert.are.equal("ok", assert(world.lambda:invoke("health", json.null)).status)
    assert.are.equal(200, assert(world.lambda:invoke("schemas", events.rest("GET", "/schemas"))).statusCode)
  end)

  it("tells a state machine that waits for its token", function()
    assert.are.equal("ok", assert(world.lambda:invoke("health", { taskToken = "AAAA", input = {} })).status)
    assert.are.equal("AAAA", world.tasks[1].taskToken)
    assert.are.equal("ok", json.decode(world.tasks[1].output).status)
  end)

  it("goes on after events that are no requests", function()
    for _, event in ipairs { json.null, "text", { a = 1 }, events.sqs { { n = 1 } } } do
      local _, failure = world.lambda:invoke("api", event)
      assert.are.equal("BadRequest", failure.errorType)
    end
    assert.are.equal(200, (world:request("GET", "/health")))
  end)
end)
