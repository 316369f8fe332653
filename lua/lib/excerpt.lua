-- The lines around a place in a text, for people who have to find a fault.
local M = {}

local AROUND <const> = 2
local MAX_LINE <const> = 200

local function lines_of(source)
  local lines = {}
  for line in (source .. "\n"):gmatch("(.-)\r?\n") do lines[#lines + 1] = line end
  return lines
end

-- "   4 | local x\n>  5 | error()\n   6 | end"; "" when there is no such line.
---@param source string
---@param line integer
---@return string
function M.of(source, line)
  local lines, out = lines_of(source), {}
  if not lines[line] then return "" end
  for i = math.max(1, line - AROUND), math.min(#lines, line + AROUND) do
    out[#out + 1] = ("%s %4d | %s"):format(i == line and ">" or " ", i, lines[i]:sub(1, MAX_LINE))
  end
  return table.concat(out, "\n")
end

-- The line with a caret below the column (counted in characters).
---@param source string
---@param line integer
---@param column integer
---@return string
function M.caret(source, line, column)
  local text = lines_of(source)[line]
  if not text then return "" end
  local before = {}
  for i, code in utf8.codes(utf8.len(text) and text or text:gsub("[\x80-\xff]", "?")) do
    if #before >= column - 1 then break end
    before[#before + 1] = code == 9 and "\t" or " "
    if i > MAX_LINE then break end
  end
  return ("%s\n%s^"):format(text:sub(1, MAX_LINE), table.concat(before))
end

return M
