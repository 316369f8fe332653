-- Grammar of expressions: from OR down to the operands of +, -, *. Single operands are in parse/primary.lua.

local Cursor = require("lib.sql.parse.cursor")

local comparison = { ["="] = true, ["<>"] = true, ["<"] = true, [">"] = true, ["<="] = true, [">="] = true }
local binding = { ["||"] = 1, ["+"] = 2, ["-"] = 2, ["*"] = 3, ["/"] = 3, ["%"] = 3 }

-- a op b op c -> one node with all terms, so that long chains are not deep
local function chain(self, key, kind, rule)
  local pos = self.token.pos
  local first = rule(self)
  if not self:is(key) then return first end
  local terms = { first }
  while self:accept(key) do terms[#terms + 1] = rule(self) end
  return { kind = kind, terms = terms, pos = pos }
end

local function negation(self)
  local pos, count = self.token.pos, 0
  while self:accept("NOT") do count = count + 1 end
  local operand = self:predicate()
  self:check_chain(count)
  for _ = 1, count do operand = { kind = "not", operand = operand, pos = pos } end
  return operand
end

local function conjunction(self) return chain(self, "AND", "and", negation) end

function Cursor:expression()
  self:enter()
  local node = chain(self, "OR", "or", conjunction)
  self:leave()
  return node
end

local function quantified(self, left, op, pos)
  local quantifier = self:advance().key
  self:expect("(")
  local query = self:query()
  self:expect(")")
  return { kind = "quantified", op = op, quantifier = quantifier == "SOME" and "ANY" or quantifier, left = left,
    query = query, pos = pos }
end

local function in_predicate(self, value, negated, pos)
  local open = self.at
  self:expect("(")
  local node = { kind = "in", value = value, negated = negated, pos = pos }
  if self:opens_query(open) then
    node.query = self:query()
  else
    node.list = self:list(self.expression)
  end
  self:expect(")")
  return node
end

local function like(self, value, negated, pos)
  local node = { kind = "like", value = value, negated = negated, pos = pos, pattern = self:value() }
  if self:accept("ESCAPE") then node.escape = self:value() end
  return node
end

local function between(self, value, negated, pos)
  local low = self:value()
  self:expect("AND")
  return { kind = "between", value = value, low = low, high = self:value(), negated = negated, pos = pos }
end

local function is_predicate(self, left, pos)
  local negated = self:accept("NOT") ~= nil
  if self:accept("NULL") then return { kind = "is_null", operand = left, negated = negated, pos = pos } end
  if self:accept("DISTINCT") then
    self:expect("FROM")
    return { kind = "distinct_from", left = left, right = self:value(), negated = negated, pos = pos }
  end
  if self:accept("JSON") then self:fail("IS JSON is not supported", pos) end
  self:mismatch()
end

-- A value, perhaps compared with another. Comparisons do not chain.
function Cursor:predicate()
  local pos = self.token.pos
  local left = self:value()
  local op = self.token.key
  if comparison[op] then
    pos = self:advance().pos
    local quantifier = self.token.key
    if (quantifier == "ALL" or quantifier == "ANY" or quantifier == "SOME") and self:peek().key == "("
      and self:opens_query(self.at + 1) then
      return quantified(self, left, op, pos)
    end
    return { kind = "compare", op = op, left = left, right = self:value(), pos = pos }
  end
  if self.tracking then
    for key in pairs(comparison) do self:wanted("'" .. key .. "'") end
  end
  local negated = false
  if self:is("NOT") then
    local after = self:peek().key
    if after == "BETWEEN" or after == "IN" or after == "LIKE" then
      self:advance()
      negated = true
    end
  end
  if self:accept("BETWEEN") then return between(self, left, negated, pos) end
  if self:accept("IN") then return in_predicate(self, left, negated, pos) end
  if self:accept("LIKE") then return like(self, left, negated, pos) end
  if self:accept("IS") then return is_predicate(self, left, pos) end
  return left
end

local function at_time_zone(self)
  local node = self:primary()
  while self:are("AT", "TIME", "ZONE") do
    local pos = self:advance().pos
    self:advance()
    self:advance()
    local zone = self:primary()
    node = { kind = "at_time_zone", operand = node, zone = zone, pos = pos }
  end
  return node
end

local function unary(self)
  local signs = {}
  while self.token.key == "-" or self.token.key == "+" do signs[#signs + 1] = self:advance() end
  self:check_chain(#signs)
  local node = at_time_zone(self)
  for i = #signs, 1, -1 do
    node = { kind = "unary", op = signs[i].key, operand = node, pos = signs[i].pos }
  end
  return node
end

local function operators(self, least)
  local left = unary(self)
  local length = 0
  while true do
    local op = self.token
    local strength = binding[op.key]
    if not strength or strength < least then
      if self.tracking and not strength then
        for key in pairs(binding) do self:wanted("'" .. key .. "'") end
      end
      return left
    end
    self:advance()
    local right = operators(self, strength + 1)
    if op.key == "||" and left.kind == "concat" and not left.bracketed then
      left.terms[#left.terms + 1] = right
    elseif op.key == "||" then
      left = { kind = "concat", terms = { left, right }, pos = op.pos }
    else
      length = length + 1
      self:check_chain(length)
      left = { kind = "arithmetic", op = op.key, left = left, right = right, pos = op.pos }
    end
  end
end

-- A value expression: no comparison and no AND/OR outside of brackets.
function Cursor:value()
  self:enter()
  local node = operators(self, 1)
  self:leave()
  return node
end
