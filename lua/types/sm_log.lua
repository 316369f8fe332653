---@meta sm.log

---@class sm.log
local log = {}

---One line to stderr, buffered for this turn of the loop.
---@param line string
function log.write(line) end

return log
