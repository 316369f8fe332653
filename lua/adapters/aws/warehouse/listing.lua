-- A result as CSV from its pages, where there is no file to hand through: SHOW, DESCRIBE and EXPLAIN, which Athena keeps as
-- plain text, and workgroups that keep results to themselves.
local cells = require "adapters.aws.warehouse.cells"

local M = {}

local function field(value) return value == false and "" or '"' .. value:gsub('"', '""') .. '"' end

local function line(values)
  local parts = {}
  for i, value in ipairs(values) do parts[i] = field(value) end
  return table.concat(parts, ",") .. "\n"
end

---@param warehouse table
---@param execution table
---@param read_page function
---@return fun(): string?, Error?
function M.csv_reader(warehouse, execution, read_page)
  local token, ended, begun
  return function()
    if ended then return nil end
    local output, rows = read_page(warehouse, execution, 1000, token)
    if not output then return nil, rows end
    local names = cells.columns(output)
    local lines = {}
    if not begun then lines[1] = line(names) end
    for _, row in ipairs(rows) do lines[#lines + 1] = line(cells.texts(row, #names)) end
    token, begun = output.NextToken, true
    ended = not token or token == ""
    return table.concat(lines)
  end
end

return M
