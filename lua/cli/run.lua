-- run FILE.lua: a script with every module of the program. Its number result is the exit code.
local arguments = require "cli.arguments"
local errors = require "lib.errors"
local exit_codes = require "cli.exit_codes"

local M = {}

local function load_file(path)
  local source, message, code = require("sm.files").read(path)
  if not source then return nil, errors.from(message, code == "not_found" and code or "invalid") end
  source = source:gsub("^#[^\n]*", "")
  local chunk, wrong = load(source, "@" .. path, "t")
  if not chunk then return nil, errors.new("BadParam", wrong) end
  return chunk
end

-- Where it failed, with the lines around it.
local function told(err)
  if type(err) ~= "table" or errors.is(err) or require("aws.failure").is(err) then return tostring(err) end
  local parts = { tostring(err.message) }
  local source = err.source and err.line and require("sm.files").read(err.source)
  if source then parts[#parts + 1] = require("lib.excerpt").of(source, err.line) end
  if err.traceback and err.traceback ~= err.message then parts[#parts + 1] = tostring(err.traceback) end
  return table.concat(parts, "\n")
end

-- `return nil, err` is a failure whatever err is.
local function exit_of(console, result, err)
  if result == nil and errors.is(err) then return nil, err end
  if result == nil and err ~= nil then
    console.err("sewing: " .. told(err) .. "\n")
    return exit_codes.FAILED
  end
  if type(result) == "boolean" then return result and exit_codes.OK or exit_codes.FAILED end
  return math.tointeger(result) or exit_codes.OK
end

---@param console table
---@param parsed table
---@return integer?
---@return Error?
function M.run(console, parsed)
  local path = parsed[1]
  if not path then return nil, errors.new("Usage", "say which file: sewing run FILE.lua") end
  local timeout, wrong = arguments.number(parsed, "timeout")
  if wrong then return nil, wrong end
  local chunk, err = load_file(path)
  if not chunk then return nil, err end
  local task = require "sm.task"
  local interrupted = false
  local running = task.spawn_with(timeout and { deadline = timeout } or {}, function()
    local result = table.pack(chunk(table.unpack(parsed.rest)))
    return { result = result[1], err = result[2] }
  end)
  task.on_signal(function()
    if interrupted then task.exit(exit_codes.INTERRUPTED) end
    interrupted = true
    running:cancel("interrupted")
  end)
  local outcome, failure = running:join()
  if interrupted then return exit_codes.INTERRUPTED end
  if outcome then return exit_of(console, outcome.result, outcome.err) end
  if errors.is(failure) then return nil, failure end
  console.err("sewing: " .. told(failure) .. "\n")
  if type(failure) == "table" and failure.limit == "time" then return exit_codes.TIMEOUT end
  return exit_codes.FAILED
end

return M
