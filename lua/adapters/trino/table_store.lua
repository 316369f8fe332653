-- Port table_store on a Trino cluster. A replacement is CREATE OR REPLACE TABLE ... AS, one commit; going back is the same
-- with the rows (and columns) of an earlier snapshot. A replaced table's snapshots have no parent any more, so which version
-- came before is written down here, in this machine's state.
local dialect = require "adapters.trino.dialect"
local errors = require "lib.errors"
local quote = require "lib.sql.quote"

local M = {}

local SCHEMA <const> = [[
CREATE TABLE IF NOT EXISTS trino_versions (
  snapshot TEXT PRIMARY KEY,
  before TEXT NOT NULL
);
]]

local Store = {}
Store.__index = Store

local function target(self, database, name) return ("%s.%s.%s"):format(quote.name(self.catalog), quote.name(database), quote.name(name)) end

local function rows_of(self, sql)
  local result, err = self.client:run(sql)
  return result and result.rows, err
end

-- The commits of a table in order: {version, parent?, at, rows}; nil, NotFound.
local function history(self, database, name)
  local found, err = self.table(database, name)
  if not found then return nil, err end
  local rows
  rows, err = rows_of(self, ("SELECT CAST(h.snapshot_id AS varchar), CAST(s.parent_id AS varchar), to_unixtime(h.made_current_at), "
    .. "CAST(element_at(s.summary, 'total-records') AS bigint) FROM %s h JOIN %s s ON s.snapshot_id = h.snapshot_id ORDER BY h.made_current_at"):format(
    target(self, database, name .. "$history"), target(self, database, name .. "$snapshots")))
  if not rows then return nil, err end
  local list = {}
  for i, row in ipairs(rows) do
    list[i] = { version = row[1], parent = type(row[2]) == "string" and row[2] or nil, at = row[3], rows = row[4] }
  end
  return list
end

local function before_of(self, current)
  local row = self.db:row("SELECT before FROM trino_versions WHERE snapshot = ?", current.version)
  return row and row.before or current.parent
end

-- Replaces a table with what a SELECT gives, and notes what stood there: before is nil for a new table, "" when nothing did.
local function replace(self, database, name, select, before)
  local location = not before and self.location(database, name) -- an existing table stays where it is
  local place = location and location ~= dialect.MANAGED and ", location = " .. quote.text(location) or ""
  local ok, err = self.client:run(("CREATE OR REPLACE TABLE %s WITH (format = 'PARQUET'%s) AS SELECT * FROM %s"):format(
    target(self, database, name), place, select))
  if not ok then return nil, err end
  local list
  list, err = history(self, database, name)
  if not list then return nil, err end
  local current = list[#list]
  if before and before ~= "" then self.db:exec("INSERT OR REPLACE INTO trino_versions VALUES (?, ?)", current.version, before) end
  return { version = current.version, rows = current.rows }
end

function Store:versions(database, name)
  local list, err = history(self, database, name)
  if not list then return nil, err end
  local newest_first, seen = {}, {}
  for i = #list, 1, -1 do
    local one = list[i]
    if not seen[one.version] then newest_first[#newest_first + 1] = { version = one.version, at = one.at, rows = one.rows } end
    seen[one.version] = true
  end
  return newest_first
end

function Store:swap(database, name, staged)
  local there, err = self.table(database, staged)
  if not there then return nil, err end
  local list, problem = history(self, database, name)
  if not list and problem.code ~= "NotFound" then return nil, problem end
  local done
  done, err = replace(self, database, name, target(self, database, staged), list and (list[#list] and list[#list].version or ""))
  if not done then return nil, err end
  self.client:run("DROP TABLE IF EXISTS " .. target(self, database, staged)) -- what stays is tidied as an abandoned table
  return done
end

function Store:undo(database, name)
  local list, err = history(self, database, name)
  if not list then return nil, err end
  local current = list[#list]
  local before = current and before_of(self, current)
  local previous
  for _, one in ipairs(list) do
    if one.version == before then previous = one end
  end
  if not previous then
    return nil, errors.new("Conflict", ("table '%s.%s' has no earlier version to go back to"):format(database, name))
  end
  local select = ("%s FOR VERSION AS OF %s"):format(target(self, database, name), previous.version)
  return replace(self, database, name, select, before_of(self, previous) or "")
end

---@param options {client: TrinoClient, catalog: string, table: function, location: function, state: table}
---  table, location: the catalog port's; state: sm.sqlite
---@return table? port
---@return Error? err
function M.new(options)
  local ok, message, code = options.state:script(SCHEMA)
  if not ok then return nil, errors.from(message, code, "versions of tables") end
  local self = setmetatable({ client = options.client, catalog = options.catalog, table = options.table, location = options.location,
    db = options.state }, Store)
  local port = {}
  for _, method in ipairs { "versions", "swap", "undo" } do
    port[method] = function(...) return self[method](self, ...) end
  end
  return port
end

return M
