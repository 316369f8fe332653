-- A real `sewing serve` for end-to-end specs: started on a free port, asked over HTTP, stopped by signal.
local files = require "sm.files"
local http = require "sm.http"
local json = require "lib.json"
local process = require "process"
local task = require "sm.task"

local M = {}

local START_SECONDS <const> = 20

M.program = (files.realpath("/proc/self/exe"))

local Server = {}
Server.__index = Server

-- A fresh folder of this test run.
function M.folder() return assert(files.temp_dir()) end

-- Waits until check gives something, looking often; the wait has an end.
function M.eventually(check, seconds)
  for _ = 1, (seconds or START_SECONDS) * 50 do
    local found = check()
    if found then return found end
    task.sleep(0.02)
  end
  return nil
end

---@param options table?  data, env (text before the command), args, root
function M.start(options)
  options = options or {}
  local self = setmetatable({ data = options.data or M.folder() }, Server)
  self.log = self.data .. ".log"
  self.pid = process.spawn(("env SEWING_ROOT=%s %s %s serve --port 0 --data %s %s"):format(options.root or files.cwd(), options.env or "",
    M.program, self.data, options.args or ""), self.log)
  self.url = M.eventually(function() return (files.read(self.log) or ""):match("listens on (http://%S+)") end)
  if not self.url then error("the server did not start: " .. tostring(files.read(self.log)), 2) end
  return self
end

-- Sends a request; gives status, decoded body (or text), headers.
function Server:ask(method, path, options)
  options = options or {}
  local headers = options.headers or {}
  local body = options.body
  if type(body) == "table" then
    body = json.encode(body)
    headers["Content-Type"] = headers["Content-Type"] or "application/json"
  end
  local answer, message = http.request { method = method, url = self.url .. path, headers = headers, body = body,
    timeout = options.timeout or 60 }
  assert(answer, message)
  local kind = answer.headers["content-type"]
  local value = answer.body
  if kind == "application/json" and value ~= "" then value = assert(json.decode(value)) end
  return answer.status, value, answer.headers
end

function Server:output() return files.read(self.log) end

-- Asks it to stop and waits for its end. Gives false when it had to be killed.
function Server:stop(signal)
  process.run(("kill -%s %d"):format(signal or "TERM", self.pid))
  local ended = M.eventually(function() return not process.is_running(self.pid) end, 15)
  if not ended then process.kill(self.pid) end
  return ended or false
end

function Server:remove()
  if process.is_running(self.pid) then self:stop() end
  files.remove_tree(self.data)
  files.remove(self.log)
end

return M
