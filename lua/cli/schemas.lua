-- schemas: databases and tables, or one table's columns.
local config = require "cli.config"
local errors = require "lib.errors"
local exit_codes = require "cli.exit_codes"
local output = require "cli.output"

local M = {}

local function escape(s)
  return (s:gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function list(console, session, parsed)
  local answer, err = session.client:call("GET", "/schemas" .. (parsed.search and "?search=" .. escape(parsed.search) or ""))
  if not answer then return nil, err end
  local records = {}
  for _, database in ipairs(answer.databases) do
    for _, entry in ipairs(database.tables) do
      records[#records + 1] = { database = database.name, table = type(entry) == "table" and entry.name or entry }
    end
  end
  output.print(console, parsed.output, { "database", "table" }, records)
  if #records == 0 then console.say("no tables yet: start a refresh with sewing runs start\n") end
  return exit_codes.OK
end

local function show(console, session, parsed, database, name)
  local answer, err = session.client:call("GET", ("/schemas/%s/%s"):format(escape(database), escape(name)))
  if not answer then return nil, err end
  local records = {}
  for i, column in ipairs(answer.columns) do records[i] = { column = column.name, type = column.type } end
  output.print(console, parsed.output, { "column", "type" }, records)
  if answer.rowCount then console.say(("%s rows, at %s\n"):format(answer.rowCount, tostring(answer.location))) end
  return exit_codes.OK
end

---@param console table
---@param parsed table
---@return integer?
---@return Error?
function M.run(console, parsed)
  local settings, err = config.read(console, parsed)
  if not settings then return nil, err end
  local database, name
  if parsed[1] then
    database, name = parsed[1]:match("^([^.]+)%.([^.]+)$")
    if not database then return nil, errors.new("Usage", "name a table as database.table, for instance gold.fact_visit") end
  end
  return require("cli.session").run(console, settings, {}, function(session)
    if name then return show(console, session, parsed, database, name) end
    return list(console, session, parsed)
  end)
end

return M
