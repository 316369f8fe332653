-- Which words of the Trino dialect cannot name things unless they are quoted.

local M = {}

local function set(words)
  local result = {}
  for word in words:gmatch("%S+") do result[word] = true end
  return result
end

-- Every other word, keyword or not, is an identifier wherever one fits.
M.reserved = set [[
  ALTER AND AS BETWEEN BY CASE CAST CONSTRAINT CREATE CROSS CUBE CURRENT_CATALOG CURRENT_DATE CURRENT_PATH CURRENT_ROLE
  CURRENT_SCHEMA CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER DEALLOCATE DELETE DESCRIBE DISTINCT DROP ELSE END ESCAPE
  EXCEPT EXECUTE EXISTS EXTRACT FALSE FOR FROM FULL GROUP GROUPING HAVING IN INNER INSERT INTERSECT INTO IS JOIN
  JSON_ARRAY JSON_EXISTS JSON_OBJECT JSON_QUERY JSON_TABLE JSON_VALUE LEFT LIKE LISTAGG LOCALTIME LOCALTIMESTAMP NATURAL
  NORMALIZE NOT NULL ON OR ORDER OUTER PREPARE RECURSIVE RIGHT ROLLUP SELECT SKIP TABLE THEN TRIM TRUE UESCAPE UNION
  UNNEST USING VALUES WHEN WHERE WITH
]]

-- A word that may be an alias, but begins a clause when the next token is one of these.
-- `FROM t LIMIT 5` limits; `FROM t limit` names.
local number_or = function(...)
  local next_keys = { number = true, ["?"] = true }
  for _, key in ipairs { ... } do next_keys[key] = true end
  return next_keys
end
M.clause_start = {
  LIMIT = number_or("ALL"), OFFSET = number_or(), FETCH = { FIRST = true, NEXT = true }, WINDOW = { identifier = true },
  TABLESAMPLE = { BERNOULLI = true, SYSTEM = true }, MATCH_RECOGNIZE = { ["("] = true }, SET = { identifier = true },
}

return M
