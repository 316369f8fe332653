-- Grammar of single operands: literals, names, calls, brackets, CASE, CAST, lambdas, subscripts.

local Cursor = require("lib.sql.parse.cursor")
local json = require("lib.sql.parse.json")
local keywords = require("lib.sql.keywords")

local literal = {
  string = function(self, token)
    self:advance()
    return { kind = "string", value = token.value, pos = token.pos }
  end,
  ustring = function(self, token)
    return { kind = "string", value = self:string(), pos = token.pos }
  end,
  number = function(self, token)
    self:advance()
    return { kind = token.number, text = token.value, pos = token.pos }
  end,
  binary = function(self, token)
    self:advance()
    return { kind = "binary", value = token.value, pos = token.pos }
  end,
}

local by_key = {}
for key, rule in pairs(json.rules) do by_key[key] = rule end

by_key["NULL"] = function(self) return { kind = "null", pos = self:advance().pos } end
by_key["TRUE"] = function(self) return { kind = "boolean", value = true, pos = self:advance().pos } end
by_key["FALSE"] = function(self) return { kind = "boolean", value = false, pos = self:advance().pos } end

by_key["?"] = function(self)
  self.parameters = self.parameters + 1
  return { kind = "parameter", index = self.parameters, pos = self:advance().pos }
end

by_key["CASE"] = function(self)
  local node = { kind = "case", whens = {}, pos = self:advance().pos }
  if not self:is("WHEN") then node.operand = self:expression() end
  repeat
    self:expect("WHEN")
    local condition = self:expression()
    self:expect("THEN")
    node.whens[#node.whens + 1] = { condition = condition, result = self:expression() }
  until not self:is("WHEN")
  if self:accept("ELSE") then node.default = self:expression() end
  self:expect("END")
  return node
end

local function cast(try)
  return function(self)
    local pos = self:advance().pos
    self:expect("(")
    local operand = self:expression()
    self:expect("AS")
    local target = self:type()
    self:expect(")")
    return { kind = "cast", operand = operand, target = target, try = try, pos = pos }
  end
end
by_key["CAST"] = cast(false)

by_key["EXTRACT"] = function(self)
  local pos = self:advance().pos
  self:expect("(")
  local field = self:identifier()
  self:expect("FROM")
  local operand = self:value()
  self:expect(")")
  return { kind = "extract", field = field.name:lower(), operand = operand, pos = pos }
end

by_key["EXISTS"] = function(self)
  local pos = self:advance().pos
  self:expect("(")
  local query = self:query()
  self:expect(")")
  return { kind = "exists", query = query, pos = pos }
end

local function call_node(name, args, pos)
  return { kind = "call", name = { { kind = "identifier", name = name, pos = pos }, pos = pos }, args = args, pos = pos }
end

by_key["TRIM"] = function(self)
  local pos = self:advance().pos
  self:expect("(")
  local side = (self:accept("LEADING") or self:accept("TRAILING") or self:accept("BOTH") or {}).key
  local args, names = {}, { LEADING = "ltrim", TRAILING = "rtrim" }
  if side and self:accept("FROM") then
    args[1] = self:value()
  else
    args[1] = self:value()
    if self:accept("FROM") then
      args = { self:value(), args[1] }
    elseif self:accept(",") then
      args[2] = self:value()
    end
  end
  self:expect(")")
  return call_node(names[side] or "trim", args, pos)
end

by_key["NORMALIZE"] = function(self)
  local pos = self:advance().pos
  self:expect("(")
  local args = { self:value() }
  if self:accept(",") then
    local form = self:identifier()
    args[2] = { kind = "string", value = form.name:upper(), pos = form.pos }
  end
  self:expect(")")
  return call_node("normalize", args, pos)
end

by_key["GROUPING"] = function(self)
  local pos = self:advance().pos
  return { kind = "grouping", args = self:bracketed_list(self.expression), pos = pos }
end

for _, key in ipairs { "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP", "CURRENT_USER",
  "CURRENT_CATALOG", "CURRENT_SCHEMA", "CURRENT_PATH", "CURRENT_ROLE" } do
  by_key[key] = function(self)
    local node = { kind = "current", name = key:lower(), pos = self:advance().pos }
    if key:find("TIME") and self:accept("(") then
      node.precision = self:integer()
      self:expect(")")
    end
    return node
  end
end

-- LISTAGG(x [, sep] [ON OVERFLOW ...]) WITHIN GROUP (ORDER BY ...)
by_key["LISTAGG"] = function(self)
  local pos = self:advance().pos
  self:expect("(")
  local distinct = self:accept("DISTINCT") ~= nil
  if not distinct then self:accept("ALL") end
  local args = self:list(self.expression)
  if self:accept_words("ON", "OVERFLOW") then
    if self:accept("TRUNCATE") then self:fail("LISTAGG ON OVERFLOW TRUNCATE is not supported", pos) end
    self:expect("ERROR")
  end
  self:expect(")")
  self:expect_words("WITHIN", "GROUP", "(")
  local order_by = self:order_by()
  self:expect(")")
  local node = call_node("listagg", args, pos)
  node.distinct, node.order_by = distinct, order_by
  return self:call_suffix(node)
end

-- Brackets: subquery, lambda, row or plain.
by_key["("] = function(self)
  local open = self.at
  local pos = self.token.pos
  local close = self.match[open]
  if close and self.tokens[close + 1].key == "->" then return self:lambda() end
  self:advance()
  if self:opens_query(open) then
    local query = self:query()
    self:expect(")")
    return { kind = "subquery", query = query, pos = pos }
  end
  local items = self:list(self.expression)
  self:expect(")")
  if #items > 1 then return { kind = "row", items = items, pos = pos } end
  items[1].bracketed = true
  return items[1]
end

-- x -> body, (x, y) -> body, () -> body
function Cursor:lambda()
  local pos = self.token.pos
  local params = {}
  if self:accept("(") then
    if not self:is(")") then params = self:list(self.identifier) end
    self:expect(")")
  else
    params[1] = self:identifier()
  end
  self:expect("->")
  return { kind = "lambda", params = params, body = self:expression(), pos = pos }
end

local interval_units = { YEAR = 1, MONTH = 2, DAY = 3, HOUR = 4, MINUTE = 5, SECOND = 6 }

local function interval(self)
  local node = { kind = "interval", pos = self:advance().pos, sign = 1 }
  if self:accept("-") then node.sign = -1 elseif self:accept("+") then node.sign = 1 end
  node.value = self:string()
  local from = self.token.key
  if not interval_units[from] then self:mismatch("<interval unit>") end
  self:advance()
  node.from = from:lower()
  if self:accept("TO") then
    local to = self.token.key
    if not interval_units[to] then self:mismatch("<interval unit>") end
    self:advance()
    node.to = to:lower()
  end
  return node
end

-- Keywords that may also be names: they mean something only before the given token.
local function special_word(self, token)
  local key, after = token.key, self:peek()
  local is_string = after.kind == "string" or after.kind == "ustring"
  if key == "INTERVAL" and (is_string or ((after.key == "-" or after.key == "+") and self:peek(2).kind == "string")) then
    return interval(self)
  elseif key == "ARRAY" and after.key == "[" then
    self:advance()
    self:advance()
    local items = self:is("]") and {} or self:list(self.expression)
    self:expect("]")
    return { kind = "array", items = items, pos = token.pos }
  elseif key == "ROW" and after.key == "(" then
    self:advance()
    return { kind = "row", explicit = true, items = self:bracketed_list(self.expression), pos = token.pos }
  elseif key == "TRY_CAST" and after.key == "(" then
    return cast(true)(self)
  elseif key == "SUBSTRING" and after.key == "(" then
    return self:substring()
  elseif key == "POSITION" and after.key == "(" then
    return self:position()
  elseif key == "DOUBLE" and after.key == "PRECISION" then
    self:advance()
    self:advance()
    return { kind = "typed_literal", type_name = "double", value = self:string(), pos = token.pos }
  elseif is_string then
    local name = self:identifier().name
    return { kind = "typed_literal", type_name = name, value = self:string(), pos = token.pos }
  end
end

function Cursor:substring()
  local pos = self:advance().pos
  self:expect("(")
  local args = { self:value() }
  if self:accept("FROM") then
    args[2] = self:value()
    if self:accept("FOR") then args[3] = self:value() end
  else
    while self:accept(",") do args[#args + 1] = self:value() end
  end
  self:expect(")")
  return call_node("substring", args, pos)
end

function Cursor:position()
  local pos = self:advance().pos
  self:expect("(")
  local part = self:value()
  self:expect("IN")
  local whole = self:value()
  self:expect(")")
  return call_node("strpos", { whole, part }, pos)
end

-- What may follow a call: FILTER, IGNORE NULLS, OVER.
function Cursor:call_suffix(node)
  if self:are("FILTER", "(") then
    self:advance()
    self:advance()
    self:expect("WHERE")
    node.filter = self:expression()
    self:expect(")")
  end
  if self:accept_words("IGNORE", "NULLS") then
    node.nulls = "ignore"
  elseif self:accept_words("RESPECT", "NULLS") then
    node.nulls = "respect"
  end
  if self.token.key == "OVER" and (self:peek().key == "(" or self:at_name(1)) then
    self:advance()
    node.window = self:window_specification()
  elseif node.nulls then
    self:expect("OVER")
  end
  return node
end

local function call(self, name, pos)
  self:expect("(")
  local node = { kind = "call", name = name, args = {}, pos = pos }
  if self:accept("*") then
    node.star = true
  elseif self:at_name() and self:peek().key == "." and self:peek(2).key == "*" then
    self:advance()
    self:advance()
    self:advance()
    node.star = true
  elseif not self:is(")") and not self:is("ORDER") then
    if self:accept("DISTINCT") then node.distinct = true else self:accept("ALL") end
    node.args = self:list(self.expression)
  end
  if self:is("ORDER") then node.order_by = self:order_by() end
  self:expect(")")
  return self:call_suffix(node)
end

local function name_or_call(self)
  local pos = self.token.pos
  if self:peek().key == "->" then return self:lambda() end
  -- a.b.f(...) is a call of a qualified name; a.b.c a dereference
  local distance = 0
  while self:at_name(distance) and self:peek(distance + 1).key == "." and self:at_name(distance + 2) do
    distance = distance + 2
  end
  if self:peek(distance + 1).key == "(" then return call(self, self:qualified_name(), pos) end
  return self:identifier()
end

local function suffixes(self, node)
  local length = 0
  while true do
    local key = self.token.key
    if key == "[" then
      local pos = self:advance().pos
      node = { kind = "subscript", base = node, index = self:value(), pos = pos }
      self:expect("]")
    elseif key == "." and self:peek().key ~= "*" then
      self:advance()
      local field = self:identifier()
      node = { kind = "dereference", base = node, field = field, pos = field.pos }
    else
      return node
    end
    length = length + 1
    self:check_chain(length)
  end
end

function Cursor:primary()
  self:enter()
  local token = self.token
  local rule = literal[token.kind] or by_key[token.key]
  local node = rule and rule(self, token) or (token.kind == "word" and special_word(self, token))
  if not node then
    if not self:at_name() then
      if token.kind == "backquoted" then self:identifier() end
      if token.kind == "word" and keywords.reserved[token.key] and token.key:find("^JSON_") then
        self:fail(token.key .. " is not supported", token.pos)
      end
      self:mismatch("<expression>")
    end
    node = name_or_call(self)
  end
  node = suffixes(self, node)
  self:leave()
  return node
end
