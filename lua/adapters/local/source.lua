-- A folder of source tables: which file is which table, and the engine's SQL that reads it as text columns.
-- CSV, JSON and NDJSON files hold one table each, as do Parquet files; a SQLite file holds many.
local csv_header = require "adapters.local.csv_header"
local errors = require "lib.errors"
local files = require "sm.files"
local json = require "lib.json"
local quote = require "lib.sql.quote"
local sqlite = require "sm.sqlite"

local M = {}

local KINDS <const> = { csv = "csv", tsv = "csv", json = "json", ndjson = "ndjson", jsonl = "ndjson", parquet = "parquet",
  sqlite = "sqlite", sqlite3 = "sqlite", db = "sqlite" }
local SQLITE_ROWS <const> = 5000 -- read at a time

local quoted, named = quote.text, quote.name

-- Finding ----------------------------------------------------------------------------------------------------------

local function table_in(path, names)
  local db, message, code = sqlite.open(path, { readonly = true })
  if not db then return nil, errors.from(message, code, path) end
  local rows
  rows, message, code = db:rows("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
  db:close()
  if not rows then return nil, errors.from(message, code, path) end
  for _, row in ipairs(rows) do
    if names[row.name:lower()] then return row.name end
  end
end

-- The names under which a source may lie in the folder.
local function names_of(source)
  return { [source.file:lower()] = true, [source.bronze:lower()] = true, [source.name:lower()] = true }
end

--- The file of a source table.
---@param folder string
---@param source table     an entry of the pipeline list
---@return table|nil found {path, kind, table?}, Error?
function M.find(folder, source)
  local listed, message, code = files.list(folder)
  if not listed then return nil, errors.from(message, code, "source folder " .. folder) end
  local names, matches, databases = names_of(source), {}, {}
  for _, file in ipairs(listed) do
    local stem, extension = file.name:match("^(.+)%.(%w+)$")
    local kind = extension and KINDS[extension:lower()]
    if file.type ~= "dir" and kind == "sqlite" then databases[#databases + 1] = file.name end
    if file.type ~= "dir" and kind and kind ~= "sqlite" and names[stem:lower()] then
      matches[#matches + 1] = { path = folder .. "/" .. file.name, kind = kind, name = file.name }
    end
  end
  if #matches > 1 then
    return nil, errors.new("Conflict",
      ("table %s has two files in %s: %s and %s"):format(source.bronze, folder, matches[1].name, matches[2].name))
  end
  if matches[1] then return matches[1] end
  for _, name in ipairs(databases) do
    local found, err = table_in(folder .. "/" .. name, names)
    if err then return nil, err end
    if found then return { path = folder .. "/" .. name, kind = "sqlite", table = found, name = name } end
  end
  return nil, errors.new("NotFound",
      ("no file for table %s in %s (looked for %s as .csv, .json, .ndjson, .parquet, or a table in a .sqlite file)")
    :format(source.bronze, folder, source.file))
end

-- Reading ----------------------------------------------------------------------------------------------------------

local function reader(found)
  local path = quoted(found.path)
  if found.kind == "csv" then
    return ("read_csv(%s, header = true, all_varchar = true, allow_quoted_nulls = false, normalize_names = false)"):format(path)
  end
  if found.kind == "parquet" then return ("read_parquet(%s)"):format(path) end
  return nil
end

-- A CSV file in the dialect its own first line shows, nothing guessed.
local function plain_csv(found, header)
  local columns, seen = {}, {}
  for i, name in ipairs(header.names) do
    if name == "" or seen[name:lower()] then name = "column" .. i end
    seen[name:lower()] = true
    columns[i] = quoted(name) .. ": 'VARCHAR'"
  end
  return ("read_csv(%s, auto_detect = false, header = true, delim = %s, quote = '\"', escape = '\"', "
    .. "allow_quoted_nulls = false, columns = {%s})"):format(quoted(found.path), quoted(header.delimiter), table.concat(columns, ", "))
end

-- One column as text: numbers that are whole lose their ".0", instants are told in UTC.
local function as_text(name, kind)
  local column = named(name)
  if kind == "VARCHAR" then return column end
  if kind == "DOUBLE" or kind == "FLOAT" then
    return ("CASE WHEN %s = trunc(%s) AND abs(%s) < 1e15 THEN CAST(CAST(%s AS BIGINT) AS VARCHAR) ELSE CAST(%s AS VARCHAR) END")
      :format(column, column, column, column, column)
  end
  if kind == "TIMESTAMP WITH TIME ZONE" then return ("CAST(%s AT TIME ZONE 'UTC' AS VARCHAR)"):format(column) end
  return ("CAST(%s AS VARCHAR)"):format(column)
end

-- The columns a relation has, by trimmed lower-case name.
local function columns_of(con, relation)
  local described, err = con:query("SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM " .. relation .. ")")
  if not described then return nil, err end
  local there = {}
  for _, row in ipairs(described.rows) do
    local name, kind = row[1], row[2]
    there[name:lower():match("^%s*(.-)%s*$")] = { name = name, kind = kind }
  end
  return there
end

local function missing(source, there)
  for _, column in ipairs(source.columns) do
    if not there[column.name] then return column.name end
  end
end

local function from_columns(con, relation, source, found)
  local there, err = columns_of(con, relation)
  if not there and found.kind ~= "csv" then return nil, err end
  if found.kind == "csv" and (not there or missing(source, there)) then
    local header
    header, err = csv_header.read(found.path, found.name)
    if not header then return nil, err end
    relation = plain_csv(found, header)
    there, err = columns_of(con, relation)
    if not there then return nil, err end
  end
  local absent = missing(source, there)
  if absent then return nil, errors.new("BadParam", ("%s lacks the column '%s'"):format(found.name, absent)) end
  local list = {}
  for i, column in ipairs(source.columns) do
    local one = there[column.name]
    list[i] = ("%s AS %s"):format(as_text(one.name, one.kind), named(column.name))
  end
  return ("SELECT %s FROM %s"):format(table.concat(list, ", "), relation)
end

-- JSON objects may leave fields out; every declared one is read as text.
local function from_json(source, path, format)
  local columns, list = {}, {}
  for i, column in ipairs(source.columns) do
    columns[i] = ("%s: 'VARCHAR'"):format(quoted(column.name))
    list[i] = named(column.name)
  end
  return ("SELECT %s FROM read_json(%s, format = '%s', columns = {%s})")
    :format(table.concat(list, ", "), quoted(path), format, table.concat(columns, ", "))
end

-- Rows of SQLite as lines of JSON in a file of our own, a few thousand at a time.
local function unload_sqlite(source, found, path)
  local db <close>, message, code = sqlite.open(found.path, { readonly = true })
  if not db then return nil, errors.from(message, code, found.name) end
  local out <close>, why, status = files.open(path, "w")
  if not out then return nil, errors.from(why, status, "unload " .. found.name) end
  local list = {}
  for i, column in ipairs(source.columns) do list[i] = ("CAST(%s AS TEXT) AS %s"):format(named(column.name), named(column.name)) end
  local next_rows
  next_rows, message, code = db:reader(("SELECT %s FROM %s"):format(table.concat(list, ", "), named(found.table)))
  if not next_rows then return nil, errors.from(message, code, found.name) end
  while true do
    local rows, problem, kind = next_rows(SQLITE_ROWS)
    if problem then return nil, errors.from(problem, kind, found.name) end
    if not rows then return true end
    local lines = {}
    for i, row in ipairs(rows) do lines[i] = next(row) and assert(json.encode(row)) or "{}" end
    lines[#lines + 1] = ""
    local ok
    ok, problem, kind = out:write(table.concat(lines, "\n"))
    if not ok then return nil, errors.from(problem, kind, "unload " .. found.name) end
  end
end

--- A SELECT that reads the declared columns of a source file as text.
---@param con table        connection of the engine
---@param source table     an entry of the pipeline list
---@param found table      what `find` gave
---@param scratch string   path that may be used for a temporary file
---@return string|nil sql, Error?
function M.select(con, source, found, scratch)
  if found.kind == "json" then return from_json(source, found.path, "auto") end
  if found.kind == "ndjson" then return from_json(source, found.path, "newline_delimited") end
  if found.kind == "sqlite" then
    local ok, err = unload_sqlite(source, found, scratch)
    if not ok then return nil, err end
    return from_json(source, scratch, "newline_delimited")
  end
  return from_columns(con, reader(found), source, found)
end

return M
