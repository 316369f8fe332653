-- Where the parser stands in the tokens, and what it can ask there. Grammar files add their rules as methods to this
-- one table, so that they can call each other: cursor:expression(), cursor:query(), ...

local lexer = require("lib.sql.lexer")
local keywords = require("lib.sql.keywords")

local Cursor = {}
Cursor.__index = Cursor

local MAX_DEPTH = 600    -- rules inside of rules; one level of brackets is about three
local MAX_CHAIN = 900    -- a - b - c ...: such a chain is as deep as it is long, and the engine stops at 1000

---@param text string
---@param tracking boolean?  remember what would have been accepted, for the error message
function Cursor.new(text, tracking)
  local tokens, match = lexer.scan(text)
  return setmetatable({
    text = text, tokens = tokens, match = match, at = 1, token = tokens[1], depth = 0, parameters = 0,
    tracking = tracking, expected = {}, expected_at = 1, query_paren = {},
  }, Cursor)
end

function Cursor:advance()
  local token = self.token
  if token.kind ~= "end" then
    self.at = self.at + 1
    self.token = self.tokens[self.at]
  end
  return token
end

function Cursor:peek(distance)
  return self.tokens[self.at + (distance or 1)] or self.tokens[#self.tokens]
end

-- Notes that `what` would have been accepted here.
function Cursor:wanted(what)
  if not self.tracking then return end
  if self.expected_at ~= self.at then
    self.expected, self.expected_at = {}, self.at
  end
  self.expected[what] = true
end

-- Is the next token this keyword or operator?
function Cursor:is(key)
  if self.token.key == key then return true end
  if self.tracking then self:wanted("'" .. key .. "'") end
  return false
end

-- Are the next tokens these?
function Cursor:are(first, second, third)
  return self:is(first) and self:peek().key == second and (third == nil or self:peek(2).key == third)
end

function Cursor:accept(key)
  if self.token.key == key then return self:advance() end
  if self.tracking then self:wanted("'" .. key .. "'") end
  return nil
end

function Cursor:accept_words(...)
  for distance, key in ipairs { ... } do
    if self:peek(distance - 1).key ~= key then
      if distance == 1 then self:wanted("'" .. key .. "'") end
      return false
    end
  end
  for _ = 1, select("#", ...) do self:advance() end
  return true
end

function Cursor:expect(key)
  return self:accept(key) or self:mismatch()
end

function Cursor:expect_words(...)
  local first
  for _, key in ipairs { ... } do
    local token = self:expect(key)
    first = first or token
  end
  return first
end

-- Stops the parse with a message at an offset.
function Cursor:fail(message, pos) -- luacheck: no self
  error({ sql_pos = pos or self.token.pos, message = message }, 0)
end

function Cursor:mismatch(what)
  if what then self:wanted(what) end
  local token = self.token
  local shown = token.kind == "end" and "<EOF>" or self.text:sub(token.pos, token.stop)
  if #shown > 60 then shown = shown:sub(1, 57) .. "..." end
  local wanted = {}
  if self.expected_at == self.at then
    for name in pairs(self.expected) do wanted[#wanted + 1] = name end
  end
  table.sort(wanted)
  local message = ("mismatched input '%s'"):format(shown)
  if #wanted > 0 then message = message .. ". Expecting: " .. table.concat(wanted, ", ") end
  self:fail(message)
end

-- Counts how deep the grammar has gone; every enter needs its leave.
function Cursor:enter()
  self.depth = self.depth + 1
  if self.depth > MAX_DEPTH then
    self:fail(("statement is nested too deeply (limit %d rules)"):format(MAX_DEPTH))
  end
end

function Cursor:leave()
  self.depth = self.depth - 1
end

function Cursor:check_chain(length)
  if length > MAX_CHAIN then self:fail(("expression is too long (limit %d operators in a row)"):format(MAX_CHAIN)) end
end

-- rule, rule, rule
function Cursor:list(rule, ...)
  local items = {}
  repeat
    items[#items + 1] = rule(self, ...)
  until not self:accept(",")
  return items
end

-- ( rule, rule )
function Cursor:bracketed_list(rule, ...)
  self:expect("(")
  local items = self:list(rule, ...)
  self:expect(")")
  return items
end

local function is_name(token)
  return token.kind == "quoted" or (token.kind == "word" and not keywords.reserved[token.key])
end

function Cursor:at_name(distance)
  return is_name(self:peek(distance or 0))
end

-- A name; unquoted ones fold to lower case.
---@return table identifier {kind="identifier", name=, quoted=, pos=}
function Cursor:identifier()
  local token = self.token
  if token.kind == "backquoted" then
    self:fail("backquoted identifiers are not supported; use double quotes to quote identifiers")
  end
  if not is_name(token) then self:mismatch("<identifier>") end
  self:advance()
  local is_quoted = token.kind == "quoted"
  return {
    kind = "identifier", name = is_quoted and token.value or token.value:lower(), quoted = is_quoted, pos = token.pos,
  }
end

-- catalog.schema.table and the like: a list of identifiers with the position of the first.
function Cursor:qualified_name()
  local name = { pos = self.token.pos, self:identifier() }
  while self.token.key == "." do
    self:advance()
    name[#name + 1] = self:identifier()
  end
  return name
end

-- [AS] alias, when there is one.
function Cursor:optional_alias()
  if self:accept("AS") then return self:identifier() end
  if not self:at_name() then
    self:wanted("<identifier>")
    return nil
  end
  local starts = self.token.kind == "word" and keywords.clause_start[self.token.key]
  if starts then
    local following = self:peek()
    if starts[following.key] or starts[following.kind] or (starts.identifier and is_name(following)) then return nil end
  end
  return self:identifier()
end

function Cursor:string()
  local token = self.token
  if token.kind == "string" then
    self:advance()
    return token.value
  elseif token.kind == "ustring" then
    self:advance()
    return self:unicode_text(token)
  end
  self:mismatch("<string>")
end

-- A character by its number: what text can hold. The engine's statements end at U+0000.
local function character(self, hex, token)
  local number = tonumber(hex, 16)
  if number == 0 or number > 0x10FFFF or (number >= 0xD800 and number <= 0xDFFF) then
    self:fail(("invalid Unicode escape sequence: U+%04X cannot stand in a literal"):format(number), token.pos)
  end
  return utf8.char(number)
end

-- U&'\00e9' [UESCAPE '!']
function Cursor:unicode_text(token)
  local escape = "\\"
  if self:accept("UESCAPE") then
    escape = self:string()
    if #escape ~= 1 or escape:find("[%x%+'\"%s]") then self:fail("invalid Unicode escape character", token.pos) end
  end
  local parts, from, value = {}, 1, token.value
  while true do
    local mark = value:find(escape, from, true)
    if not mark then break end
    parts[#parts + 1] = value:sub(from, mark - 1)
    local hex = value:match("^%x%x%x%x", mark + 1)
    local long = value:match("^%+(%x%x%x%x%x%x)", mark + 1)
    if value:sub(mark + 1, mark + 1) == escape then
      parts[#parts + 1], from = escape, mark + 2
    elseif hex then
      parts[#parts + 1], from = character(self, hex, token), mark + 5
    elseif long then
      parts[#parts + 1], from = character(self, long, token), mark + 8
    else
      self:fail("invalid Unicode escape sequence", token.pos)
    end
  end
  parts[#parts + 1] = value:sub(from)
  return table.concat(parts)
end

function Cursor:integer()
  local token = self.token
  if token.kind ~= "number" or token.number ~= "integer" then self:mismatch("<integer>") end
  self:advance()
  return math.tointeger(tonumber(token.value)) or self:fail("number is too large: " .. token.value, token.pos)
end

local query_starts = { SELECT = true, VALUES = true, WITH = true, TABLE = true }
local query_continues = {
  [")"] = true, UNION = true, INTERSECT = true, EXCEPT = true, ORDER = true, LIMIT = true, OFFSET = true, FETCH = true,
}

-- Does the bracket at index `i` hold a query? Looks past further brackets; each index is judged once.
function Cursor:opens_query(i)
  local known = self.query_paren[i]
  if known ~= nil then return known end
  -- walk to the innermost bracket first, then judge outwards
  local inner = i
  while self.tokens[inner] and self.tokens[inner].key == "(" and self.query_paren[inner] == nil do inner = inner + 1 end
  local first = self.tokens[inner]
  local answer = self.query_paren[inner]
  if answer == nil then
    answer = first ~= nil and query_starts[first.key] == true and not (first.key == "TABLE" and self.tokens[inner + 1].key == "(")
  else
    -- `inner` is a judged bracket: what follows it decides
    local after = self.match[inner] and self.tokens[self.match[inner] + 1]
    answer = answer and after ~= nil and query_continues[after.key] == true
  end
  for index = inner - 1, i, -1 do
    self.query_paren[index] = answer
    local after = self.match[index] and self.tokens[self.match[index] + 1]
    answer = answer and after ~= nil and query_continues[after.key] == true
  end
  return self.query_paren[i]
end

return Cursor
