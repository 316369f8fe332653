-- The engine of the warehouse port on a Trino cluster (see adapters/local/warehouse.lua for what an engine is). Statements
-- are judged by the same parser and guard as everywhere; what the cluster answers is kept as pages of text cells.
local dialect = require "adapters.trino.dialect"
local errors = require "lib.errors"
local files = require "sm.files"
local json = require "lib.json"
local results = require "adapters.local.warehouse.results"
local sql = require "lib.sql"
local suggest = require "lib.suggest"
local values = require "adapters.trino.values"

local M = {}

local Engine = {}
Engine.__index = Engine

local guards <const> = { query = sql.guard.read_only }

---@return table|nil tree, table|Error class
function Engine.parse(_, text, purpose)
  local tree, err = (guards[purpose] or sql.parse)(text)
  if not tree then return nil, err end
  return tree, sql.classify(tree)
end

local function stopped(held)
  return held.stopped and errors.new("QueryCancelled", "the query was cancelled") or nil
end

-- Posts the statement; its handle is in `held`, so that others can stop it.
local function submit(self, request, tree, held)
  local text, err = dialect.text(tree)
  if not text then return nil, err end
  if stopped(held) then return nil, stopped(held) end
  local statement
  statement, err = self.client:submit(text, { schema = request.database, parameters = request.parameters })
  if not statement then return nil, err end
  held.statement = statement
  if held.stopped then statement:cancel() end -- asked while the statement was on its way
  return statement
end

local function scanned(statement, request)
  local bytes = statement.stats.physicalInputBytes or statement.stats.processedBytes or 0
  local cap = request.max_scanned_bytes
  if cap and bytes > cap then
    return bytes, errors.new("LimitExceeded", ("the statement has read %d bytes, more than %d (SEWING_QUERY_MAX_SCAN)"):format(bytes, cap))
  end
  return bytes
end

local function first_cells(line)
  local cells = json.decode(line)
  for i = 1, #cells do
    if cells[i] == json.null then cells[i] = false end
  end
  return cells
end

local function shown_columns(statement)
  local list = {}
  for i, c in ipairs(statement.columns or {}) do list[i] = { name = c.name, type = values.type_name(c.type) } end
  return list
end

local function write_rows(file, rows, columns, done)
  local lines = {}
  for i, row in ipairs(rows) do lines[i] = values.line(row, columns) end
  done.first = done.first or first_cells(lines[1])
  lines[#lines + 1] = ""
  local text = table.concat(lines, "\n")
  done.rows, done.bytes = done.rows + #rows, done.bytes + #text
  local ok, message, code = file:write(text)
  if not ok then return nil, errors.from(message, code, "result file") end
  return true
end

-- Reads all answers; rows of queries go to the file.
local function drain(statement, request, file, held)
  local done = { rows = 0, bytes = 0 }
  while true do
    local rows, err = statement:next()
    if err then return nil, stopped(held) or err end
    held.scanned_bytes, err = scanned(statement, request)
    if err then return nil, err end
    if not rows then return done end
    if #rows > 0 and not statement.update_type then
      local ok
      ok, err = write_rows(file, rows, statement.columns, done)
      if ok then ok, err = results.within(done, request) end
      if not ok then return nil, err end
    end
  end
end

-- A table that is not there: the nearest name is said.
local function with_hint(self, err)
  local database, name = err.message:match("Table '[^'.]*%.([^'.]*)%.([^']*)' does not exist")
  if not database or not self.names then return err end
  return errors.new(err.code, err.message .. suggest.hint(name, self.names(database)), err.details)
end

-- Does a statement; the rows of those that give rows are in the file at path afterwards.
---@return {rows: integer, bytes: integer, columns: table[]?, first: table?}|nil done, Error? err
function Engine:execute(request, tree, _, held, path)
  local statement, err = submit(self, request, tree, held)
  if not statement then return nil, err end
  local _ <close> = setmetatable({}, { __close = function() statement:cancel() end }) -- harmless when it has ended
  local file <close>, message, code = files.open(path, "w")
  if not file then return nil, errors.from(message, code, "result file") end
  local done
  done, err = drain(statement, request, file, held)
  if done and not statement.update_type then
    done.columns = shown_columns(statement)
    return done
  end
  files.remove(path)
  if not done then return nil, with_hint(self, err) end
  return { rows = statement.update_count or 0, bytes = 0 }
end

-- Stops what `held` runs; asked from another task.
function Engine.interrupt(_, held)
  if held.statement then held.statement:cancel() end
end

function Engine:release(held) self:interrupt(held) end

-- Export --------------------------------------------------------------------------------------------------------------

local function csv_line(row, columns)
  local cells = {}
  for i, c in ipairs(columns) do
    local text = values.text(row[i], c.typeSignature)
    cells[i] = text and '"' .. text:gsub('"', '""') .. '"' or ""
  end
  return table.concat(cells, ",")
end

local function header(columns)
  local cells = {}
  for i, c in ipairs(columns) do cells[i] = '"' .. c.name:gsub('"', '""') .. '"' end
  return table.concat(cells, ",") .. "\n"
end

-- Numbers, truth values and lists keep their type; other cells are texts, as everywhere.
local typed <const> = { tinyint = true, smallint = true, integer = true, bigint = true, double = true, real = true, boolean = true }

local function ndjson_line(row, columns)
  local parts = {}
  for i, c in ipairs(columns) do
    local value = row[i]
    if value == nil then value = json.null end
    if value ~= json.null and not typed[c.typeSignature.rawType] and type(value) ~= "table" then value = values.text(value, c.typeSignature) end
    parts[i] = assert(json.encode(c.name)) .. ":" .. assert(json.encode(value))
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local writers <const> = { csv = csv_line, ndjson = ndjson_line }

---@return (fun(): string?, Error?)|nil read, Error? err
function Engine:reader(request, tree, _, held)
  local line = writers[request.format]
  if not line then
    return nil, errors.new("NotSupported", "the Trino engine gives downloads as csv and ndjson; for Parquet, materialize and read the table")
  end
  local statement, err = submit(self, request, tree, held)
  if not statement then return nil, err end
  local shown = request.format ~= "csv"
  return function()
    local rows, problem = statement:next()
    local head = ""
    if not shown and (rows or not problem) and statement.columns then head, shown = header(statement.columns), true end
    if not rows then return head ~= "" and head or nil, problem end
    local lines = {}
    for i, row in ipairs(rows) do lines[i] = line(row, statement.columns) .. "\n" end
    return head .. table.concat(lines)
  end
end

---@param client TrinoClient
---@param names (fun(database: string): string[])?  the tables of a database, for suggestions
---@return table engine
function M.new(client, names) return setmetatable({ client = client, names = names }, Engine) end

return M
