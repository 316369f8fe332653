-- runs: list, show, start, cancel and retry refreshes, and follow one to its end.
local arguments = require "cli.arguments"
local config = require "cli.config"
local errors = require "lib.errors"
local exit_codes = require "cli.exit_codes"
local output = require "cli.output"

local M = {}

local POLL_SECONDS <const> = 0.25
local STOP_SECONDS <const> = 10
local BAR_WIDTH <const> = 24
local ENDED <const> = { SUCCEEDED = true, FAILED = true, CANCELLED = true }
local COLOURS <const> = { SUCCEEDED = "green", FAILED = "red", CANCELLED = "yellow" }

local function escape(s)
  return (s:gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function present(value)
  if type(value) == "userdata" then return nil end
  return value
end

-- "[#####-----] 5/10 merge_resident"
---@param job table
---@return string
function M.bar(job)
  local done, running, all = 0, nil, #job.steps
  for _, step in ipairs(job.steps) do
    if ENDED[step.state] then done = done + 1 end
    if step.state == "RUNNING" then running = running or step.name end
  end
  local filled = all > 0 and BAR_WIDTH * done // all or 0
  return ("[%s%s] %d/%d %s"):format(("#"):rep(filled), ("-"):rep(BAR_WIDTH - filled), done, all, running or job.state)
end

local function step_line(console, step)
  local state = console.paint(step.state, COLOURS[step.state] or "dim")
  local rows = present(step.rows)
  local message = type(step.error) == "table" and "  " .. tostring(step.error.message) or ""
  return ("  %-34s %s%s%s\n"):format(step.name, state, rows and ("  %d rows"):format(rows) or "", message)
end

local function tell_changes(console, job, told)
  for _, step in ipairs(job.steps) do
    if ENDED[step.state] and told[step.name] ~= step.state then
      told[step.name] = step.state
      console.progress("")
      console.say(step_line(console, step))
    end
  end
  console.progress(M.bar(job))
end

local function exit_of(job)
  if job.state == "SUCCEEDED" then return exit_codes.OK end
  return job.state == "CANCELLED" and exit_codes.INTERRUPTED or exit_codes.FAILED
end

-- Stays until the job has ended, telling each finished step. Ctrl-C stops following; the refresh goes on at the server.
local function follow(console, session, id)
  local told = {}
  while true do
    local job, err = session.client:call("GET", "/runs/" .. escape(id))
    if not job then return nil, err end
    tell_changes(console, job, told)
    if ENDED[job.state] then
      console.progress("")
      console.say(("%s %s\n"):format(job.jobId, console.paint(job.state, COLOURS[job.state])))
      return exit_of(job), nil, job
    end
    require("sm.task").sleep(POLL_SECONDS)
  end
end

-- Ends a refresh of this process: asks for it and stays until it is written down, else the job would look like running.
local function stop(session, id)
  local tasks = require "sm.task"
  local path = "/runs/" .. escape(id)
  session.client:call("DELETE", path)
  for _ = 1, STOP_SECONDS / POLL_SECONDS do
    local job = session.client:call("GET", path)
    if not job or ENDED[job.state] then return end
    tasks.sleep(POLL_SECONDS)
  end
end

local function ended(console, session, id, parsed)
  -- In this process the refresh ends with it, so there is nothing but to stay.
  if not parsed.follow and not session.client.in_process then return exit_codes.OK end
  if session.client.in_process then
    session.on_interrupt = function() stop(session, id) end
  end
  local code, err = follow(console, session, id)
  session.on_interrupt = nil
  return code, err
end

local actions = {}

function actions.list(console, session, parsed)
  local limit, wrong = arguments.number(parsed, "limit")
  if wrong then return nil, wrong end
  local answer, err = session.client:call("GET", "/runs" .. (limit and "?limit=" .. math.floor(limit) or ""))
  if not answer then return nil, err end
  local records = {}
  for i, job in ipairs(answer.runs or answer.items or {}) do
    records[i] = { jobId = job.jobId, run = job.run, state = job.state, createdAt = present(job.createdAt),
      finishedAt = present(job.finishedAt) }
  end
  output.print(console, parsed.output, { "jobId", "run", "state", "createdAt", "finishedAt" }, records)
  return exit_codes.OK
end

local function print_job(console, job, format)
  local records = {}
  for i, step in ipairs(job.steps) do
    records[i] = { step = step.name, state = step.state, startedAt = present(step.startedAt), finishedAt = present(step.finishedAt),
      rows = present(step.rows), error = type(step.error) == "table" and step.error.message or nil }
  end
  if not format or format == "table" then console.out(("%s  %s  %s\n"):format(job.jobId, job.run, job.state)) end
  output.print(console, format, { "step", "state", "startedAt", "finishedAt", "rows", "error" }, records)
end

function actions.show(console, session, parsed)
  local id = parsed[2]
  if parsed.follow then
    local code, err, job = follow(console, session, id)
    if not job then return nil, err end
    print_job(console, job, parsed.output)
    return code
  end
  local job, err = session.client:call("GET", "/runs/" .. escape(id))
  if not job then return nil, err end
  print_job(console, job, parsed.output)
  return exit_codes.OK
end

function actions.start(console, session, parsed)
  local answer, err = session.client:call("POST", "/run", { run = parsed.run })
  if not answer then return nil, err end
  console.out(answer.jobId .. "\n")
  return ended(console, session, answer.jobId, parsed)
end

function actions.cancel(console, session, parsed)
  local answer, err = session.client:call("DELETE", "/runs/" .. escape(parsed[2]))
  if not answer then return nil, err end
  console.say(("%s is being cancelled\n"):format(parsed[2]))
  return exit_codes.OK
end

function actions.retry(console, session, parsed)
  local answer, err = session.client:call("POST", ("/runs/%s/retry"):format(escape(parsed[2])), {})
  if not answer then return nil, err end
  console.out((answer.jobId or parsed[2]) .. "\n")
  return ended(console, session, answer.jobId or parsed[2], parsed)
end

local NEEDS_ID <const> = { show = true, cancel = true, retry = true }

---@param console table
---@param parsed table
---@return integer?
---@return Error?
function M.run(console, parsed)
  local name = parsed[1] or "list"
  local action = actions[name]
  if not action then
    local hint = require("lib.suggest").hint(name, { "list", "show", "start", "cancel", "retry" })
    return nil, errors.new("Usage", ("runs does not know '%s'%s"):format(name, hint))
  end
  if NEEDS_ID[name] and not parsed[2] then return nil, errors.new("Usage",
    ("say which: sewing runs %s ID (sewing runs lists them)"):format(name)) end
  local timeout, err = arguments.number(parsed, "timeout")
  if err then return nil, err end
  local settings
  settings, err = config.read(console, parsed)
  if not settings then return nil, err end
  return require("cli.session").run(console, settings, { timeout = timeout, may_create = name == "start" },
    function(session) return action(console, session, parsed) end)
end

return M
