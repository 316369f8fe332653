-- The first line of a CSV file, read by ourselves. The engine guesses the dialect from all lines, so one torn row can make
-- it take another line for the header; then the header says what the dialect is, and the engine which row is torn.
local errors = require "lib.errors"
local files = require "sm.files"

local M = {}

local MOST_BYTES <const> = 64 << 10
local DELIMITERS <const> = { ",", ";", "\t", "|" }
local BOM <const> = "\xEF\xBB\xBF"

--- The names in a line of CSV; quoted ones may hold the delimiter.
---@param line string
---@param delimiter string   one character
---@return string[]
function M.fields(line, delimiter)
  local out, at = {}, 1
  while true do
    local quoted, after = line:match('^%s*"([^"]*)"%s*()', at)
    local stop
    if quoted and (after > #line or line:sub(after, after) == delimiter) then
      out[#out + 1], stop = quoted, after
    else
      stop = line:find(delimiter, at, true) or #line + 1
      out[#out + 1] = line:sub(at, stop - 1)
    end
    if stop > #line then return out end
    at = stop + 1
  end
end

--- Delimiter and names of a file's header: of the usual delimiters the one that gives most names.
---@param path string
---@param name string   what the file is called in messages
---@return {delimiter: string, names: string[]}|nil header, Error?
function M.read(path, name)
  local file <close>, message, code = files.open(path, "r")
  if not file then return nil, errors.from(message, code, name) end
  local text
  text, message, code = file:read(MOST_BYTES)
  if message then return nil, errors.from(message, code, name) end
  text = text or ""
  if text:sub(1, #BOM) == BOM then text = text:sub(#BOM + 1) end
  local line = text:match("^[\r\n]*([^\r\n]+)")
  if not line then return nil, errors.new("BadParam", name .. " is empty: not even a line with the names of its columns") end
  local best
  for _, delimiter in ipairs(DELIMITERS) do
    local names = M.fields(line, delimiter)
    if not best or #names > #best.names then best = { delimiter = delimiter, names = names } end
  end
  return best
end

return M
