-- Log records: one JSON object a line with time, level and event, then the caller's fields. Secrets never get through:
-- values under telling names are hidden, and so are signatures and tokens inside of texts.
local json = require "lib.json"
local text = require "lib.text"

local M = {}

local LEVELS <const> = { debug = 1, info = 2, warn = 3, error = 4 }
local MAX_TEXT <const> = 8192
local MAX_DEPTH <const> = 6
local HIDDEN <const> = "***"

local state = { level = LEVELS.info, write = nil, time = nil, context = nil, line = nil }

-- Which functions write, tell the time, give the context of the running task and make the line of a record. Called by the
-- composition root and by specs; without it the host's modules are used at the first record.
---@param options table  level?, write(line, level)?, time()?, context()?, line(time, level, event, fields)?
function M.configure(options)
  if options.level then state.level = LEVELS[options.level] or state.level end
  state.write = options.write or state.write
  state.time = options.time or state.time
  state.context = options.context or state.context
  state.line = options.line or state.line
end

local function host()
  local time, log, task = require "sm.time", require "sm.log", require "sm.task"
  state.write = state.write or log.write
  state.time = state.time or function() return time.iso(time.now(), 3) end
  state.context = state.context or task.context
end

local secret_names = { "password", "passwd", "secret", "authorization", "cookie", "apikey", "credential", "signature", "privatekey",
  "accesskey", "sessionkey" }

local verdicts = {} -- field name -> hidden?; field names are few, so this stays small
local verdict_count = 0

local function is_secret(name)
  local known = verdicts[name]
  if known ~= nil then return known end
  local folded = name:lower():gsub("[-_]", "")
  local hidden = folded:find("token$") ~= nil or folded == "jwt"
  for _, word in ipairs(secret_names) do hidden = hidden or folded:find(word, 1, true) ~= nil end
  if verdict_count < 1000 then verdicts[name], verdict_count = hidden, verdict_count + 1 end
  return hidden
end

local parameters = { "[Ss]ignature", "[Xx]%-[Aa]mz%-[Ss]ignature", "[Xx]%-[Aa]mz%-[Ss]ecurity%-[Tt]oken", "[Xx]%-[Aa]mz%-[Cc]redential",
  "[Tt]oken", "access_token", "id_token", "refresh_token", "[Pp]assword", "sig" }

-- Hides signatures of URLs, bearer tokens and passwords inside of a text. The frontiers keep the patterns linear.
---@param s string
---@return string
function M.redact(s)
  if s:find("=", 1, true) then
    for _, name in ipairs(parameters) do s = s:gsub("([?&]" .. name .. "=)[^&%s\"'<>]+", "%1" .. HIDDEN) end
  end
  if s:find("://", 1, true) then s = s:gsub("%f[%a](%a+://)[^/@%s:]+:[^/@%s]+@", "%1" .. HIDDEN .. "@") end
  if s:find("earer ", 1, true) then s = s:gsub("([Bb]earer )[%w%-%._~+/=]+", "%1" .. HIDDEN) end
  if s:find("eyJ", 1, true) then s = s:gsub("%f[%w]eyJ[%w_-]+%.[%w_-]+%.[%w_-]*", HIDDEN) end
  return s
end

local function clean(value, depth)
  local kind = type(value)
  if kind == "string" then
    if #value > MAX_TEXT then value = text.cut(value, MAX_TEXT) .. "..." end
    if not utf8.len(value) then value = value:gsub("[\x80-\xff]", "?") end
    return M.redact(value)
  elseif kind == "number" then
    return (value ~= value or value == math.huge or value == -math.huge) and tostring(value) or value
  elseif kind == "boolean" then
    return value
  elseif kind ~= "table" then
    return tostring(value)
  end
  if depth >= MAX_DEPTH then return "..." end
  if getmetatable(value) and getmetatable(value).__tostring then return M.redact(tostring(value)) end
  local out = {}
  if #value > 0 then
    for i, item in ipairs(value) do out[i] = clean(item, depth + 1) end
    return out
  end
  for key, item in pairs(value) do
    local name = text.camel(tostring(key))
    out[name] = is_secret(name) and HIDDEN or clean(item, depth + 1)
  end
  return out
end

local reserved = { time = true, level = true, event = true }

-- A record as an object: time, level and event first, then the fields by name.
local function object_line(time, level, event, fields)
  local parts = { ('{"time":"%s","level":"%s","event":%s'):format(time, level, json.encode(event)) }
  for _, key in ipairs(text.sorted_keys(fields)) do
    local name = reserved[key] and key .. "_" or key
    parts[#parts + 1] = (',%s:%s'):format(json.encode(name), json.encode(fields[key]) or '"?"')
  end
  parts[#parts + 1] = "}"
  return table.concat(parts)
end

-- The text of one record, without the line end.
---@param level string
---@param event string
---@param fields table?
---@return string
function M.format(level, event, fields)
  if not state.time then host() end
  local all = {}
  for key, value in pairs(state.context and state.context() or {}) do
    if type(key) == "string" then all[key] = value end
  end
  for key, value in pairs(fields or {}) do all[tostring(key)] = value end
  return (state.line or object_line)(state.time(), level, clean(event, 0), clean(all, 0))
end

local function record(level, event, fields)
  if LEVELS[level] < state.level then return end
  if not state.write then host() end
  state.write(M.format(level, event, fields), level)
end

---@param event string
---@param fields table?
function M.debug(event, fields) record("debug", event, fields) end

---@param event string
---@param fields table?
function M.info(event, fields) record("info", event, fields) end

---@param event string
---@param fields table?
function M.warn(event, fields) record("warn", event, fields) end

---@param event string
---@param fields table?
function M.error(event, fields) record("error", event, fields) end

---@param level string
---@return boolean
function M.enabled(level) return LEVELS[level] >= state.level end

local access -- of sm.log, with the first request

-- The record of one answered request: the same form as the others, made cheaply because there is one for every request.
-- The query string is not logged: it may carry signatures.
---@param method string
---@param path string
---@param status integer
---@param seconds number
---@param bytes integer
---@param request_id string  checked by the caller: no quotes, no control characters
function M.access(method, path, status, seconds, bytes, request_id)
  if not state.write then host() end
  if state.line then -- of another form: made like the others
    return record("info", "request", { method = method, path = path, status = status, duration_ms = seconds * 1000 // 0.001 / 1000,
      bytes = bytes, request_id = request_id })
  end
  local quoted
  if path:find('[%c"\\\x80-\xff]') or #path > 1024 then
    quoted = json.encode(clean(text.cut(path, 1024), 0))
  else
    quoted = '"' .. path .. '"'
  end
  access = access or require("sm.log").access
  state.write(access(method, quoted, status, seconds, bytes, request_id))
end

return M
