-- Statements that write, as plans: every expression and query in them is engine SQL; the rows of the target are addressed
-- by `target_alias`. How files are rewritten is the table format's business.

local Translator = require("lib.sql.translate.translator")
local code = require("lib.sql.translate.code")
local names = require("lib.sql.names")
local scopes = require("lib.sql.translate.scope")
local types = require("lib.sql.types")

local M = {}

---@class SqlWritePlan
---@field kind string              as classify names it
---@field target SqlTableRef
---@field target_alias string      what the expressions call the target's row
---@field source_sql string?       INSERT, CTAS: a query; MERGE: a relation with its alias, ready for FROM
---@field columns (string[]|table[])?  INSERT: names given; CTAS: {name, type}
---@field where_sql string?
---@field on_sql string?
---@field set {column: string, sql: string}[]?
---@field clauses table[]?         {matched, condition_sql?, action, set?, columns?, values?}
---@field properties table<string, any>?
---@field maps table               piece name -> map from its offsets to the statement's

-- Texts with their position maps; engine errors are traced back through plan.maps.
local function rendered(plan, name, piece)
  local text, map = code.render(piece)
  plan.maps[name] = { text = text, map = map }
  return text
end

local function new_plan(self, kind)
  local tree = self.tree
  local ref, message = names.table_ref(tree.target)
  if not ref then self:fault(tree.target.pos, "SYNTAX_ERROR", message) end
  ref.database = ref.database or self.ctx.database
  return { kind = kind, target = ref, maps = {} }
end

-- The target as a relation that expressions can read.
local function open_target(self, plan, alias_node)
  local found = self:catalog_table(self.tree.target, self.tree.target.pos)
  plan.target_alias = self:unique_name(self.ctx.target_alias or (alias_node and alias_node.name) or plan.target.table)
  local qualifier = (alias_node and alias_node.name or plan.target.table):lower()
  local path = not alias_node and { plan.target.catalog or "awsdatacatalog", plan.target.database, plan.target.table } or nil
  local fields, by_name = {}, {}
  local list = self:column_types(found.columns, self.tree.target.pos)
  for i, column in ipairs(found.columns) do
    fields[i] = { name = column.name, type = list[i], relation = qualifier, path = path,
      sql = names.quote(plan.target_alias) .. "." .. names.quote(column.name) }
    by_name[column.name:lower()] = { name = column.name, type = list[i] }
  end
  plan.all_columns = {}
  for i, field in ipairs(fields) do plan.all_columns[i] = by_name[field.name:lower()] end
  plan.column_types = by_name
  return fields
end

local function target_column(self, plan, identifier)
  local found = plan.column_types[identifier.name:lower()]
  if found then return found end
  local known = {}
  for name in pairs(plan.column_types) do known[#known + 1] = name end
  table.sort(known)
  self:fault(identifier.pos, "COLUMN_NOT_FOUND", ("Column '%s' cannot be resolved or requester is not authorized to access requested "
    .. "resources%s")
    :format(identifier.name, self:did_you_mean(identifier.name, known)))
end

-- A value as the column takes it: Trino coerces on assignment, it does not cast text to numbers.
local function assigned(self, piece, column, pos)
  local from, to = piece.type, column.type
  local fits = types.common(from, to)
  local both_numbers = types.is_number(from) and types.is_number(to)
  if not fits or (types.is_text(to) and not types.is_text(from) and from.name ~= "unknown") then
    self:mismatch(pos, ("Assignment type of column %s does not match: expected %s but found %s"):format(column.name, types.text(to),
      types.text(from)))
  end
  if types.equal(from, to) or not both_numbers and types.engine(from) == types.engine(to) then return piece end
  if from.name == "timestamp" and to.name == "timestamp" then return piece end
  return self:cast(piece, to, pos)
end

local function assignments(self, plan, list, scope, label)
  local set, seen = {}, {}
  for i, assignment in ipairs(list) do
    local column = target_column(self, plan, assignment.column)
    if seen[column.name] then self:fault(assignment.pos, "DUPLICATE_COLUMN_NAME", ("Column '%s' is set twice"):format(column.name)) end
    seen[column.name] = true
    local value = assigned(self, self:expr(assignment.value, scope), column, assignment.value.pos)
    set[i] = { column = column.name, sql = rendered(plan, label .. i, value) }
  end
  return set
end

-- Columns that are nothing but NULL take the type of the column they go to; the engine would call them integers.
local function with_typed_nulls(self, plan, piece, columns, given)
  local any = false
  for _, column in ipairs(columns) do any = any or column.type.name == "unknown" end
  if not any then return piece end
  open_target(self, plan)
  local targets = {}
  for i, identifier in ipairs(given or {}) do targets[i] = target_column(self, plan, identifier) end
  if not given then targets = plan.all_columns end
  local alias = names.quote(self:unique_name("n"))
  local inner, written = {}, {}
  for i, column in ipairs(columns) do
    inner[i] = names.quote("c" .. i)
    local value = code.new(nil, column.type, alias, ".", inner[i])
    if column.type.name == "unknown" and targets[i] then value = self:coerce(value, targets[i].type) end
    written[i] = code.new(nil, nil, value, " AS ", names.quote(column.sql_name))
  end
  return code.new(piece.pos, nil, "SELECT ", code.join(written, ", "), " FROM (", piece, ") AS ", alias, "(", table.concat(inner, ", "), ")")
end

local rules = {}

function rules.insert(self, tree)
  local plan = new_plan(self, "INSERT")
  local piece, columns = self:query(tree.query, nil, { top = true, raw = true })
  piece = with_typed_nulls(self, plan, piece, columns, tree.columns)
  plan.source_sql = rendered(plan, "source", piece)
  plan.source_columns = M.column_list(columns)
  if tree.columns then
    plan.columns = {}
    for i, identifier in ipairs(tree.columns) do plan.columns[i] = identifier.name:lower() end
    if #tree.columns ~= #columns then
      self:mismatch(tree.pos, ("Insert query has %d expression(s) but expected %d target column(s)"):format(#columns, #tree.columns))
    end
  end
  return plan
end

function rules.update(self, tree)
  local plan = new_plan(self, "UPDATE")
  local scope = scopes.new(open_target(self, plan))
  plan.set = assignments(self, plan, tree.assignments, scope, "set")
  if tree.where then plan.where_sql = rendered(plan, "where", self:condition(tree.where, scope, "WHERE clause")) end
  return plan
end

function rules.delete(self, tree)
  local plan = new_plan(self, "DELETE")
  local scope = scopes.new(open_target(self, plan))
  if tree.where then plan.where_sql = rendered(plan, "where", self:condition(tree.where, scope, "WHERE clause")) end
  return plan
end

local function merge_insert(self, plan, clause, source, index)
  local result = { columns = {}, values = {} }
  local targets = {}
  if clause.columns then
    for i, identifier in ipairs(clause.columns) do targets[i] = target_column(self, plan, identifier) end
  else
    targets = plan.all_columns
  end
  if #targets ~= #clause.values then
    self:mismatch(clause.pos, ("MERGE INSERT names %d column(s) and gives %d value(s)"):format(#targets, #clause.values))
  end
  for i, column in ipairs(targets) do
    result.columns[i] = column.name
    local value = assigned(self, self:expr(clause.values[i], source), column, clause.values[i].pos)
    result.values[i] = rendered(plan, ("insert%d.%d"):format(index, i), value)
  end
  return result
end

function rules.merge(self, tree)
  local plan = new_plan(self, "MERGE")
  local target_fields = open_target(self, plan, tree.alias)
  local source_piece, source_fields = self:relation(tree.source, nil, {})
  plan.source_sql = rendered(plan, "source", source_piece)
  local both = table.move(source_fields, 1, #source_fields, #target_fields + 1, table.move(target_fields, 1, #target_fields, 1, {}))
  local scope, source = scopes.new(both), scopes.new(source_fields)
  plan.on_sql = rendered(plan, "on", self:condition(tree.on, scope, "MERGE ON clause"))
  plan.clauses = {}
  for i, clause in ipairs(tree.clauses) do
    local result = { matched = clause.matched, action = clause.action }
    local visible = clause.matched and scope or source
    if clause.condition then result.condition_sql = rendered(plan, "condition" .. i, self:condition(clause.condition, visible,
      "MERGE condition")) end
    if clause.action == "update" then
      result.set = assignments(self, plan, clause.assignments, scope, ("set%d."):format(i))
    elseif clause.action == "insert" then
      local insert = merge_insert(self, plan, clause, source, i)
      result.columns, result.values = insert.columns, insert.values
    end
    plan.clauses[i] = result
  end
  return plan
end

-- A property's value as a Lua value: text, number, boolean or list of texts.
local function property_value(self, node)
  if node.kind == "string" then return node.value end
  if node.kind == "boolean" then return node.value end
  if node.kind == "integer" or node.kind == "decimal" or node.kind == "double" then return tonumber(node.text) end
  if node.kind == "array" then
    local list = {}
    for i, item in ipairs(node.items) do list[i] = property_value(self, item) end
    return list
  end
  self:fault(node.pos, "INVALID_TABLE_PROPERTY", "a property must be a literal")
end

local function properties(self, tree)
  local result = {}
  for _, property in ipairs(tree.properties or {}) do result[property.name:lower()] = property_value(self, property.value) end
  for _, property in ipairs(tree.text_properties or {}) do result[property.name] = property.value.value end
  return result
end

function M.column_list(columns)
  local list = {}
  for i, column in ipairs(columns) do list[i] = { name = column.name, type = types.text(column.type) } end
  return list
end

function rules.create_table_as(self, tree)
  local plan = new_plan(self, "CREATE_TABLE_AS_SELECT")
  if tree.replace then self:unsupported(tree.pos, "CREATE OR REPLACE TABLE") end
  local piece, columns = self:query(tree.query, nil, { top = true, raw = true })
  local seen = {}
  for i, column in ipairs(columns) do
    if column.unnamed or column.name:find("^_col%d+$") then
      self:fault(tree.query.pos, "MISSING_COLUMN_NAME", ("Column name not specified at position %d"):format(i))
    end
    if seen[column.name:lower()] then
      self:fault(tree.query.pos, "DUPLICATE_COLUMN_NAME", ("Column name '%s' specified more than once"):format(column.name))
    end
    seen[column.name:lower()] = true
  end
  plan.source_sql, plan.columns = rendered(plan, "source", piece), M.column_list(columns)
  plan.properties, plan.if_not_exists, plan.with_no_data = properties(self, tree), tree.if_not_exists, tree.with_no_data
  return plan
end

function rules.create_table(self, tree)
  local plan = new_plan(self, "CREATE_TABLE")
  plan.columns, plan.properties, plan.location = M.column_list(tree.columns), properties(self, tree), tree.location
  plan.if_not_exists, plan.partitioning, plan.external = tree.if_not_exists, tree.partitioning, tree.external
  return plan
end

function rules.optimize(self, tree)
  local plan = new_plan(self, "OPTIMIZE")
  local scope = scopes.new(open_target(self, plan))
  if tree.where then plan.where_sql = rendered(plan, "where", self:condition(tree.where, scope, "WHERE clause")) end
  return plan
end

local function target_only(kind)
  return function(self, tree)
    local plan = new_plan(self, kind)
    plan.if_exists, plan.properties = tree.if_exists, properties(self, tree)
    return plan
  end
end
rules.vacuum, rules.drop_table = target_only("VACUUM"), target_only("DROP_TABLE")

function rules.alter_table(self, tree)
  local plan = target_only("ALTER_TABLE")(self, tree)
  plan.action, plan.column, plan.new_column, plan.new_name = tree.action, tree.column, tree.new_column, tree.new_name
  plan.columns = tree.columns and M.column_list(tree.columns)
  return plan
end

local function schema(kind)
  return function(_, tree)
    return { kind = kind, target = { database = names.database(tree.target) }, if_exists = tree.if_exists,
      if_not_exists = tree.if_not_exists,
      cascade = tree.cascade, location = tree.location, maps = {} }
  end
end
rules.create_schema, rules.drop_schema = schema("CREATE_SCHEMA"), schema("DROP_SCHEMA")

---@param tree table
---@param ctx table   as translate.query takes, and target_alias?
---@return SqlWritePlan? plan, Error? err
function M.plan(tree, ctx)
  return Translator.run(tree, ctx, function(translator)
    local rule = rules[tree.kind] or translator:unsupported(tree.pos, (tree.kind:upper():gsub("_", " ")))
    local plan = rule(translator, tree)
    plan.tables = translator.tables
    return plan
  end)
end

return M
