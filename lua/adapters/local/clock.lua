-- The host's clock.
local time = require "sm.time"

local M = {}

---@return table clock  port clock
function M.new()
  return { now = time.now, today = function() return time.date() end, iso = function(t) return time.iso(t) end }
end

return M
