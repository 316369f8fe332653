-- Rules about tables that people make: their names, their properties, and which ones are not theirs to touch.
local errors = require "lib.errors"
local suggest = require "lib.suggest"
local plan = require "domain.lakehouse.plan"
local template = require "lib.sql_template"

local M = {}

local STAGED_TOKEN_LENGTH <const> = 12
local MAX_STAGED_STEM <const> = 100

-- property -> accepted values; the first is the default
local PROPERTIES = {
  table_type = { "ICEBERG" },
  format = { "PARQUET" },
  write_compression = { "ZSTD", "SNAPPY", "GZIP" },
}

---@param target table {db, table}
---@return string
function M.full_name(target) return target.db .. "." .. target.table end

--- The name under which a table is built beside the one it will replace.
---@param name string
---@param uuid string
---@return string
function M.staged_name(name, uuid)
  return name:sub(1, MAX_STAGED_STEM) .. "__build_" .. uuid:gsub("%W", ""):lower():sub(1, STAGED_TOKEN_LENGTH)
end

--- Is this the name of a table that was being built? After a crash nobody will finish or miss it.
---@param name string
---@return boolean
function M.is_staged(name)
  local token = name:match("__build_(%x+)$")
  return token ~= nil and #token == STAGED_TOKEN_LENGTH
end

local function bad(...) return nil, errors.new("BadParam", string.format(...)) end

--- Checks the properties of a request against the list above and fills in the rest.
---@param given table?
---@return table|nil properties, Error?
function M.properties(given)
  local names, result = {}, {}
  for name, values in pairs(PROPERTIES) do
    names[#names + 1] = name
    result[name] = values[1]
  end
  table.sort(names)
  for name, value in pairs(given or {}) do
    local accepted = PROPERTIES[name]
    if not accepted then
      local hint = suggest.hint(tostring(name), names)
      return bad("unknown property '%s'%s; there are: %s", tostring(name):sub(1, 60), hint, table.concat(names, ", "))
    end
    local found
    for _, one in ipairs(accepted) do
      if type(value) == "string" and value:upper() == one then found = one end
    end
    if not found then return bad("property '%s' must be one of: %s", name, table.concat(accepted, ", ")) end
    result[name] = found
  end
  return result
end

-- Names are refused, not repaired.
local function check_name(target, field)
  if not template.is_identifier(target[field]) then
    return bad("target.%s must be a name of a-z, 0-9 and _ that does not begin with a digit", field)
  end
  return true
end

local function is_owned(pipeline, target)
  if target.db == "bronze" then return true end
  for _, owned in ipairs(plan.tables(pipeline)) do
    if owned.database == target.db and owned.name == target.table then return true end
  end
  return false
end

local function check_database(ports, name)
  local known, err = ports.catalog.databases()
  if not known then return nil, err end
  for _, one in ipairs(known) do
    if one == name then return true end
  end
  return nil, errors.new("NotFound", ("there is no database '%s'%s (GET /schemas lists them)"):format(name, suggest.hint(name, known)))
end

--- The table a request wants to write, when it may.
---@param ports table
---@param pipeline Pipeline
---@param target table? {db, table}
---@return table|nil found    nil when it does not exist yet
---@return Error? err
function M.find_target(ports, pipeline, target)
  if not target then return nil, errors.new("BadRequest", "target must be an object with db and table") end
  for _, field in ipairs { "db", "table" } do
    local ok, err = check_name(target, field)
    if not ok then return nil, err end
  end
  if is_owned(pipeline, target) then
    return nil, errors.new("Forbidden", ("%s is written by the refresh; choose another name"):format(M.full_name(target)))
  end
  local ok, err = check_database(ports, target.db)
  if not ok then return nil, err end
  local found
  found, err = ports.catalog.table(target.db, target.table)
  if not found and err.code ~= "NotFound" then return nil, err end
  return found
end

return M
