-- JSON as the rest of the program sees it. The codec is the host's (sm.json); this file names what we use of it.
local codec = require "sm.json"

local M = {
  null = codec.null,
  decode = codec.decode,   -- text -> value | nil, message
  encode = codec.encode,   -- value -> text | nil, message
  raw = codec.raw,         -- text that is JSON already, spliced verbatim
  is_list = codec.is_array,
}

local Verbatim = { __name = "verbatim" }

-- Keys of this table and below are data, not field names: an answer leaves them as they are.
---@param t table
---@return table
function M.verbatim(t)
  return setmetatable(t, Verbatim)
end

-- Marks a table as a list, so that an empty one is written as [].
---@param t table?
---@return table
function M.list(t)
  return codec.array(t or {})
end

return M
