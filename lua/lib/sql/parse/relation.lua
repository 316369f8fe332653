-- Grammar of FROM: tables, subqueries, UNNEST, LATERAL, joins, samples, time travel.

local Cursor = require("lib.sql.parse.cursor")

-- FOR TIMESTAMP | VERSION AS OF value
local function period(self)
  if not (self:is("FOR") and (self:peek().key == "TIMESTAMP" or self:peek().key == "VERSION" or self:peek().key == "SYSTEM_TIME"
    or self:peek().key == "SYSTEM_VERSION")) then return nil end
  local pos = self:advance().pos
  local key = self:advance().key
  self:expect_words("AS", "OF")
  return { by = key:find("TIME") and "timestamp" or "version", value = self:value(), pos = pos }
end

local function unnest(self, pos)
  local node = { kind = "unnest", items = self:bracketed_list(self.expression), pos = pos }
  node.ordinality = self:accept_words("WITH", "ORDINALITY")
  return node
end

local function bracketed(self, pos)
  local open = self.at
  self:expect("(")
  if self:opens_query(open) then
    local query = self:query()
    self:expect(")")
    return { kind = "subquery_relation", query = query, pos = pos }
  end
  local relation = self:relation()
  self:expect(")")
  return { kind = "bracketed_relation", relation = relation, pos = pos }
end

local function relation_primary(self)
  local pos = self.token.pos
  if self:is("(") then return bracketed(self, pos) end
  if self:accept("UNNEST") then return unnest(self, pos) end
  if self:is("LATERAL") and self:peek().key == "(" then
    self:advance()
    self:advance()
    local query = self:query()
    self:expect(")")
    return { kind = "lateral", query = query, pos = pos }
  end
  if self:is("TABLE") and self:peek().key == "(" then self:fail("table functions are not supported", pos) end
  if not self:at_name() then self:mismatch("<relation>") end
  local node = { kind = "table_ref", name = self:qualified_name(), pos = pos }
  node.period = period(self)
  if self.token.key == "(" then self:mismatch() end
  return node
end

local function aliased(self)
  local node = relation_primary(self)
  node.alias = self:optional_alias()
  if node.alias and self:accept("(") then
    node.alias_columns = self:list(self.identifier)
    self:expect(")")
  end
  if self:is("MATCH_RECOGNIZE") then self:fail("MATCH_RECOGNIZE is not supported") end
  if self:is("TABLESAMPLE") then
    local pos = self:advance().pos
    local method = (self:accept("BERNOULLI") or self:expect("SYSTEM")).key
    self:expect("(")
    node.sample = { method = method, percentage = self:expression(), pos = pos }
    self:expect(")")
  end
  return node
end

local side_keys = { LEFT = true, RIGHT = true, FULL = true }

-- [INNER] | LEFT|RIGHT|FULL [OUTER], then JOIN; nil when no join follows
local function join_type(self)
  if self:accept("JOIN") then return "INNER" end
  if self:accept("INNER") then
    self:expect("JOIN")
    return "INNER"
  end
  for key in pairs(side_keys) do
    if self:accept(key) then
      self:accept("OUTER")
      self:expect("JOIN")
      return key
    end
  end
  return nil
end

local function join_criteria(self, node)
  if self:accept("USING") then
    node.using = self:bracketed_list(self.identifier)
  else
    self:expect("ON")
    node.on = self:expression()
  end
end

-- Joins bind to the left; a second JOIN before the ON nests on the right, as in a JOIN b JOIN c ON .. ON ..
function Cursor:relation()
  self:enter()
  local left = aliased(self)
  local length = 0
  while true do
    local pos = self.token.pos
    local node = { kind = "join", left = left, pos = pos }
    if self:accept("CROSS") then
      self:expect("JOIN")
      node.type, node.right = "CROSS", aliased(self)
    elseif self:accept("NATURAL") then
      node.type = join_type(self) or self:mismatch()
      node.natural, node.right = true, aliased(self)
    else
      node.type = join_type(self)
      if not node.type then break end
      node.right = self:relation_until_criteria()
      join_criteria(self, node)
    end
    left = node
    length = length + 1
    self:check_chain(length)
  end
  self:leave()
  return left
end

-- The right side of a join: joins that come before the ON belong to it.
function Cursor:relation_until_criteria()
  local right = aliased(self)
  self:enter()
  while not (self:is("ON") or self:is("USING")) do
    local node = { kind = "join", left = right, pos = self.token.pos }
    if self:accept("CROSS") then
      self:expect("JOIN")
      node.type, node.right = "CROSS", aliased(self)
    elseif self:accept("NATURAL") then
      node.type = join_type(self) or self:mismatch()
      node.natural, node.right = true, aliased(self)
    else
      node.type = join_type(self) or self:mismatch()
      node.right = self:relation_until_criteria()
      join_criteria(self, node)
    end
    right = node
  end
  self:leave()
  return right
end
