-- Places in a caller's query that we wrote into a statement of ours: errors shall speak of what the caller sent.
local errors = require "lib.errors"

local M = {}

--- The error as it looks in the caller's own text; unchanged when its place is not in there.
---@param err Error
---@param statement string   what was run
---@param query string       the part of it that is the caller's, as text
---@param sent string        the caller's text, which holds the query
---@return Error
function M.in_query(err, statement, query, sent)
  local offset = errors.is(err) and err.details and err.details.offset
  local inside, outside = statement:find(query, 1, true), sent:find(query, 1, true)
  if not offset or not inside or not outside or offset < inside or offset >= inside + #query then return err end
  local own = offset - inside + outside
  local line, column = require("lib.sql.lexer").positions(sent)(own)
  local details = {}
  for name, value in pairs(err.details) do details[name] = value end
  details.line, details.column, details.offset = line, column, own
  return errors.new(err.code, (err.message:gsub("line %d+:%d+", ("line %d:%d"):format(line, column), 1)), details)
end

return M
