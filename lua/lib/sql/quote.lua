-- Names and texts as SQL writes them, for the engine and for the dialect: the one place that doubles quotation marks.
local M = {}

-- "name", whatever is in it.
---@param name string
---@return string
function M.name(name) return '"' .. name:gsub('"', '""') .. '"' end

-- 'text', whatever is in it.
---@param text string
---@return string
function M.text(text) return "'" .. text:gsub("'", "''") .. "'" end

return M
