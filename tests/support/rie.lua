-- AWS's runtime interface emulator around the built bootstrap: one function, asked over HTTP.
local files = require "sm.files"
local http = require "sm.http"
local lambda = require "lambda"
local process = require "process"
local server = require "sm.server"
local task = require "sm.task"

local M = { program = os.getenv "SM_TEST_RIE" or "build/rie/aws-lambda-rie" }

local INVOKE <const> = "/2015-03-31/functions/function/invocations"
local START_SECONDS <const> = 10

function M.available() return lambda.available() and files.exists(M.program) end

local function free_port()
  local probe = assert(server.listen { on_request = function() return {} end })
  local port = probe.port
  probe.stop()
  return port
end

local Emulator = {}
Emulator.__index = Emulator
Emulator.__close = function(self) self:stop() end

-- handlers: as for lambda.task_root. The emulator starts the function with its first event.
---@param options { handlers: table<string, string>, handler: string?, env: string?, timeout: integer? }
function M.start(options)
  local root, remove = lambda.task_root(options.handlers)
  local self = setmetatable({ remove = remove, log = root .. "/log", port = free_port() }, Emulator)
  local own = files.read("/proc/self/stat"):match("^%d+")
  self.pid = process.spawn(("env -i PATH=\"$PATH\" LAMBDA_TASK_ROOT=%s AWS_LAMBDA_FUNCTION_TIMEOUT=%d %s sh tests/support/with_owner.sh %s %s "
    .. "--runtime-interface-emulator-address 127.0.0.1:%d --runtime-api-address 127.0.0.1:%d %s %s"):format(root, options.timeout or 5,
    options.env or "", own, M.program, self.port, free_port(), files.cwd() .. "/" .. lambda.program, options.handler or "handler"), self.log)
  for _ = 1, START_SECONDS * 50 do
    if http.request { url = ("http://127.0.0.1:%d/"):format(self.port), timeout = 2 } then return self end
    task.sleep(0.02)
  end
  error("the emulator did not start: " .. self:text())
end

function Emulator:invoke(body)
  return assert(http.request { method = "POST", url = ("http://127.0.0.1:%d%s"):format(self.port, INVOKE), body = body, timeout = 20 })
end

function Emulator:text() return files.read(self.log) or "" end

-- Ends the emulator, and with it the function; what they wrote.
function Emulator:stop()
  if not self.pid then return "" end
  process.run("kill " .. self.pid)
  for _ = 1, 200 do
    if not process.is_running(self.pid) then break end
    task.sleep(0.02)
  end
  self.pid = nil
  local text = self:text()
  self.remove()
  return text
end

return M
