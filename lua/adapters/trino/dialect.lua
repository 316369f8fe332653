-- Statements as our SQL files and Athena's users write them, as Trino takes them. Queries and changes of rows are the same
-- text: Athena's engine is Trino. What differs is how tables are described (WITH properties, Hive's clauses), VACUUM,
-- OPTIMIZE and a few SHOWs.
local errors = require "lib.errors"
local names = require "lib.sql.names"
local printer = require "lib.sql.printer"
local quote = require "lib.sql.quote"
local types = require "lib.sql.types"

local M = {}

-- A location that leaves the choice to the cluster's catalog (see adapters/trino/catalog.lua).
M.MANAGED = "file:///managed"
-- The shortest retention that a cluster allows unless it is configured otherwise.
local RETENTION <const> = "7d"

local function unsupported(what) return nil, errors.new("NotSupported", what .. " is not offered on Trino") end

local function name(identifiers)
  local parts = {}
  for i, identifier in ipairs(identifiers) do parts[i] = quote.name(identifier.name:lower()) end
  return table.concat(parts, ".")
end

-- The statement as it was sent, without the semicolon that Trino does not take.
local function as_it_is(tree) return (tree.text:gsub("[;%s]+$", "")) end

-- Tables --------------------------------------------------------------------------------------------------------------

-- Athena's properties: what becomes of each. `false`: means nothing to Trino, or only what it does anyway.
local properties = {
  table_type = false, is_external = false, write_compression = false, compression_level = false, write_target_data_file_size_bytes = false,
  vacuum_min_snapshots_to_keep = false, vacuum_max_snapshot_age_seconds = false, optimize_rewrite_min_data_file_size_bytes = false,
  optimize_rewrite_max_data_file_size_bytes = false, optimize_rewrite_data_file_threshold = false,
  optimize_rewrite_delete_file_threshold = false, format = "format", partitioning = "partitioning", location = "location",
}

local function property(out, item)
  local key = item.name:lower()
  local known = properties[key]
  if known == nil then return unsupported(("table property '%s'"):format(item.name)) end
  local value = type(item.value) == "table" and printer.print(item.value) or quote.text(tostring(item.value))
  if key == "location" and value == quote.text(M.MANAGED) then known = false end
  if key == "table_type" and value:upper() ~= "'ICEBERG'" then return unsupported("a table_type other than ICEBERG") end
  if known then out[#out + 1] = known .. " = " .. value end
  return true
end

local function partitioning(out, node)
  local parts = {}
  for i, item in ipairs(node.partitioning) do
    local text = item.column
    if item.transform then
      local args = {}
      for j, arg in ipairs(item.args) do args[j] = printer.print(arg) end
      if item.transform ~= "bucket" and item.transform ~= "truncate" then text = ("%s(%s)"):format(item.transform, args[1])
      else text = ("%s(%s, %s)"):format(item.transform, args[2], args[1]) end -- Hive's order is (n, column)
    end
    parts[i] = quote.text(text)
  end
  out[#out + 1] = ("partitioning = ARRAY[%s]"):format(table.concat(parts, ", "))
end

-- " WITH (...)" of a table, or "".
local function with_clause(node)
  if node.row_format or node.stored_as or node.clustered_by or node.external then return unsupported("a Hive table") end
  local out = {}
  for _, list in ipairs { node.properties or {}, node.text_properties or {}, { node.location and { name = "location", value = node.location } } } do
    for _, item in ipairs(list) do
      local ok, err = property(out, item)
      if not ok then return nil, err end
    end
  end
  if node.partitioning then partitioning(out, node) end
  return #out > 0 and (" WITH (%s)"):format(table.concat(out, ", ")) or ""
end

local function column(c)
  return ("%s %s%s%s"):format(quote.name(c.name:lower()), types.text(c.type), c.not_null and " NOT NULL" or "",
    c.comment and " COMMENT " .. quote.text(c.comment) or "")
end

local function columns(list)
  local parts = {}
  for i, c in ipairs(list) do parts[i] = column(c) end
  return table.concat(parts, ", ")
end

local function create_head(tree)
  return ("CREATE %sTABLE %s%s"):format(tree.replace and "OR REPLACE " or "", tree.if_not_exists and "IF NOT EXISTS " or "", name(tree.target))
end

local rules = {}

function rules.create_table(tree)
  local with, err = with_clause(tree)
  if not with then return nil, err end
  local comment = tree.comment and " COMMENT " .. quote.text(tree.comment) or ""
  return ("%s (%s)%s%s"):format(create_head(tree), columns(tree.columns), comment, with)
end

function rules.create_table_as(tree)
  local with, err = with_clause(tree)
  if not with then return nil, err end
  return ("%s%s AS %s%s"):format(create_head(tree), with, printer.print(tree.query), tree.with_no_data and " WITH NO DATA" or "")
end

function rules.create_schema(tree)
  if tree.text_properties or tree.properties then return unsupported("a schema with properties") end
  local with = tree.location and (" WITH (location = %s)"):format(quote.text(tree.location)) or ""
  return ("CREATE SCHEMA %s%s%s"):format(tree.if_not_exists and "IF NOT EXISTS " or "", name(tree.target), with)
end

local function drop(word)
  return function(tree)
    return ("DROP %s %s%s%s"):format(word, tree.if_exists and "IF EXISTS " or "", name(tree.target), tree.cascade and " CASCADE" or "")
  end
end
rules.drop_table, rules.drop_view, rules.drop_schema = drop "TABLE", drop "VIEW", drop "SCHEMA"

local alter = {}

function alter.add_columns(tree)
  if #tree.columns ~= 1 then return unsupported("ALTER TABLE ADD COLUMNS with more than one column; add them one by one") end
  return ("ADD COLUMN %s%s"):format(tree.if_not_exists and "IF NOT EXISTS " or "", column(tree.columns[1]))
end
function alter.drop_column(tree) return "DROP COLUMN " .. (tree.column_if_exists and "IF EXISTS " or "") .. quote.name(tree.column:lower()) end
function alter.rename_table(tree) return "RENAME TO " .. name(tree.new_name) end
function alter.rename_column(tree)
  return ("RENAME COLUMN %s%s TO %s"):format(tree.column_if_exists and "IF EXISTS " or "", quote.name(tree.column:lower()),
    quote.name(tree.new_column:lower()))
end
function alter.change_column(tree)
  local changed = tree.columns[1]
  if changed.name:lower() ~= tree.column:lower() then return unsupported("ALTER TABLE CHANGE COLUMN with another name") end
  return ("ALTER COLUMN %s SET DATA TYPE %s"):format(quote.name(tree.column:lower()), types.text(changed.type))
end

function rules.alter_table(tree)
  if tree.action == "execute" then return as_it_is(tree) end
  local change = alter[tree.action]
  if not change then return unsupported("ALTER TABLE " .. tree.action:upper():gsub("_", " ")) end
  local text, err = change(tree)
  if not text then return nil, err end
  return ("ALTER TABLE %s%s %s"):format(tree.if_exists and "IF EXISTS " or "", name(tree.target), text)
end

function rules.vacuum(tree)
  return ("ALTER TABLE %s EXECUTE expire_snapshots(retention_threshold => '%s')"):format(name(tree.target), RETENTION)
end

function rules.optimize(tree)
  return ("ALTER TABLE %s EXECUTE optimize%s"):format(name(tree.target), tree.where and " WHERE " .. printer.print(tree.where) or "")
end

function rules.unload() return unsupported("UNLOAD") end

-- SHOW, DESCRIBE --------------------------------------------------------------------------------------------------------

-- Athena's 'pattern' knows * only; LIKE is SQL's.
local function like(tree)
  if tree.like then return " LIKE " .. quote.text(tree.like) .. (tree.escape and " ESCAPE " .. quote.text(tree.escape) or "") end
  if tree.pattern then return " LIKE " .. quote.text((tree.pattern:gsub("%.?%*", "%%"))) end
  return ""
end

local function metadata_table(target, suffix)
  local copy = table.move(target, 1, #target, 1, {})
  copy[#copy] = { name = target[#target].name .. suffix }
  return "SELECT * FROM " .. name(copy)
end

local shows = {
  databases = function(tree) return "SHOW SCHEMAS" .. like(tree) end,
  tables = function(tree) return "SHOW TABLES" .. (tree.from and " FROM " .. quote.name(names.database(tree.from)) or "") .. like(tree) end,
  columns = function(tree) return "SHOW COLUMNS FROM " .. name(tree.target) .. like(tree) end,
  functions = function(tree) return "SHOW FUNCTIONS" .. like(tree) end,
  catalogs = function(tree) return "SHOW CATALOGS" .. like(tree) end,
  create_table = function(tree) return "SHOW CREATE TABLE " .. name(tree.target) end,
  create_view = function(tree) return "SHOW CREATE VIEW " .. name(tree.target) end,
  create_schema = function(tree) return "SHOW CREATE SCHEMA " .. name(tree.target) end,
  partitions = function(tree) return metadata_table(tree.target, "$partitions") end,
  properties = function(tree) return metadata_table(tree.target, "$properties") end,
}

function rules.show(tree)
  local rule = shows[tree.what]
  if not rule then return unsupported("SHOW " .. tree.what:upper()) end
  return rule(tree)
end

function rules.describe(tree) return "DESCRIBE " .. name(tree.target) end

---@param tree table   what sql.parse gave
---@return string? sql
---@return Error? err  NotSupported
function M.text(tree)
  local rule = rules[tree.kind]
  if rule then return rule(tree) end
  return as_it_is(tree)
end

return M
