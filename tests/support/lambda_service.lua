-- The Lambda service for end-to-end specs: functions are the built bootstrap, each its own process with a Runtime API of its own,
-- started with its first event. Invoke waits or, with type Event, answers at once and tries a failure twice more, as Lambda does.
-- Where the official runtime interface emulator is (M.emulator), it stands between this and the program.
local crypto = require "sm.crypto"
local files = require "sm.files"
local http = require "sm.http"
local json = require "lib.json"
local process = require "process"
local server = require "sm.server"
local task = require "sm.task"
local time = require "sm.time"

local M = {}

local RETRIES <const> = 2
local WAIT_SECONDS <const> = 60
local INVOKE <const> = "/2015-03-31/functions/function/invocations"

M.program = os.getenv "SM_TEST_BOOTSTRAP" or "build/dev/bootstrap"
M.emulator = os.getenv "SM_TEST_RIE" or "build/rie/aws-lambda-rie"

function M.has_emulator() return files.exists(M.emulator) end

-- ---- one function ----

local Function = {}
Function.__index = Function

local function environment(env)
  local parts = {}
  for name, value in pairs(env) do parts[#parts + 1] = ("%s='%s'"):format(name, (tostring(value):gsub("'", "'\\''"))) end
  table.sort(parts)
  return table.concat(parts, " ")
end

local function spawn(self, command)
  local own = files.read("/proc/self/stat"):match("^%d+")
  self.pid = process.spawn(("env -i PATH=\"$PATH\" %s sh tests/support/with_owner.sh %s %s"):format(environment(self.env), own, command), self.log)
end

-- Our own Runtime API: next waits for an event, response and error end it.
local function next_event(self)
  local event = self.queue:pop()
  self.current = event
  return { headers = { ["Content-Type"] = "application/json", ["Lambda-Runtime-Aws-Request-Id"] = event.id,
    ["Lambda-Runtime-Deadline-Ms"] = tostring(math.floor((time.now() + self.timeout) * 1000)),
    ["Lambda-Runtime-Invoked-Function-Arn"] = self.arn, ["Lambda-Runtime-Trace-Id"] = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0" },
    body = event.body }
end

local function take_answer(self, path, body)
  local id, what = path:match("/invocation/([^/]+)/(%a+)$")
  if path:find("/init/error$") then
    self.init_error = body
    id, what = self.current and self.current.id, "error"
  end
  local event = id and self.open[id]
  if event then
    self.open[id] = nil
    event.done:push { body = body, failed = what == "error" }
  end
  return { status = 202, body = "" }
end

local function start_program(self)
  self.api = assert(server.listen { idle_timeout = 3600, on_request = function(request)
    if request.path:find("/invocation/next$") then return next_event(self) end
    return take_answer(self, request.path, request.body or "")
  end })
  self.env.AWS_LAMBDA_RUNTIME_API = "127.0.0.1:" .. self.api.port
  spawn(self, self.program)
end

local function free_port()
  local probe = assert(server.listen { on_request = function() return {} end })
  local port = probe.port
  probe.stop()
  return port
end

local function start_emulator(self)
  self.port = free_port()
  self.env.AWS_LAMBDA_FUNCTION_TIMEOUT = tostring(math.ceil(self.timeout))
  spawn(self, ("%s --runtime-interface-emulator-address 127.0.0.1:%d --runtime-api-address 127.0.0.1:%d %s %s"):format(M.emulator, self.port,
    free_port(), self.program, self.env._HANDLER))
  for _ = 1, WAIT_SECONDS * 50 do
    local up = http.request { url = ("http://127.0.0.1:%d/"):format(self.port), timeout = 5 }
    if up then return end
    task.sleep(0.02)
  end
  error("the emulator did not start: " .. tostring(files.read(self.log)))
end

local function ask_program(self, body)
  local event = { id = crypto.uuid(), body = body, done = task.queue() }
  self.open[event.id] = event
  self.queue:push(event)
  local answer = event.done:pop(WAIT_SECONDS)
  if not answer then error(("%s did not answer: %s"):format(self.name, tostring(files.read(self.log))), 0) end
  return answer
end

local function ask_emulator(self, body)
  local answer = assert(http.request { method = "POST", url = ("http://127.0.0.1:%d%s"):format(self.port, INVOKE), body = body, timeout = WAIT_SECONDS })
  local decoded = json.decode(answer.body)
  return { body = answer.body, failed = type(decoded) == "table" and decoded.errorType ~= nil and decoded.errorMessage ~= nil }
end

-- One event at a time, as an execution environment takes them. fresh: a new environment, the old one is gone.
function Function:ask(body)
  return self.turn:with(function()
    if not self.pid then
      if M.has_emulator() then start_emulator(self) else start_program(self) end
    end
    if M.has_emulator() then return ask_emulator(self, body) end
    return ask_program(self, body)
  end)
end

function Function:stop()
  if self.pid then process.run("kill " .. self.pid) end
  if self.api then self.api.stop() end
  self.pid, self.api = nil, nil
end

-- ---- the service ----

local Service = {}
Service.__index = Service

--- Invokes a function and waits for its answer.
---@param name string
---@param payload any       as JSON
---@return any value        its answer; nil when it failed
---@return table? failure   { errorType, errorMessage, ... }
function Service:invoke(name, payload)
  local wanted = assert(self.functions[name], "no function " .. tostring(name))
  local call = { name = name, payload = payload }
  self.calls[#self.calls + 1] = call
  local answer = wanted:ask(assert(json.encode(payload)))
  local value = json.decode(answer.body)
  if answer.failed then
    call.failure = value
    return nil, value
  end
  call.value = value
  return value
end

--- The bytes of a function's answer, as a streaming gateway gets them.
---@return string
function Service:raw(name, payload)
  return assert(self.functions[name], "no function " .. tostring(name)):ask(assert(json.encode(payload))).body
end

-- Later, and again when it fails.
function Service:invoke_later(name, payload)
  self.running = self.running + 1
  task.spawn(function()
    local _ <close> = setmetatable({}, { __close = function() self.running = self.running - 1 end })
    for _ = 0, RETRIES do
      local value, failure = self:invoke(name, payload)
      if not failure then return value end
    end
    self.dead[#self.dead + 1] = { name = name, payload = payload }
  end)
end

--- Waits until no invocation runs or is to run.
function Service:settle()
  local ends = time.monotonic() + WAIT_SECONDS
  while self.running > 0 do
    if time.monotonic() > ends then error("the functions do not come to rest") end
    task.sleep(0.02)
  end
end

--- Answers a request of the Lambda API; nil for what is none.
---@param request table  of sm.server
---@return table? answer
function Service:answer(request)
  local name = request.path:match("^/2015%-03%-31/functions/([^/]+)/invocations$")
  if not name then return nil end
  name = name:gsub("%%(%x%x)", function(h) return string.char(tonumber(h, 16)) end):match("([^:]+)$")
  local payload = json.decode(request.body or "null")
  if not self.functions[name] then
    return { status = 404, headers = { ["x-amzn-errortype"] = "ResourceNotFoundException" }, body = '{"Message":"no such function"}' }
  end
  if request.headers["x-amz-invocation-type"] == "Event" then
    self:invoke_later(name, payload)
    return { status = 202, body = "" }
  end
  local value, failure = self:invoke(name, payload)
  return { status = 200, headers = { ["Content-Type"] = "application/json", ["X-Amz-Function-Error"] = failure and "Unhandled" or nil },
    body = assert(json.encode(failure or value)) }
end

--- What the functions have logged; for a spec that fails.
function Service:logs()
  local parts = {}
  for name, one in pairs(self.functions) do parts[#parts + 1] = ("-- %s\n%s"):format(name, tostring(files.read(one.log))) end
  return table.concat(parts, "\n")
end

--- The calls of one function, oldest first.
function Service:calls_of(name)
  local list = {}
  for _, call in ipairs(self.calls) do
    if call.name == name then list[#list + 1] = call end
  end
  return list
end

function Service:stop()
  for _, one in pairs(self.functions) do one:stop() end
  files.remove_tree(self.folder)
end

function M.arn(name) return "arn:aws:lambda:us-east-1:123456789012:function:" .. name end

---@param options {env: table<string, string>, program: string?, functions: table<string, {handler: string, timeout: number?, env: table?}>}
---@return table service
function M.start(options)
  local self = setmetatable({ functions = {}, calls = {}, dead = {}, running = 0, folder = assert(files.temp_dir()) }, Service)
  for name, one in pairs(options.functions) do
    local env = { _HANDLER = one.handler, LAMBDA_TASK_ROOT = files.cwd(), AWS_LAMBDA_FUNCTION_NAME = name, AWS_LAMBDA_FUNCTION_MEMORY_SIZE = "512",
      AWS_LAMBDA_LOG_FORMAT = "JSON" }
    for _, more in ipairs { options.env, one.env or {} } do
      for key, value in pairs(more) do env[key] = value end
    end
    self.functions[name] = setmetatable({ name = name, env = env, program = options.program or M.program, arn = M.arn(name), timeout = one.timeout or 60, queue = task.queue(), open = {},
      turn = task.mutex(), log = self.folder .. "/" .. name .. ".log" }, Function)
  end
  return self
end

return M
