-- Runs the work of a command beside the signals: Ctrl-C first cancels what runs at the server, then ends with 130.
local errors = require "lib.errors"
local exit_codes = require "cli.exit_codes"

local M = {}

---@class Session
---@field client table
---@field on_interrupt (fun())?   set by the work: what to cancel at the server
---@field interrupted boolean

local function failure_of(err)
  if errors.is(err) then return err end
  if type(err) == "table" and err.limit == "time" then return errors.new("Timeout", "not ready after " .. tostring(err.value)) end
  local message = type(err) == "table" and (err.traceback or err.message) or tostring(err)
  return errors.new("InternalError", tostring(message))
end

local function wait_for(task)
  local code, err = task:join()
  if code then return code end
  return nil, failure_of(err)
end

-- Connects, runs work(session) as a task and gives its exit code.
---@param console table
---@param settings table
---@param options table   timeout: seconds; may_create: make the data folder when it is not there
---@param work fun(session: table): integer?, Error?
---@return integer?
---@return Error?
function M.run(console, settings, options, work)
  local tasks = require "sm.task"
  local client, err = require("cli.client").connect(console, settings, options.may_create)
  if not client then return nil, err end
  local session = { client = client, interrupted = false }
  local timeout = options.timeout
  local limits = timeout and timeout > 0 and { deadline = timeout } or {}
  local task = tasks.spawn_with(limits, work, session)
  tasks.on_signal(function()
    if session.interrupted then tasks.exit(exit_codes.INTERRUPTED) end
    session.interrupted = true
    if session.on_interrupt then pcall(session.on_interrupt) end
    task:cancel("interrupted")
  end)
  local code
  code, err = wait_for(task)
  if not code and not session.interrupted and session.on_interrupt then pcall(session.on_interrupt) end
  client:close()
  if session.interrupted then
    console.progress("")
    console.say("sewing: interrupted\n")
    return exit_codes.INTERRUPTED
  end
  return code, err
end

return M
