-- maintain STATEMENT: what /query refuses and the owner of the data folder still needs: ALTER TABLE, VACUUM, OPTIMIZE,
-- DROP, UPDATE and the like. Only in this process: over HTTP nobody gets that far.
local arguments = require "cli.arguments"
local config = require "cli.config"
local errors = require "lib.errors"
local exit_codes = require "cli.exit_codes"

local M = {}

local COUNTS <const> = { INSERT = true, UPDATE = true, DELETE = true, MERGE = true, CREATE_TABLE_AS_SELECT = true }

local function busy(settings, session)
  return errors.new("DataFolderBusy", ("a server at %s holds %s: stop it, do this, and start it again"):format(session.client.url,
    settings.data))
end

-- A reading statement has rows to show, which is what query does.
local function changes(sql)
  local sql_module = require "lib.sql"
  local tree, err = sql_module.parse(sql)
  if not tree then return nil, err end
  local class = sql_module.classify(tree)
  if class.read_only then return nil, errors.new("Usage", "this statement only reads: sewing query shows what it gives") end
  return class
end

---@param console table
---@param parsed table
---@return integer?
---@return Error?
function M.run(console, parsed)
  local sql = parsed[1] == "-" and io.read("a") or parsed[1]
  if not sql or parsed[2] then return nil, errors.new("Usage", "say one statement: sewing maintain 'VACUUM gold.fact_visit'") end
  local timeout, err = arguments.number(parsed, "timeout")
  if err then return nil, err end
  local class
  class, err = changes(sql)
  local settings
  if class then settings, err = config.read(console, parsed) end
  local code, failure = nil, err
  if settings then
    code, failure = require("cli.session").run(console, settings, { timeout = timeout }, function(session)
      if not session.client.in_process then return nil, busy(settings, session) end
      local done, problem = session.client.app.ports.warehouse.run { sql = sql, database = parsed.database, caller = "owner",
        purpose = "pipeline" }
      if not done then return nil, problem end
      local kind = class.kind:gsub("_", " ")
      console.say(COUNTS[class.kind] and ("%s: %d rows\n"):format(kind, done.rows or 0) or kind .. ": done\n")
      return exit_codes.OK
    end)
  end
  if failure then require("cli.query").show_place(console, sql, failure) end
  return code, failure
end

return M
