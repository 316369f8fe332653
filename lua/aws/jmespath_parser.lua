-- The grammar of JMESPath: from an expression's text to a tree of nodes { kind, ... }, for aws.jmespath.
local json = require "sm.json"

local M = {}

local function fail(message, at) error({ jmespath_error = "syntax", message = ("%s at byte %d"):format(message, at) }, 0) end

-- ---- tokens ----

local SINGLE <const> = { ["."] = "dot", ["*"] = "star", ["]"] = "rbracket", [","] = "comma", [":"] = "colon", ["@"] = "current",
  ["("] = "lparen", [")"] = "rparen", ["{"] = "lbrace", ["}"] = "rbrace" }
-- First character -> longer tokens, the longest first.
local LONGER <const> = {
  ["["] = { { "[]", "flatten" }, { "[?", "filter" }, { "[", "lbracket" } },
  ["|"] = { { "||", "or" }, { "|", "pipe" } },
  ["&"] = { { "&&", "and" }, { "&", "expref" } },
  ["!"] = { { "!=", "ne" }, { "!", "not" } },
  ["<"] = { { "<=", "le" }, { "<", "lt" } },
  [">"] = { { ">=", "ge" }, { ">", "gt" } },
  ["="] = { { "==", "eq" } },
}

-- The text up to the closing quote, which a backslash hides; and where it ends.
local function quoted(text, at, quote)
  local stop = at + 1
  while true do
    stop = text:find("[\\" .. quote .. "]", stop)
    if not stop then fail("a quote is not closed", at) end
    if text:sub(stop, stop) == quote then return text:sub(at + 1, stop - 1), stop + 1 end
    stop = stop + 2
  end
end

local function decode(content, at)
  local value, message = json.decode(content)
  if value == nil then fail("not JSON: " .. message, at) end
  return value
end

local READERS <const> = {
  ['"'] = function(text, at)
    local content, stop = quoted(text, at, '"')
    return "quoted", decode('"' .. content .. '"', at), stop
  end,
  ["'"] = function(text, at)
    local content, stop = quoted(text, at, "'")
    return "literal", content:gsub("\\'", "'"), stop
  end,
  ["`"] = function(text, at)
    local content, stop = quoted(text, at, "`")
    return "literal", decode(content:gsub("\\`", "`"), at), stop
  end,
}

local function longer_token(text, at, first)
  for _, candidate in ipairs(LONGER[first]) do
    if text:sub(at, at + #candidate[1] - 1) == candidate[1] then return candidate[2], nil, at + #candidate[1] end
  end
  fail("unknown character '" .. first .. "'", at)
end

-- Kind, value and end of the token that starts at a byte.
local function token_at(text, at)
  local first = text:sub(at, at)
  if SINGLE[first] then return SINGLE[first], nil, at + 1 end
  if LONGER[first] then return longer_token(text, at, first) end
  local name = text:match("^[%a_][%w_]*", at)
  if name then return "name", name, at + #name end
  local number = text:match("^-?%d+", at)
  if number then return "number", math.tointeger(tonumber(number)) or fail("a number is too large", at), at + #number end
  if READERS[first] then
    local kind, value, stop = READERS[first](text, at)
    return kind, value, stop
  end
  fail("unknown character '" .. first .. "'", at)
end

local function tokens_of(text)
  local tokens, at = {}, text:find("[^ \t\r\n]") or #text + 1
  while at <= #text do
    local kind, value, stop = token_at(text, at)
    tokens[#tokens + 1] = { kind = kind, value = value, at = at }
    at = text:find("[^ \t\r\n]", stop) or #text + 1
  end
  tokens[#tokens + 1] = { kind = "end", at = #text + 1 }
  return tokens
end

-- ---- parser: each token binds its left side with a power ----

local POWER <const> = { pipe = 1, ["or"] = 2, ["and"] = 3, eq = 5, ne = 5, lt = 5, le = 5, gt = 5, ge = 5, flatten = 9, star = 20,
  filter = 21, dot = 40, ["not"] = 45, lbrace = 50, lbracket = 55, lparen = 60 }
local PROJECTION_STOP <const> = 10 -- what binds weaker ends a projection

local MAX_DEPTH <const> = 200 -- of nested expressions

local Parser = {}
Parser.__index = Parser

function Parser:peek(ahead) return self.tokens[self.next + (ahead or 0)] end

function Parser:take(kind)
  local token = self.tokens[self.next]
  if kind and token.kind ~= kind then self:unexpected(token) end
  self.next = self.next + 1
  return token
end

function Parser:unexpected(token) -- luacheck: no self
  fail(token.kind == "end" and "the expression is not complete" or ("'%s' is not expected"):format(token.value or token.kind), token.at)
end

local PREFIX, INFIX = {}, {}

function Parser:expression(power)
  self.depth = self.depth + 1
  if self.depth > MAX_DEPTH then fail("expressions are nested too deeply", self:peek().at) end
  local token = self:take()
  local prefix = PREFIX[token.kind] or self:unexpected(token)
  local left = prefix(self, token)
  while power < (POWER[self:peek().kind] or 0) do
    token = self:take()
    local infix = INFIX[token.kind] or self:unexpected(token)
    left = infix(self, left, token)
  end
  self.depth = self.depth - 1
  return left
end

-- What is done to each item of a projection.
function Parser:projected(power)
  local token = self:peek()
  if (POWER[token.kind] or 0) < PROJECTION_STOP then return { "current" } end
  if token.kind == "dot" then
    self:take()
    return self:after_dot(power)
  end
  if token.kind == "lbracket" or token.kind == "filter" then return self:expression(power) end
  self:unexpected(token)
end

function Parser:after_dot(power)
  local token = self:peek()
  if token.kind == "name" or token.kind == "quoted" or token.kind == "star" then return self:expression(power) end
  if token.kind == "lbracket" then
    self:take()
    return self:multi_list()
  elseif token.kind == "lbrace" then
    self:take()
    return self:multi_hash()
  end
  self:unexpected(token)
end

function Parser:multi_list()
  local items = {}
  repeat
    items[#items + 1] = self:expression(0)
    local token = self:take()
    if token.kind ~= "comma" and token.kind ~= "rbracket" then self:unexpected(token) end
  until token.kind == "rbracket"
  return { "list", items }
end

function Parser:multi_hash()
  local pairs_of = {}
  repeat
    local key = self:take()
    if key.kind ~= "name" and key.kind ~= "quoted" then self:unexpected(key) end
    self:take("colon")
    pairs_of[#pairs_of + 1] = { key.value, self:expression(0) }
    local token = self:take()
    if token.kind ~= "comma" and token.kind ~= "rbrace" then self:unexpected(token) end
  until token.kind == "rbrace"
  return { "hash", pairs_of }
end

-- [3], [1:2], [::-1]: the bracket is read.
function Parser:index()
  local parts, colons = {}, 0
  while self:peek().kind ~= "rbracket" do
    local token = self:take()
    if token.kind == "colon" and colons < 2 then
      colons = colons + 1
    elseif token.kind == "number" and not parts[colons + 1] then
      parts[colons + 1] = token.value
    else
      self:unexpected(token)
    end
  end
  self:take()
  if colons == 0 then return { "index", parts[1] } end
  return { "slice", parts[1], parts[2], parts[3] or 1 }
end

local function is_index(parser)
  local kind = parser:peek().kind
  return kind == "number" or kind == "colon"
end

function Parser:indexed(left)
  local node = self:index()
  local chained = { "chain", left, node }
  if node[1] == "slice" then return { "project", chained, self:projected(POWER.star) } end
  return chained
end

function Parser:filter(left)
  local condition = self:expression(0)
  self:take("rbracket")
  local right = self:peek().kind == "flatten" and { "current" } or self:projected(POWER.filter)
  return { "filter", left, condition, right }
end

function Parser:flatten(left) return { "project", { "flatten", left }, self:projected(POWER.flatten) } end

function PREFIX.name(_, token) return { "field", token.value } end
function PREFIX.literal(_, token) return { "literal", token.value } end
function PREFIX.current() return { "current" } end
function PREFIX.expref(self) return { "expref", self:expression(0) } end
PREFIX["not"] = function(self) return { "not", self:expression(POWER["not"]) } end
function PREFIX.filter(self) return self:filter({ "current" }) end
function PREFIX.flatten(self) return self:flatten({ "current" }) end
PREFIX.lbrace = Parser.multi_hash

function PREFIX.quoted(self, token)
  if self:peek().kind == "lparen" then fail("the name of a function cannot be quoted", token.at) end
  return { "field", token.value }
end

function PREFIX.star(self)
  if self:peek().kind == "rbracket" then return { "values", { "current" }, { "current" } } end
  return { "values", { "current" }, self:projected(POWER.star) }
end

function PREFIX.lparen(self)
  local inner = self:expression(0)
  self:take("rparen")
  return { "group", inner }
end

function PREFIX.lbracket(self)
  if is_index(self) then return self:indexed({ "current" }) end
  if self:peek().kind == "star" and self:peek(1).kind == "rbracket" then
    self:take()
    self:take()
    return { "project", { "current" }, self:projected(POWER.star) }
  end
  return self:multi_list()
end

function INFIX.dot(self, left)
  if self:peek().kind == "star" then
    self:take()
    return { "values", left, self:projected(POWER.star) }
  end
  return { "chain", left, self:after_dot(POWER.dot) }
end

function INFIX.lbracket(self, left)
  if is_index(self) then return self:indexed(left) end
  self:take("star")
  self:take("rbracket")
  return { "project", left, self:projected(POWER.star) }
end

function INFIX.lparen(self, left, token)
  if left[1] ~= "field" then self:unexpected(token) end
  local arguments = {}
  while self:peek().kind ~= "rparen" do
    if #arguments > 0 then self:take("comma") end
    arguments[#arguments + 1] = self:expression(0)
  end
  self:take()
  return { "call", left[2], arguments }
end

INFIX.filter = Parser.filter
INFIX.flatten = Parser.flatten
function INFIX.pipe(self, left) return { "pipe", left, self:expression(POWER.pipe) } end
INFIX["or"] = function(self, left) return { "or", left, self:expression(POWER["or"]) } end
INFIX["and"] = function(self, left) return { "and", left, self:expression(POWER["and"]) } end
for _, kind in ipairs { "eq", "ne", "lt", "le", "gt", "ge" } do
  INFIX[kind] = function(self, left) return { "compare", kind, left, self:expression(POWER[kind]) } end
end

---@param text string
---@return table tree  raises a table with jmespath_error for what is no expression
function M.parse(text)
  local self = setmetatable({ tokens = tokens_of(text), next = 1, depth = 0 }, Parser)
  local tree = self:expression(0)
  self:take("end")
  return tree
end

return M
