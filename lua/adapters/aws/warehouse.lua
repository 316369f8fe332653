-- Port warehouse on Athena. Every execution is started with a token, so that a repeated call is the same execution; waiting
-- looks more and more seldom, within the time that the caller has; and an execution that nobody waits for any more is
-- stopped, because it costs.
local cells = require "adapters.aws.warehouse.cells"
local crypto = require "sm.crypto"
local errors = require "lib.errors"
local failures = require "adapters.aws.failures"
local json = require "lib.json"
local outcome = require "adapters.aws.warehouse.outcome"
local poller = require "adapters.aws.warehouse.poller"
local queries = require "adapters.aws.queries"
local task = require "sm.task"

local M = {}

local PAGE_ROWS <const> = 1000          -- Athena's most; on a page with a header row one less is data
local EXPORT_CHUNK <const> = 1 << 20
local LONGEST_WAIT <const> = 3600       -- of a statement that nobody gave a time
local ANSWER_SECONDS <const> = 2        -- kept of the time left, to say what has happened
local MOST_FINAL <const> = 500
local NOT_RECORDED <const> = { pipeline = true, health = true, internal = true }

local Warehouse = {}
Warehouse.__index = Warehouse

local function unknown(id) return errors.new("NotFound", ("there is no query '%s'"):format(tostring(id):sub(1, 100))) end

local function view(execution, caller)
  local status, stats = execution.Status, execution.Statistics or {}
  return { id = execution.QueryExecutionId, state = status.State, kind = outcome.kind(execution), caller = caller,
    submitted_at = status.SubmissionDateTime, finished_at = outcome.is_over(execution) and status.CompletionDateTime or nil,
    stats = { scanned_bytes = stats.DataScannedInBytes, execution_ms = stats.EngineExecutionTimeInMillis },
    error = outcome.error(execution) }
end

-- Starting ---------------------------------------------------------------------------------------------------------

-- The token belongs to the caller: another one with the same words starts an execution of his own.
local function request_token(request, caller)
  if not request.token then return crypto.uuid() end
  return crypto.hex(crypto.sha256(caller .. "\n" .. request.token))
end

-- A database cannot be the context of the statement that makes it.
local function context_of(self, request)
  local database = request.database ~= "" and request.database or nil
  if request.sql:upper():find("^%s*CREATE%s+SCHEMA") or request.sql:upper():find("^%s*CREATE%s+DATABASE") then database = nil end
  return { Catalog = self.catalog, Database = database }
end

-- Athena reads statements about databases and dropped tables as Hive does, where names are quoted with backticks.
local HIVE <const> = { "^%s*DROP%s+TABLE%s", "^%s*DROP%s+SCHEMA%s", "^%s*DROP%s+DATABASE%s", "^%s*CREATE%s+SCHEMA%s",
  "^%s*CREATE%s+DATABASE%s" }

local function in_athena_quotes(sql)
  local words = sql:sub(1, 200):upper()
  for _, pattern in ipairs(HIVE) do
    if words:find(pattern) then return (sql:gsub('"([%w_]+)"', "`%1`")) end
  end
  return sql
end

local function start_execution(self, request, caller)
  if #request.sql > 262144 then return nil, errors.new("LimitExceeded", "the statement is longer than Athena's 262144 bytes") end
  if request.purpose == "query" then
    local ok, err = require("lib.sql.guard").read_only(request.sql)
    if not ok then return nil, err end
  end
  local given = request.parameters
  local parameters = given and #given > 0 and json.list(table.move(given, 1, #given, 1, {}))
  local output, failure = self.api:call("athena", "start_query_execution", { QueryString = in_athena_quotes(request.sql),
    ClientRequestToken = request_token(request, caller), QueryExecutionContext = context_of(self, request), WorkGroup = self.workgroup,
    ResultConfiguration = self.output and { OutputLocation = self.output } or nil, ExecutionParameters = parameters or nil })
  if not output then return nil, outcome.refusal(failure, "start the query", request.sql) end
  return output.QueryExecutionId
end

-- Nobody waits for it any more. In a task of its own: the one who asks may be ending.
local function stop_later(self, id)
  task.spawn(function() self.api:call("athena", "stop_query_execution", { QueryExecutionId = id }) end)
end

function Warehouse:start(request)
  local caller = request.caller or "internal"
  local id, err = start_execution(self, request, caller)
  if not id then return nil, err end
  local ok
  ok, err = self.queries.remember(id, caller, request.purpose or "query")
  if ok then return { id = id, state = "QUEUED" } end
  stop_later(self, id)
  return nil, err
end

-- Looking ----------------------------------------------------------------------------------------------------------

-- Executions that are over do not change any more.
local function keep_final(self, execution)
  if not outcome.is_over(execution) then return end
  if self.final_count >= MOST_FINAL then self.final, self.final_count = {}, 0 end
  self.final[execution.QueryExecutionId], self.final_count = execution, self.final_count + 1
end

-- The execution after at most so many seconds, and who started it. Somebody else's looks like none.
function Warehouse:find(id, caller, seconds)
  if type(id) ~= "string" or not id:find("^[%w-]+$") or #id > 128 then return nil, unknown(id) end
  local record, err = self.queries.find(id)
  if err then return nil, err end
  if caller and (not record or record.caller ~= caller) then return nil, unknown(id) end
  local execution, failure = self.final[id]
  if not execution then
    execution, failure = self.poller:wait(id, seconds or 0, outcome.is_over)
    if not execution then
      local told = outcome.refusal(failure, "look at the query")
      return nil, told.code == "NotFound" and unknown(id) or told
    end
    keep_final(self, execution)
  end
  return execution, record and record.caller
end

function Warehouse:wait(id, seconds, caller)
  local left = task.remaining()
  if left then seconds = math.max(0, math.min(seconds, left - ANSWER_SECONDS)) end
  local execution, owner = self:find(id, caller, seconds)
  if not execution then return nil, owner end
  return view(execution, owner)
end

function Warehouse:get(id, caller) return self:wait(id, 0, caller) end

function Warehouse:cancel(id, caller)
  local execution, err = self:find(id, caller, 0)
  if not execution then return nil, err end
  if outcome.is_over(execution) then return true end
  local output, failure = self.api:call("athena", "stop_query_execution", { QueryExecutionId = id })
  if output then return true end
  return nil, outcome.refusal(failure, "stop the query")
end

-- Results ----------------------------------------------------------------------------------------------------------

local function not_ready(execution)
  if outcome.is_over(execution) then return outcome.error(execution) end
  return errors.new("Conflict", ("the query has not ended yet (%s)"):format(execution.Status.State), { state = execution.Status.State })
end

-- A page token says which query it is of.
local function token_mark(id) return crypto.hex(crypto.sha256(id)):sub(1, 12) .. "." end

local function inner_token(id, token)
  local mark = token_mark(id)
  if token:sub(1, #mark) == mark and #token > #mark then return token:sub(#mark + 1) end
  return nil, errors.new("BadParam", "Malformed nextPageToken: it does not belong to this query")
end

-- Rows of one page without the header row. `max_rows` counts rows of data, Athena counts the header too.
local function read_page(self, execution, max_rows, token)
  local id, kind = execution.QueryExecutionId, outcome.kind(execution)
  local header = not token and outcome.has_header(kind)
  local output, failure = self.api:call("athena", "get_query_results", { QueryExecutionId = id, NextToken = token,
    MaxResults = math.min(PAGE_ROWS, max_rows + (header and 1 or 0)) })
  if not output then return nil, outcome.refusal(failure, "read the result") end
  local rows = output.ResultSet and output.ResultSet.Rows or {}
  if header and rows[1] then rows = table.move(rows, 2, #rows, 1, {}) end
  return output, rows
end

function Warehouse:results(id, options, caller)
  options = options or {}
  local execution, err = self:find(id, caller or options.caller, 0)
  if not execution then return nil, err end
  if execution.Status.State ~= "SUCCEEDED" then return nil, not_ready(execution) end
  local token
  if options.token then
    token, err = inner_token(id, options.token)
    if not token then return nil, err end
  end
  local output, rows = read_page(self, execution, options.max_rows or PAGE_ROWS, token)
  if not output then return nil, rows end
  local names, types = cells.columns(output)
  local lines = {}
  for i, row in ipairs(rows) do lines[i] = cells.line(row, #names) end
  return { columns = names, column_types = types, rows_text = lines,
    next_token = output.NextToken and output.NextToken ~= "" and token_mark(id) .. output.NextToken or nil }
end

-- Start and wait -----------------------------------------------------------------------------------------------------

-- What a statement did: the rows it changed, or the first row it gave.
local function summary(self, execution)
  local kind = outcome.kind(execution)
  local done = { id = execution.QueryExecutionId, rows = 0, stats = view(execution).stats }
  if not outcome.has_count(kind) and not outcome.has_rows(kind) then return done end
  local output, rows = read_page(self, execution, 1)
  if not output then return nil, rows end
  if outcome.has_count(kind) then
    done.rows = output.UpdateCount or 0
  else
    local names = cells.columns(output)
    done.rows, done.first = #rows, rows[1] and cells.texts(rows[1], #names)
  end
  return done
end

-- The execution at its end. One that is left before it, by a cancelled task or for want of time, is stopped; for want of time
-- only where nobody comes back for it (`keep`).
local function to_end(self, id, keep)
  local over = false
  local _ <close> = setmetatable({}, { __close = function()
    if not over then stop_later(self, id) end
  end })
  local left = task.remaining()
  local execution, failure = self.poller:wait(id, left and math.max(0, left - ANSWER_SECONDS) or LONGEST_WAIT, outcome.is_over)
  if not execution then return nil, outcome.refusal(failure, "look at the query") end
  over = outcome.is_over(execution) or keep == true
  if not outcome.is_over(execution) then
    return nil, errors.new("Timeout", keep and "the statement is still running" or "the statement did not end in time and was stopped",
      { unfinished = keep and id or nil })
  end
  keep_final(self, execution)
  if execution.Status.State ~= "SUCCEEDED" then return nil, outcome.error(execution) end
  return execution
end

function Warehouse:run(request)
  local caller = request.caller or "internal"
  local id, err = start_execution(self, request, caller)
  if not id then return nil, err end
  if not NOT_RECORDED[caller] then
    local ok
    ok, err = self.queries.remember(id, caller, request.purpose or "pipeline")
    if not ok then
      stop_later(self, id)
      return nil, err
    end
  end
  local execution
  execution, err = to_end(self, id, request.keep)
  if not execution then return nil, err end
  return summary(self, execution)
end

-- Export -------------------------------------------------------------------------------------------------------------

-- Where Athena has left the whole result as a CSV file: for queries, unless the workgroup keeps results to itself.
local function csv_file(execution)
  local location = execution.ResultConfiguration and execution.ResultConfiguration.OutputLocation
  local bucket, key = (location or ""):match("^s3://([^/]+)/(.+%.csv)$")
  if outcome.kind(execution) == "SELECT" then return bucket, key end
end

local function csv_reader(self, execution)
  local bucket, key = csv_file(execution)
  if not bucket then return require("adapters.aws.warehouse.listing").csv_reader(self, execution, read_page) end
  local output, failure = self.api:call("s3", "get_object", { Bucket = bucket, Key = key })
  if not output then return nil, failures.error(failure, "read the result") end
  local body = output.Body
  if type(body) == "string" then
    return function()
      local text = body
      body = nil
      return text ~= "" and text or nil
    end
  end
  return function()
    local text, message = body(EXPORT_CHUNK)
    if text and #text > 0 then return text end
    return nil, message and errors.new("ExternalServiceError", "read the result: " .. tostring(message)) or nil
  end
end

local function ndjson_reader(self, execution)
  local token, ended
  return function()
    while not ended do
      local output, rows = read_page(self, execution, PAGE_ROWS, token)
      if not output then return nil, rows end
      local names, types = cells.columns(output)
      token = output.NextToken
      ended = not token or token == ""
      local lines = {}
      for i, row in ipairs(rows) do lines[i] = cells.object(row, names, types) .. "\n" end
      if #lines > 0 then return table.concat(lines) end
    end
  end
end

-- What export gives: called for the next chunk; may be closed before its end.
local Reader = { __call = function(self) return self.read() end }
function Reader.__close(self) self.read = function() return nil end end

function Warehouse:export(request)
  if request.format == "parquet" then
    return nil, errors.new("NotSupported", "a result cannot be had as one Parquet file here: materialize the query and fetch the files of "
      .. "its table, or ask for CSV or NDJSON")
  end
  local asked = { sql = request.sql, database = request.database, parameters = request.parameters, purpose = "query" }
  local id, err = start_execution(self, asked, request.caller or "internal")
  if not id then return nil, err end
  local execution
  execution, err = to_end(self, id)
  if not execution then return nil, err end
  local read
  read, err = (request.format == "csv" and csv_reader or ndjson_reader)(self, execution)
  return read and setmetatable({ read = read }, Reader), err
end

--- Results are files in the output location; a life cycle rule of the bucket removes them.
function Warehouse.purge() return 0 end

---@class aws.WarehouseOptions
---@field api table
---@field clock table
---@field table_name string   of the state
---@field workgroup string
---@field output string?      s3:// location; the workgroup may have its own
---@field catalog string
---@field first_look_seconds number?

---@param options aws.WarehouseOptions
---@return table warehouse   port warehouse
function M.new(options)
  local self = setmetatable({ api = options.api, workgroup = options.workgroup, output = options.output, catalog = options.catalog,
    poller = poller.new(options.api, options.first_look_seconds), queries = queries.new(options), final = {}, final_count = 0 }, Warehouse)
  local port = {}
  for _, name in ipairs { "start", "get", "wait", "results", "cancel", "export", "run", "purge" } do
    port[name] = function(...) return self[name](self, ...) end
  end
  return port
end

return M
