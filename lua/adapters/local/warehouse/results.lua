-- Results on disk: one JSON array of cells per line, as the engine renders them. A page is one read at a byte offset,
-- so its cost does not depend on the size of the result.
local errors = require "lib.errors"
local files = require "sm.files"
local json = require "lib.json"

local M = {}

local CHUNK <const> = 1 << 20

function M.path(folder, id) return ("%s/%s.rows"):format(folder, id) end

local function over(what, limit, setting)
  return errors.new("LimitExceeded", ("the result has more than %d %s (%s)"):format(limit, what, setting), { limit = setting,
    value = limit })
end

-- Whether a result is still as small as it may be.
---@param done {rows: integer, bytes: integer}
---@param caps {max_rows: integer?, max_bytes: integer?}
---@return boolean|nil ok, Error? err
function M.within(done, caps)
  if caps.max_rows and done.rows > caps.max_rows then return nil, over("rows", caps.max_rows, "SEWING_QUERY_MAX_ROWS") end
  if caps.max_bytes and done.bytes > caps.max_bytes then return nil, over("bytes", caps.max_bytes, "SEWING_QUERY_MAX_BYTES") end
  return true
end

local function column_list(columns)
  local list = {}
  for i, c in ipairs(columns) do list[i] = { name = c.name, type = c.athena_type or c.type } end
  return list
end
M.column_list = column_list

-- Copies everything a cursor has into a file. What was written of a failed result is removed.
---@param cursor table
---@param path string
---@param caps {max_rows: integer?, max_bytes: integer?}
---@return {rows: integer, bytes: integer}|nil done, Error? err
function M.spill(cursor, path, caps)
  local file <close>, message, code = files.open(path, "w")
  if not file then return nil, errors.from(message, code, "result file") end
  local done, problem = { rows = 0, bytes = 0 }, nil
  while not problem do
    local text, count = cursor:render("rows", CHUNK)
    if not text then
      problem = count
      break
    end
    done.rows, done.bytes = done.rows + count, done.bytes + #text
    local ok
    ok, problem = M.within(done, caps)
    if ok then
      ok, message, code = file:write(text)
      if not ok then problem = errors.from(message, code, "result file") end
    end
  end
  if not problem then return done end
  files.remove(path)
  return nil, problem
end

-- Rows that did not come from the engine (SHOW, DESCRIBE): lists of texts, false for NULL.
function M.write(path, rows)
  local lines = {}
  for i, row in ipairs(rows) do
    local cells = json.list()
    for j, cell in ipairs(row) do cells[j] = cell or json.null end
    lines[i] = assert(json.encode(cells)) .. "\n"
  end
  local text = table.concat(lines)
  local ok, message, code = files.write(path, text)
  if not ok then return nil, errors.from(message, code, "result file") end
  return { rows = #rows, bytes = #text }
end

-- Up to max_rows lines from a byte offset: the lines, and where the next page begins.
---@return string[]|nil lines, integer|Error next_offset
function M.read(path, offset, max_rows)
  local file <close>, message, code = files.open(path, "r")
  if not file and code == "not_found" then return nil, errors.new("NotFound", "the result is no longer kept: run the query again") end
  if not file then return nil, errors.from(message, code, "result file") end
  local lines, rest, at = {}, "", offset
  while #lines < max_rows do
    local text
    text, message, code = file:pread(at + #rest, CHUNK)
    if not text then
      if message then return nil, errors.from(message, code, "result file") end
      break
    end
    if #text == 0 then break end
    rest = rest .. text
    local from = 1
    while #lines < max_rows do
      local newline = rest:find("\n", from, true)
      if not newline then break end
      lines[#lines + 1] = rest:sub(from, newline - 1)
      from = newline + 1
    end
    at = at + from - 1
    rest = rest:sub(from)
  end
  return lines, at
end

return M
