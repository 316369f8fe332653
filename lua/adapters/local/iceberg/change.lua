-- INSERT, UPDATE, DELETE and MERGE on a snapshot: copy on write by delta. First the affected rows go into a temporary
-- table, with the place of the old row and the new values; then only the files that hold an affected row are written anew.
-- Nothing affected: no commit. A table without rows, and a change that only adds, are written straight from the source.
local errors = require "lib.errors"
local metadata = require "adapters.local.iceberg.metadata"
local scan = require "adapters.local.iceberg.scan"
local types = require "adapters.local.iceberg.types"
local writer = require "adapters.local.iceberg.writer"

local M = {}

M.TOKEN, M.ROWS = "sewing.token", "sewing.rows" -- entries of a snapshot's summary

local quote = types.quote
local DELTA = '"$delta"'

-- Every engine connection given here is an adapters.local.engine one: its calls fail with an Error.

local function fields_of(table_) return metadata.schema(table_.meta).fields end

local function field_named(fields, name)
  for _, field in ipairs(fields) do
    if field.name == name or field.name:lower() == name:lower() then return field end
  end
end

local function no_column(table_, name)
  return errors.new("QueryFailed", ("COLUMN_NOT_FOUND: column '%s' does not exist in '%s.%s'"):format(name, table_.database, table_.name))
end

local function cast(sql, field) return ("CAST(%s AS %s)"):format(sql, types.to_duckdb(field.type)) end

local holds_rows

-- Rows are assigned by position, as in Trino; the engine's cast goes by field names.
local function by_position(sql, kind, depth)
  if not holds_rows(kind) then return ("CAST(%s AS %s)"):format(sql, types.to_duckdb(kind)) end
  local parts, item = {}, "x" .. depth
  if kind.type == "list" then return ("list_transform(%s, lambda %s: %s)"):format(sql, item, by_position(item, kind.element, depth + 1)) end
  if kind.type == "map" then return ("CAST(%s AS %s)"):format(sql, types.to_duckdb(kind)) end
  for i, field in ipairs(kind.fields) do
    parts[i] = ("%s := %s"):format(quote(field.name), by_position(("struct_extract_at(%s, %d)"):format(sql, i), field.type, depth))
  end
  return ("CASE WHEN %s IS NOT NULL THEN struct_pack(%s) END"):format(sql, table.concat(parts, ", "))
end

function holds_rows(kind)
  return type(kind) == "table" and (kind.type == "struct" or (kind.type == "list" and holds_rows(kind.element)))
end

-- A value of a query as the target's column takes it.
local function assigned(sql, field, given_type)
  if sql ~= "NULL" and holds_rows(field.type) and given_type ~= types.to_duckdb(field.type) then return by_position(sql, field.type, 1) end
  return cast(sql, field)
end

local function refuse_partitioned(table_)
  if table_.meta.partitioned then
    return nil, errors.new("NotSupported",
      ("table '%s.%s' is partitioned by another writer: it can be read here, not written"):format(table_.database, table_.name))
  end
  return true
end

-- Commits, or removes the files that the commit did not take. The plan's token and the number of touched rows go into the
-- snapshot's summary, so that a repeated statement can tell that it has happened.
local function commit(store, table_, change, plan, rows)
  if plan.token then change.summary = { [M.TOKEN] = plan.token, [M.ROWS] = tostring(rows) } end
  local done, err = store:commit(table_, change)
  if done then return done end
  writer.remove(change.added)
  return nil, err
end

-- INSERT -----------------------------------------------------------------------------------------------------------

local families = {
  { "^[UH]?TINYINT", "^U?SMALLINT", "^U?INTEGER", "^U?BIGINT", "^U?HUGEINT", "^FLOAT", "^DOUBLE", "^DECIMAL" },
  { "^VARCHAR$", "^ENUM", "^JSON$" }, { "^BOOLEAN$" }, { "^DATE$", "^TIMESTAMP" }, { "^TIME$" }, { "^BLOB$" }, { "^UUID$" }, { "%]$" },
    { "^STRUCT" }, { "^MAP" },
}

local function family(text)
  for i, patterns in ipairs(families) do
    for _, pattern in ipairs(patterns) do
      -- STRUCT(...)[] is a list, whatever it begins with
      if text:find(pattern) and (i == 8 or not text:find("%]$")) then return i end
    end
  end
end

local function check_types(columns, targets)
  if #columns ~= #targets then
    return nil, errors.new("QueryFailed", ("TYPE_MISMATCH: Insert query has %d columns, the table takes %d here"):format(#columns,
      #targets))
  end
  for i, column in ipairs(columns) do
    local wanted = types.to_duckdb(targets[i].type)
    local null = column.type == '"NULL"' or column.type == "NULL"
    if not null and family(column.type) ~= family(wanted) then
      return nil, errors.new("QueryFailed", ("TYPE_MISMATCH: column '%s' is %s, the query gives %s"):format(targets[i].name,
        types.to_trino(targets[i].type), column.type:lower()))
    end
  end
  return true
end

---@param con table
---@param sql string
---@return {name: string, type: string}[]|nil columns, Error? err
function M.describe(con, sql)
  local result, err = con:query(("SELECT * FROM (%s) AS q LIMIT 0"):format(sql))
  if not result then return nil, err end
  return result.columns
end

-- The table's columns in order, taken from a query's columns by position.
local function insert_select(con, table_, plan)
  local fields, targets = fields_of(table_), {}
  if plan.columns then
    for i, name in ipairs(plan.columns) do
      targets[i] = field_named(fields, name)
      if not targets[i] then return nil, no_column(table_, name) end
    end
  else
    targets = fields
  end
  local columns, err = M.describe(con, plan.source_sql)
  if not columns then return nil, err end
  local ok
  ok, err = check_types(columns, targets)
  if not ok then return nil, err end
  local aliases, from, given = {}, {}, {}
  for i, field in ipairs(targets) do
    aliases[i] = "c" .. i
    from[field.name], given[field.name] = "c" .. i, columns[i].type
  end
  local list = {}
  for i, field in ipairs(fields) do
    list[i] = ("%s AS %s"):format(assigned(from[field.name] or "NULL", field, given[field.name]), quote(field.name))
  end
  return ("SELECT %s FROM (%s) AS q(%s)"):format(table.concat(list, ", "), plan.source_sql, table.concat(aliases, ", "))
end

---@return integer|nil rows, Error? err
function M.insert(store, con, table_, plan)
  local ok, err = refuse_partitioned(table_)
  if not ok then return nil, err end
  local sql
  sql, err = insert_select(con, table_, plan)
  if not sql then return nil, err end
  local added
  added, err = writer.write(con, table_, sql)
  if not added then return nil, err end
  if #added == 0 then return 0 end
  local done
  local rows = writer.count(added)
  done, err = commit(store, table_, { operation = "append", added = added }, plan, rows)
  return done and rows, err
end

-- The delta ----------------------------------------------------------------------------------------------------------

local function drop_delta(con) con:exec("DROP TABLE IF EXISTS " .. DELTA) end

local function delta_counts(con)
  local counts = [[SELECT count(*), count("$row"), count(DISTINCT "$row"), count(*) FILTER ("$gone") FROM %s]]
  local result, err = con:query(counts:format(DELTA))
  if not result then return nil, err end
  local row = result.rows[1]
  return { rows = row[1], matched = row[2], distinct = row[3], gone = row[4] }
end

-- Which of the files hold an affected row.
local function touched_files(con, files)
  local result, err = con:query(([[SELECT DISTINCT "$row" >> %d FROM %s WHERE "$row" IS NOT NULL ORDER BY 1]]):format(scan.ROW_BITS, DELTA))
  if not result then return nil, err end
  local touched, places, removed = {}, {}, {}
  for i, row in ipairs(result.rows) do
    places[i] = row[1]
    touched[i] = files[row[1] + 1]
    removed[touched[i].path] = true
  end
  return touched, places, removed
end

-- Rows of the touched files that stay, and the new versions of the others.
local function rewrite_select(table_, touched, places, keep_new)
  local fields = fields_of(table_)
  local rows, err = scan.rows(fields, touched, { row_key = true, places = places })
  if not rows then return nil, err end
  local list = scan.names(fields)
  -- NOT IN, not NOT EXISTS: the engine then keeps the small delta as the side it looks up, twice as fast.
  local sql = ([[SELECT %s FROM %s AS t WHERE "$row" NOT IN (SELECT "$row" FROM %s WHERE "$row" IS NOT NULL)]]):format(list, rows, DELTA)
  if keep_new then sql = ("%s UNION ALL SELECT %s FROM %s WHERE NOT \"$gone\""):format(sql, list, DELTA) end
  return sql
end

local function only_inserts(store, con, table_, plan)
  local list = scan.names(fields_of(table_))
  local added, err = writer.write(con, table_, ("SELECT %s FROM %s"):format(list, DELTA))
  if not added then return nil, err end
  return commit(store, table_, { operation = "append", added = added, strict = true }, plan, writer.count(added))
end

local function apply_delta(store, con, table_, files, counts, operation, plan)
  if counts.matched == 0 then return only_inserts(store, con, table_, plan) end
  local touched, places, removed = touched_files(con, files)
  if not touched then return nil, places end
  local sql, err = rewrite_select(table_, touched, places, counts.rows > counts.gone)
  if not sql then return nil, err end
  local added
  added, err = writer.write(con, table_, sql)
  if not added then return nil, err end
  return commit(store, table_, { operation = operation, added = added, removed = removed }, plan, counts.rows)
end

-- Runs `make` (CREATE TEMP TABLE of the delta) and brings its rows into the table.
local function through_delta(store, con, table_, files, make, operation, plan)
  drop_delta(con)
  local ok, err = con:exec(("CREATE TEMP TABLE %s AS %s"):format(DELTA, make))
  if not ok then return nil, err end
  local counts
  counts, err = delta_counts(con)
  if counts and counts.matched ~= counts.distinct then
    counts, err = nil, errors.new("QueryFailed",
      "MERGE_TARGET_ROW_MULTIPLE_MATCHES: One MERGE target table row matched more than one source row")
  end
  if counts and counts.rows > 0 then
    ok, err = apply_delta(store, con, table_, files, counts, operation, plan)
    if not ok then counts = nil end
  end
  drop_delta(con)
  if not counts then return nil, err end
  return counts.rows
end

-- The files of the table to be changed, and SQL of its rows with their places.
local function target_rows(store, table_)
  local ok, refused = refuse_partitioned(table_)
  if not ok then return nil, refused end
  local files, err = store:files(metadata.current(table_.meta))
  if not files then return nil, err end
  local sql
  sql, err = scan.rows(fields_of(table_), files, { row_key = true })
  if not sql then return nil, err end
  return files, sql
end

local function alias_of(table_, plan) return quote(plan.target_alias or table_.name) end

-- UPDATE and DELETE ------------------------------------------------------------------------------------------------

local function assignments(table_, set)
  local fields, found = fields_of(table_), {}
  for _, item in ipairs(set) do
    local field = field_named(fields, item.column)
    if not field then return nil, no_column(table_, item.column) end
    found[field.name] = cast(item.sql, field)
  end
  return found
end

---@return integer|nil rows, Error? err
function M.update(store, con, table_, plan)
  local files, rows = target_rows(store, table_)
  if not files then return nil, rows end
  if #files == 0 then return 0 end
  local set, err = assignments(table_, plan.set)
  if not set then return nil, err end
  local alias, list = alias_of(table_, plan), {}
  for i, field in ipairs(fields_of(table_)) do
    list[i] = ("%s AS %s"):format(set[field.name] or alias .. "." .. quote(field.name), quote(field.name))
  end
  local make = ([[SELECT %s."$row" AS "$row", false AS "$gone", %s FROM %s AS %s%s]]):format(alias, table.concat(list, ", "), rows, alias,
    plan.where_sql and " WHERE " .. plan.where_sql or "")
  return through_delta(store, con, table_, files, make, "overwrite", plan)
end

local function delete_all(store, table_, files, plan)
  local rows = writer.count(files)
  local done, err = commit(store, table_, { operation = "delete", added = {}, removed = "all" }, plan, rows)
  return done and rows, err
end

---@return integer|nil rows, Error? err
function M.delete(store, con, table_, plan)
  local files, rows = target_rows(store, table_)
  if not files then return nil, rows end
  if #files == 0 then return 0 end
  if not plan.where_sql then return delete_all(store, table_, files, plan) end
  local alias = alias_of(table_, plan)
  local make = ([[SELECT %s."$row" AS "$row", true AS "$gone" FROM %s AS %s WHERE %s]]):format(alias, rows, alias, plan.where_sql)
  return through_delta(store, con, table_, files, make, "delete", plan)
end

-- MERGE ---------------------------------------------------------------------------------------------------------------

-- The values an INSERT clause gives, by column name.
local function insert_values(table_, clause)
  local fields, found = fields_of(table_), {}
  local names = clause.columns
  if not names then
    names = {}
    for i, field in ipairs(fields) do names[i] = field.name end
  end
  if #names ~= #clause.values then
    return nil, errors.new("QueryFailed", ("MERGE INSERT names %d columns and gives %d values"):format(#names, #clause.values))
  end
  for i, name in ipairs(names) do
    local field = field_named(fields, name)
    if not field then return nil, no_column(table_, name) end
    found[field.name] = cast(clause.values[i], field)
  end
  return found
end

-- Which clause acts on a pair of rows: its number, or NULL.
local function action_sql(clauses, matched_sql, only_inserts_)
  local parts = {}
  for i, clause in ipairs(clauses) do
    local conditions = {}
    if not only_inserts_ then conditions[1] = clause.matched and matched_sql .. " IS NOT NULL" or matched_sql .. " IS NULL" end
    if clause.condition_sql then conditions[#conditions + 1] = "(" .. clause.condition_sql .. ")" end
    if #conditions == 0 then conditions[1] = "true" end
    if clause.matched == false or not only_inserts_ then
      parts[#parts + 1] = ("WHEN %s THEN %d"):format(table.concat(conditions, " AND "), i)
    end
  end
  return #parts > 0 and ("CASE %s END"):format(table.concat(parts, " ")) or "NULL"
end

-- One column of the delta: what each clause makes of it.
local function column_sql(field, alias, clauses, given)
  local parts, old = {}, alias and alias .. "." .. quote(field.name)
  for i, clause in ipairs(clauses) do
    if given[i] then
      local value = given[i][field.name]
      if clause.action == "insert" then value = value or cast("NULL", field)
      elseif clause.action == "delete" then value = old
      else value = value or old end
      parts[#parts + 1] = { i, value }
    end
  end
  if #parts == 1 then return parts[1][2] end
  local same = true
  for _, part in ipairs(parts) do same = same and part[2] == parts[1][2] end
  if same then return parts[1][2] end
  for i, part in ipairs(parts) do parts[i] = ("WHEN %d THEN %s"):format(part[1], part[2]) end
  return ('CASE "$act" %s END'):format(table.concat(parts, " "))
end

local function clause_values(table_, plan, only_inserts_)
  local given = {}
  for i, clause in ipairs(plan.clauses) do
    local values, err = {}, nil
    if clause.action == "insert" then values, err = insert_values(table_, clause)
    elseif clause.action == "update" then values, err = assignments(table_, clause.set) end
    if not values then return nil, err end
    if not only_inserts_ or not clause.matched then given[i] = values end
  end
  return given
end

local function merge_list(table_, plan, given, alias)
  local list = {}
  for i, field in ipairs(fields_of(table_)) do
    list[i] = ("%s AS %s"):format(column_sql(field, alias, plan.clauses, given), quote(field.name))
  end
  return table.concat(list, ", ")
end

-- The target has no rows: every source row is new, no join, no temporary table.
local function merge_into_empty(store, con, table_, plan)
  local given, err = clause_values(table_, plan, true)
  if not given then return nil, err end
  if next(given) == nil then return 0 end
  local sql = ([[SELECT %s FROM (SELECT %s AS "$act", %s FROM %s) AS q WHERE "$act" IS NOT NULL]]):format(scan.names(fields_of(table_)),
    action_sql(plan.clauses, nil, true), merge_list(table_, plan, given, nil), plan.source_sql)
  local added
  added, err = writer.write(con, table_, sql)
  if not added then return nil, err end
  if #added == 0 then return 0 end
  local done
  local rows = writer.count(added)
  done, err = commit(store, table_, { operation = "append", added = added, strict = true }, plan, rows)
  return done and rows, err
end

---@return integer|nil rows, Error? err
function M.merge(store, con, table_, plan)
  local files, rows = target_rows(store, table_)
  if not files then return nil, rows end
  if #files == 0 then return merge_into_empty(store, con, table_, plan) end
  local given, err = clause_values(table_, plan, false)
  if not given then return nil, err end
  local alias, inserts, gone = alias_of(table_, plan), false, {}
  for i, clause in ipairs(plan.clauses) do
    inserts = inserts or clause.action == "insert"
    if clause.action == "delete" then gone[#gone + 1] = tostring(i) end
  end
  local key = alias .. '."$row"'
  local make = ([[SELECT * EXCLUDE ("$act") FROM (SELECT %s AS "$act", %s AS "$row", %s AS "$gone", %s
    FROM %s %s JOIN %s AS %s ON %s) AS q WHERE "$act" IS NOT NULL]]):format(
    action_sql(plan.clauses, key), key, #gone > 0 and ('"$act" IN (%s)'):format(table.concat(gone, ", ")) or "false", merge_list(table_,
      plan, given, alias),
    plan.source_sql, inserts and "LEFT" or "INNER", rows, alias, plan.on_sql)
  return through_delta(store, con, table_, files, make, "overwrite", plan)
end

return M
