-- The translator as a filter, so that it can be judged from outside: one JSON object with `sql` per line in, one with
-- `sql` (and `columns`) or `error` per line out.

local sql = require("lib.sql")

local M = {}

-- No catalog here: tables are read under their own names, columns unknown.
local function no_table()
  return nil
end

---@param text string   a statement of the dialect
---@param ctx table?    what sql.translate.query takes; without one no table exists
---@return table        {sql, columns} or {error, code}
function M.translate(text, ctx)
  local tree, err = sql.parse(text)
  if not tree then return { error = err.message, code = err.code } end
  local result
  result, err = sql.translate.query(tree, ctx or { database = "default", table = no_table })
  if not result then return { error = err.message, code = err.code } end
  return { sql = result.sql, columns = result.columns }
end

---@param read fun(): string?          next line
---@param write fun(line: string)
---@param json {decode: function, encode: function}
---@param ctx table?
function M.run(read, write, json, ctx)
  for line in read do
    if line:find("%S") then
      local object, message = json.decode(line)
      local answer
      if type(object) ~= "table" or type(object.sql) ~= "string" then
        answer = { error = message or "each line must be a JSON object with a text `sql`", code = "BadJson" }
      else
        answer = M.translate(object.sql, ctx)
      end
      write(json.encode(answer))
    end
  end
end

return M
