-- Which statements a route lets through. Judged on the parsed tree, so a word in a literal, comment or quoted name
-- means nothing and a second statement cannot hide. What cannot be parsed does not pass.

local classify = require("lib.sql.classify")
local errors = require("lib.errors")
local lexer = require("lib.sql.lexer")
local parser = require("lib.sql.parser")
local suggest = require("lib.suggest")

local M = {}

local reading_words = {
  SELECT = true, WITH = true, VALUES = true, TABLE = true, SHOW = true, DESCRIBE = true, DESC = true, EXPLAIN = true, ["("] = true,
}

local function first_key(text)
  local ok, tokens = pcall(lexer.scan, text)
  return ok and tokens[1].key or nil
end

-- SELCT: no statement begins so, but a reading one nearly.
local function slip_of(word)
  return word and suggest.nearest(word, { "SELECT", "WITH", "VALUES", "TABLE", "SHOW",
    "DESCRIBE", "EXPLAIN" }, #word > 4 and 2 or 1)
end

local function unsafe(message, details)
  return nil, errors.new("UnsafeSql", message, details)
end

-- One statement that only reads: SELECT, WITH, VALUES, TABLE, SHOW, DESCRIBE, EXPLAIN of such.
-- A reading statement with a typing error gives SyntaxError, everything else that is refused UnsafeSql.
---@param text string
---@return table? tree, Error? err
function M.read_only(text)
  local tree, err = parser.statement(text)
  if not tree then
    local details = err.details or {}
    if err.code == "SyntaxError" and not details.several_statements and reading_words[first_key(text) or ""] then return nil, err end
    local meant = err.code == "SyntaxError" and not details.several_statements and slip_of(first_key(text))
    if meant then
      local place = err.message:match("^line %d+:%d+: mismatched input '[^']*'") or err.message
      return nil, errors.new("SyntaxError", ("%s. Did you mean '%s'?"):format(place, meant), details)
    end
    return unsafe(err.message, details)
  end
  local class = classify.classify(tree)
  if class.read_only then return tree end
  return unsafe(("%s is not allowed here: only SELECT, WITH, VALUES, TABLE, SHOW, DESCRIBE and EXPLAIN of them")
    :format((class.kind:gsub("_", " "))))
end

-- One query (SELECT, WITH, VALUES, TABLE), as /materialize takes it.
---@param text string
---@return table? tree, Error? err
function M.select(text)
  local tree, err = parser.statement(text)
  if not tree then return unsafe(err.message, err.details) end
  if tree.kind == "query" then return tree end
  local class = classify.classify(tree)
  return unsafe(("%s is not a query: only one SELECT, WITH, VALUES or TABLE is allowed"):format((class.kind:gsub("_", " "))))
end

return M
