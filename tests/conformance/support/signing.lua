-- What the signing suites share: cases as folders of texts, and comparing with the first difference named.
local files = require "sm.files"

local M = {}

---@param path string
---@return string? text  without the line end at its end
function M.read(path)
  local text = files.read(path)
  return text and (text:gsub("\r\n", "\n"):gsub("\n+$", ""))
end

-- The names of the folders below, sorted.
function M.cases(folder)
  local out = {}
  for _, entry in ipairs(files.list(folder) or {}) do out[#out + 1] = entry.name end
  table.sort(out)
  return out
end

---Compares named texts; those that the vector does not have are not compared.
---@param pairs_ table[]  { what, got, wanted }
---@return boolean ok
---@return string? why
function M.compare(pairs_)
  local seen = false
  for _, one in ipairs(pairs_) do
    local what, got, wanted = one[1], one[2], one[3]
    if wanted then
      seen = true
      if got ~= wanted then return false, ("%s:\n%s\nwanted:\n%s"):format(what, tostring(got), wanted) end
    end
  end
  return seen, not seen and "nothing to compare" or nil
end

return M
