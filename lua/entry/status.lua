-- The one table from error code to HTTP status, and what else the envelope of a code needs.
local M = {}

M.of = {
  BadJson = 400, BadRequest = 400, MissingParam = 400, BadParam = 400, BadS3Uri = 400, UnsafeSql = 400,
  SyntaxError = 400, NotSupported = 400, QueryFailed = 400, Usage = 400,
  Unauthorized = 401, Forbidden = 403, NotFound = 404, MethodNotAllowed = 405, NotAcceptable = 406,
  Conflict = 409, QueryCancelled = 409, EmptyResult = 409, DataTestFailed = 409, DataFolderBusy = 409,
  PayloadTooLarge = 413, UnsupportedMediaType = 415, RangeNotSatisfiable = 416,
  CooldownActive = 429, TooManyRequests = 429,
  InternalError = 500, BadSetting = 500,
  ExternalServiceError = 502,
  LimitExceeded = 503, EngineUnavailable = 503, ServiceUnavailable = 503, Cancelled = 503, AddressInUse = 503,
  Timeout = 504,
}

-- Codes whose details stand beside `error` in the answer instead of inside it.
M.siblings = { CooldownActive = true, TooManyRequests = true }

M.reasons = {
  [200] = "OK", [201] = "Created", [202] = "Accepted", [204] = "No Content", [206] = "Partial Content",
  [304] = "Not Modified", [400] = "Bad Request", [401] = "Unauthorized", [403] = "Forbidden", [404] = "Not Found",
  [405] = "Method Not Allowed", [406] = "Not Acceptable", [409] = "Conflict", [413] = "Content Too Large",
  [415] = "Unsupported Media Type", [416] = "Range Not Satisfiable", [429] = "Too Many Requests",
  [500] = "Internal Server Error", [502] = "Bad Gateway", [503] = "Service Unavailable", [504] = "Gateway Timeout",
}

return M
