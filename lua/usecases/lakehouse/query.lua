-- Answers a question to the lake in SQL: a page of rows, or the word that it is still being worked on.
--
-- What it does: lets reading statements through and nothing else, starts the query under the caller's name, waits as
-- long as it may, and gives one page of text cells. A query that is not ready keeps running; its id brings the rows
-- later, to the same caller only. A caller that leaves while waiting for a new query stops it.
-- What you may change here: the page sizes, the longest wait a caller may ask for.
local errors = require "lib.errors"
local shape = require "lib.shape"
local executions = require "domain.lakehouse.executions"
local guard = require "domain.lakehouse.sql_guard"

local M = {}

local DEFAULT_ROWS <const>, MAX_ROWS <const> = 500, 1000
local MAX_WAIT_SECONDS <const> = 3600
local ANSWER_SECONDS <const> = 5

M.name = "query"
M.summary = "Run a reading SQL statement, or read on in the result of an earlier one."
M.ports = { "warehouse" }
M.input = shape.object {
  sql = shape.string { optional = true, max = 262144, blank_is_absent = true, doc = "one reading statement",
      example = "SELECT * FROM gold.dim_resident LIMIT 10" },
  query_execution_id = shape.string { optional = true, blank_is_absent = true, doc = "an earlier query, instead of sql" },
  next_page_token = shape.string { optional = true, blank_is_absent = true, doc = "the page to read, with queryExecutionId" },
  max_rows = shape.integer { min = 1, max = MAX_ROWS, default = DEFAULT_ROWS, clamp = true, coerce = true,
      falsy_is_absent = true, doc = "rows of a page" },
  database = shape.string { optional = true, blank_is_absent = true, doc = "database of unqualified table names" },
  catalog = shape.string { optional = true, blank_is_absent = true, doc = "the same; wins over database" },
  parameters = shape.list(shape.string { max = 1024 }, { optional = true, max = 100,
      doc = "SQL literals for the question marks, in order" }),
  wait = shape.number { optional = true, min = 0, max = MAX_WAIT_SECONDS, clamp = true, coerce = true,
      doc = "seconds to wait for the result" },
  format = shape.enum({ "json", "csv", "ndjson", "parquet" }, { default = "json" }),
}

local function request_of(input, ctx)
  return { sql = input.sql, database = input.catalog or input.database or ctx.settings.athena_default_db,
    parameters = input.parameters, caller = ctx.caller, purpose = "query", max_bytes = ctx.settings.query_max_bytes }
end

-- The execution to read from, and whether it began with this call.
local function find_or_start(ports, input, ctx)
  if input.query_execution_id then return executions.owned(ports, input.query_execution_id, ctx.caller) end
  if input.next_page_token then
    return nil, errors.new("MissingParam", "nextPageToken reads on in a result: send its queryExecutionId too")
  end
  if not input.sql then return nil, errors.new("MissingParam", "send sql, or the queryExecutionId of an earlier query") end
  local ok, err = guard.read_only(input.sql)
  if not ok then return nil, err end
  local started
  started, err = ports.warehouse.start(request_of(input, ctx))
  return started, err, started ~= nil
end

local function download(ports, input, ctx)
  if not input.sql then return nil, errors.new("MissingParam", "a download needs sql; the result of a queryExecutionId is read in pages, as JSON") end
  local ok, err = guard.read_only(input.sql)
  if not ok then return nil, err end
  local request = request_of(input, ctx)
  request.format = input.format
  local reader
  reader, err = ports.warehouse.export(request)
  return reader and { stream = reader, content_type = executions.content_types[input.format], file_name = "result." .. input.format }, err
end

function M.run(ports, input, ctx)
  if input.format ~= "json" then return download(ports, input, ctx) end
  local execution, err, is_new = find_or_start(ports, input, ctx)
  if not execution then return nil, err end
  -- A little is kept of the time that a request has, so that the word "not yet" still gets out.
  local longest = math.max(0, ctx.settings.request_seconds - ANSWER_SECONDS)
  local wait = math.min(input.wait or ctx.settings.query_wait_seconds, longest)
  execution, err = executions.wait(ports, execution.id, wait, is_new)
  if not execution then return nil, err end
  if not executions.is_over(execution) then
    return { query_execution_id = execution.id, state = execution.state }, "accepted"
  end
  if execution.state ~= "SUCCEEDED" then return nil, executions.failure(execution) end
  local page
  page, err = ports.warehouse.results(execution.id, { max_rows = input.max_rows, token = input.next_page_token })
  if not page then return nil, err end
  return executions.page(execution, page, ctx.settings.answer_bytes)
end

return M
