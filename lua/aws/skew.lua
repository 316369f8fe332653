-- The clock as the services see it. When one says that a signature is from another time, its Date header tells how far off
-- this machine is; later signatures are made with the corrected clock. One offset per process: there is one clock.
local M = {}

local WORTH <const> = 240 -- seconds; signatures are good for 300

local CODES <const> = {
  RequestTimeTooSkewed = true, RequestExpired = true, RequestInTheFuture = true, InvalidSignatureException = true,
  SignatureDoesNotMatch = true, AuthFailure = true, InvalidClientTokenId = false,
}

local offset = 0

---@param clock (fun(): number)?
---@return number seconds since 1970, corrected
function M.now(clock)
  return (clock or require("sm.time").now)() + offset
end

---@return number seconds
function M.offset() return offset end

function M.reset() offset = 0 end

---Learns from an answer that refused a signature's time. True: sign again, once.
---@param failure aws.Failure
---@param headers table?   of the answer
---@param clock (fun(): number)?
---@return boolean
function M.learn(failure, headers, clock)
  -- HEAD answers have no body and so no code
  if not (CODES[failure.code] or failure.status == 403 and (failure.code == "403" or failure.code == "Forbidden")) then return false end
  local date = headers and headers.date
  local theirs = date and require("aws.timestamp").parse(date, "rfc822")
  if not theirs then return false end
  local found = theirs - (clock or require("sm.time").now)()
  if math.abs(found - offset) < WORTH then return false end
  offset = found
  return true
end

return M
