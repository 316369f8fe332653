-- Fields of events, which anybody may have written: what is not of the kind that is wanted counts as absent, as JSON null does.
local M = {}

local NOTHING <const> = {}

---@param value any
---@return string?
function M.text(value)
  if type(value) == "string" then return value end
end

---@param value any
---@return table?
function M.object(value)
  if type(value) == "table" then return value end
end

-- A table to look into, for reading only.
---@param value any
---@return table
function M.within(value)
  return type(value) == "table" and value or NOTHING
end

-- The records of a list, each a table.
---@param list any
---@return table[]
function M.records(list)
  local out = {}
  for i, record in ipairs(M.within(list)) do out[i] = M.within(record) end
  return out
end

return M
