-- The translator as a filter, so that it can be judged from outside: one JSON object with `sql` per line in, one with
-- `sql` (and `columns`) or `error` per line out. `tables` in the input tells the columns of tables by name; others are
-- taken to exist, with columns nobody knows. {"prelude": true} asks for the statements that an engine needs first.

local json = require("lib.json")
local names = require("lib.sql.names")
local sql = require("lib.sql")

local M = {}

-- {"people": [{"name": "id", "type": "bigint"}], "db.visits": {...}} -> ctx.table
local function catalog(tables)
  return function(ref)
    -- other names could mean files to the engine
    for _, part in ipairs { ref.database, ref.table } do
      if not part:find("^[%a_][%w_]*$") then return nil end
    end
    local columns = tables[names.shown { database = ref.written_database, table = ref.table }] or tables[names.shown(ref)]
      or tables[ref.table]
    local parts = {}
    for _, part in ipairs { ref.written_database or false, ref.table .. (ref.suffix or "") } do
      if part then parts[#parts + 1] = names.quote(part) end
    end
    return { sql = table.concat(parts, "."), columns = columns, open = columns == nil }
  end
end

---@param object table  {sql, database?, tables?, parameters?}
---@return table        {sql, columns} or {error, code, line?, column?}
function M.answer(object)
  local function failed(err)
    local details = err.details or {}
    return { error = err.message, code = err.code, line = details.line, column = details.column }
  end
  local tree, err = sql.parse(object.sql)
  if not tree then return failed(err) end
  local ctx = { database = object.database or "default", parameters = object.parameters, table = catalog(object.tables or {}) }
  local inner = tree.kind == "explain" and tree.statement or tree
  local result
  result, err = sql.translate.query(inner, ctx)
  if not result then return failed(err) end
  return { sql = (tree.kind == "explain" and (tree.analyze and "EXPLAIN ANALYZE " or "EXPLAIN ") or "") .. result.sql,
    columns = json.list(result.columns) }
end

---@param line string
---@return string answer  one line of JSON
---@return boolean ok     whether it holds a translation
function M.translate(line)
  local object, err = json.decode(line)
  local answer
  if type(object) == "table" and object.prelude == true then return json.encode { statements = json.list(sql.macros) }, true end
  if type(object) ~= "table" or type(object.sql) ~= "string" then
    local message = err and (type(err) == "table" and err.message or err) or "each line must be a JSON object with a text `sql`"
    answer = { error = tostring(message), code = "BadJson" }
  else
    answer = M.answer(object)
  end
  return json.encode(answer), answer.sql ~= nil
end

return M
