-- Text -> tree, or an error with line and column. The grammar is in parse/.

local Cursor = require("lib.sql.parse.cursor")
local errors = require("lib.errors")
local lexer = require("lib.sql.lexer")
require("lib.sql.parse.type")
require("lib.sql.parse.expression")
require("lib.sql.parse.primary")
require("lib.sql.parse.query")
require("lib.sql.parse.relation")
local statement = require("lib.sql.parse.statement")

local M = {}

-- Runs a grammar rule over the text; failures come back as values {sql_pos, message}.
local function attempt(text, rule, tracking)
  local ok, result = pcall(function() return rule(Cursor.new(text, tracking)) end)
  if ok then return result end
  if type(result) == "table" and result.sql_pos then return nil, result end
  error(result, 0)
end

local function parse(text, rule)
  local tree, failure = attempt(text, rule, false)
  if tree then return tree end
  if failure.message:find("^mismatched") then
    -- again, this time noting what would have fitted
    local _, explained = attempt(text, rule, true)
    failure = explained or failure
  end
  local line, column = lexer.positions(text)(failure.sql_pos)
  local message = ("line %d:%d: %s"):format(line, column, failure.message)
  return nil, errors.new(failure.refused and "NotSupported" or "SyntaxError", message, {
    line = line, column = column, offset = failure.sql_pos, several_statements = failure.several,
  })
end

-- Exactly one statement; a trailing semicolon and comments are fine.
---@param text string
---@return table? tree, Error? err
function M.statement(text)
  if type(text) ~= "string" then return nil, errors.new("SyntaxError", "the statement must be text") end
  return parse(text, statement.single)
end

---@param text string
---@return table? tree, Error? err
function M.expression(text)
  return parse(text, statement.expression)
end

return M
