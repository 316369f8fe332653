-- Snapshots and the end: what is done before a snapshot is taken, after the process has been restored from one, and when the
-- platform takes the process away. Handlers may offer before_snapshot(), on_restore() and on_shutdown().
local lambda = require "sm.lambda"

local M = {}

local RUNTIME <const> = "/2018-06-01/runtime/"
local EXTENSION <const> = "/2020-01-01/extension/"
local NAME <const> = "sewing-machine"
-- What invocations and hooks may take after SIGTERM: the platform kills after half a second.
local DRAIN_SECONDS <const> = 0.25
local HOOK_SECONDS <const> = 0.2

local function failure() return require "entry.lambda.failure" end

-- ---- the extension that makes the platform send SIGTERM ----

-- The platform signals a process only when an extension is registered; one without events, inside of the runtime, counts.
-- It must ask for an event like any other. None comes, so nobody waits for the answer.
local function register(address)
  local status, message, id = lambda.request(address, "POST", EXTENSION .. "register",
    ("Lambda-Extension-Name: %s\r\nContent-Type: application/json\r\n"):format(NAME), '{"events":[]}')
  if status ~= 200 or not id then
    failure().of_api(("no SIGTERM will come, because the extension could not be registered: %s %s"):format(status or "", message))
    return nil
  end
  return id
end

local function await_shutdown(address, id)
  local ok, message = lambda.hold(address, EXTENSION .. "event/next", ("Lambda-Extension-Identifier: %s\r\n"):format(id))
  if not ok then failure().of_api("no SIGTERM will come: " .. tostring(message)) end
end

-- ---- snapshots ----

local function run_hook(hook)
  if not hook then return true end
  return xpcall(hook, function(fault) return failure().traced(fault) end)
end

-- What a copy of this process must not share with the others.
local function renew()
  require("sm.crypto").reseed()
  math.randomseed(string.unpack("jj", require("sm.crypto").random(2 * string.packsize("j"))))
  if package.loaded["sm.http_core"] then package.loaded["sm.http_core"].forget() end
  local ok, err = require("lib.restore").run()
  if not ok then return nil, err end
  return true
end

local function refuse(address, phase, err)
  local _, kind, json, cause = failure().of_init(err)
  lambda.post_error(address, phase, kind, json, cause)
  return false
end

local function through_snapshot(address, handler)
  local ok, err = run_hook(handler.before_snapshot)
  if not ok then return refuse(address, "init", err) end
  local status, message = lambda.request(address, "GET", RUNTIME .. "restore/next", "")
  if status ~= 200 then
    return refuse(address, "restore", { message = ("the platform gave no restore: %s %s"):format(status or "", message) })
  end
  ok, err = renew()
  if ok then ok, err = run_hook(handler.on_restore) end
  if not ok then return refuse(address, "restore", err) end
  return true
end

-- Everything between init and the first event. False: the platform has been told why there can be none.
---@param address string
---@param handler table
---@param env fun(name: string): string?
---@return boolean ready
function M.prepare(address, handler, env)
  local id
  if handler.on_shutdown or env "SM_LAMBDA_SHUTDOWN" then id = register(address) end
  if env "AWS_LAMBDA_INITIALIZATION_TYPE" == "snap-start" and not through_snapshot(address, handler) then return false end
  if id then await_shutdown(address, id) end
  return true
end

-- ---- the end ----

local function drain()
  local task, time = require "sm.task", require "sm.time"
  local ends = time.monotonic() + DRAIN_SECONDS
  while lambda.running() > 0 and time.monotonic() < ends do task.sleep(0.002) end
  if lambda.running() == 0 then return end
  lambda.cancel("the platform takes the process away")
  ends = ends + DRAIN_SECONDS / 4
  while lambda.running() > 0 and time.monotonic() < ends do task.sleep(0.002) end
end

-- SIGTERM: no further event, a moment for what runs, the handler's own hook, and the end.
---@param handler table
function M.stop(handler)
  lambda.stop()
  if lambda.running() > 0 then drain() end
  if handler.on_shutdown then
    local hook = require("sm.task").spawn_with({ deadline = HOOK_SECONDS, name = "on_shutdown" }, handler.on_shutdown)
    local _, err = hook:join()
    if err ~= nil then require("lib.log").error("shutdown_hook_failed", { error_message = type(err) == "table" and err.message or err }) end
  end
  lambda.exit(0)
end

return M
