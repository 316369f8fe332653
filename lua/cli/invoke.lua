-- invoke USECASE: calls one use case in this process with a JSON event, and prints its result as JSON.
local answer = require "entry.answer"
local arguments = require "cli.arguments"
local config = require "cli.config"
local errors = require "lib.errors"
local exit_codes = require "cli.exit_codes"
local json = require "lib.json"
local shape = require "lib.shape"
local stream = require "entry.stream"

local M = {}

local function read_event(parsed)
  local path = parsed.event
  if not path then return {} end
  local source, message
  if path == "-" then source = io.stdin:read("a") else source, message = require("sm.files").read(path) end
  if not source then return nil, errors.new("NotFound", "the event cannot be read: " .. tostring(message)) end
  if source:find("^%s*$") then return {} end
  local event, wrong = json.decode(source)
  if event == nil then return nil, errors.new("BadJson", "the event is not JSON: " .. tostring(wrong)) end
  if type(event) ~= "table" then return nil, errors.new("BadRequest", "the event must be a JSON object") end
  return event
end

local function print_result(console, result)
  if type(result) == "table" and result.stream then
    local chunk, err = result.stream()
    while chunk do
      console.out(chunk)
      chunk, err = result.stream()
    end
    if err then return nil, err end
  elseif type(result) == "table" and result.events then
    for events in result.events, 1 do
      for _, event in ipairs(events) do console.out(stream.frame(event)) end
    end
  else
    return result
  end
  return exit_codes.OK
end

local function call(console, session, settings, name, event)
  local app = session.client.app
  local use_case, err = app.use_case(name)
  if not use_case then return nil, err end
  local input
  input, err = shape.check(use_case.input or shape.empty, event)
  if not input then return nil, err end
  local ctx = { request_id = "cli", caller = "local", base_url = settings.public_url, settings = session.client.api.settings }
  local result, outcome = use_case.run(app.ports_of(use_case), input, ctx)
  if result == nil then return nil, outcome end
  local special, broken = print_result(console, result)
  if special == nil then return nil, broken end
  if special == result then
    local text
    text, err = answer.encode(result, use_case.output)
    if not text then return nil, err end
    console.out(text)
  end
  return exit_codes.OK
end

---@param console table
---@param parsed table
---@return integer?
---@return Error?
function M.run(console, parsed)
  local name = parsed[1]
  if not name then return nil, errors.new("Usage", "say which use case: sewing invoke health") end
  local timeout, err = arguments.number(parsed, "timeout")
  if err then return nil, err end
  local event
  event, err = read_event(parsed)
  if not event then return nil, err end
  local settings
  settings, err = config.read(console, parsed)
  if not settings then return nil, err end
  return require("cli.session").run(console, settings, { timeout = timeout, may_create = true }, function(session)
    if not session.client.in_process then
      return nil, errors.new("DataFolderBusy", ("a server holds %s: ask it over HTTP (%s), or stop it first"):format(settings.data,
        session.client.url))
    end
    return call(console, session, settings, name, event)
  end)
end

return M
