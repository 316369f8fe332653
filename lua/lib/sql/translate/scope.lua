-- Which names mean what at a place of the statement. A scope lists the columns of its FROM in order and has a parent:
-- the scope around a subquery.

local names = require("lib.sql.names")
local types = require("lib.sql.types")

local M = {}

---@class SqlField
---@field name string        as the user can write it
---@field type SqlType
---@field sql string         how the engine is told
---@field relation string?   alias or table name in lower case; nil for columns merged by USING
---@field path string[]?     {catalog, database, table} of an unaliased table
---@field hidden boolean?    reachable by name, not by *

---@class SqlScope
---@field fields SqlField[]
---@field parent SqlScope?
---@field variables table<string, table>?  lambda parameters: name -> {sql, type}
---@field aliases table<string, table>?    output columns in ORDER BY: name -> piece

---@param fields SqlField[]
---@param parent SqlScope?
---@return SqlScope
function M.new(fields, parent)
  return { fields = fields, parent = parent }
end

local function index(scope)
  local by_name = {}
  for _, field in ipairs(scope.fields) do
    local key = field.name:lower()
    local list = by_name[key]
    if list then list[#list + 1] = field else by_name[key] = { field } end
  end
  scope.by_name = by_name
  return by_name
end

local function relation_matches(field, qualifier)
  local last = qualifier[#qualifier]
  if field.relation ~= last then return false end
  if #qualifier == 1 then return true end
  if not field.path then return false end
  for i = 0, #qualifier - 1 do
    if field.path[#field.path - i] ~= qualifier[#qualifier - i] then return false end
  end
  return true
end

-- Finds a column by name and qualifier (list of lower-case names, may be empty), innermost scope first.
---@return SqlField? field, string? problem  "ambiguous" or nil
function M.find(scope, qualifier, name)
  name = name:lower()
  while scope do
    if #qualifier == 0 then
      if scope.variables and scope.variables[name] then return scope.variables[name] end
      if scope.aliases and scope.aliases[name] then return scope.aliases[name] end
    end
    local found
    for _, field in ipairs((scope.by_name or index(scope))[name] or {}) do
      if #qualifier == 0 or relation_matches(field, qualifier) then
        if found then return nil, "ambiguous" end
        found = field
      end
    end
    found = found or M.from_open(scope, qualifier, name)
    if found then return found end
    scope = scope.parent
  end
  return nil
end

-- A column of a relation whose columns nobody described: it may be there.
function M.from_open(scope, qualifier, name)
  local owner, several
  for _, field in ipairs(scope.fields) do
    if field.open and (#qualifier == 0 or relation_matches(field, qualifier)) then owner, several = field, owner ~= nil end
  end
  if not owner then return nil end
  return { name = name, type = types.any, sql = (several and "" or owner.sql .. ".") .. names.quote(name) }
end

-- The columns of one relation, for alias.*
function M.fields_of(scope, qualifier)
  while scope do
    local found = {}
    for _, field in ipairs(scope.fields) do
      if not field.hidden and relation_matches(field, qualifier) then found[#found + 1] = field end
    end
    if #found > 0 then return found end
    scope = scope.parent
  end
  return nil
end

-- All names a user could have meant.
function M.names(scope)
  local list = {}
  while scope do
    for _, field in ipairs(scope.fields) do list[#list + 1] = field.name:lower() end
    scope = scope.parent
  end
  return list
end

return M
