-- The program as one Lambda process has it: settings, the app behind its ports, the API over its routes. Each is made when
-- it is first asked for, because what a start has to read is what callers wait for.
local M = {}

local UNCHECKED <const> = "no authorizer stands in front of this function, and SEWING_AUTH is not set: whoever reaches its gateway may call"

-- A value made once, also when several invocations ask at the same time. Failures are made again.
local function once(make)
  local value, mutex
  return function(...)
    if value ~= nil then return value end
    mutex = mutex or require("sm.task").mutex()
    return mutex:with(function(...)
      if value ~= nil then return value end
      local made, err = make(...)
      value = made
      return made, err
    end, ...)
  end
end

-- Whoever stands in front has checked who calls, and says so. Without its word the settings decide: a check of our own, or
-- nobody has to prove anything, as the operator of the gateway has chosen.
local function authenticator(settings)
  local own = once(function() return require("entry.front").authenticator(settings) end)
  local warned = settings.given.auth -- who has asked for it knows
  return function(request)
    if request.principal then return request.principal end
    if settings.auth == "none" then
      if not warned then require("lib.log").warn("callers_unchecked", { message = UNCHECKED }) end
      warned = true
      return "anonymous"
    end
    if request.is_health_check and request.path == "/health" and not request.query then return "health check" end
    local check, err = own()
    if not check then return nil, err end
    return check(request)
  end
end

local House = {}
House.__index = House

local function lazy_app(self)
  return {
    use_case = function(name)
      local app, err = self.app()
      if not app then return nil, err end
      return app.use_case(name)
    end,
    ports_of = function(use_case) return self.app().ports_of(use_case) end,
  }
end

---@param options {settings: table, open: fun(settings: table): table?, Error?}
---@return table house
function M.new(options)
  local settings = options.settings
  local self = setmetatable({ settings = settings }, House)
  self.visible = require("entry.front").visible(settings)
  self.app = once(function() return options.open(settings) end)
  self.apis = {}
  return self
end

-- The API over all routes, or over those of one use case.
---@param use_case string?
---@return table api
function House:api(use_case)
  local key = use_case or ""
  if not self.apis[key] then
    local list
    for _, route in ipairs(use_case and require("routes").list or {}) do
      list = list or {}
      if route.use_case == use_case then list[#list + 1] = route end
    end
    self.apis[key] = require("entry.front").build(self.settings, lazy_app(self), { authenticate = authenticator(self.settings),
      routes = list, keep_deadline = true })
  end
  return self.apis[key]
end

function House.monotonic() return require("sm.time").monotonic() end

function House.task_context() return require("sm.task").context() end

-- Tells a state machine that waits for a token what its task has given.
---@param token string
---@param value any
---@return boolean? ok
---@return Error?
function House.end_task(token, value)
  local errors = require "lib.errors"
  local client, failure = require("aws").client "stepfunctions"
  local done
  if client then
    done, failure = client:send_task_success { taskToken = token, output = assert(require("lib.json").encode(value)) }
  end
  if done then return true end
  return nil, errors.new("ExternalServiceError", "report a task to its state machine: " .. tostring(failure))
end

local function read_settings()
  return require("settings").read(require("sm.files").env)
end

-- The house of this process, from its environment.
---@return table? house
---@return Error?
M.get = once(function()
  local settings, err = read_settings()
  if not settings then return nil, err end
  require("lib.log").configure { level = settings.log_level }
  return M.new { settings = settings, open = function(given)
    return require("boot").aws_profile(given, {})
  end }
end)

return M
