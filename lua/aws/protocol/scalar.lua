-- Scalars as text, for paths, queries, headers, forms and XML; and back.
local crypto = require "sm.crypto"
local timestamp = require "aws.timestamp"

local M = {}

local huge, tointeger = math.huge, math.tointeger

-- The shortest text that reads back as the same double; 2.0 keeps its fraction.
local function float_text(value)
  if value ~= value then return "NaN" end
  if value == huge then return "Infinity" end
  if value == -huge then return "-Infinity" end
  if math.type(value) == "integer" then return ("%d"):format(value) end
  for digits = 15, 17 do
    local text = ("%." .. digits .. "g"):format(value)
    if tonumber(text) == value then return text:find "[.eE]" and text or text .. ".0" end
  end
end

---@param ref table       of a scalar type
---@param value any       checked
---@param format string   of times, unless the model says otherwise
---@return string
function M.text(ref, value, format)
  local kind = ref.type
  if kind == "string" or kind == "character" then return value end
  if kind == "boolean" then return value and "true" or "false" end
  if kind == "timestamp" then
    local name = ref.timestampFormat or format
    return assert(timestamp.format(assert(timestamp.parse(value, name)), name))
  end
  if kind == "blob" then return crypto.base64(value) end
  if type(value) == "string" then return value end -- digits of a big number
  if kind == "float" or kind == "double" then return float_text(value) end
  return ("%d"):format(tointeger(value))
end

local SPECIAL <const> = { NaN = 0 / 0, Infinity = huge, ["-Infinity"] = -huge }

-- What cannot be read as its type stays text: one odd member does not spoil an answer.
local READERS <const> = {
  boolean = function(text) return text:match "^%s*(.-)%s*$":lower() == "true" end,
  integer = function(text) return tointeger(tonumber(text)) or tonumber(text) or text end,
  float = function(text) return SPECIAL[text:match "^%s*(.-)%s*$"] or tonumber(text) or text end,
  blob = function(text) return crypto.unbase64(text) or crypto.unbase64((text:gsub("%s", ""))) or text end,
}
READERS.long, READERS.short, READERS.byte, READERS.double = READERS.integer, READERS.integer, READERS.integer, READERS.float

---@param ref table
---@param text string
---@param format string
---@return any
function M.read(ref, text, format)
  local kind = ref.type
  if kind == "timestamp" then return timestamp.parse(text, ref.timestampFormat or format) or text end
  local reader = READERS[kind]
  if reader then return reader(text) end
  return text
end

return M
