-- A Trino cluster over its client protocol: a statement is posted, then each answer names the next one to ask for.
-- https://trino.io/docs/current/develop/client-protocol.html
--
-- Waiting is the server's: each request is held for about a second. Answers 502, 503, 504 and 429 and lost connections
-- are asked for again, because reading the next answer changes nothing; the first post is repeated only when the server
-- said that it did not take it. Rows come in the answers themselves, or, where the cluster spools, as segments that are
-- fetched one by one and acknowledged.
local errors = require "lib.errors"
local json = require "lib.json"

local M = {}

local REQUEST_SECONDS <const> = 60
local CONNECT_SECONDS <const> = 3
local MAX_ANSWER_BYTES <const> = 256 << 20
local RETRY_SECONDS <const> = 60   -- how long an answer is asked for again before the cluster counts as gone
local PAUSES <const> = { 0.1, 0.2, 0.5, 1, 2, 5 }
local AGAIN <const> = { [429] = true, [502] = true, [503] = true, [504] = true }
local SOURCE <const> = "sewingmachine"

---@class TrinoClient
---@field submit fun(self, sql: string, context: table?): TrinoStatement?, Error?
local Client = {}
Client.__index = Client

---@class TrinoStatement
---@field id string
---@field columns {name: string, type: string}[]?
---@field stats table       the server's, of the last answer
---@field update_count integer?
local Statement = {}
Statement.__index = Statement

-- Requests ------------------------------------------------------------------------------------------------------------

local function origin(url) return (url:match("^(%a[%w+.-]*://[^/?#]+)") or ""):lower() end

local function unreachable(self, message)
  return errors.new("EngineUnavailable", ("the Trino cluster at %s does not answer: %s"):format(self.shown, message), { retryable = true })
end

local function refused(self, answer)
  if answer.status == 401 then
    return errors.new("EngineUnavailable", ("the Trino cluster at %s refuses these credentials (SEWING_TRINO_USER, "
      .. "SEWING_TRINO_PASSWORD_FILE, SEWING_TRINO_TOKEN_FILE)"):format(self.shown))
  end
  local said = (answer.body or ""):gsub("%s+", " "):sub(1, 200)
  return errors.new("EngineUnavailable", ("the Trino cluster at %s answered %d%s"):format(self.shown, answer.status,
    said ~= "" and ": " .. said or ""))
end

local function pause_of(answer, attempt)
  local wanted = answer and tonumber(answer.headers["retry-after"])
  return math.min(wanted or PAUSES[math.min(attempt, #PAUSES)], 10)
end

-- One request, again as long as that is harmless. `changes`: the request starts something, so only a server that says
-- that it did not take it is asked again.
local function send(self, request, changes)
  local ends = self.now() + self.retry_seconds
  local attempt = 0
  while true do
    attempt = attempt + 1
    local answer, message, code = self.http { method = request.method, url = request.url, headers = request.headers, body = request.body,
      timeout = REQUEST_SECONDS, connect_timeout = CONNECT_SECONDS, max_bytes = MAX_ANSWER_BYTES, ca_file = self.ca_file, http = "1.1" }
    if answer and not AGAIN[answer.status] then return answer end
    local harmless = answer or not changes
    if not harmless or code == "refused" or code == "limit" or self.now() >= ends then
      if answer then return nil, refused(self, answer) end
      return nil, unreachable(self, message)
    end
    self.sleep(pause_of(answer, attempt))
  end
end

-- Credentials go to the cluster that was configured, and nowhere else.
local function headers_for(self, url, more)
  local headers = { ["user-agent"] = SOURCE }
  if origin(url) == self.origin then
    headers["x-trino-user"] = self.user
    if self.authorization then headers.authorization = self.authorization end
  end
  for name, value in pairs(more or {}) do headers[name] = value end
  return headers
end

local function decoded(self, answer)
  if answer.status ~= 200 then return nil, refused(self, answer) end
  local body = json.decode(answer.body)
  if type(body) ~= "table" then return nil, errors.new("EngineUnavailable", ("%s did not answer as a Trino cluster does"):format(self.shown)) end
  return body
end

-- Failures --------------------------------------------------------------------------------------------------------------

local by_name = {
  SYNTAX_ERROR = "SyntaxError", USER_CANCELED = "QueryCancelled", ADMINISTRATIVELY_KILLED = "QueryCancelled",
  ADMINISTRATIVELY_PREEMPTED = "QueryCancelled", PERMISSION_DENIED = "Forbidden", NOT_SUPPORTED = "NotSupported",
  QUERY_QUEUE_FULL = "EngineUnavailable", NO_NODES_AVAILABLE = "EngineUnavailable", SERVER_STARTING_UP = "EngineUnavailable",
  SERVER_SHUTTING_DOWN = "EngineUnavailable", CLUSTER_OUT_OF_MEMORY = "EngineUnavailable",
  TRANSACTION_CONFLICT = "Conflict", ICEBERG_COMMIT_ERROR = "Conflict",
}
local by_type = { USER_ERROR = "QueryFailed", INSUFFICIENT_RESOURCES = "LimitExceeded", EXTERNAL = "ExternalServiceError" }
local passing = { EngineUnavailable = true, Conflict = true }

-- The server's word on a failed statement as an error of ours. Table and column names stay, stack traces do not.
---@param failure table  `error` of an answer
---@return Error
function M.failure(failure)
  local name, place = failure.errorName or "GENERIC_INTERNAL_ERROR", failure.errorLocation
  local code = by_name[name] or by_type[failure.errorType] or "ExternalServiceError"
  local details = { trino_code = name, retryable = passing[code] }
  local message = failure.message or name
  if type(place) == "table" then
    details.line, details.column = place.lineNumber, place.columnNumber
    if not message:find("^line %d") then message = ("line %d:%d: %s"):format(place.lineNumber, place.columnNumber, message) end
  end
  if code == "QueryFailed" then message, details.athena_code = name .. ": " .. message, name end
  return errors.new(code, message, details)
end

-- Rows -------------------------------------------------------------------------------------------------------------------

-- The rows of one spooled segment; the server may forget it afterwards.
local function fetch_segment(self, segment)
  local extra = {}
  for name, values in pairs(segment.headers or {}) do extra[name:lower()] = type(values) == "table" and values[1] or values end
  local answer, err = send(self, { method = "GET", url = segment.uri, headers = headers_for(self, segment.uri, extra) })
  if not answer then return nil, err end
  if answer.status ~= 200 then return nil, refused(self, answer) end
  local rows = json.decode(answer.body)
  if segment.ackUri then
    send(self, { method = "GET", url = segment.ackUri, headers = headers_for(self, segment.ackUri, extra) })
  end
  return rows
end

local function segment_rows(self, segment)
  local rows, err
  if segment.type == "inline" then
    rows = json.decode(self.unbase64(segment.data) or "")
  else
    rows, err = fetch_segment(self, segment)
    if err then return nil, err end
  end
  if type(rows) ~= "table" then
    return nil, errors.new("EngineUnavailable", ("the Trino cluster at %s sent a segment of rows that cannot be read"):format(self.shown))
  end
  return rows
end

-- The rows of an answer, whichever way they come.
local function rows_of(self, data)
  if data == nil or data == json.null then return {} end
  if not data.segments then return data end
  if data.encoding ~= "json" then
    return nil, errors.new("EngineUnavailable", ("the Trino cluster sends rows as '%s', which was not asked for"):format(tostring(data.encoding)))
  end
  local all = {}
  for _, segment in ipairs(data.segments) do
    local rows, err = segment_rows(self, segment)
    if not rows then return nil, err end
    table.move(rows, 1, #rows, #all + 1, all)
  end
  return all
end

-- Statements --------------------------------------------------------------------------------------------------------------

local function take(statement, body)
  statement.id, statement.next_uri = body.id or statement.id, body.nextUri
  statement.stats = body.stats or statement.stats
  statement.columns = body.columns or statement.columns
  if body.updateCount then statement.update_count = math.tointeger(body.updateCount) end
  statement.update_type = body.updateType or statement.update_type
  if body.error then return nil, M.failure(body.error) end
  return rows_of(statement.client, body.data)
end

-- Posts a statement. It runs only as its answers are read.
---@param sql string
---@param context {catalog: string?, schema: string?, parameters: string[]?}?   parameters: SQL literals for its question marks
---@return TrinoStatement? statement
---@return Error? err
function Client:submit(sql, context)
  context = context or {}
  local parameters = context.parameters
  if parameters and #parameters > 0 then
    sql = ("EXECUTE IMMEDIATE '%s' USING %s"):format(sql:gsub("'", "''"), table.concat(parameters, ", "))
  end
  local url = self.url .. "/v1/statement"
  local answer, err = send(self, { method = "POST", url = url, body = sql, headers = headers_for(self, url, {
    ["content-type"] = "text/plain; charset=utf-8", ["x-trino-source"] = context.source or SOURCE, ["x-trino-time-zone"] = "UTC",
    ["x-trino-catalog"] = context.catalog or self.catalog, ["x-trino-schema"] = context.schema,
    ["x-trino-query-data-encoding"] = "json",
    ["x-trino-client-capabilities"] = "PARAMETRIC_DATETIME" }) }, true) -- else every timestamp comes with three digits
  if not answer then return nil, err end
  local body
  body, err = decoded(self, answer)
  if not body then return nil, err end
  local statement = setmetatable({ client = self, stats = {} }, Statement)
  statement.pending, err = take(statement, body)
  if not statement.pending then return nil, err end
  return statement
end

-- The rows of the next answer, which may be none.
---@return table[]? rows    nil at the end, or with an error
---@return Error? err
function Statement:next()
  if self.pending then
    local rows = self.pending
    self.pending = nil
    if #rows > 0 then return rows end
  end
  if self.stopped then return nil, errors.new("QueryCancelled", "the query was cancelled") end
  if not self.next_uri then return nil end
  local client, uri = self.client, self.next_uri
  if origin(uri) ~= client.origin then
    return nil, errors.new("EngineUnavailable", ("the Trino cluster at %s sends its clients to another address; set SEWING_TRINO_URL to "
      .. "the address that it knows itself by, or http-server.process-forwarded on the cluster"):format(client.shown))
  end
  local answer, err = send(client, { method = "GET", url = uri, headers = headers_for(client, uri) })
  if not answer then return nil, err end
  local body
  body, err = decoded(client, answer)
  if not body then return nil, err end
  return take(self, body)
end

-- Tells the cluster to stop. Harmless when it has ended.
function Statement:cancel()
  self.stopped = true
  local uri, client = self.next_uri, self.client
  self.next_uri = nil
  if not uri or origin(uri) ~= client.origin then return end
  client.http { method = "DELETE", url = uri, headers = headers_for(client, uri), timeout = CONNECT_SECONDS, connect_timeout = CONNECT_SECONDS,
    ca_file = client.ca_file, http = "1.1" }
end

-- Runs a statement to its end.
---@return {rows: table[], columns: table[]?, update_count: integer?}? result
---@return Error? err
function Client:run(sql, context)
  local statement, err = self:submit(sql, context)
  if not statement then return nil, err end
  local all = {}
  while true do
    local rows, problem = statement:next()
    if not rows then
      if problem then return nil, problem end
      return { rows = all, columns = statement.columns, update_count = statement.update_count }
    end
    table.move(rows, 1, #rows, #all + 1, all)
  end
end

-- Making --------------------------------------------------------------------------------------------------------------------

local function authorization(options, base64)
  if options.token then return "Bearer " .. options.token end
  if options.password then return "Basic " .. base64(options.user .. ":" .. options.password) end
end

---@param options {url: string, user: string, password: string?, token: string?, catalog: string, ca_file: string?, retry_seconds: number?,
---  http: function?, sleep: function?, now: function?}
---@return TrinoClient?
---@return Error?
function M.new(options)
  local crypto = require "sm.crypto"
  local url = options.url:gsub("/+$", "")
  if not url:find("^https?://[^/@?#]+$") then
    return nil, errors.new("BadSetting", "SEWING_TRINO_URL must be http://host:port or https://host:port, without user and path")
  end
  if (options.password or options.token) and not url:find("^https:") then
    return nil, errors.new("BadSetting", "SEWING_TRINO_URL must be https:// when a password or token is sent")
  end
  return setmetatable({
    url = url, shown = url, origin = origin(url), user = options.user, catalog = options.catalog, ca_file = options.ca_file,
    authorization = authorization(options, crypto.base64), unbase64 = crypto.unbase64, retry_seconds = options.retry_seconds or RETRY_SECONDS,
    http = options.http or require("sm.http").request, sleep = options.sleep or require("sm.task").sleep,
    now = options.now or require("sm.time").monotonic,
  }, Client)
end

return M
