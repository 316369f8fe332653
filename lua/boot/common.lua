-- What every profile puts together alike: ports that are made with their first use, use cases with their context, and calls
-- of use cases in the background.
local errors = require "lib.errors"
local ports = require "ports"

local M = {}

M.SYSTEM = "lakehouse"

--- The folder of the Lua files; what is not in it is inside the program or in a layer (see sm.bundle).
---@return string
function M.lua_folder() return require("sm.bundle").folder end

--- A port that is made with its first use. Failing to make it is an answer, not a crash: every call says why.
---@param name string
---@param make fun(): table|nil, Error?
---@return table proxy
function M.lazily(name, make)
  local adapter, building
  local function get()
    if adapter then return adapter end
    local task = require "sm.task"
    building = building or task.mutex()
    return building:with(function()
      if adapter then return adapter end
      local made, err = make()
      if not made then return nil, err end
      local ok, problem = ports.check(name, made)
      if not ok then return nil, errors.new("InternalError", problem) end
      adapter = made
      return adapter
    end)
  end
  local proxy = {}
  for _, fn in ipairs(ports.list[name]) do
    proxy[fn] = function(...)
      local made, err = get()
      if not made then return nil, err end
      return made[fn](...)
    end
  end
  return proxy
end

-- The checked pipeline, made again when its list was read again; a faulty edit leaves the last good one.
---@return fun(): Pipeline|nil, Error?
function M.pipeline_getter(on_reload)
  local list, ready, broken
  return function()
    local ok, current = pcall(require, "domain." .. M.SYSTEM .. ".pipeline")
    if ok and current == list then return ready end
    local prepared, err
    if ok then prepared, err = require("domain." .. M.SYSTEM .. ".pipeline_rules").prepare(current) else err = tostring(current) end
    if prepared then
      list, ready = current, prepared
    elseif broken ~= current then
      broken = current
      if ready and on_reload then on_reload("pipeline", tostring(err)) end
    end
    return ready, err
  end
end

-- The context of a call with what every use case is given. The pipeline is read by those that ask for it.
local function full_context(self, ctx)
  local context = { request_id = ctx.request_id, caller = ctx.caller, base_url = ctx.base_url, settings = ctx.settings or self.settings,
    version = self.version }
  return setmetatable(context, { __index = function(_, name)
    if name ~= "pipeline" then return nil end
    local pipeline, err = self.pipeline()
    if not pipeline then error("the pipeline cannot be used: " .. tostring(err), 0) end
    context.pipeline = pipeline
    return pipeline
  end })
end

--- A use case that gets the full context.
---@param self table     settings, version, pipeline
---@param use_case table
---@return table
function M.adapt(self, use_case)
  local adapted = {}
  for key, value in pairs(use_case) do adapted[key] = value end
  adapted.run = function(given, input, ctx) return use_case.run(given, input, full_context(self, ctx)) end
  return adapted
end

--- Runs a use case for the background: events and calls of other use cases.
---@param self table     use_cases, ports
---@return fun(name: string, payload: table?): table|nil, Error?
function M.caller(self)
  return function(name, payload)
    local use_case, err = self.use_cases.find(name)
    if not use_case then return nil, err end
    local input
    input, err = require("lib.shape").check(use_case.input or require("lib.shape").empty, payload or {})
    if not input then return nil, err end
    local context = require("sm.task").context()
    context.job_id = payload and payload.job_id or context.job_id
    return use_case.run(ports.only(self.ports, use_case.ports), input, { request_id = "background", caller = "background" })
  end
end

return M
