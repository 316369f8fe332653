-- Grammar of SQL/JSON: JSON_VALUE, JSON_QUERY, JSON_EXISTS, JSON_OBJECT, JSON_ARRAY.

local M = {}

-- expression FORMAT JSON?
local function json_expression(self)
  local value = self:expression()
  return value, self:accept_words("FORMAT", "JSON")
end

-- NULL | ERROR | EMPTY ... | DEFAULT x | TRUE/FALSE/UNKNOWN before ON EMPTY or ON ERROR
local function on_clauses(self, node)
  while not self:is(")") do
    local default
    if self:accept("DEFAULT") then
      default = self:expression()
    elseif self:accept("EMPTY") then
      if not self:accept("ARRAY") then self:accept("OBJECT") end
    else
      self:advance()
    end
    self:expect("ON")
    if self:accept("EMPTY") then node.default = default else self:expect("ERROR") end
  end
end

local function path_call(kind)
  return function(self)
    local node = { kind = kind, pos = self:advance().pos }
    self:expect("(")
    node.input = json_expression(self)
    self:expect(",")
    node.path = self:expression()
    if self:is("PASSING") then self:fail("PASSING is not supported") end
    if self:accept("RETURNING") then
      node.returning = self:type()
      self:accept_words("FORMAT", "JSON")
    end
    if self:accept("WITHOUT") then
      self:accept("ARRAY")
      self:expect("WRAPPER")
    elseif self:accept("WITH") then
      node.wrapper = self:accept("CONDITIONAL") and "conditional" or "unconditional"
      self:accept("UNCONDITIONAL")
      self:accept("ARRAY")
      self:expect("WRAPPER")
    end
    if self:is("KEEP") or self:is("OMIT") then self:fail("QUOTES is not supported") end
    on_clauses(self, node)
    self:expect(")")
    return node
  end
end

local function null_treatment(self, node)
  if self:accept_words("NULL", "ON", "NULL") then
    node.null_on_null = true
  elseif self:accept_words("ABSENT", "ON", "NULL") then
    node.absent_on_null = true
  end
  if self:accept_words("WITH", "UNIQUE") then self:accept("KEYS") end
  if self:accept_words("WITHOUT", "UNIQUE") then self:accept("KEYS") end
  if self:accept("RETURNING") then
    node.returning = self:type()
    self:accept_words("FORMAT", "JSON")
  end
end

local function member(self)
  local has_key = self:is("KEY") and self:peek().key ~= ":" and self:accept("KEY") ~= nil
  local node = { key = self:expression() }
  if has_key then self:expect("VALUE") elseif not self:accept("VALUE") then self:expect(":") end
  node.value, node.format_json = json_expression(self)
  return node
end

local function object(self)
  local node = { kind = "json_object", members = {}, pos = self:advance().pos }
  self:expect("(")
  if not self:is(")") and not self:is("RETURNING") and not self:are("NULL", "ON") and not self:is("ABSENT") then
    node.members = self:list(member)
  end
  null_treatment(self, node)
  self:expect(")")
  return node
end

local function item(self)
  local node = {}
  node.value, node.format_json = json_expression(self)
  return node
end

local function array(self)
  local node = { kind = "json_array", items = {}, pos = self:advance().pos }
  self:expect("(")
  if not self:is(")") and not self:is("RETURNING") and not self:are("NULL", "ON") and not self:is("ABSENT") then
    node.items = self:list(item)
  end
  null_treatment(self, node)
  self:expect(")")
  return node
end

-- keyword -> rule, for Cursor:primary
M.rules = {
  JSON_VALUE = path_call("json_value"), JSON_QUERY = path_call("json_query"), JSON_EXISTS = path_call("json_exists"),
  JSON_OBJECT = object, JSON_ARRAY = array,
}

return M
