-- Athena for specs: its API, as the service is known to answer, over the embedded engine. So what the adapter does with
-- states, pages, header rows, tokens and errors is tried with statements that really run. Results are also left as CSV in a
-- bucket of moto, where Athena leaves them.
local errors = require "lib.errors"
local json = require "sm.json"
local scripted = require "scripted"

local M = {}

local CALLER <const> = "athena"
local HEADER <const> = { SELECT = true, EXPLAIN = true, SHOW_FUNCTIONS = true }
local COUNTS <const> = { INSERT = true, UPDATE = true, DELETE = true, MERGE = true, CREATE_TABLE_AS_SELECT = true }
local UTILITY <const> = { DESCRIBE_TABLE = true }

local function invalid(message, code)
  return scripted.failure("InvalidRequestException", message, { AthenaErrorCode = code or "INVALID_INPUT" })
end

local function type_of(kind)
  if kind:find("^SHOW") or UTILITY[kind] then return "UTILITY" end
  if kind:find("^CREATE") or kind:find("^DROP") or kind:find("^ALTER") then return "DDL" end
  return "DML"
end

-- Whose fault a failure was, in Athena's numbers.
local function athena_error(err)
  local user = err.code ~= "InternalError" and err.code ~= "ServiceUnavailable"
  return { ErrorCategory = user and 2 or 1, ErrorType = user and 1000 or 200, Retryable = not user, ErrorMessage = err.message }
end

local Server = {}
Server.__index = Server

local answers = {}

function answers.StartQueryExecution(self, p)
  local token, context = p.ClientRequestToken or "", p.QueryExecutionContext or {}
  if #token < 32 or #token > 128 then return invalid "ClientRequestToken must have 32 to 128 characters" end
  local same = p.QueryString .. "\0" .. (context.Database or "")
  local known = self.tokens[token]
  if known then
    if known.same ~= same then return invalid("Idempotent parameters do not match", "IDEMPOTENT_PARAMETER_MISMATCH") end
    return { QueryExecutionId = known.id }
  end
  local started, err = self.warehouse.start { sql = p.QueryString, database = context.Database, parameters = p.ExecutionParameters,
    caller = CALLER, purpose = "pipeline" }
  if not started then return invalid(err.message, "MALFORMED_QUERY") end
  self.tokens[token] = { same = same, id = started.id }
  self.texts[started.id] = p
  return { QueryExecutionId = started.id }
end

local function csv_of(self, id)
  local page = assert(self.warehouse.results(id, { max_rows = 1000000 }))
  local lines = {}
  local function line(values)
    local fields = {}
    for i, value in ipairs(values) do fields[i] = value == json.null and "" or '"' .. value:gsub('"', '""') .. '"' end
    lines[#lines + 1] = table.concat(fields, ",")
  end
  line(page.columns)
  for _, text in ipairs(page.rows_text) do line(json.decode(text)) end
  return table.concat(lines, "\n") .. "\n"
end

-- The file is there before the state says so.
local function leave_result(self, id, kind)
  if not self.api or self.left[id] or kind ~= "SELECT" then return end
  self.left[id] = true
  assert(self.api:call("s3", "put_object", { Bucket = self.bucket, Key = "results/" .. id .. ".csv", Body = csv_of(self, id) }))
end

local function execution(self, id)
  local e = self.warehouse.get(id)
  if not e then return nil end
  if e.state == "SUCCEEDED" then leave_result(self, id, e.kind) end
  local over, asked = e.finished_at ~= nil, self.texts[id]
  local failed = e.state == "FAILED" and (e.error or errors.new("InternalError", "no reason"))
  return { QueryExecutionId = id, Query = asked.QueryString, StatementType = type_of(e.kind), SubstatementType = e.kind,
    QueryExecutionContext = asked.QueryExecutionContext, WorkGroup = asked.WorkGroup,
    ResultConfiguration = { OutputLocation = ("s3://%s/results/%s.csv"):format(self.bucket or "none", id) },
    Status = { State = e.state, SubmissionDateTime = e.submitted_at, CompletionDateTime = over and e.finished_at or nil,
      StateChangeReason = failed and failed.message or e.state == "CANCELLED" and "Query cancelled by user" or nil,
      AthenaError = failed and athena_error(failed) or nil },
    Statistics = { EngineExecutionTimeInMillis = e.stats.execution_ms or 0, DataScannedInBytes = e.stats.scanned_bytes or 0 } }
end

local function not_found(id) return invalid(("QueryExecution %s was not found"):format(id), "QUERY_EXECUTION_NOT_FOUND") end

function answers.GetQueryExecution(self, p)
  local found = execution(self, p.QueryExecutionId)
  return found and { QueryExecution = found } or not_found(p.QueryExecutionId)
end

function answers.BatchGetQueryExecution(self, p)
  local list, missing = {}, {}
  for _, id in ipairs(p.QueryExecutionIds) do
    local found = execution(self, id)
    if found then list[#list + 1] = found else missing[#missing + 1] = { QueryExecutionId = id, ErrorCode = "INVALID_INPUT" } end
  end
  return { QueryExecutions = json.array(list), UnprocessedQueryExecutionIds = json.array(missing) }
end

function answers.StopQueryExecution(self, p)
  if not self.warehouse.get(p.QueryExecutionId) then return not_found(p.QueryExecutionId) end
  self.warehouse.cancel(p.QueryExecutionId)
  return {}
end

local function row_of(values)
  local data = {}
  for i, value in ipairs(values) do data[i] = value == json.null and { ["nothing"] = nil } or { VarCharValue = value } end
  return { Data = json.array(data) }
end

local function column_info(page)
  local list = {}
  for i, name in ipairs(page.columns) do
    local kind, precision, scale = page.column_types[i]:match("^([%a ]+)%(?(%d*),?%s*(%d*)")
    list[i] = { Name = name, Label = name, Type = kind == "real" and "float" or kind, Precision = tonumber(precision), Scale = tonumber(scale) }
  end
  return json.array(list)
end

function answers.GetQueryResults(self, p)
  local id, most = p.QueryExecutionId, p.MaxResults or 1000
  local e = self.warehouse.get(id)
  if not e then return not_found(id) end
  if most > 1000 then return invalid "MaxResults is more than maximum allowed length 1000" end
  if e.state == "CANCELLED" then return invalid("Could not find results", "RESULT_NOT_FOUND") end
  if e.state == "FAILED" then return invalid("Query did not finish successfully. Final query state: FAILED", "INVALID_QUERY_EXECUTION_STATE") end
  if e.state ~= "SUCCEEDED" then return invalid("Query has not yet finished. Current state: " .. e.state, "INVALID_QUERY_EXECUTION_STATE") end
  if COUNTS[e.kind] then return { UpdateCount = e.stats.rows, ResultSet = { Rows = json.array {}, ResultSetMetadata = { ColumnInfo = json.array {
    { Name = "rows", Label = "rows", Type = "bigint", Precision = 19, Scale = 0 } } } } } end
  local header = HEADER[e.kind] and not p.NextToken
  local page, err = self.warehouse.results(id, { max_rows = header and math.max(1, most - 1) or most, token = p.NextToken })
  if not page then return invalid(err.message) end
  local rows = {}
  if header then rows[1] = row_of(page.columns) end
  for _, text in ipairs(page.rows_text) do rows[#rows + 1] = row_of(json.decode(text)) end
  return { UpdateCount = 0, NextToken = page.next_token, ResultSet = { Rows = json.array(rows),
    ResultSetMetadata = { ColumnInfo = column_info(page) } } }
end

--- Starts it over a warehouse of the embedded engine.
---@param warehouse table
---@param options {api: table?, bucket: string?, before: (fun(operation: string, params: table): any)?}?  before: an answer instead
function M.start(warehouse, options)
  options = options or {}
  local self = setmetatable({ warehouse = warehouse, api = options.api, bucket = options.bucket, tokens = {}, texts = {}, left = {} }, Server)
  self.server = scripted.start(function(operation, params)
    local given = options.before and options.before(operation, params)
    if given then return given end
    return answers[operation](self, params)
  end)
  self.url, self.calls, self.count = self.server.url, self.server.calls, self.server.count
  return self
end

function Server:stop() self.server.stop() end

return M
