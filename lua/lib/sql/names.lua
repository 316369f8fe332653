-- Qualified names of tables: from identifiers of the tree to {catalog, database, table, suffix}.
local quote = require("lib.sql.quote")

local M = {}

---@class SqlTableRef
---@field catalog string?
---@field database string?
---@field table string
---@field suffix string?   "$snapshots" and the like
---@field pos integer

-- Tables, databases and catalogs are lower case in the catalog, quoted or not.
---@param name table  list of identifiers, as Cursor:qualified_name gives it
---@return SqlTableRef? ref, string? message
function M.table_ref(name)
  if #name > 3 then return nil, "Too many dots in table name" end
  local parts = {}
  for i, identifier in ipairs(name) do parts[i] = identifier.name:lower() end
  local last = parts[#parts]
  local dollar = name[#name].quoted and last:find("$", 2, true)
  local ref = {
    catalog = parts[#parts - 2], database = parts[#parts - 1], table = dollar and last:sub(1, dollar - 1) or last,
    suffix = dollar and last:sub(dollar) or nil, pos = name.pos,
  }
  return ref
end

-- database of CREATE SCHEMA a, SHOW TABLES IN catalog.a
function M.database(name)
  return name[#name].name:lower()
end

M.quote = quote.name

-- How a reference is shown in messages.
function M.shown(ref)
  local parts = {}
  for _, part in ipairs { ref.catalog or false, ref.database or false, ref.table .. (ref.suffix or "") } do
    if part then parts[#parts + 1] = part end
  end
  return table.concat(parts, ".")
end

return M
