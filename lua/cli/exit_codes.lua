-- What the command line tells its caller: the one table of exit codes, and the code of each error.
local M = {
  OK = 0, FAILED = 1, USAGE = 2, NOT_FOUND = 3, REFUSED = 4, TIMEOUT = 5, CONFLICT = 6, INTERRUPTED = 130,
}

M.meaning = {
  [0] = "done", [1] = "failed", [2] = "the command line or a setting is wrong", [3] = "not found",
  [4] = "refused by a rule", [5] = "took too long", [6] = "conflict or cooldown", [130] = "interrupted",
}

local by_code = {
  Usage = M.USAGE, BadSetting = M.USAGE, BadJson = M.USAGE, BadRequest = M.USAGE, MissingParam = M.USAGE, BadParam = M.USAGE,
  NotFound = M.NOT_FOUND,
  UnsafeSql = M.REFUSED, Unauthorized = M.REFUSED, Forbidden = M.REFUSED, EmptyResult = M.REFUSED,
  Timeout = M.TIMEOUT,
  Conflict = M.CONFLICT, CooldownActive = M.CONFLICT, DataFolderBusy = M.CONFLICT, AddressInUse = M.CONFLICT,
  TooManyRequests = M.CONFLICT,
  Cancelled = M.INTERRUPTED, QueryCancelled = M.INTERRUPTED,
}

---@param code string  an error code
---@return integer
function M.of(code)
  return by_code[code] or M.FAILED
end

return M
