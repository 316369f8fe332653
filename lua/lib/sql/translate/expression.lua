-- Expressions: one rule per kind of node. self:expr(node, scope) gives a piece of engine SQL with its Trino type.

local Translator = require("lib.sql.translate.translator")
local code = require("lib.sql.translate.code")
local names = require("lib.sql.names")
local scopes = require("lib.sql.translate.scope")
local types = require("lib.sql.types")

local new = code.new
local rules = {}
Translator.expression_rules = rules

---@param node table
---@param scope SqlScope
---@return SqlCode
function Translator:expr(node, scope)
  local rule = rules[node.kind] or self:unsupported(node.pos, node.kind:gsub("_", " "))
  return rule(self, node, scope)
end

function Translator:exprs(nodes, scope)
  local pieces = {}
  for i, node in ipairs(nodes) do pieces[i] = self:expr(node, scope) end
  return pieces
end

-- A condition: boolean or NULL.
function Translator:condition(node, scope, what)
  local piece = self:expr(node, scope)
  local name = piece.type.name
  if name ~= "boolean" and name ~= "unknown" and name ~= "any" then
    self:mismatch(node.pos, ("%s must evaluate to a boolean: actual type %s"):format(what, types.text(piece.type)))
  end
  return piece
end

-- Names ------------------------------------------------------------------------------------------------------------

local function column_piece(field, pos)
  if field.piece then return field.piece end
  local piece = new(pos, field.type, field.sql)
  piece.field = field
  return piece
end

local function no_column(self, pos, name, scope)
  self:fault(pos, "COLUMN_NOT_FOUND", ("Column '%s' cannot be resolved or requester is not authorized to access requested resources%s")
    :format(name, self:did_you_mean(name:match("[^.]*$"), scopes.names(scope))))
end

function rules.identifier(self, node, scope)
  local field, problem = scopes.find(scope, {}, node.name)
  if problem then self:fault(node.pos, "AMBIGUOUS_NAME", ("Column '%s' is ambiguous"):format(node.name)) end
  if field then return column_piece(field, node.pos) end
  if not node.quoted and self.bare_words and self.bare_words[node.name] then return new(node.pos, types.varchar,
    code.quote_text(node.name)) end
  no_column(self, node.pos, node.name, scope)
end

-- a.b.c as a list of names, or nil when a part is no name
local function dotted(node)
  local parts = {}
  while node.kind == "dereference" do
    table.insert(parts, 1, node.field.name:lower())
    node = node.base
  end
  if node.kind ~= "identifier" then return nil end
  table.insert(parts, 1, node.name:lower())
  return parts
end

function Translator:row_field(base, wanted, pos)
  if base.type.name == "any" then return new(pos, types.any, "struct_extract(", base, ", ", code.quote_text(wanted), ")") end
  if base.type.name ~= "row" then
    self:mismatch(pos, ("Expression of type %s is not a row: cannot read field %s"):format(types.text(base.type), wanted))
  end
  local listed = {}
  for i, field in ipairs(base.type.fields) do
    if field.name and field.name:lower() == wanted:lower() then
      return new(pos, field.type, "struct_extract(", base, ", ", code.quote_text(types.field_name(field, i)), ")")
    end
    if field.name then listed[#listed + 1] = field.name end
  end
  self:fault(pos, "COLUMN_NOT_FOUND", ("Field '%s' cannot be resolved in %s%s"):format(wanted, types.text(base.type),
    self:did_you_mean(wanted, listed)))
end

function rules.dereference(self, node, scope)
  local parts = dotted(node)
  if parts then
    local qualifier = table.move(parts, 1, #parts - 1, 1, {})
    local field, problem = scopes.find(scope, qualifier, parts[#parts])
    if problem then self:fault(node.pos, "AMBIGUOUS_NAME", ("Column '%s' is ambiguous"):format(table.concat(parts, "."))) end
    if field then return column_piece(field, node.pos) end
    local first = node
    while first.kind == "dereference" do first = first.base end
    if not scopes.find(scope, {}, first.name) and (#parts == 2 or not scopes.find(scope, { parts[1] }, parts[2])) then
      no_column(self, first.pos, table.concat(parts, "."), scope)
    end
  end
  return self:row_field(self:expr(node.base, scope), node.field.name, node.pos)
end

-- Literals ---------------------------------------------------------------------------------------------------------

function rules.null(_, node) return new(node.pos, types.unknown, "NULL") end
function rules.boolean(_, node) return new(node.pos, types.boolean, node.value and "true" or "false") end
function rules.string(self, node) return self:literal_text(node.pos, node.value) end
function rules.binary(_, node) return new(node.pos, types.varbinary, "from_hex('" .. node.value .. "')") end

local function whole_value(text)
  local based = text:lower()
  if based:find("^0b") then return math.tointeger(tonumber(based:sub(3), 2)) end
  if based:find("^0o") then return math.tointeger(tonumber(based:sub(3), 8)) end
  return math.tointeger(tonumber(text))
end

function rules.integer(self, node)
  local value = whole_value(node.text)
  if not value or (node.text:find("^%d+$") and ("%d"):format(value) ~= (node.text:gsub("^0+(%d)", "%1"))) then
    -- the least bigint is written with a minus sign in front of a literal that alone is too large
    self:fault(node.pos, "INVALID_LITERAL", "Invalid numeric literal: " .. node.text)
  end
  local t = value <= 2147483647 and types.integer or types.bigint
  local piece = new(node.pos, t, ("%d"):format(value))
  piece.literal = true
  return piece
end

function rules.decimal(_, node)
  local whole, fraction = node.text:match("^(%d*)%.(%d*)$")
  whole = whole:gsub("^0+", "")
  local precision = math.max(1, #whole + #fraction)
  local t = types.decimal(precision, #fraction)
  return new(node.pos, t, ("CAST('%s' AS %s)"):format((whole == "" and "0" or whole) .. "." .. fraction, types.engine(t)))
end

function rules.double(_, node)
  return new(node.pos, types.double, ("CAST('%s' AS DOUBLE)"):format(node.text))
end

function rules.parameter(self, node, scope)
  local text = self.ctx.parameters and self.ctx.parameters[node.index]
  if text == nil then
    self:fault(node.pos, "INVALID_PARAMETER_USAGE", ("Incorrect number of parameters: no value for parameter %d"):format(node.index))
  end
  local tree, err = self.parse_expression(tostring(text))
  if not tree then
    self:fault(node.pos, "INVALID_PARAMETER_USAGE", ("parameter %d: %s"):format(node.index, err.message))
  end
  if tree.kind == "parameter" then self:fault(node.pos, "INVALID_PARAMETER_USAGE", "a parameter cannot hold a parameter") end
  -- positions inside of the value would point into another text
  local piece = self:expr(tree, scopes.new({}, nil))
  piece = new(node.pos, piece.type, "(", piece, ")")
  return self.strip_positions(piece, node.pos, scope)
end

-- Gives every part of a piece the position of the place that it was put in.
function Translator.strip_positions(piece, pos)
  if type(piece) ~= "table" then return piece end
  if piece.pos then piece.pos = pos end
  for _, part in ipairs(piece) do Translator.strip_positions(part, pos) end
  return piece
end

-- Operators --------------------------------------------------------------------------------------------------------

local function combined(operator, what)
  return function(self, node, scope)
    local pieces = {}
    for i, term in ipairs(node.terms) do pieces[i] = self:condition(term, scope, "Logical expression term") end
    local piece = new(node.pos, types.boolean, "(", code.join(pieces, operator), ")")
    piece.what = what
    return piece
  end
end
rules["and"] = combined(" AND ")
rules["or"] = combined(" OR ")

rules["not"] = function(self, node, scope)
  return new(node.pos, types.boolean, "(NOT ", self:condition(node.operand, scope, "Value of logical NOT expression"), ")")
end

function rules.concat(self, node, scope)
  return self:concatenate(self:exprs(node.terms, scope), node)
end

-- || of texts, arrays, arrays with elements, or bytes
function Translator:concatenate(pieces, node)
  local element
  for _, piece in ipairs(pieces) do
    if piece.type.name == "array" then element = element and types.common(element, piece.type) or piece.type end
  end
  if element then
    local parts = {}
    for i, piece in ipairs(pieces) do
      parts[i] = piece.type.name == "array" and piece or new(piece.pos, types.array(piece.type), "[", piece, "]")
    end
    return new(node.pos, element, "(", code.join(parts, " || "), ")")
  end
  local length, is_binary = 0, false
  for i, piece in ipairs(pieces) do
    local t = piece.type
    if t.name == "varbinary" then is_binary = true
    elseif not types.is_text(t) and t.name ~= "unknown" and t.name ~= "any" then
      self:mismatch(node.pos, ("Unexpected parameters (%s) for function concat"):format(self.type_list(pieces)))
    end
    length = length and t.length and length + t.length
    if t.name == "unknown" then pieces[i] = new(piece.pos, types.varchar, "CAST(NULL AS ", is_binary and "BLOB" or "VARCHAR", ")") end
  end
  local t = is_binary and types.varbinary or (length and length > 0 and types.varchar_of(length)) or types.varchar
  return new(node.pos, t, "(", code.join(pieces, " || "), ")")
end

function Translator.type_list(pieces)
  local list = {}
  for i, piece in ipairs(pieces) do list[i] = types.text(piece.type) end
  return table.concat(list, ", ")
end

-- Conditional ------------------------------------------------------------------------------------------------------

-- The common type of result pieces; raises when there is none.
function Translator:unify(pieces, pos, what)
  local t = types.common_of(self.types_of(pieces))
  if not t then
    self:mismatch(pos, ("All %s must be the same type or coercible to a common type: %s"):format(what, self.type_list(pieces)))
  end
  for i, piece in ipairs(pieces) do pieces[i] = self:coerce(piece, t) end
  return t
end

function rules.case(self, node, scope)
  local results = {}
  local operand = node.operand and self:expr(node.operand, scope)
  local conditions = {}
  for i, when in ipairs(node.whens) do
    if operand then
      conditions[i] = self:compare("=", operand, self:expr(when.condition, scope), when.condition.pos)
    else
      conditions[i] = self:condition(when.condition, scope, "CASE WHEN clause")
    end
    results[i] = self:expr(when.result, scope)
  end
  if node.default then results[#results + 1] = self:expr(node.default, scope) end
  local t = self:unify(results, node.pos, "CASE results")
  local piece = new(node.pos, t, "CASE")
  for i in ipairs(node.whens) do
    table.move({ " WHEN ", conditions[i], " THEN ", results[i] }, 1, 4, #piece + 1, piece)
  end
  if node.default then table.move({ " ELSE ", results[#results] }, 1, 2, #piece + 1, piece) end
  piece[#piece + 1] = " END"
  return piece
end

function rules.row(self, node, scope)
  local pieces = self:exprs(node.items, scope)
  return self:make_row(pieces, nil, node.pos)
end

-- {'a': x, 'b': y}
function Translator:make_row(pieces, field_names, pos) -- luacheck: no self
  local fields, parts = {}, {}
  for i, piece in ipairs(pieces) do
    fields[i] = { name = field_names and field_names[i], type = piece.type }
    parts[i] = new(nil, nil, names.quote(types.field_name(fields[i], i)), " := ", piece)
  end
  return new(pos, types.row(fields), "struct_pack(", code.join(parts, ", "), ")")
end

function rules.array(self, node, scope)
  local pieces = self:exprs(node.items, scope)
  local element = self:unify(pieces, node.pos, "ARRAY elements")
  return new(node.pos, types.array(element), "[", code.join(pieces, ", "), "]")
end

function rules.subscript(self, node, scope)
  local base, index = self:expr(node.base, scope), self:expr(node.index, scope)
  local t = base.type
  if t.name == "any" then return new(node.pos, types.any, "(", base, ")[", index, "]") end
  if t.name == "array" then
    local template = self.in_try and "list_extract($1, $2)" or "trino.subscript($1, $2)"
    return new(node.pos, t.element, code.fill(template, { base, index }))
  elseif t.name == "map" then
    index = self:coerce(index, t.key)
    local template = self.in_try and "($1)[$2]" or "trino.map_subscript($1, $2)"
    return new(node.pos, t.value, code.fill(template, { base, index }))
  elseif t.name == "row" and node.index.kind == "integer" then
    local i = tonumber(node.index.text)
    local field = t.fields[i] or self:fault(node.pos, "INVALID_FUNCTION_ARGUMENT", "ROW index out of bounds: " .. i)
    return new(node.pos, field.type, "struct_extract(", base, ", ", code.quote_text(types.field_name(field, i)), ")")
  end
  self:mismatch(node.pos, ("Cannot subscript a value of type %s"):format(types.text(t)))
end

return Translator
