-- Log records as the platform reads them. AWS_LAMBDA_LOG_FORMAT chooses between JSON (timestamp, level, message, requestId, then
-- the fields) and text; AWS_LAMBDA_LOG_LEVEL is the least level that is written. When the platform hands over a descriptor for
-- framed records they go there, so that a record of many lines stays one.
local json = require "sm.json"
local M = {}

local LEVELS <const> = { TRACE = "debug", DEBUG = "debug", INFO = "info", WARN = "warn", ERROR = "error", FATAL = "error" }
local SHOWN <const> = { debug = "DEBUG", info = "INFO", warn = "WARN", error = "ERROR" }
-- The frames' types: the low bits say text or JSON, those above them the level.
local FRAMES <const> = { debug = 0xa55a000a, info = 0xa55a000e, warn = 0xa55a0012, error = 0xa55a0016 }
local TEXT_FRAME <const> = 1
-- The platform's names come first, in this order; a field of the same name gives way.
local FIRST <const> = { "timestamp", "level", "requestId", "tenantId", "message" }

local log

local function sorted_names(fields)
  local names = {}
  for name in pairs(fields) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function add(parts, name, value)
  parts[#parts + 1] = ("%s:%s"):format(json.encode(name), json.encode(value) or '"?"')
end

---@param time string
---@param level string
---@param event string
---@param fields table  names in camelCase, values clean
---@return string
function M.json_line(time, level, event, fields)
  local first = { timestamp = time, level = SHOWN[level], requestId = fields.requestId, tenantId = fields.tenantId, message = event }
  local parts = {}
  for _, name in ipairs(FIRST) do
    if first[name] ~= nil then add(parts, name, first[name]) end
  end
  for _, name in ipairs(sorted_names(fields)) do
    if name ~= "requestId" and name ~= "tenantId" then add(parts, first[name] ~= nil and name .. "_" or name, fields[name]) end
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

-- One record, one line: line ends become carriage returns, which the platform's console shows as line ends.
---@return string
function M.text_line(time, level, event, fields)
  local parts = {}
  for _, name in ipairs(sorted_names(fields)) do
    local value = fields[name]
    if name ~= "requestId" then
      parts[#parts + 1] = ("%s=%s"):format(name, type(value) == "string" and not value:find('[%s"=]') and value or json.encode(value) or "?")
    end
  end
  local line = ("[%s]\t%s\t%s\t%s%s"):format(SHOWN[level], time, fields.requestId or "-", event,
    #parts > 0 and "\t" .. table.concat(parts, " ") or "")
  return (line:gsub("\r?\n", "\r"))
end

-- The fields that every record of an invocation carries. Callers may have an id of their own (see entry/lambda/http).
local function context_reader(current)
  local shared_of = require("sm.task_core").context
  return function()
    local shared, invocation = shared_of(), current()
    if not invocation then return shared end
    local out = {}
    for name, value in pairs(shared) do out[name] = value end
    out.request_id, out.tenant_id = invocation.request_id, invocation.tenant_id
    if shared.request_id ~= out.request_id then out.client_request_id = shared.request_id end
    return out
  end
end

---@param env fun(name: string): string?
function M.set_level(env)
  require("lib.log").configure { level = LEVELS[(env "AWS_LAMBDA_LOG_LEVEL" or ""):upper()] }
end

-- A writer of framed records, when the platform gave a descriptor for them.
local function framed(fd, is_text)
  local frame = require("sm.log").frame
  return function(line, level) return frame(fd, FRAMES[level] + (is_text and TEXT_FRAME or 0), line) end
end

---@param facade table     lib/log
---@param env fun(name: string): string?
---@param current fun(): table?  the context of the only invocation
function M.configure(facade, env, current)
  log = facade
  local is_text = (env "AWS_LAMBDA_LOG_FORMAT" or "Text"):upper() ~= "JSON"
  local fd = math.tointeger(tonumber(env "_LAMBDA_TELEMETRY_LOG_FD" or ""))
  facade.configure { line = is_text and M.text_line or M.json_line, context = context_reader(current),
    level = LEVELS[(env "AWS_LAMBDA_LOG_LEVEL" or ""):upper()], write = fd and fd > 2 and framed(fd, is_text) or nil }
end

-- print of handlers: a record like any other, so that it carries the request's id.
function M.print(...)
  local parts = table.pack(...)
  for i = 1, parts.n do parts[i] = tostring(parts[i]) end
  if not log then require "lib.log" end
  log.info(table.concat(parts, "\t"))
end

return M
