-- Requests as the signing vectors write them: "GET /path?query HTTP/1.1", header lines, maybe a body. Paths and queries
-- may hold blanks and bytes that are not encoded.
local sigv4 = require "sm.sigv4"

local M = {}

local function unescape(text) return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)) end

-- "a=b&c" -> { {"a","b"}, {"c",""} }; a plus sign is a plus sign.
local function query_of(text)
  local out = {}
  for part in text:gmatch("[^&]+") do
    local name, value = part:match("^([^=]*)=?(.*)$")
    out[#out + 1] = { unescape(name), unescape(value) }
  end
  return out
end

-- A line that begins with a blank goes on with the header before it.
local function headers_of(lines)
  local out, last = {}, nil
  for _, line in ipairs(lines) do
    local name, value = line:match("^([^%s:]+):(.*)$")
    if name and not line:find("^%s") then
      name = name:lower()
      local list = out[name] or {}
      out[name], last = list, list
      list[#list + 1] = value
    elseif last then
      last[#last] = last[#last] .. "\n" .. line
    end
  end
  return out
end

-- The path as it goes on the wire; what is encoded in the text stays so.
local function wire_path(raw) return (raw:gsub("[^%w%-%._~/%%!$&'()*+,;=:@]+", sigv4.encode)) end

---@param text string
---@return table  method, path (as written), query (raw pairs), headers (lower-case name = list of values), body
function M.parse(text)
  text = text:gsub("\r\n", "\n")
  local head, body = text:match("^(.-)\n\n(.*)$")
  head = head or text
  local lines = {}
  for line in head:gmatch("[^\n]+") do lines[#lines + 1] = line end
  local first = table.remove(lines, 1)
  local method, target = first:match("^(%S+) (.*)$")
  target = target:gsub(" HTTP/[%d%.]+$", "")
  local path, query = target:match("^([^?]*)%??(.*)$")
  return { method = method, path = path, wire_path = wire_path(path), query = query_of(query), headers = headers_of(lines), body = body or "" }
end

return M
