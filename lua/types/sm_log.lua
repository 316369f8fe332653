---@meta sm.log

---@class sm.log
local log = {}

---One line to stderr, buffered for this turn of the loop.
---@param line string
function log.write(line) end

---One record in the platform's frame (type, length, time, text), written at once.
---@param fd integer
---@param type integer
---@param line string
function log.frame(fd, type, line) end

---The record of one answered request, as text.
---@param method string
---@param path string       as JSON, quotes included
---@param status integer
---@param seconds number
---@param bytes integer
---@param request_id string
---@return string
function log.access(method, path, status, seconds, bytes, request_id) end

return log
