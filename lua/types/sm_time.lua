---@meta sm.time
-- Times are seconds since 1970 (UTC), exact to a microsecond. The machine's time zone plays no part.

---@class sm.time
local time = {}

---@return number seconds since 1970
function time.now() end

---Never goes back; for measuring.
---@return number seconds since some moment
function time.monotonic() end

---"2026-11-21T09:00:00Z". Years 0001 to 9999, else it raises.
---@param t? number default now
---@param digits? integer 0 to 6 digits of the second, cut and not rounded; default 0
---@return string
function time.iso(t, digits) end

---A date alone is its midnight; without a zone the time is UTC.
---@param text string
---@return number? seconds
---@return string? message
---@return string? code "invalid"
function time.parse_iso(text) end

---"2026-11-21", the day in UTC.
---@param t? number default now
---@return string
function time.date(t) end

return time
