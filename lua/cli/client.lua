-- The lake as the commands see it: a running server when one holds the data folder, else the same API in this process.
-- Both are asked in the same way, so the commands do not know the difference.
local errors = require "lib.errors"
local json = require "lib.json"

local M = {}

local PROBE_SECONDS <const> = 2
local CALL_SECONDS <const> = 3700

local Client = {}
Client.__index = Client

-- What a running server left about itself: { url, pid, token? }.
---@param files table
---@param data string
---@return table?
function M.serve_file(files, data)
  local source = files.read(data .. "/serve.json")
  local value = source and json.decode(source)
  if type(value) ~= "table" or type(value.url) ~= "string" or not value.url:find("^http://[%w.:%[%]-]+$") then return nil end
  return value
end

local function code_of(status)
  for code, http in pairs(require("entry.status").of) do
    if http == status and (code == "NotFound" or code == "Unauthorized" or code == "Timeout" or code == "Conflict") then return code end
  end
  return "ExternalServiceError"
end

-- An error envelope as the error it was.
local function error_of(status, body)
  local value = body and json.decode(body)
  local inner = type(value) == "table" and value.error
  if type(inner) ~= "table" then return errors.new(code_of(status), ("the server answered %d"):format(status)) end
  local details = type(inner.details) == "table" and inner.details or {}
  if value.retryAfterSeconds then details.retry_after_seconds = value.retryAfterSeconds end
  local code = errors.codes[inner.code] and inner.code or "ExternalServiceError"
  return errors.new(code, tostring(inner.message), details)
end

-- Remote ------------------------------------------------------------------------------------------------------------

local function remote_request(self, method, path, body, headers, stream)
  local all = { ["content-type"] = body and "application/json" or nil, authorization = self.token and "Bearer " .. self.token or nil }
  for name, value in pairs(headers or {}) do all[name] = value end
  return require("sm.http").request { method = method, url = self.url .. path, headers = all, body = body, timeout = CALL_SECONDS,
    connect_timeout = PROBE_SECONDS, stream = stream, max_bytes = stream and nil or 64 << 20 }
end

local function remote_send(self, method, path, body, headers)
  local answer, message, code = remote_request(self, method, path, body, headers)
  if not answer then return nil, errors.from(message, code == "timeout" and code or "io", "asking the server at " .. self.url) end
  return answer.status, answer.body
end

local function remote_stream(self, method, path, body, headers, write)
  local answer, message, code = remote_request(self, method, path, body, headers, true)
  if not answer then return nil, errors.from(message, code == "timeout" and code or "io", "asking the server at " .. self.url) end
  local parts = {}
  while true do
    local chunk, why = answer.read()
    if not chunk then
      if why then return nil, errors.new("ExternalServiceError", "the answer broke off: " .. tostring(why)) end
      break
    end
    if answer.status ~= 200 then parts[#parts + 1] = chunk elseif not write(chunk) then return true end
  end
  if answer.status ~= 200 then return nil, error_of(answer.status, table.concat(parts)) end
  return true
end

-- In this process -----------------------------------------------------------------------------------------------------

local function request_of(method, path, body, headers)
  local plain, query = path:match("^([^?]*)%??(.*)$")
  local all = { ["content-type"] = body and "application/json" or nil }
  for name, value in pairs(headers or {}) do all[name] = value end
  return { method = method, path = plain, query = query ~= "" and query or nil, headers = all, body = body, request_id = "cli" }
end

local function inner_send(self, method, path, body, headers)
  local answer = self.api:call(request_of(method, path, body, headers))
  return answer.status, answer.body
end

local function inner_stream(self, method, path, body, headers, write)
  local answer = self.api:call(request_of(method, path, body, headers))
  if answer.status ~= 200 then return nil, error_of(answer.status, answer.body) end
  if type(answer.body) == "string" then return write(answer.body) and true end
  local ok, err = pcall(answer.body, function(chunk) return write(chunk) end)
  if not ok then return nil, errors.is(err) and err or errors.new("InternalError", tostring(err)) end
  return true
end

-- Both --------------------------------------------------------------------------------------------------------------

-- Asks and waits for a JSON answer.
---@param method string
---@param path string
---@param body table?
---@return table? answer
---@return Error|integer  the error, or the status
function Client:call(method, path, body)
  local encoded
  if body then encoded = json.encode(body) end
  local status, answer = self.send(self, method, path, encoded)
  if not status then return nil, answer end
  if status >= 400 then return nil, error_of(status, answer) end
  local value = answer and answer ~= "" and json.decode(answer) or {}
  return value, status
end

-- Asks for something that is written as it comes. write(chunk) returns false to stop.
---@param method string
---@param path string
---@param body table?
---@param accept string
---@param write fun(chunk: string): boolean?
---@return boolean?
---@return Error?
function Client:stream(method, path, body, accept, write)
  return self.pour(self, method, path, body and json.encode(body) or nil, { accept = accept }, write)
end

function Client:close()
  if self.app then self.app.close() end
end

-- A server keeps a lock on its folder. Without one the file about it is left over from a server that was killed, and
-- somebody else may listen on its port by now.
local function is_held(files, data)
  local lock = files.lock(data .. "/lock")
  if lock then lock:close() end
  return not lock
end

-- The server that holds the folder, when it answers.
local function find_server(console, settings)
  local files = require "sm.files"
  local found = M.serve_file(files, settings.data)
  if not found or not is_held(files, settings.data) then return nil end
  local client = setmetatable({ url = found.url, token = console.env("SEWING_TOKEN") or found.token, send = remote_send,
    pour = remote_stream }, Client)
  local answer = require("sm.http").request { method = "GET", url = found.url .. "/health", timeout = PROBE_SECONDS,
    connect_timeout = PROBE_SECONDS,
    headers = client.token and { authorization = "Bearer " .. client.token } or {} }
  return answer and client or nil
end

-- A client for the data folder of the settings.
---@param console table
---@param settings table
---@param may_create boolean?   make the folder when it is not there
---@return table? client   to be closed
---@return Error?
function M.connect(console, settings, may_create)
  local server = find_server(console, settings)
  if server then return server end
  if not may_create and settings.profile == "local" and not require("sm.files").exists(settings.data) then
    return nil, errors.new("NotFound", ("there is no lake in '%s': sewing serve (or sewing runs start) makes one, --data names another folder")
      :format(settings.data))
  end
  local app, err = require("boot").open(settings, { purpose = "command" })
  if not app then return nil, err end
  local api
  api, err = require("entry.front").build(settings, app, { trusted = true })
  if not api then
    app.close()
    return nil, err
  end
  return setmetatable({ app = app, api = api, send = inner_send, pour = inner_stream, in_process = true }, Client)
end

return M
