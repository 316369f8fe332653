-- Which SQL people may send. The parser of the dialect decides, not a search for words.
local template = require "lib.sql_template"

local M = {}

-- Parsing costs time at load; it is fetched with the first statement.
local function guard() return require "lib.sql.guard" end

-- The statement without what follows it: a closing semicolon, a comment, which would swallow the rest of a composition.
local function bare(sql)
  local tokens = require("lib.sql.lexer").scan(sql)
  local last = #tokens
  while tokens[last].kind == "end" or tokens[last].key == ";" do last = last - 1 end
  return sql:sub(tokens[1].pos, tokens[last].stop)
end

--- Reading only: one SELECT, WITH, VALUES, TABLE, SHOW, DESCRIBE or EXPLAIN.
---@param sql string
---@return boolean|nil ok, Error?   UnsafeSql, SyntaxError
function M.read_only(sql)
  local tree, err = guard().read_only(sql)
  if not tree then return nil, err end
  return true
end

--- One query whose rows become a table.
---@param sql string
---@return table|nil checked, Error?   fit for a template parameter of kind checked_select
function M.select(sql)
  local tree, err = guard().select(sql)
  if not tree then return nil, err end
  return template.checked(bare(sql))
end

return M
