-- Which SQL people may send. The parser of the dialect decides, not a search for words.
local template = require "lib.sql_template"

local M = {}

-- Parsing costs time at load; it is fetched with the first statement.
local function guard() return require "lib.sql.guard" end

local function bare(sql) return (sql:gsub("[%s;]+$", "")) end

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
  -- A comment at the end would swallow what follows in the composed statement: end it with a line break.
  return template.checked(bare(sql) .. "\n")
end

return M
