-- serve: the lakehouse over HTTP on this machine, until it is asked to stop.
local auth = require "entry.auth"
local banner = require "cli.banner"
local config = require "cli.config"
local errors = require "lib.errors"
local exit_codes = require "cli.exit_codes"
local json = require "lib.json"
local log = require "lib.log"

local M = {}

local HEADER_BYTES <const> = 8 << 10
local HEADER_SECONDS <const> = 10
local IDLE_SECONDS <const> = 60
local TOKEN_BYTES <const> = 24

local function bound_url(settings, server)
  local host = settings.host
  if host == "0.0.0.0" then host = "127.0.0.1" elseif host == "::" then host = "::1" end
  if host:find(":", 1, true) then host = "[" .. host:gsub("^%[(.*)%]$", "%1") .. "]" end
  return ("http://%s:%d"):format(host, server.port)
end

local function listen(settings, on_request, on_failure)
  local server, message, code = require("sm.server").listen {
    host = settings.host, port = settings.port, on_request = on_request, on_failure = on_failure,
    max_header_bytes = HEADER_BYTES,
    max_body_bytes = 2 * settings.max_body_bytes, -- the API refuses what is beyond the setting itself, with CORS headers
    header_timeout = HEADER_SECONDS, idle_timeout = IDLE_SECONDS,
    deadline = settings.request_seconds, memory = settings.request_memory, max_connections = settings.max_connections,
  }
  if server then return server end
  local where = ("%s port %d"):format(settings.host, settings.port)
  if code == "conflict" or code == "exists" then
    return nil, errors.new("AddressInUse",
      where .. " is taken by another program: stop it, or choose another port with --port (0: any free one)")
  end
  return nil, errors.from(message, code, "listening on " .. where)
end

-- What the command line of the same user needs to find this server. Readable by the owner only.
local function write_serve_file(settings, url, token)
  local files = require "sm.files"
  local text = json.encode { url = url, token = token, startedAt = require("sm.time").iso() }
  require("sm.files").mkdir(settings.data, "private") -- without a lake on this machine nobody has made it yet
  return files.write_atomic(settings.data .. "/serve.json", text, "private")
end

local function new_token()
  local crypto = require "sm.crypto"
  return crypto.base64url(crypto.random(TOKEN_BYTES))
end

-- Use cases that were read again, or could not be.
local function tell_reload(console)
  return function(name, err)
    if err then
      console.err(("%s %s: %s (the version before keeps answering)\n"):format(console.paint("reload failed", "red"), name, tostring(err)))
    else
      console.err(("%s %s\n"):format(console.paint("reloaded", "green"), name))
    end
  end
end

-- The server with everything behind it. Gives the server and what is needed to stop it.
local function start(console, settings)
  local time, task = require "sm.time", require "sm.task"
  local state = { settings = settings }
  local app, err = require("boot").open(settings, {
    purpose = "serve", on_reload = tell_reload(console), base_url = function() return state.url end,
  })
  if not app then return nil, err end
  state.app = app
  local token = settings.auth ~= "none" and new_token() or nil
  local api
  api, err = require("entry.front").build(settings, app, { control_token = token })
  if not api then return nil, err, state end
  local local_entry = require "entry.local"
  local on_request, on_failure = local_entry.new {
    api = api, new_id = local_entry.request_ids(("%08x"):format(math.random(0, 0xffffffff))), now = time.monotonic,
    public_url = settings.public_url, fallback_url = function() return state.url end, access_log = settings.access_log and log.enabled("info"),
      context = task.context,
    later = task.spawn,
  }
  state.server, err = listen(settings, on_request, on_failure)
  if not state.server then return nil, err, state end
  state.url = bound_url(settings, state.server)
  local ok, message = write_serve_file(settings, state.url, token)
  if not ok then log.warn("serve_file_not_written", { message = message }) end
  return state
end

local function stop(console, state)
  console.say("stopping: no new requests, open ones get " .. state.settings.drain_seconds .. " seconds\n")
  state.server:stop(state.settings.drain_seconds)
  require("sm.files").remove(state.settings.data .. "/serve.json")
  state.app.close()
  log.info("stopped", {})
end

---@param console table
---@param parsed table
---@return integer?
---@return Error?
function M.run(console, parsed)
  local settings, err = config.read(console, parsed)
  if not settings then return nil, err end
  local allowed
  allowed, err = auth.check_binding(settings)
  if not allowed then return nil, err end
  log.configure { level = settings.log_level }
  local task = require "sm.task"
  local signals = task.queue()
  task.on_signal(function(name) signals:push(name) end)
  local state, partial
  state, err, partial = start(console, settings)
  if not state then
    if partial then partial.app.close() end
    return nil, err
  end
  if not console.quiet then console.out(banner.text(settings, state.url, state.app.data or settings.data)) end
  io.stdout:flush()
  log.info("listening", { url = state.url, data = settings.data, auth = settings.auth })
  if state.app.resume then state.app.resume() end
  signals:pop()
  task.on_signal(function() task.exit(exit_codes.INTERRUPTED) end)
  stop(console, state)
  return exit_codes.OK
end

return M
