-- The command line: finds the command, reads its options, runs it, and turns its end into an exit code.
local arguments = require "cli.arguments"
local commands = require "cli.commands"
local errors = require "lib.errors"
local exit_codes = require "cli.exit_codes"
local suggest = require "lib.suggest"

local M = {}

-- Tells a failure: what happened on the first line, what to do below.
---@param console table
---@param err Error
---@return integer exit code
function M.report(console, err)
  console.progress("")
  console.err(("%s %s\n"):format(console.paint("sewing:", "red"), err.message))
  local wait = err.details and err.details.retry_after_seconds
  if wait then
    console.err(("        %s: try again in %d s\n"):format(err.code, math.ceil(wait)))
  elseif err.code == "Usage" then
    console.err("        sewing help shows what there is\n")
  elseif err.code ~= "InternalError" then
    console.err(("        %s (sewing explain %s)\n"):format(err.code, err.code))
  end
  return exit_codes.of(err.code)
end

-- A command whose arguments after the n-th belong to somebody else keeps them unread.
local function parse(command, args)
  if not command.raw_after then return arguments.parse(args, commands.options_of(command)) end
  local mine, rest, positional = {}, {}, 0
  local takes_value = {}
  for _, option in ipairs(commands.options_of(command)) do takes_value["--" .. option.name] = option.value ~= nil end
  local i = 1
  while i <= #args do
    if positional >= command.raw_after then
      rest[#rest + 1] = args[i]
    else
      mine[#mine + 1] = args[i]
      if takes_value[args[i]] then
        i = i + 1
        mine[#mine + 1] = args[i]
      elseif args[i]:sub(1, 1) ~= "-" then
        positional = positional + 1
      end
    end
    i = i + 1
  end
  local parsed, err = arguments.parse(mine, commands.options_of(command))
  if parsed then parsed.rest = rest end
  return parsed, err
end

local function unknown(name)
  return errors.new("Usage", ("there is no command '%s'%s"):format(name, suggest.hint(name, commands.names(), 2)))
end

local function run_command(console, command, args)
  local parsed, err = parse(command, args)
  if not parsed then return M.report(console, err) end
  if parsed.help then
    console.out(require("cli.help").of(command))
    return exit_codes.OK
  end
  console.quiet = parsed.quiet or false
  local code
  code, err = require(command.module).run(console, parsed)
  if code then return code end
  if not errors.is(err) then err = errors.new("InternalError", tostring(err)) end
  return M.report(console, err)
end

local ALIASES <const> = { ["--help"] = "help", ["-h"] = "help", ["--version"] = "version", ["-V"] = "version", ["-v"] = "version" }

-- Runs one command line.
---@param console table
---@param args string[]  without the program's name
---@return integer exit code
function M.run(console, args)
  local name = args[1] or "help"
  name = ALIASES[name] or name
  local command = commands.by_name[name]
  if not command then return M.report(console, unknown(name)) end
  return run_command(console, command, table.move(args, 2, #args, 1, {}))
end

return M
