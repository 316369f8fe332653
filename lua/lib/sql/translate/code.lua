-- Pieces of engine SQL that remember where in the original statement they came from. A piece is a table whose list
-- part holds strings and other pieces, with `pos` (byte offset in the original) and, for expressions, `type`.

local errors = require("lib.errors")
local macros = require("lib.sql.macros")
local quote = require("lib.sql.quote")

local M = {}

---@class SqlCode
---@field pos integer?
---@field type SqlType?

---@param pos integer?
---@param type SqlType?
---@param ... string|SqlCode
---@return SqlCode
function M.new(pos, type, ...)
  return { pos = pos, type = type, ... }
end

-- Pieces with a separator between them.
function M.join(pieces, separator)
  local joined = {}
  for i, piece in ipairs(pieces) do
    if i > 1 then joined[#joined + 1] = separator end
    joined[#joined + 1] = piece
  end
  return joined
end

local compiled = {}

-- "lpad($1, $2)" -> { "lpad(", 1, ", ", 2, ")" }; $* stands for all arguments with commas, $$ for a dollar sign.
local function compile(template)
  local parts, from = {}, 1
  while true do
    local mark = template:find("$", from, true)
    if not mark then break end
    parts[#parts + 1] = template:sub(from, mark - 1)
    local slot = template:sub(mark + 1, mark + 1)
    parts[#parts + 1] = slot == "$" and "$" or tonumber(slot) or { slot = slot }
    from = mark + 2
  end
  parts[#parts + 1] = template:sub(from)
  compiled[template] = parts
  return parts
end

-- Fills a template with arguments. `slots` gives pieces for letters such as $s.
---@param template string
---@param args SqlCode[]
---@param slots table?
---@return SqlCode  without type
function M.fill(template, args, slots)
  local filled = {}
  for _, part in ipairs(compiled[template] or compile(template)) do
    if type(part) == "number" then
      filled[#filled + 1] = args[part] or error("template wants argument " .. part .. ": " .. template)
    elseif type(part) == "table" then
      local piece = part.slot == "*" and M.join(args, ", ") or (slots and slots[part.slot]) or ""
      filled[#filled + 1] = piece
    else
      filled[#filled + 1] = part
    end
  end
  return filled
end

-- Any text as a literal; the engine's statements end at U+0000, so that one is added by a function.
function M.quote_text(text)
  local quoted = quote.text(text)
  if not quoted:find("\0", 1, true) then return quoted end
  return "(" .. quoted:gsub("%z", "' || chr(0) || '") .. ")"
end

-- A template that names an argument twice, or a macro that does, doubles what is below it: nested forty times, a line of
-- SQL would become a terabyte. The size is known before anything is written, as pieces are shared and not copied.
local MAX_EXPANDED_BYTES <const> = 16 << 20

local function macro_factor(text)
  local factor = 1
  for name in text:gmatch("trino%.([%w_]+)%(") do factor = math.max(factor, macros.copies(name)) end
  return factor
end

local function expanded(node, known)
  if type(node) == "string" then return #node end
  if known[node] then return known[node] end
  local size, factor = 0, 1
  for i = 1, #node do
    local part = node[i]
    size = size + expanded(part, known)
    if type(part) == "string" then factor = math.max(factor, macro_factor(part)) end
  end
  size = size * factor * 1.0
  known[node] = size
  return size
end

-- How many bytes the engine will have of a piece when its macros are written out.
---@param piece SqlCode
---@return number bytes
function M.expanded_bytes(piece) return expanded(piece, {}) end

-- The text of a piece, and the map from offsets in it to offsets in the original. Raises {sql_error} when it would be
-- too long to be worth an engine's time.
---@param piece SqlCode
---@return string text, table map  list of {output offset, original offset}, growing
function M.render(piece)
  if M.expanded_bytes(piece) > MAX_EXPANDED_BYTES then
    error({ sql_error = errors.new("NotSupported", "the statement is too large for the engine: its nested expressions repeat "
      .. "their operands. Compute inner values in a WITH query") }, 0)
  end
  local out, map, length = {}, {}, 0
  local function walk(node)
    if type(node) == "string" then
      out[#out + 1] = node
      length = length + #node
      return
    end
    if node.pos then map[#map + 1] = { length + 1, node.pos } end
    for i = 1, #node do walk(node[i]) end
  end
  walk(piece)
  return table.concat(out), map
end

return M
