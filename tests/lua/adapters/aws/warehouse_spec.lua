-- The warehouse on Athena where the contract does not reach: whose fault a failure is, header rows, how often it asks, and what
-- it does with a query that nobody waits for any more. Athena is a script here; the last one is moto's.
local aws = require "aws_fixture"
local json = require "sm.json"
local scripted = require "scripted"
local task = require "sm.task"

if not aws.has "dynamodb" then
  describe("warehouse on Athena", function() pending "DynamoDB Local is not installed" end)
  return
end

local function execution(id, fields)
  local e = { QueryExecutionId = id, Query = "SELECT 1", StatementType = "DML", SubstatementType = "SELECT",
    Status = { State = "SUCCEEDED", SubmissionDateTime = 1755072000, CompletionDateTime = 1755072001 },
    Statistics = { EngineExecutionTimeInMillis = 45, DataScannedInBytes = 123 } }
  for name, value in pairs(fields or {}) do e[name] = value end
  return e
end

local function ended_badly(reason, category, retryable)
  return { Status = { State = "FAILED", StateChangeReason = reason, SubmissionDateTime = 1, CompletionDateTime = 2,
    AthenaError = { ErrorCategory = category, ErrorType = 1, Retryable = retryable or false, ErrorMessage = reason } } }
end

local function rows(...)
  local list = {}
  for i, values in ipairs { ... } do
    local data = {}
    for k, value in ipairs(values) do data[k] = { VarCharValue = value } end
    list[i] = { Data = data }
  end
  return list
end

local function result(given, columns, more)
  local info = {}
  for i, name in ipairs(columns) do info[i] = { Name = name, Label = name, Type = "varchar" } end
  local output = { ResultSet = { Rows = json.array(given), ResultSetMetadata = { ColumnInfo = json.array(info) } }, UpdateCount = 0 }
  for name, value in pairs(more or {}) do output[name] = value end
  return output
end

describe("warehouse on Athena", function()
  local athena, answers, warehouse, table_name

  local function make(options)
    local all = { api = require("adapters.aws.api").new { default = aws.options(athena.url, { max_attempts = 1 }),
      dynamodb = aws.options(require("aws_services").url "dynamodb") },
      clock = require("adapters.local.clock").new(), table_name = table_name, workgroup = "analysts", output = "s3://lake/results/",
      catalog = "AwsDataCatalog" }
    for name, value in pairs(options or {}) do all[name] = value end
    return require("adapters.aws.warehouse").new(all)
  end

  before_each(function()
    table_name = table_name or aws.state_table(aws.api())
    local n = 0
    answers = {
      StartQueryExecution = function()
        n = n + 1
        return { QueryExecutionId = ("q-%d-%s"):format(n, aws.fresh "x") }
      end,
      GetQueryExecution = function(p) return { QueryExecution = execution(p.QueryExecutionId) } end,
      BatchGetQueryExecution = function(p)
        local list = {}
        for i, id in ipairs(p.QueryExecutionIds) do list[i] = answers.GetQueryExecution({ QueryExecutionId = id }).QueryExecution end
        return { QueryExecutions = list }
      end,
      StopQueryExecution = function() return {} end,
      GetQueryResults = function() return result(rows({ "a" }, { "1" }), { "a" }) end,
    }
    athena = scripted.start(function(operation, params) return answers[operation](params) end)
    warehouse = make()
  end)
  after_each(function() athena.stop() end)

  local function run(sql, more)
    local request = { sql = sql or "SELECT 1 AS a", caller = "pipeline", purpose = "pipeline" }
    for name, value in pairs(more or {}) do request[name] = value end
    return warehouse.run(request)
  end

  local function sent(operation)
    for _, call in ipairs(athena.calls) do
      if call.operation == operation then return call.params end
    end
  end

  describe("starts", function()
    it("with workgroup, location, context, parameters and a token", function()
      assert(run("SELECT ? AS a", { database = "gold", parameters = { "'x'" } }))
      local p = sent "StartQueryExecution"
      assert.equal("analysts", p.WorkGroup)
      assert.equal("s3://lake/results/", p.ResultConfiguration.OutputLocation)
      assert.same({ Catalog = "AwsDataCatalog", Database = "gold" }, p.QueryExecutionContext)
      assert.same({ "'x'" }, p.ExecutionParameters)
      assert.is_true(#p.ClientRequestToken >= 32)
    end)

    it("with the same token for the same words of the same caller only", function()
      for _, caller in ipairs { "ann", "ann", "bob" } do assert(run(nil, { caller = caller, token = "once" })) end
      local tokens = {}
      for _, call in ipairs(athena.calls) do
        if call.operation == "StartQueryExecution" then tokens[#tokens + 1] = call.params.ClientRequestToken end
      end
      assert.equal(tokens[1], tokens[2])
      assert.not_equal(tokens[1], tokens[3])
      assert.equal(64, #tokens[1])
    end)

    it("a database outside of the database it makes", function()
      assert(run("CREATE SCHEMA IF NOT EXISTS staging", { database = "staging" }))
      assert.is_nil(sent("StartQueryExecution").QueryExecutionContext.Database)
    end)

    it("statements that Athena reads as Hive does with Hive's quotes, and no others", function()
      for _, case in ipairs { { 'DROP TABLE IF EXISTS "gold"."t__build_1"', "DROP TABLE IF EXISTS `gold`.`t__build_1`" },
        { 'CREATE SCHEMA IF NOT EXISTS "staging"', "CREATE SCHEMA IF NOT EXISTS `staging`" },
        { 'VACUUM "gold"."t"', 'VACUUM "gold"."t"' }, { 'DELETE FROM "gold"."t"', 'DELETE FROM "gold"."t"' },
        { 'CREATE TABLE "gold"."t" AS SELECT 1 AS "a"', 'CREATE TABLE "gold"."t" AS SELECT 1 AS "a"' } } do
        assert(run(case[1]))
        assert.equal(case[2], athena.calls[#athena.calls - 1].params.QueryString or athena.calls[#athena.calls - 2].params.QueryString)
      end
    end)

    it("nothing that is too long for Athena", function()
      assert.equal("LimitExceeded", select(2, run("SELECT '" .. ("x"):rep(262144) .. "'")).code)
      assert.equal(0, athena.count "StartQueryExecution")
    end)

    it("nothing that cannot be bound to its caller", function()
      warehouse = make { table_name = "no-such-table" }
      assert.is_nil((warehouse.start { sql = "SELECT 1", caller = "ann", purpose = "query" }))
      for _ = 1, 200 do
        if athena.count "StopQueryExecution" > 0 then break end
        task.sleep(0.01)
      end
      assert.equal(1, athena.count "StopQueryExecution")
    end)
  end)

  describe("tells apart", function()
    local CASES <const> = {
      { "SYNTAX_ERROR: line 1:8: mismatched input 'FRM'", 2, "SyntaxError" },
      { "COLUMN_NOT_FOUND: line 2:3: Column 'x' cannot be resolved", 2, "QueryFailed" },
      { "DIVISION_BY_ZERO: Division by zero", 2, "QueryFailed" },
      { "PERMISSION_DENIED: Access Denied", 2, "Forbidden" },
      { "Insufficient permissions to execute the query. User is not authorized to perform: glue:GetTable", 2, "Forbidden" },
      { "Query exhausted resources at this scale factor", 2, "LimitExceeded" },
      { "Query cancelled! : bytes scanned limit was exceeded", 3, "LimitExceeded" },
      { "GENERIC_INTERNAL_ERROR: null", 1, "ExternalServiceError" },
    }
    for _, case in ipairs(CASES) do
      it(case[1], function()
        answers.GetQueryExecution = function(p) return { QueryExecution = execution(p.QueryExecutionId, ended_badly(case[1], case[2], case[2] == 1)) } end
        local _, err = run()
        assert.equal(case[3], err.code)
        assert.equal(case[2] == 1 or nil, err.details.retryable)
      end)
    end

    it("the place of a mistake, also behind other lines and letters", function()
      local sql = "SELECT 'é',\n  nothing FROM t"
      answers.GetQueryExecution = function(p)
        local e = execution(p.QueryExecutionId, ended_badly("COLUMN_NOT_FOUND: line 2:3: Column 'nothing' cannot be resolved", 2))
        e.Query = sql
        return { QueryExecution = e }
      end
      local _, err = run(sql)
      assert.same({ 2, 3 }, { err.details.line, err.details.column })
      assert.equal("nothing", sql:sub(err.details.offset, err.details.offset + 6))
      assert.equal("COLUMN_NOT_FOUND", err.details.athena_code)
    end)

    it("refusals of the call itself", function()
      for code, expected in pairs { TooManyRequestsException = "TooManyRequests", AccessDeniedException = "ExternalServiceError" } do
        answers.StartQueryExecution = function() return scripted.failure(code, "no") end
        local _, err = run()
        assert.equal(expected, err.code)
        if expected == "TooManyRequests" then assert.is_true(err.details.retry_after_seconds >= 1) else assert.is_true(err.details.denied) end
      end
      for text, expected in pairs { ["line 1:1: mismatched input 'SELEC'. Expecting: 'SELECT'"] = "SyntaxError",
        ["Queries of this type are not supported"] = "NotSupported", ["Idempotent parameters do not match"] = "Conflict" } do
        answers.StartQueryExecution = function() return scripted.failure("InvalidRequestException", text) end
        assert.equal(expected, select(2, run()).code)
      end
    end)
  end)

  describe("reads results", function()
    local function started() return assert(warehouse.start { sql = "SELECT a FROM t", caller = "ann", purpose = "query" }).id end

    it("with a row for maxRows 1, although the header takes a place", function()
      local asked
      answers.GetQueryResults = function(p)
        asked = p.MaxResults
        return result(rows({ "a" }, { "1" }), { "a" }, { NextToken = "more" })
      end
      local page = assert(warehouse.results(started(), { max_rows = 1 }))
      assert.equal(2, asked)
      assert.same({ '["1"]' }, page.rows_text)
      assert.is_string(page.next_token)
    end)

    it("without taking a first row away that is none of names", function()
      answers.GetQueryExecution = function(p)
        return { QueryExecution = execution(p.QueryExecutionId, { StatementType = "UTILITY", SubstatementType = "SHOW_TABLES" }) }
      end
      answers.GetQueryResults = function() return result(rows({ "t" }, { "u" }), { "tab_name" }) end
      local page = assert(warehouse.results(started(), { max_rows = 10 }))
      assert.same({ '["t"]', '["u"]' }, page.rows_text)
    end)

    it("as CSV from the pages, where no file is", function()
      answers.GetQueryResults = function(p)
        if p.NextToken then return result({ { Data = { { VarCharValue = "2" } } }, { Data = { {} } } }, { "a" }) end
        return result(rows({ "a" }, { 'x "y"' }), { "a" }, { NextToken = "t2" })
      end
      local reader, parts = assert(warehouse.export { sql = "SELECT a FROM t", caller = "ann", format = "csv" }), {}
      for chunk in reader do parts[#parts + 1] = chunk end
      assert.equal('"a"\n"x ""y"""\n"2"\n\n', table.concat(parts))
    end)

    it("without a header on later pages", function()
      local id = started()
      answers.GetQueryResults = function(p)
        if p.NextToken then return result(rows({ "a" }), { "a" }) end
        return result(rows({ "a" }, { "1" }), { "a" }, { NextToken = "t2" })
      end
      local first = assert(warehouse.results(id, { max_rows = 1 }))
      local second = assert(warehouse.results(id, { max_rows = 1, token = first.next_token }))
      assert.same({ '["a"]' }, second.rows_text)
      assert.is_nil(second.next_token)
    end)
  end)

  describe("waits", function()
    local function ready_after(seconds)
      local begun = require("sm.time").monotonic()
      answers.GetQueryExecution = function(p)
        local over = require("sm.time").monotonic() - begun >= seconds
        return { QueryExecution = execution(p.QueryExecutionId, { Status = { State = over and "SUCCEEDED" or "RUNNING", SubmissionDateTime = 1,
          CompletionDateTime = over and 2 or nil } }) }
      end
    end

    it("for twenty queries with the calls of a few", function()
      ready_after(1)
      local calls = {}
      for i = 1, 20 do calls[i] = function() return run() end end
      local done = assert(task.parallel(calls))
      assert.equal(20, done.n)
      local looks = athena.count "GetQueryExecution" + athena.count "BatchGetQueryExecution"
      assert.is_true(looks <= 25, looks .. " looks")
      assert.is_true(athena.count "BatchGetQueryExecution" > 0)
    end)

    it("also where only the call for one query is allowed", function()
      ready_after(0.3)
      answers.BatchGetQueryExecution = function() return scripted.failure("AccessDeniedException", "not authorized") end
      for _ = 1, 2 do
        assert(task.parallel { run, run, run })
      end
      assert.equal(1, athena.count "BatchGetQueryExecution")
    end)

    it("on after being told to ask less", function()
      local first = true
      answers.GetQueryExecution = function(p)
        if first then
          first = false
          return scripted.failure("ThrottlingException", "Rate exceeded")
        end
        return { QueryExecution = execution(p.QueryExecutionId) }
      end
      assert(run())
    end)

    it("no longer than the time that is left, and then stops the query", function()
      ready_after(3600)
      local worker = task.spawn_with({ deadline = 2.3 }, function()
        local done, err = run()
        return { done = done, err = err }
      end)
      local ended = assert(worker:join())
      assert.equal("Timeout", ended.err.code)
      for _ = 1, 200 do
        if athena.count "StopQueryExecution" > 0 then break end
        task.sleep(0.01)
      end
      assert.equal(1, athena.count "StopQueryExecution")
    end)

    it("no longer, and leaves a query that somebody comes back for", function()
      ready_after(3600)
      local worker = task.spawn_with({ deadline = 2.3 }, function()
        local done, err = run(nil, { keep = true, token = "step-1" })
        return { done = done, err = err }
      end)
      local ended = assert(worker:join())
      assert.equal("Timeout", ended.err.code)
      assert.is_string(ended.err.details.unfinished)
      task.sleep(0)
      assert.equal(0, athena.count "StopQueryExecution")
    end)

    it("for nobody: a query that was left is stopped", function()
      ready_after(3600)
      local worker = task.spawn(function() return run() end)
      for _ = 1, 200 do
        if athena.count "GetQueryExecution" > 0 then break end
        task.sleep(0.01)
      end
      worker:cancel "the client left"
      worker:join()
      for _ = 1, 200 do
        if athena.count "StopQueryExecution" > 0 then break end
        task.sleep(0.01)
      end
      assert.equal(1, athena.count "StopQueryExecution")
    end)
  end)

  it("reads what moto was told to answer", function()
    if not aws.has "moto" then return pending "moto is not installed" end
    aws.tell_moto("static/athena/query-results", { account_id = aws.ACCOUNT, region = aws.REGION, results = { {
      rows = { { Data = { { VarCharValue = "a" } } }, { Data = { { VarCharValue = "7" } } } },
      column_info = { { Name = "a", Label = "a", Type = "integer", CatalogName = "hive" } } } } })
    warehouse = require("adapters.aws.warehouse").new { api = aws.api(), clock = require("adapters.local.clock").new(),
      table_name = table_name, workgroup = "primary", output = "s3://lake/results/", catalog = "AwsDataCatalog" }
    local done = assert(warehouse.run { sql = "SELECT 7 AS a", caller = "ann", purpose = "materialize" })
    assert.same({ "7" }, done.first)
    assert.equal("ann", warehouse.get(done.id).caller)
    assert.same({ '["7"]' }, assert(warehouse.results(done.id, { max_rows = 1 }, "ann")).rows_text)
    assert.equal("NotFound", select(2, warehouse.get(done.id, "bob")).code)
  end)
end)
