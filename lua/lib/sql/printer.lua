-- A query's tree as text of the dialect again: for messages, for views, and to prove that parsing loses nothing.
-- Brackets are put around every operand, so the text is plain rather than pretty.

local names = require("lib.sql.names")
local quote = require("lib.sql.quote")
local types = require("lib.sql.types")

local M = {}
local rules = {}

local function show(node)
  local rule = rules[node.kind] or error("no rule to print " .. tostring(node.kind))
  return rule(node)
end

local function list(nodes, print, separator)
  local parts = {}
  for i, node in ipairs(nodes) do parts[i] = (print or show)(node) end
  return table.concat(parts, separator or ", ")
end

local function name(identifier) return identifier.quoted and names.quote(identifier.name) or identifier.name end
local function qualified(identifiers) return list(identifiers, name, ".") end
local function bracketed(node) return "(" .. show(node) .. ")" end
local function negated(node) return node.negated and "NOT " or "" end

-- Expressions ------------------------------------------------------------------------------------------------------

rules.identifier = name
rules["null"] = function() return "NULL" end
function rules.boolean(node) return node.value and "TRUE" or "FALSE" end
function rules.string(node) return quote.text(node.value) end
function rules.binary(node) return "X'" .. node.value .. "'" end
function rules.integer(node) return node.text end
rules.decimal, rules.double = rules.integer, rules.integer
function rules.parameter() return "?" end
function rules.typed_literal(node) return node.type_name .. " " .. quote.text(node.value) end
function rules.interval(node)
  return ("INTERVAL %s%s %s%s"):format(node.sign < 0 and "-" or "", quote.text(node.value), node.from, node.to and " TO " .. node.to or "")
end
function rules.dereference(node) return bracketed(node.base) .. "." .. name(node.field) end
function rules.subscript(node) return bracketed(node.base) .. "[" .. show(node.index) .. "]" end
function rules.row(node) return (node.explicit and "ROW(" or "(") .. list(node.items) .. ")" end
function rules.array(node) return "ARRAY[" .. list(node.items) .. "]" end
function rules.concat(node) return list(node.terms, bracketed, " || ") end
function rules.arithmetic(node) return bracketed(node.left) .. " " .. node.op .. " " .. bracketed(node.right) end
function rules.unary(node) return node.op .. bracketed(node.operand) end
function rules.compare(node) return bracketed(node.left) .. " " .. node.op .. " " .. bracketed(node.right) end
rules["and"] = function(node) return list(node.terms, bracketed, " AND ") end
rules["or"] = function(node) return list(node.terms, bracketed, " OR ") end
rules["not"] = function(node) return "NOT " .. bracketed(node.operand) end
function rules.between(node)
  return ("%s %sBETWEEN %s AND %s"):format(bracketed(node.value), negated(node), bracketed(node.low), bracketed(node.high))
end
rules["in"] = function(node)
  return ("%s %sIN (%s)"):format(bracketed(node.value), negated(node), node.query and show(node.query) or list(node.list))
end
function rules.like(node)
  local escape = node.escape and " ESCAPE " .. bracketed(node.escape) or ""
  return ("%s %sLIKE %s%s"):format(bracketed(node.value), negated(node), bracketed(node.pattern), escape)
end
function rules.is_null(node) return ("%s IS %sNULL"):format(bracketed(node.operand), negated(node)) end
function rules.distinct_from(node)
  return ("%s IS %sDISTINCT FROM %s"):format(bracketed(node.left), negated(node), bracketed(node.right))
end
function rules.quantified(node) return ("%s %s %s (%s)"):format(bracketed(node.left), node.op, node.quantifier, show(node.query)) end
function rules.exists(node) return "EXISTS (" .. show(node.query) .. ")" end
function rules.subquery(node) return "(" .. show(node.query) .. ")" end
function rules.at_time_zone(node) return bracketed(node.operand) .. " AT TIME ZONE " .. show(node.zone) end
function rules.extract(node) return ("EXTRACT(%s FROM %s)"):format(node.field, bracketed(node.operand)) end
function rules.grouping(node) return "GROUPING(" .. list(node.args) .. ")" end
function rules.cast(node)
  return ("%s(%s AS %s)"):format(node.try and "TRY_CAST" or "CAST", show(node.operand), types.text(node.target))
end
function rules.case(node)
  local parts = { "CASE", node.operand and bracketed(node.operand) }
  for _, when in ipairs(node.whens) do parts[#parts + 1] = ("WHEN %s THEN %s"):format(show(when.condition), show(when.result)) end
  if node.default then parts[#parts + 1] = "ELSE " .. show(node.default) end
  parts[#parts + 1] = "END"
  return table.concat(parts, " ")
end
function rules.current(node) return node.name .. (node.precision and ("(%d)"):format(node.precision) or "") end
function rules.lambda(node) return ("(%s) -> %s"):format(list(node.params, name), show(node.body)) end

local function sort_item(item)
  return show(item.expression) .. (item.descending and " DESC" or "") .. (item.nulls and " NULLS " .. item.nulls:upper() or "")
end

local function frame_bound(bound)
  return bound.value and show(bound.value) .. " " .. bound.bound:upper() or bound.bound:upper()
end

local function window(node)
  if node.only_name then return name(node.name) end
  local parts = { node.name and name(node.name) }
  if node.partition_by then parts[#parts + 1] = "PARTITION BY " .. list(node.partition_by) end
  if node.order_by then parts[#parts + 1] = "ORDER BY " .. list(node.order_by, sort_item) end
  if node.frame then
    local bounds = frame_bound(node.frame.from)
    if node.frame.to then bounds = ("BETWEEN %s AND %s"):format(bounds, frame_bound(node.frame.to)) end
    parts[#parts + 1] = node.frame.unit .. " " .. bounds
  end
  return "(" .. table.concat(parts, " ") .. ")"
end

-- Functions whose calls have a grammar of their own.
local special_names = { normalize = true }

function rules.call(node)
  local called = node.name[1].name
  if called == "listagg" and node.order_by then
    return ("LISTAGG(%s%s) WITHIN GROUP (ORDER BY %s)"):format(node.distinct and "DISTINCT " or "", list(node.args), list(node.order_by,
      sort_item))
  end
  if special_names[called] and node.args[2] then return ("%s(%s, %s)"):format(called, show(node.args[1]), node.args[2].value) end
  local inside = node.star and "*" or (node.distinct and "DISTINCT " or "") .. list(node.args)
  if node.order_by then inside = inside .. " ORDER BY " .. list(node.order_by, sort_item) end
  local result = ("%s(%s)"):format(#node.name == 1 and special_names[called] and called or qualified(node.name), inside)
  if node.filter then result = result .. (" FILTER (WHERE %s)"):format(show(node.filter)) end
  if node.nulls then result = ("%s %s NULLS"):format(result, node.nulls:upper()) end
  return node.window and result .. " OVER " .. window(node.window) or result
end

-- Queries ------------------------------------------------------------------------------------------------------------

local function columns(identifiers) return identifiers and " (" .. list(identifiers, name) .. ")" or "" end

local function select_item(item)
  if item.kind == "star" then
    return (item.of and bracketed(item.of) .. "." or "") .. "*" .. (item.columns and " AS" .. columns(item.columns) or "")
  end
  return show(item.expression) .. (item.alias and " AS " .. name(item.alias) or "")
end

local function group_set(set) return "(" .. list(set) .. ")" end
local group_words = { rollup = "ROLLUP", cube = "CUBE", grouping_sets = "GROUPING SETS" }

local function grouping_element(element)
  if element.kind == "group" then return #element.items == 1 and show(element.items[1]) or group_set(element.items) end
  return ("%s (%s)"):format(group_words[element.kind], list(element.sets, element.kind == "grouping_sets" and grouping_element
    or group_set))
end

function rules.select(node)
  local parts = { "SELECT" .. (node.distinct and " DISTINCT" or ""), list(node.items, select_item) }
  local function clause(value) parts[#parts + 1] = value end
  if node.from then clause("FROM " .. list(node.from)) end
  if node.where then clause("WHERE " .. show(node.where)) end
  if node.group_by then clause(("GROUP BY %s%s"):format(node.group_distinct and "DISTINCT " or "", list(node.group_by,
    grouping_element))) end
  if node.having then clause("HAVING " .. show(node.having)) end
  if node.windows then
    clause("WINDOW " .. list(node.windows, function(w) return name(w.name) .. " AS " .. window(w.window) end))
  end
  return table.concat(parts, " ")
end

function rules.values(node) return "VALUES " .. list(node.rows) end
function rules.table(node) return "TABLE " .. qualified(node.name) end

-- An operand of a set operation: the right one in brackets, so that it stays one.
local function operand(node) return node.kind == "set" and "(" .. show(node) .. ")" or node.kind == "query" and "(" .. show(node) .. ")"
  or show(node) end

function rules.set(node)
  local left = node.left.kind == "query" and "(" .. show(node.left) .. ")" or show(node.left)
  return ("%s %s%s %s"):format(left, node.op, node.all and " ALL" or "", operand(node.right))
end

function rules.query(node)
  local parts = {}
  if node.with then
    parts[1] = (node.with.recursive and "WITH RECURSIVE " or "WITH ") .. list(node.with.items, function(item)
      return ("%s%s AS (%s)"):format(name(item.name), columns(item.columns), show(item.query))
    end)
  end
  parts[#parts + 1] = node.body.kind == "query" and "(" .. show(node.body) .. ")" or show(node.body)
  if node.order_by then parts[#parts + 1] = "ORDER BY " .. list(node.order_by, sort_item) end
  if node.offset then parts[#parts + 1] = "OFFSET " .. show(node.offset) end
  if node.limit then
    parts[#parts + 1] = node.with_ties and ("FETCH FIRST %s ROWS WITH TIES"):format(show(node.limit)) or "LIMIT " .. show(node.limit)
  end
  return table.concat(parts, " ")
end

-- FROM ---------------------------------------------------------------------------------------------------------------

local function aliased(node, shown)
  if node.alias then shown = shown .. " AS " .. name(node.alias) .. columns(node.alias_columns) end
  if node.sample then shown = ("%s TABLESAMPLE %s (%s)"):format(shown, node.sample.method, show(node.sample.percentage)) end
  return shown
end

function rules.table_ref(node)
  local period = node.period and (" FOR %s AS OF %s"):format(node.period.by:upper(), show(node.period.value)) or ""
  return aliased(node, qualified(node.name) .. period)
end
function rules.subquery_relation(node) return aliased(node, "(" .. show(node.query) .. ")") end
function rules.lateral(node) return aliased(node, "LATERAL (" .. show(node.query) .. ")") end
function rules.bracketed_relation(node) return aliased(node, "(" .. show(node.relation) .. ")") end
function rules.unnest(node)
  return aliased(node, ("UNNEST (%s)%s"):format(list(node.items), node.ordinality and " WITH ORDINALITY" or ""))
end

function rules.join(node)
  local how = node.type == "CROSS" and "CROSS JOIN" or (node.natural and "NATURAL " or "") .. node.type .. " JOIN"
  local criteria = node.on and " ON " .. show(node.on) or node.using and " USING" .. columns(node.using) or ""
  return ("%s %s %s%s"):format(show(node.left), how, show(node.right), criteria)
end

---@param tree table   a query or an expression
---@return string
function M.print(tree) return show(tree) end

return M
