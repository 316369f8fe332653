-- What the engine says about a translated statement, in Athena's words: a code, the place in the original text, and no
-- internals. Most faults are found before; what is left are values (division by zero, bad casts) and rarer bindings.

local errors = require("lib.errors")
local lexer = require("lib.sql.lexer")

local M = {}

-- engine text -> Athena's code and message; %1 is the first capture
local known = {
  { "Division by zero", "DIVISION_BY_ZERO", "Division by zero" },
  { "Cannot cast '(.-)' to ([%w%(%), ]+)", "INVALID_CAST_ARGUMENT", "Cannot cast '%1' to %2" },
  { "Could not convert string '(.-)' to ([%u%d]+)", "INVALID_CAST_ARGUMENT", "Cannot cast '%1' to %2" },
  { 'date field value out of range: "(.-)"', "INVALID_CAST_ARGUMENT", "Value cannot be cast to date: %1" },
  { 'invalid date field format: "(.-)"', "INVALID_CAST_ARGUMENT", "Value cannot be cast to date: %1" },
  { 'timestamp field value out of range: "(.-)"', "INVALID_CAST_ARGUMENT", "Value cannot be cast to timestamp: %1" },
  { 'invalid timestamp field format: "(.-)"', "INVALID_CAST_ARGUMENT", "Value cannot be cast to timestamp: %1" },
  { "Value .- cannot be represented as varchar", "INVALID_CAST_ARGUMENT", "%0" },
  { "Type %u+ with value (.-) can't be cast", "INVALID_CAST_ARGUMENT", "Value out of range: %1" },
  { 'Could not cast value (%S+) to (%S+)', "INVALID_CAST_ARGUMENT", "Cannot cast '%1' to %2" },
  { "Casting value \"(.-)\" to type (%S+) failed", "INVALID_CAST_ARGUMENT", "Cannot cast '%1' to %2" },
  { "Overflow in", "NUMERIC_VALUE_OUT_OF_RANGE", "value is out of range" },
  { "out of range", "NUMERIC_VALUE_OUT_OF_RANGE", "value is out of range" },
  { "More than one row returned by a subquery", "SUBQUERY_MULTIPLE_ROWS", "Scalar sub-query has returned multiple rows" },
  { "Array subscript must be less than or equal to array length: %-?%d+ > %d+", "INVALID_FUNCTION_ARGUMENT", "%0" },
  { "Array subscript is negative: %-?%d+", "INVALID_FUNCTION_ARGUMENT", "%0" },
  { "SQL array indices start at 1", "INVALID_FUNCTION_ARGUMENT", "%0" },
  { "Key not present in map: [^\n]*", "INVALID_FUNCTION_ARGUMENT", "%0" },
  { "Index must be greater than zero", "INVALID_FUNCTION_ARGUMENT", "%0" },
  { "Map keys must be unique", "INVALID_FUNCTION_ARGUMENT", "Duplicate map keys are not allowed" },
  { "Could not parse string \"(.-)\" according to format specifier", "INVALID_FUNCTION_ARGUMENT", "Invalid format: \"%1\"" },
  { "must appear in the GROUP BY clause", "EXPRESSION_NOT_AGGREGATE", "expression must be an aggregate expression or appear in GROUP "
    .. "BY clause" },
  { "must be part of the GROUP BY|cannot contain aggregates", "EXPRESSION_NOT_AGGREGATE", "aggregates are not allowed here" },
  { "aggregate function calls cannot be nested", "NESTED_AGGREGATION", "Cannot nest aggregations" },
  { "cannot contain aggregate", "EXPRESSION_NOT_SCALAR", "WHERE clause cannot contain aggregations or window functions" },
  { "No function matches", "FUNCTION_NOT_FOUND", "Unexpected parameters for a function" },
  { "Scalar Function with name (%S+) does not exist", "FUNCTION_NOT_FOUND", "Function '%1' not registered" },
  { "no argument for repetition operator", "INVALID_FUNCTION_ARGUMENT", "invalid regular expression" },
  { "missing %)", "INVALID_FUNCTION_ARGUMENT", "invalid regular expression: missing )" },
}

local function reworded(text)
  for _, rule in ipairs(known) do
    local captures = table.pack(text:find(rule[1]))
    if captures[1] then
      local message = rule[3]:gsub("%%(%d)", function(digit)
        if digit == "0" then return text:sub(captures[1], captures[2]) end
        return tostring(captures[2 + tonumber(digit)] or "")
      end)
      return rule[2], message
    end
  end
end

-- The original offset for an offset of the translated text.
---@param map table   list of {output offset, original offset}
---@param offset integer
function M.original(map, offset)
  local low, high, found = 1, #map, nil
  while low <= high do
    local middle = (low + high) // 2
    if map[middle][1] <= offset then
      found = map[middle][2]
      low = middle + 1
    else
      high = middle - 1
    end
  end
  return found
end

-- The engine shows "LINE 1: ...text..." and a caret below; both lines start alike.
local function caret_offset(message, text)
  local line, blanks = message:match("LINE %d+: ([^\n]*)\n(%s*)%^")
  if not line then return nil end
  local prefix = message:match("(LINE %d+: )")
  local column = #blanks - #prefix
  local shown = line:gsub("^%.%.%.", ""):gsub("%.%.%.$", "")
  local at = text:find(shown, 1, true)
  if not at then return nil end
  if line:find("^%.%.%.") then column = column - 3 end
  return at + column
end

-- Translates an engine failure. `query` is what translate.query gave; without it there is no position.
---@param failure Error|string   what the engine adapter returned (details.position: offset in the translated text, from 1)
---@param query {sql: string, map: table}?
---@param text string?           the original statement
---@return Error
function M.explain(failure, query, text)
  local message = type(failure) == "table" and failure.message or tostring(failure)
  local details = type(failure) == "table" and failure.details or {}
  local clean = message:gsub("^[^:]*: *(%u[%a ]- Error:)", "%1"):gsub("\n*LINE %d+:.*$", "")
  local athena_code, said = reworded(clean)
  local where, found = "", {}
  if query and query.map then
    local offset = details.position or caret_offset(message, query.sql)
    local original = offset and M.original(query.map, offset)
    if original and (text or query.text) then
      found.line, found.column = lexer.positions(text or query.text)(original)
      found.offset = original
      where = ("line %d:%d: "):format(found.line, found.column)
    end
  end
  athena_code = athena_code or "GENERIC_USER_ERROR"
  found.athena_code = athena_code
  return errors.new("QueryFailed", ("%s: %s%s"):format(athena_code, where, said or clean:gsub("^%u[%a ]- Error: ", "")), found)
end

return M
