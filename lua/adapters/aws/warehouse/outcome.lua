-- What Athena says about an execution, in the words of the port: its state, what kind of statement it was, and whose fault a
-- failure is.
local errors = require "lib.errors"
local failures = require "adapters.aws.failures"

local M = {}

local OVER <const> = { SUCCEEDED = true, FAILED = true, CANCELLED = true }
local SYSTEM_FAULT <const> = 1 -- AthenaError.ErrorCategory

---@param execution table
---@return boolean
function M.is_over(execution) return OVER[execution.Status.State] == true end

-- Kinds ------------------------------------------------------------------------------------------------------------

-- The first words of a statement, without comments.
local function words(sql)
  local text = " " .. sql
  repeat
    local before = text
    text = text:gsub("^%s+", ""):gsub("^%-%-[^\n]*", ""):gsub("^/%*.-%*/", "")
  until text == before
  local first, second = text:upper():match("^(%(*[%a]*)%s*(%a*)")
  return (first or ""):gsub("^%(+", "("), second or ""
end

local BY_WORD <const> = { SELECT = "SELECT", WITH = "SELECT", VALUES = "SELECT", TABLE = "SELECT", INSERT = "INSERT", UPDATE = "UPDATE",
  DELETE = "DELETE", MERGE = "MERGE", UNLOAD = "UNLOAD", EXPLAIN = "EXPLAIN", VACUUM = "VACUUM", OPTIMIZE = "OPTIMIZE",
  DESCRIBE = "DESCRIBE_TABLE", DESC = "DESCRIBE_TABLE" }

--- SubstatementType, or what the text says when there is none.
---@param execution table
---@return string
function M.kind(execution)
  if execution.SubstatementType then return execution.SubstatementType end
  local first, second = words(execution.Query or "")
  if first:sub(1, 1) == "(" then return "SELECT" end
  if first == "CREATE" and second == "TABLE" and execution.Query:upper():find("%f[%w]AS%f[%W]") then return "CREATE_TABLE_AS_SELECT" end
  return BY_WORD[first] or (first == "SHOW" or first == "CREATE" or first == "DROP" or first == "ALTER") and first .. "_" .. second or first
end

local HEADER <const> = { SELECT = true, EXPLAIN = true, EXECUTE = true, SHOW_FUNCTIONS = true }
local COUNTS <const> = { INSERT = true, UPDATE = true, DELETE = true, MERGE = true, CREATE_TABLE_AS_SELECT = true }

--- Whether the first row of the first page is the names of the columns.
function M.has_header(kind) return HEADER[kind] == true end

--- Whether the results hold the number of changed rows.
function M.has_count(kind) return COUNTS[kind] == true end

--- Whether the results hold rows.
function M.has_rows(kind) return HEADER[kind] or kind:find("^SHOW") ~= nil or kind:find("^DESC") ~= nil end

-- Failures ---------------------------------------------------------------------------------------------------------

-- The offset of line and column (in characters) in a text.
local function offset_of(text, line, column)
  local from = 1
  for _ = 2, line do
    local at = text:find("\n", from, true)
    if not at then return nil end
    from = at + 1
  end
  return utf8.offset(text, column, from) or from
end

local DENIED <const> = { "[Aa]ccess ?[Dd]enied", "PERMISSION_DENIED", "[Ii]nsufficient [Pp]ermission", "[Ii]nsufficient Lake Formation",
  "[Nn]ot authorized to perform" }
local TOO_MUCH <const> = { "[Qq]uery exhausted resources", "bytes scanned limit", "[Qq]uery timeout", "EXCEEDED_[%u_]*LIMIT",
  "EXCEEDED_MEMORY" }

local function holds(text, patterns)
  for _, pattern in ipairs(patterns) do
    if text:find(pattern) then return true end
  end
  return false
end

local function code_of(text, cause)
  if holds(text, DENIED) then return "Forbidden" end
  if holds(text, TOO_MUCH) then return "LimitExceeded" end
  if cause.ErrorCategory == SYSTEM_FAULT then return "ExternalServiceError" end
  if text:find("mismatched input") or text:find("^SYNTAX_ERROR: line %d+:%d+: mismatched") or text:find("extraneous input") then
    return "SyntaxError"
  end
  return "QueryFailed"
end

local function failed(text, cause, sql)
  local details = { athena_code = text:match("^([%u_]+): "), error_type = cause.ErrorType, retryable = cause.Retryable or nil }
  local line, column = text:match("line (%d+):(%d+)")
  if line then
    details.line, details.column = tonumber(line), tonumber(column)
    details.offset = sql and offset_of(sql, details.line, details.column)
  end
  local code = code_of(text, cause)
  if code == "Forbidden" then details.denied = true end
  return errors.new(code, text, details)
end

--- The error of an execution that ended badly.
---@param execution table
---@return Error|nil
function M.error(execution)
  local status = execution.Status
  if status.State == "CANCELLED" then return errors.new("QueryCancelled", "the query was cancelled") end
  if status.State ~= "FAILED" then return nil end
  local cause = status.AthenaError or {}
  return failed(status.StateChangeReason or cause.ErrorMessage or "the query failed", cause, execution.Query)
end

-- Texts of an InvalidRequestException, each with what it means.
local REFUSED <const> = {
  { "Idempotent parameters do not match", "Conflict" }, { "[Ww]as not found", "NotFound" }, { "not found", "NotFound" },
  { "[Mm]alformed nextPageToken", "BadParam" }, { "[Nn]extToken", "BadParam" }, { "not yet finished", "Conflict" },
  { "did not finish successfully", "QueryFailed" }, { "Could not find results", "QueryCancelled" },
  { "not supported", "NotSupported" }, { "Only one sql statement", "SyntaxError" }, { "mismatched input", "SyntaxError" },
  { "extraneous input", "SyntaxError" }, { "line %d+:%d+", "SyntaxError" },
}

--- A call that Athena refused, as an error.
---@param failure aws.Failure
---@param context string
---@param sql string?
---@return Error
function M.refusal(failure, context, sql)
  if errors.is(failure) or failure.code ~= "InvalidRequestException" then return failures.error(failure, context) end
  local text = failure.message
  for _, rule in ipairs(REFUSED) do
    if text:find(rule[1]) then
      local err = failed(text, {}, sql)
      return errors.new(rule[2], text, err.details)
    end
  end
  return errors.new("QueryFailed", text, { athena_code = failure.members and failure.members.AthenaErrorCode })
end

return M
