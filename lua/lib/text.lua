-- Small helpers on text that Lua's string library lacks.
local M = {}

---@param s string
---@return string
function M.trim(s)
  local from = s:find("%S")
  if not from then return "" end
  local last = #s
  while s:find("^%s", last) do last = last - 1 end
  return s:sub(from, last)
end

-- Splits on a plain separator; "a,,b" gives three parts.
---@param s string
---@param separator string
---@return string[]
function M.split(s, separator)
  local parts, from = {}, 1
  while true do
    local i, j = s:find(separator, from, true)
    parts[#parts + 1] = s:sub(from, (i or 0) - 1)
    if not i then return parts end
    from = j + 1
  end
end

-- Splits on commas, trims, drops empties.
---@param s string
---@return string[]
function M.list(s)
  local out = {}
  for _, part in ipairs(M.split(s, ",")) do
    local item = M.trim(part)
    if item ~= "" then out[#out + 1] = item end
  end
  return out
end

-- max_rows -> maxRows
---@param s string
---@return string
function M.camel(s)
  return (s:gsub("_(%w)", string.upper))
end

-- 1536 -> "1.5 KiB"
---@param bytes number
---@return string
function M.bytes(bytes)
  local units = { "B", "KiB", "MiB", "GiB", "TiB" }
  local i = 1
  while bytes >= 1024 and i < #units do bytes, i = bytes / 1024, i + 1 end
  return (i == 1 and "%d %s" or "%.1f %s"):format(i == 1 and math.floor(bytes) or bytes, units[i])
end

-- Cuts a text to at most `limit` bytes without splitting a UTF-8 sequence.
---@param s string
---@param limit integer
---@return string
function M.cut(s, limit)
  if #s <= limit then return s end
  local last = limit
  while last > 0 and (s:byte(last + 1) or 0) & 0xC0 == 0x80 do last = last - 1 end
  return s:sub(1, last)
end

-- One percent-decoding pass; nil when a percent sign is not followed by two hexadecimal digits.
---@param s string
---@param plus boolean?  "+" means a space (query strings)
---@return string?
function M.unescape(s, plus)
  if plus then s = s:gsub("+", " ") end
  if not s:find("%", 1, true) then return s end
  if s:gsub("%%%x%x", ""):find("%", 1, true) then return nil end
  return (s:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

-- "a=1&b=x%20y" -> { a = "1", b = "x y" }; the first value of a repeated name counts. nil when an escape is broken.
---@param query string?
---@return table<string, string>?
function M.parse_query(query)
  local out = {}
  for pair in (query or ""):gmatch("[^&]+") do
    local raw_name, raw_value = pair:match("^([^=]*)=?(.*)$")
    local name, value = M.unescape(raw_name, true), M.unescape(raw_value, true)
    if not name or not value then return nil end
    if out[name] == nil then out[name] = value end
  end
  return out
end

---@param t table
---@return string[]
function M.sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

return M
