---@meta sm.gzip
-- Bytes in the form that gzip reads. Same bytes in, same bytes out.

---@class sm.gzip
local gzip = {}

---@param bytes string
---@return string? gzip
---@return string? message
---@return string? code
function gzip.compress(bytes) end

return gzip
