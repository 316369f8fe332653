-- Text of one or more statements -> tokens with positions. One pass, no backtracking: every pattern is anchored where
-- the last token ended, or is a plain search for one character.

local M = {}

---@class SqlToken
---@field kind string   word | quoted | string | ustring | binary | number | op | end
---@field key string?   what the grammar compares: the upper-case word or the operator; nil for names and literals
---@field value string? the identifier, string or number without its quotes
---@field pos integer   byte offset of its first character, from 1
---@field stop integer  byte offset of its last character
---@field number string? integer | decimal | double

local find, sub, upper, byte = string.find, string.sub, string.upper, string.byte

local two_char = { ["<="] = true, [">="] = true, ["<>"] = true, ["!="] = true, ["||"] = true, ["->"] = true, ["=>"] = true }
local one_char = "^[%(%)%[%],;%.%+%-%*/%%<>=%?:|^${}]"

-- Raised as a table; the parser turns it into an error with line and column.
local function fail(pos, message)
  error({ sql_pos = pos, message = message }, 0)
end

-- Skips blanks and comments; returns the offset of the next token.
local function skip(text, pos)
  while true do
    local _, stop = find(text, "^%s+", pos)
    if stop then pos = stop + 1 end
    local two = sub(text, pos, pos + 1)
    if two == "--" then
      local line_end = find(text, "\n", pos, true)
      if not line_end then return #text + 1 end
      pos = line_end + 1
    elseif two == "/*" then
      local _, comment_end = find(text, "*/", pos + 2, true)
      if not comment_end then fail(pos, "comment is not closed") end
      pos = comment_end + 1
    elseif not stop then
      return pos
    end
  end
end

-- The text between quote characters, where a doubled quote stands for one. Returns value and offset of the closing quote.
local function quoted(text, pos, quote, what)
  local parts, from = {}, pos + 1
  while true do
    local stop = find(text, quote, from, true)
    if not stop then fail(pos, what .. " is not closed") end
    parts[#parts + 1] = sub(text, from, stop - 1)
    if sub(text, stop + 1, stop + 1) ~= quote then return table.concat(parts), stop end
    parts[#parts + 1] = quote
    from = stop + 2
  end
end

local function number(text, pos)
  local _, stop = find(text, "^%d[%d_]*", pos)
  local kind = "integer"
  local based_stop = select(2, find(text, "^0[xX][%x_]+", pos)) or select(2, find(text, "^0[oO][0-7_]+", pos))
    or select(2, find(text, "^0[bB][01_]+", pos))
  if based_stop then
    stop = based_stop
  else
    local _, fraction = find(text, "^%.[%d_]*", (stop or pos - 1) + 1)
    if fraction then kind, stop = "decimal", fraction end
    local _, exponent = find(text, "^[eE][%+%-]?%d+", stop + 1)
    if exponent then kind, stop = "double", exponent end
  end
  if find(text, "^[%a_]", stop + 1) then
    fail(pos, "identifiers must not start with a digit; surround the identifier with double quotes")
  end
  return { kind = "number", number = kind, value = (sub(text, pos, stop):gsub("_", "")), pos = pos, stop = stop }
end

local function binary(text, pos)
  local value, stop = quoted(text, pos + 1, "'", "binary literal")
  local digits = value:gsub("%s", "")
  if find(digits, "%X") then fail(pos, "binary literal can only contain hexadecimal digits") end
  if #digits % 2 == 1 then fail(pos, "binary literal must contain an even number of digits") end
  return { kind = "binary", value = upper(digits), pos = pos, stop = stop }
end

local function word(text, pos)
  local _, stop = find(text, "^[%w_\128-\255]+", pos)
  local raw = sub(text, pos, stop)
  return { kind = "word", key = upper(raw), value = raw, pos = pos, stop = stop }
end

local function operator(text, pos)
  local two = sub(text, pos, pos + 1)
  if two_char[two] then
    return { kind = "op", key = two == "!=" and "<>" or two, pos = pos, stop = pos + 1 }
  end
  if find(text, one_char, pos) then return { kind = "op", key = sub(text, pos, pos), pos = pos, stop = pos } end
  local character = text:match("^[%z\1-\127\194-\244][\128-\191]*", pos) or sub(text, pos, pos)
  fail(pos, ("mismatched input '%s'"):format(character))
end

local function next_token(text, pos)
  local first = sub(text, pos, pos)
  if first == "'" then
    local value, stop = quoted(text, pos, "'", "string literal")
    return { kind = "string", value = value, pos = pos, stop = stop }
  elseif first == '"' then
    local value, stop = quoted(text, pos, '"', "quoted identifier")
    if value == "" then fail(pos, "zero-length delimited identifier not allowed") end
    return { kind = "quoted", value = value, pos = pos, stop = stop }
  elseif first == "`" then
    local value, stop = quoted(text, pos, "`", "quoted identifier")
    return { kind = "backquoted", value = value, pos = pos, stop = stop }
  elseif find(text, "^%d", pos) or find(text, "^%.%d", pos) then
    return number(text, pos)
  elseif find(text, "^[xX]'", pos) then
    return binary(text, pos)
  elseif find(text, "^[uU]&'", pos) then
    local value, stop = quoted(text, pos + 2, "'", "string literal")
    return { kind = "ustring", value = value, pos = pos, stop = stop }
  elseif find(text, "^[%a_\128-\255]", pos) then
    return word(text, pos)
  end
  return operator(text, pos)
end

-- Gives the offset of the bracket that closes each opening one, so that the parser can look past it.
local function match_brackets(tokens)
  local closing = { ["("] = ")", ["["] = "]" }
  local open, match = {}, {}
  for i, token in ipairs(tokens) do
    if closing[token.key] then
      open[#open + 1] = i
    elseif token.key == ")" or token.key == "]" then
      local top = open[#open]
      if top and closing[tokens[top].key] == token.key then
        match[top] = i
        open[#open] = nil
      end
    end
  end
  return match
end

-- Raises {sql_pos, message} for text that is no SQL at all.
---@param text string
---@return SqlToken[] tokens  the last one has kind "end"
---@return table<integer, integer> match  index of an opening bracket -> index of the one that closes it
function M.scan(text)
  local valid, broken = utf8.len(text)
  if not valid then fail(broken, "the statement is not UTF-8 text") end
  local nul = find(text, "\0", 1, true)
  if nul then fail(nul, "the character U+0000 is not allowed in a statement; chr(0) gives it") end
  local tokens = {}
  local pos = skip(text, 1)
  local length = #text
  while pos <= length do
    local token = next_token(text, pos)
    local before = tokens[#tokens]
    -- `t.1` cannot occur; `a.5` reads as a name and a number, as in Trino
    if before and token.kind == "number" and byte(text, pos) == 46 and before.stop == pos - 1 and before.kind == "word" then
      fail(pos, ("mismatched input '%s'"):format(token.value))
    end
    tokens[#tokens + 1] = token
    pos = skip(text, token.stop + 1)
  end
  tokens[#tokens + 1] = { kind = "end", key = "<EOF>", pos = length + 1, stop = length }
  return tokens, match_brackets(tokens)
end

-- Makes a function that turns a byte offset into line and column (in characters, both from 1).
---@param text string
---@return fun(pos: integer): integer, integer
function M.positions(text)
  local starts
  return function(pos)
    if not starts then
      starts = { 1 }
      local newline = find(text, "\n", 1, true)
      while newline do
        starts[#starts + 1] = newline + 1
        newline = find(text, "\n", newline + 1, true)
      end
    end
    local low, high = 1, #starts
    while low < high do
      local middle = (low + high + 1) // 2
      if starts[middle] <= pos then low = middle else high = middle - 1 end
    end
    local before = sub(text, starts[low], pos - 1)
    return low, (utf8.len(before) or #before) + 1
  end
end

return M
