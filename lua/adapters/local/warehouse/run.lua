-- One statement from text to result: parse, classify, resolve, translate, engine. Knows nothing of ids, queues or callers.
local errors = require "lib.errors"
local json = require "lib.json"
local resolve = require "adapters.local.warehouse.resolve"
local results = require "adapters.local.warehouse.results"
local show = require "adapters.local.warehouse.show"
local sql = require "lib.sql"
local statements = require "adapters.local.warehouse.statements"

local M = {}

-- What a purpose may run. Whoever asks, /query only reads.
local guards = { query = sql.guard.read_only }

---@param text string
---@param purpose string
---@return table|nil tree, table|Error class
function M.parse(text, purpose)
  local tree, err = (guards[purpose] or sql.parse)(text)
  if not tree then return nil, err end
  return tree, sql.classify(tree)
end

-- The engine's words about a statement in the caller's: positions in the text that was sent, Athena's codes.
local function engine_error(err, query, run)
  local from_engine = err.code == "QueryFailed" and err.details and err.details.engine_kind
  return from_engine and sql.translate.engine_error(err, query, run.tree.text) or err
end

local function check_scanned(resolver, request)
  local cap = request.max_scanned_bytes
  if cap and resolver.bytes > cap then
    return nil, errors.new("LimitExceeded",
      ("the statement would read %d bytes, more than %d (SEWING_QUERY_MAX_SCAN)"):format(resolver.bytes, cap))
  end
  return true
end

-- The engine's text of a query whose tables are not too large.
---@return {sql: string, columns: table[]}|nil query, Error? err
function M.translated(run, tree)
  local query, err = sql.translate.query(tree or run.tree, run.resolver:context(run.parameters))
  if not query then return nil, err end
  local ok
  ok, err = check_scanned(run.resolver, run.request)
  if not ok then return nil, err end
  return query
end

-- A reading statement as an open cursor.
---@return table|nil cursor, Error? err
function M.open_query(run)
  local query, err = M.translated(run)
  if not query then return nil, err end
  local con
  con, err = run.connection()
  if not con then return nil, err end
  local cursor
  cursor, err = con:stream(query.sql)
  if not cursor then return nil, engine_error(err, query, run) end
  return cursor, query
end

local function first_cells(path)
  local lines = results.read(path, 0, 1)
  if not lines or not lines[1] then return nil end
  local cells = json.decode(lines[1])
  for i = 1, #cells do
    if cells[i] == json.null then cells[i] = false end
  end
  return cells
end

local function shown_columns(cursor, query)
  local columns = results.column_list(cursor:columns())
  for i, column in ipairs(columns) do
    local known = query.columns and query.columns[i]
    if known then
      column.name = known.name
      -- values that leave the engine as text (zones, intervals) keep their own type's name
      if known.type then column.type = known.type:gsub("%b()", ""):gsub("^real$", "float") end
    end
  end
  return columns
end

local function query(run, path)
  local cursor, translated = M.open_query(run)
  if not cursor then return nil, translated end
  local held <close> = cursor
  local done, err = results.spill(held, path, run.request)
  if not done then return nil, engine_error(err, translated, run) end
  done.columns = shown_columns(cursor, translated)
  if done.rows > 0 then done.first = first_cells(path) end
  return done
end

local function listed(found, err, path)
  if not found then return nil, err end
  local done
  done, err = results.write(path, found.rows)
  if done then done.columns, done.first = found.columns, found.rows[1] end
  return done, err
end

local EXPLAINED <const> = { LOGICAL = true, DISTRIBUTED = true }

-- The lines of a plan. EXPLAIN ANALYZE repeats the translated text above its total time: that is nobody's statement.
local function plan_lines(text)
  local lines, start = {}, 1
  for line in (text .. "\n"):gmatch("([^\n]*)\n") do
    lines[#lines + 1] = line
    if start == 1 and line:find("Total Time:", 1, true) then start = math.max(1, #lines - 2) end
  end
  return table.move(lines, start, #lines, 1, {})
end

local function explain(run, path)
  local inner, options = run.tree.statement, run.tree.options or {}
  if (options.format or "TEXT") ~= "TEXT" or not EXPLAINED[options.type or "LOGICAL"] then
    return nil, errors.new("NotSupported", "EXPLAIN gives the plan as text: neither FORMAT other than TEXT nor TYPE IO or VALIDATE")
  end
  if inner.kind ~= "query" then return nil, errors.new("NotSupported", "EXPLAIN is offered for queries") end
  inner.text, inner.parameters = run.tree.text, run.tree.parameters
  local translated, err = M.translated(run, inner)
  if not translated then return nil, err end
  local con
  con, err = run.connection()
  if not con then return nil, err end
  local result
  result, err = con:query((run.tree.analyze and "EXPLAIN ANALYZE " or "EXPLAIN ") .. translated.sql)
  if not result then return nil, engine_error(err, translated, run) end
  local rows = {}
  for _, row in ipairs(result.rows) do
    for _, line in ipairs(plan_lines(row[2])) do rows[#rows + 1] = { line } end
  end
  return listed({ columns = { { name = "Query Plan", type = "varchar" } }, rows = rows }, nil, path)
end

-- Does the statement; for those that give rows, they are in the file at path afterwards.
---@param run Running
---@param path string
---@return {rows: integer, bytes: integer, columns: table[]?, first: table?}|nil done, Error? err
function M.execute(run, path)
  local kind = run.class.kind
  if run.tree.kind == "query" then return query(run, path) end
  if kind == "EXPLAIN" then return explain(run, path) end
  local answer = run.tree.kind == "show" and show.show or run.tree.kind == "describe" and show.describe
  if answer then
    local list, err = answer(run.lake, run.tree, run.resolver)
    return listed(list, err, path)
  end
  local apply = statements[kind]
  if not apply then return nil, errors.new("NotSupported", ("%s is not supported"):format((kind:gsub("_", " ")))) end
  local rows, err = apply(run)
  if not rows then return nil, engine_error(err, nil, run) end
  return { rows = rows, bytes = 0 }
end

-- A listing's lines as CSV or NDJSON, for a download.
---@param text string      lines of JSON arrays
---@param columns table[]
---@param format string
---@return fun(): string?
function M.listing_text(text, columns, format)
  local out, header = {}, {}
  for i, c in ipairs(columns) do header[i] = '"' .. c.name:gsub('"', '""') .. '"' end
  if format == "csv" then out[1] = table.concat(header, ",") .. "\n" end
  for line in text:gmatch("[^\n]+") do
    local cells, parts = json.decode(line), {}
    for i, c in ipairs(columns) do
      local cell = cells[i]
      if format == "csv" then parts[i] = cell ~= json.null and '"' .. cell:gsub('"', '""') .. '"' or ""
      else parts[i] = json.encode(c.name) .. ":" .. json.encode(cell) end
    end
    out[#out + 1] = (format == "csv" and "%s\n" or "{%s}\n"):format(table.concat(parts, ","))
  end
  local done = false
  return function()
    if done then return nil end
    done = true
    return table.concat(out)
  end
end

-- A connection that is opened when the statement first needs one.
local function lazy_connection(lake, held)
  return function()
    if held.stopped then return nil, errors.new("QueryCancelled", "the statement was cancelled") end
    if held.con then return held.con end
    local con, err = lake.engine:connect()
    held.con = con
    if con and held.stopped then con:cancel() end -- asked while the engine was being opened
    return con, err
  end
end

---@param lake Lake
---@param request table  {database?, parameters?, token?, max_rows?, max_bytes?, max_scanned_bytes?}
---@param tree table
---@param class table
---@param held table     keeps con, so that others can cancel it
---@return Running
function M.prepare(lake, request, tree, class, held)
  local connection = lazy_connection(lake, held)
  return {
    lake = lake, tree = tree, class = class, parameters = request.parameters, token = request.token, request = request,
      connection = connection,
    resolver = resolve.new(lake, request.database),
  }
end

return M
