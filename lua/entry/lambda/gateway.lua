-- What the families of HTTP events have in common: pieces of a request out of an event, a body that fits into an answer.
local errors = require "lib.errors"
local fields = require "entry.lambda.fields"
local json = require "lib.json"

local M = {}

M.LAMBDA_BYTES = 6 << 20 -- of an answer that is not streamed
local SURELY_FITS <const> = 6 -- no byte of a body needs more of the JSON around it

-- One text of a header's values, as RFC 9110 joins them.
local function joined(name, values)
  if type(values) == "string" then return values end
  if type(values) == "number" or type(values) == "boolean" then return tostring(values) end
  if type(values) ~= "table" then return nil end
  local list = {}
  for _, value in ipairs(values) do
    if type(value) == "string" then list[#list + 1] = value end
  end
  return #list > 0 and table.concat(list, name == "cookie" and "; " or ", ") or nil
end

-- Header names in lower case; the map with several values for a name wins where it has the name.
---@param event table
---@return table<string, string>
function M.headers(event)
  local out = {}
  for _, map in ipairs { fields.within(event.headers), fields.within(event.multiValueHeaders) } do
    for name, values in pairs(map) do
      local key = tostring(name):lower()
      out[key] = joined(key, values) or out[key]
    end
  end
  return out
end

local function escaped(c) return ("%%%02X"):format(c:byte()) end

---@param s string
---@return string  percent-encoded but for unreserved characters
function M.escape(s) return (s:gsub("[^%w%-._~]", escaped)) end

local function as_it_is(s) return s end

-- The raw query out of maps of names and values. Order among names is lost on the way here; that of one name's values is not.
---@param event table
---@param encoded boolean   names and values are percent-encoded still
---@return string?
function M.query(event, encoded)
  local many, one = fields.object(event.multiValueQueryStringParameters), fields.object(event.queryStringParameters)
  local map = many and next(many) ~= nil and many or one
  if not map or next(map) == nil then return nil end
  local write = encoded and as_it_is or M.escape
  local pairs_of, names = {}, {}
  for name in pairs(map) do names[#names + 1] = fields.text(name) end
  table.sort(names)
  for _, name in ipairs(names) do
    local values = map[name]
    for _, value in ipairs(type(values) == "table" and values or { values }) do
      pairs_of[#pairs_of + 1] = write(name) .. "=" .. write(fields.text(value) or "")
    end
  end
  return table.concat(pairs_of, "&")
end

-- What cannot stand in a path, and percent signs that encode nothing: some gateways hand over decoded paths.
---@param path string
---@return string
function M.clean_path(path)
  if path:sub(1, 1) ~= "/" then path = "/" .. path end
  if not path:find("[^%w%-._~/!$&'()*+,;=:@]") then return path end
  return (path:gsub("%%(%x?%x?)", function(digits) return (#digits == 2 and "%" or "%25") .. digits end)
    :gsub("[^%w%-._~/!$&'()*+,;=:@%%]", escaped))
end

-- Takes a prefix of whole segments away.
---@param path string
---@param prefix string    "/prod", or ""
---@return string? rest    nil when the path does not start with it
function M.without(path, prefix)
  if prefix == "" then return path end
  if path:sub(1, #prefix) ~= prefix then return nil end
  local rest = path:sub(#prefix + 1)
  if rest == "" then return "/" end
  return rest:sub(1, 1) == "/" and rest or nil
end

---@param event table
---@return string? body
---@return Error?
function M.body(event)
  local body = event.body
  if type(body) == "table" then return json.encode(body) end -- written by hand, for a test
  if type(body) ~= "string" then return nil end
  if event.isBase64Encoded ~= true then return body end
  local decoded = require("sm.crypto").unbase64(body)
  if decoded then return decoded end
  return nil, errors.new("BadRequest", "the event says that its body is base64, and it is not")
end

-- Headers of answers ------------------------------------------------------------------------------------------------

-- Headers with one value, and those with a list of them.
---@param headers table<string, string|string[]>
---@return table<string, string> one
---@return table<string, string[]>? many
function M.split_headers(headers)
  local one, many = {}, nil
  for name, value in pairs(headers) do
    if type(value) == "table" then
      many = many or {}
      many[name] = json.list(value)
    else
      one[name] = tostring(value)
    end
  end
  return one, many
end

-- One text for each header; cookies apart, since they cannot be joined.
---@return table<string, string> headers
---@return string[]? cookies
function M.joined_headers(headers)
  local one, many = M.split_headers(headers)
  local cookies
  for name, values in pairs(many or {}) do
    if name:lower() == "set-cookie" then cookies = values else one[name] = table.concat(values, ", ") end
  end
  return one, cookies
end

-- As joined_headers where only one value of a name can be said: the last cookie counts.
---@return table<string, string>
function M.single_headers(headers)
  local one, cookies = M.joined_headers(headers)
  if cookies then one["Set-Cookie"] = cookies[#cookies] end
  return one
end

-- Answers -----------------------------------------------------------------------------------------------------------

---@param bytes integer
---@param max_bytes integer
---@return Error
function M.too_large(bytes, max_bytes)
  return errors.new("PayloadTooLarge", ("the answer is too large for this gateway (%d bytes or more, at most %d get through): "
    .. "ask for less, or in pages"):format(bytes, max_bytes), { max_bytes = max_bytes })
end

-- The first frames of an event stream: whoever reads whole answers asks again, from the last event it saw.
local function first_events(answer, remaining)
  local stream = require "entry.stream"
  local parts = {}
  stream.write_events(answer.next_events, function(text)
    parts[#parts + 1] = text
    return true
  end, { wait = stream.wait_within(remaining), once = true })
  return table.concat(parts)
end

local function collected(write_all, max_bytes)
  local parts, bytes = {}, 0
  write_all(function(chunk)
    bytes = bytes + #chunk
    if bytes > max_bytes then return nil end
    parts[#parts + 1] = chunk
    return true
  end)
  if bytes > max_bytes then return nil, M.too_large(bytes, max_bytes) end
  return table.concat(parts)
end

---@param part table  { file, offset, length }
---@param write fun(chunk: string): boolean?
function M.write_file(part, write)
  local file <close> = assert(require("sm.files").open(part.file))
  local at, last = part.offset, part.offset + part.length
  while at < last do
    local chunk, message = file:pread(at, math.min(1 << 20, last - at))
    if not chunk then error(message or "the file became shorter while it was read", 0) end
    if not write(chunk) then return end
    at = at + #chunk
  end
end

-- The whole body as text, however it is made.
---@param answer table         of entry/api
---@param max_bytes integer
---@param remaining number?    seconds
---@return string? body
---@return Error?
function M.whole_body(answer, max_bytes, remaining)
  local body = answer.body
  if body == nil then return "" end
  if type(body) == "string" then return body end
  if answer.next_events then return first_events(answer, remaining) end
  if type(body) == "function" then return collected(body, max_bytes) end
  if body.length > max_bytes then return nil, M.too_large(body.length, max_bytes) end
  return collected(function(write) M.write_file(body, write) end, max_bytes)
end

-- Body and flag as gateways want them: text as it is, other bytes as base64.
---@param body string
---@return string body
---@return boolean is_base64
function M.carried(body)
  if utf8.len(body) then return body, false end
  return require("sm.crypto").base64(body), true
end

-- The event's answer, when it surely or really fits; else nil and how large it is.
---@param value table          holds the body
---@param max_bytes integer
---@return any? value          the same, or its JSON text
---@return integer|string?     bytes
function M.fitting(value, max_bytes)
  if #value.body * SURELY_FITS < max_bytes - (64 << 10) then return value end
  local text, message = json.encode(value)
  if not text then return nil, message end
  if #text <= max_bytes then return json.raw(text) end
  return nil, #text
end

return M
