-- The dialect of Athena (Trino's SQL with Athena's DDL): parse, judge, translate to the engine.
-- The parts are in lib/sql/; callers use this table only.

local classify = require("lib.sql.classify")
local guard = require("lib.sql.guard")
local parser = require("lib.sql.parser")
local macros = require("lib.sql.macros")
local registry = require("lib.sql.functions.registry")
local translate = require("lib.sql.translate")
local types = require("lib.sql.parse.type")

local M = {}

M.parse = parser.statement
M.parse_expression = parser.expression
M.parse_type = types.parse
M.classify = classify.classify
M.guard = guard
M.translate = translate

-- CREATE MACRO statements that a fresh engine needs before the first translated statement.
M.macros = macros.statements()

-- Names of all functions, sorted: for SHOW FUNCTIONS.
---@return string[]
function M.function_names()
  local list = registry.names()
  table.sort(list)
  return list
end

return M
