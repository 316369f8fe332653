-- Failures as values, and the one list of codes. A code is a promise to callers; messages are free to improve.
local M = {}

---@class Error
---@field code string      one of errors.codes
---@field message string   what happened, on what, what to do next
---@field details table?   machine-readable extras, snake_case keys

local Error = {}
Error.__index = Error
Error.__name = "Error"
Error.__tostring = function(err) return err.code .. ": " .. err.message end

-- code -> { meaning, advice }. `sewing explain CODE` prints both.
M.codes = {
  BadJson = { "The request body is not JSON.", "The message names line and column. Send one JSON object, or nothing." },
  BadRequest = { "The request has the wrong shape.", "A body must be a JSON object; nested objects must be objects too." },
  MissingParam = { "A required field is absent.", "`error.details` lists every missing field by JSON pointer." },
  BadParam = { "A field has a value that cannot be accepted.", "`error.details` lists every refused field and why." },
  BadS3Uri = { "A layer prefix is not of the form s3://bucket/prefix/.", "Mend the BRONZE/SILVER/GOLD_PREFIX_S3 setting." },
  BadSetting = { "One or more settings cannot be used.", "Each problem names its variable; `sewing doctor` lists them all." },
  UnsafeSql = { "The statement may do more than this route allows.",
    "/query reads only: one SELECT, WITH, VALUES, TABLE, SHOW, DESCRIBE or EXPLAIN. /materialize takes one query." },
  SyntaxError = { "The SQL text could not be parsed.", "`error.details` holds line, column and offset." },
  NotSupported = { "The request is understood but not offered here.", "The message names the construct; rewrite without it." },
  UnsupportedMediaType = { "The body is not JSON.", "Send Content-Type: application/json." },
  NotAcceptable = { "No answer format matches the Accept header.", "Ask for application/json, or one the route lists." },
  Unauthorized = { "The caller did not prove who it is.", "Send Authorization: Bearer TOKEN with a valid, unexpired token." },
  Forbidden = { "This is not allowed.", "The message says why. Signed URLs expire and break when altered: ask for fresh ones." },
  NotFound = { "There is no such thing.", "The message says which list shows what exists." },
  MethodNotAllowed = { "The path exists, with another method.", "The Allow header lists the methods of this path." },
  RangeNotSatisfiable = { "The asked range lies outside of the file.", "The Content-Range header names the file's size." },
  Conflict = { "Something else holds what this needs, or its state has changed.", "Look at the current state, then try again." },
  CooldownActive = { "A refresh was started recently.", "Wait `retryAfterSeconds`, or follow the running job." },
  TooManyRequests = { "Too many requests at once.", "Wait `retryAfterSeconds` and try again." },
  PayloadTooLarge = { "The request or a part of it is too large.", "The message names the limit." },
  EmptyResult = { "An empty result would have replaced a table that has rows.", "Send allowEmpty: true when that is meant." },
  DataTestFailed = { "A data test stopped the refresh before the next layer.",
    "The message names test, table and count; mend the source and refresh again." },
  QueryFailed = { "The engine refused or failed the statement.", "The message is the engine's; mend the statement." },
  QueryCancelled = { "The query was cancelled.", "Start it again when that was not meant." },
  LimitExceeded = { "A limit of the host stopped the work.", "The message names the limit and its value." },
  Timeout = { "The work did not end in time.", "Ask for less, or raise the limit (see `sewing doctor`)." },
  Cancelled = { "The work was cancelled.", "The caller left or the server is stopping." },
  EngineUnavailable = { "The query engine could not be loaded.", "`sewing doctor` says where it is looked for." },
  ExternalServiceError = { "A service this one depends on failed.", "Try again; the log has the service's answer." },
  ServiceUnavailable = { "This server cannot answer at the moment.",
    "It is starting, stopping, or a use case failed to load: see /health." },
  DataFolderBusy = { "Another server holds the data folder.", "Stop it, or give this one another folder with --data." },
  AddressInUse = { "The address cannot be listened on.", "Stop the other program, or choose another --port." },
  Usage = { "The command line is not understood.", "`sewing help COMMAND` shows how it is used." },
  InternalError = { "A fault on our side.", "The log has the traceback under the same request id." },
}

-- What the C modules call their statuses -> our code. Adapters may know better and say so themselves.
local from_status = {
  not_found = "NotFound", conflict = "Conflict", exists = "Conflict", timeout = "Timeout", cancelled = "Cancelled",
  limit = "LimitExceeded", io = "ExternalServiceError", engine = "QueryFailed", invalid = "BadParam",
  refused = "Forbidden", closed = "ServiceUnavailable", no_memory = "LimitExceeded",
}

---@param code string
---@param message string
---@param details table?
---@return Error
function M.new(code, message, details)
  if not M.codes[code] then error("unknown error code '" .. tostring(code) .. "'", 2) end
  return setmetatable({ code = code, message = message, details = details }, Error)
end

---@param value any
---@return boolean
function M.is(value)
  return type(value) == "table" and getmetatable(value) == Error
end

-- For `nil, message, code` of a C module: local f, message, code = files.read(p); return nil, errors.from(message, code, "read settings")
---@param message string
---@param status string?   the C module's code
---@param context string?  what was being done
---@return Error
function M.from(message, status, context)
  local text = tostring(message)
  if context then text = context .. ": " .. text end
  return M.new(from_status[status or ""] or "InternalError", text)
end

-- The same error with a context in front of its message. The original is left alone.
---@param err Error
---@param context string
---@return Error
function M.wrap(err, context)
  if not M.is(err) then return M.new("InternalError", context .. ": " .. tostring(err)) end
  return M.new(err.code, context .. ": " .. err.message, err.details)
end

return M
