-- query SQL: a table for people, or the whole result as a stream of CSV, NDJSON or JSON.
local arguments = require "cli.arguments"
local config = require "cli.config"
local errors = require "lib.errors"
local exit_codes = require "cli.exit_codes"
local json = require "lib.json"
local table_text = require "cli.table"

local M = {}

local TABLE_ROWS <const> = 500
local PAGE_ROWS <const> = 1000
local WAIT_SECONDS <const> = 20

local function read_sql(parsed)
  local sql = parsed[1]
  if not sql then return nil, errors.new("Usage", "say what to ask: sewing query 'SELECT ...' (or - for standard input)") end
  if #parsed > 1 then return nil, errors.new("Usage", "give the statement as one argument, in quotes") end
  if sql == "-" then sql = io.stdin:read("a") end
  return sql
end

-- Waits for a page; in between the server answers 202 and the id is known, so that Ctrl-C can cancel.
local function page_of(session, body)
  while true do
    local answer, status = session.client:call("POST", "/query", body)
    if not answer then return nil, status end
    local id = answer.queryExecutionId
    session.on_interrupt = function() session.client:call("DELETE", "/query/" .. id) end
    if status ~= 202 then
      session.on_interrupt = nil
      return answer
    end
    body = { queryExecutionId = id, maxRows = body.maxRows, wait = WAIT_SECONDS }
  end
end

local function collect(session, request, limit)
  local first, rows = nil, {}
  local body = { sql = request.sql, database = request.database, maxRows = math.min(limit, PAGE_ROWS), wait = 0.2 }
  repeat
    local page, err = page_of(session, body)
    if not page then return nil, err end
    first = first or page
    for _, row in ipairs(page.rows) do
      if #rows < limit then rows[#rows + 1] = row end
    end
    local token = page.nextPageToken
    if token == json.null then token = nil end
    body = { queryExecutionId = page.queryExecutionId, nextPageToken = token, maxRows = math.min(limit - #rows, PAGE_ROWS),
      wait = WAIT_SECONDS }
  until not token or #rows >= limit
  return first, rows, body.nextPageToken ~= nil
end

local NUMERIC <const> = { "int", "decimal", "double", "float", "real" }

local function right_columns(types)
  local right = {}
  for i, name in ipairs(types or {}) do
    for _, word in ipairs(NUMERIC) do
      if tostring(name):lower():find(word, 1, true) and not tostring(name):find("[(]?row") then right[i] = true end
    end
  end
  return right
end

local function print_table(console, session, request, limit)
  local first, rows, more = collect(session, request, limit)
  if not first then return nil, rows end
  console.out(table_text.render(first.columns, rows, { width = console.width, right = right_columns(first.columnTypes) }))
  local noun = #rows == 1 and "row" or "rows"
  console.say(("%d %s%s\n"):format(#rows, noun, more and ", there are more: --max-rows N, or --output csv for all" or ""))
  return exit_codes.OK
end

-- Counts records as they pass and says when there are enough. In CSV a line end inside of quotes ends no record.
---@param write fun(s: string)
---@param limit integer
---@param csv boolean
---@return fun(chunk: string): boolean
function M.limited(write, limit, csv)
  local left, in_quotes = csv and limit + 1 or limit, false
  return function(chunk)
    local from = 1
    while true do
      local at = chunk:find(csv and '["\n]' or "\n", from)
      if not at then break end
      if chunk:byte(at) == 34 then
        in_quotes = not in_quotes
      elseif not in_quotes then
        left = left - 1
        if left <= 0 then
          write(chunk:sub(1, at))
          return false
        end
      end
      from = at + 1
    end
    return write(chunk) ~= false
  end
end

-- NDJSON lines as one JSON list.
---@param write fun(s: string)
---@return fun(chunk: string): boolean feed   false when nobody reads any more
---@return fun() finish
function M.as_list(write)
  local rest, count = "", 0
  local function feed(chunk)
    rest = rest .. chunk
    local from, open = 1, true
    while true do
      local at = rest:find("\n", from, true)
      if not at then break end
      if at > from then
        open = write((count == 0 and "[" or ",\n ") .. rest:sub(from, at - 1)) ~= false
        count = count + 1
      end
      from = at + 1
    end
    rest = rest:sub(from)
    return open
  end
  local function finish() write(count == 0 and "[]\n" or "]\n") end
  return feed, finish
end

local function pour(console, session, request, limit)
  local write, finish = console.out, nil
  if request.format == "json" then write, finish = M.as_list(console.out) end
  local csv = request.format == "csv"
  local sink = limit and M.limited(write, limit, csv) or function(chunk) return write(chunk) ~= false end
  if limit == 0 and not csv then
    if finish then finish() end
    return exit_codes.OK
  end
  local accept = csv and "text/csv" or "application/x-ndjson"
  local ok, err = session.client:stream("POST", "/query", { sql = request.sql, database = request.database }, accept, sink)
  if not ok then return nil, err end
  if finish then finish() end
  return exit_codes.OK
end

-- The line of the statement that the error is about, with a caret.
function M.show_place(console, sql, err)
  local details = err.details or {}
  if math.type(details.line) == "integer" and math.type(details.column) == "integer" then
    console.err(require("lib.excerpt").caret(sql, details.line, details.column) .. "\n")
  end
end

---@param console table
---@param parsed table
---@return integer?
---@return Error?
function M.run(console, parsed)
  local sql, err = read_sql(parsed)
  if not sql then return nil, err end
  local limit, timeout
  limit, err = arguments.number(parsed, "max-rows")
  if err then return nil, err end
  timeout, err = arguments.number(parsed, "timeout")
  if err then return nil, err end
  local settings
  settings, err = config.read(console, parsed)
  if not settings then return nil, err end
  local format = parsed.output or "table"
  local request = { sql = sql, database = parsed.database, format = format }
  local code, failure = require("cli.session").run(console, settings, { timeout = timeout }, function(session)
    if format == "table" then return print_table(console, session, request, math.max(1, math.floor(limit or TABLE_ROWS))) end
    return pour(console, session, request, limit and math.floor(limit))
  end)
  if failure then M.show_place(console, sql, failure) end
  return code, failure
end

return M
