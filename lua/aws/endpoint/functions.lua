-- The functions of endpoint rules. Each gets its arguments evaluated; nil is "not set".
local M = {}

local function fail(what) error({ endpoint_error = what }, 0) end

function M.isSet(value) return value ~= nil end

M["not"] = function(value) return not value end

function M.stringEquals(a, b)
  if type(a) ~= "string" or type(b) ~= "string" then fail("stringEquals needs two texts") end
  return a == b
end

function M.booleanEquals(a, b)
  if type(a) ~= "boolean" or type(b) ~= "boolean" then fail("booleanEquals needs two booleans") end
  return a == b
end

function M.coalesce(...)
  for i = 1, select("#", ...) do
    local value = select(i, ...)
    if value ~= nil then return value end
  end
end

function M.ite(condition, yes, no)
  if condition then return yes end
  return no
end

-- Pieces of a text between delimiters; with a limit above 0 the last piece is the rest.
function M.split(value, delimiter, limit)
  if value == nil then return nil end
  local out, at = {}, 1
  while not (limit and limit > 0 and #out + 1 >= limit) do
    local from, to = value:find(delimiter, at, true)
    if not from or delimiter == "" then break end
    out[#out + 1] = value:sub(at, from - 1)
    at = to + 1
  end
  out[#out + 1] = value:sub(at)
  return out
end

function M.substring(value, start, stop, reverse)
  if type(value) ~= "string" then fail("substring needs a text") end
  if start >= stop or #value < stop or value:find("[\128-\255]") then return nil end
  if reverse then return value:sub(#value - stop + 1, #value - start) end
  return value:sub(start + 1, stop)
end

local function encode_byte(c) return ("%%%02X"):format(c:byte()) end

function M.uriEncode(value)
  if value == nil then return nil end
  return (value:gsub("[^%w%-._~]", encode_byte))
end

local function is_label(text)
  return #text <= 63 and text:find("^[%w%-]+$") ~= nil and text:sub(1, 1) ~= "-" and text:sub(-1) ~= "-"
end

function M.isValidHostLabel(value, allow_subdomains)
  if value == nil then return false end
  if not allow_subdomains then return is_label(value) end
  for label in (value .. "."):gmatch("([^.]*)%.") do
    if not is_label(label) then return false end
  end
  return true
end

local function is_ipv4(text)
  local parts = { text:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$") }
  if #parts ~= 4 then return false end
  for _, part in ipairs(parts) do
    if #part > 3 or tonumber(part) > 255 then return false end
  end
  return true
end

M["aws.isVirtualHostableS3Bucket"] = function(value, allow_subdomains)
  if value == nil or #value < 3 or #value > 63 or value:find("%u") or value:find("^%d+%.%d+%.%d+%.%d+$") then return false end
  return M.isValidHostLabel(value, allow_subdomains)
end

M["aws.parseArn"] = function(value)
  if value == nil then return nil end
  local partition, service, region, account, resource = value:match("^arn:([^:]*):([^:]*):([^:]*):([^:]*):(.+)$")
  if not partition or partition == "" or service == "" then return nil end
  return { partition = partition, service = service, region = region, accountId = account,
    resourceId = M.split((resource:gsub(":", "/")), "/") }
end

-- ---- parseURL ----

local function is_ipv6(host)
  local inner = host:match("^%[(.*)%]$")
  if not inner or not inner:find("^[%x:.]+$") or not inner:find(":", 1, true) then return false end
  local _, doubles = inner:gsub("::", "")
  return doubles <= 1
end

local function normalized(path)
  local out = {}
  for part in path:gmatch("[^/]+") do
    if part == ".." then
      out[#out] = nil
    elseif part ~= "." then
      out[#out + 1] = part
    end
  end
  if #out == 0 then return "/" end
  return ("/" .. table.concat(out, "/") .. "/"):gsub("[^%w%-._~/%%]", encode_byte)
end

-- Host and port of an authority; nil when the port is none.
local function split_authority(authority)
  local host, port = authority:match("^(%[[^%]]*%])(.*)$")
  if not host then host, port = authority:match("^([^:]*)(.*)$") end
  if host == "" or not (port == "" or port:find("^:%d*$")) then return nil end
  if tonumber(port:sub(2)) and tonumber(port:sub(2)) > 65535 then return nil end
  return host
end

function M.parseURL(value)
  if value == nil then return nil end
  local scheme, authority, path, rest = value:match("^(%a+)://([^/?#]*)([^?#]*)(.*)$")
  scheme = scheme and scheme:lower()
  if scheme ~= "http" and scheme ~= "https" or rest:find("^%?[^#]") then return nil end
  local host = split_authority(authority:match("[^@]*$"))
  if not host then return nil end
  return { scheme = scheme, authority = authority, path = path, normalizedPath = (normalized(path)),
    isIp = is_ipv4(host) or is_ipv6(host) }
end

return M
