-- Help texts, made from the table of commands. Each fits a small terminal: fewer than 25 lines.
local commands = require "cli.commands"
local errors = require "lib.errors"
local suggest = require "lib.suggest"

local M = {}

-- The overview.
---@return string
function M.overview()
  local lines = { "sewing: a lakehouse on one machine", "", "Usage: sewing COMMAND [options]", "" }
  for _, command in ipairs(commands.list) do
    lines[#lines + 1] = ("  %-14s %s"):format(command.name, command.summary)
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = "Start with:    sewing serve"
  lines[#lines + 1] = "More:          sewing help query"
  lines[#lines + 1] = "In a clone:    ./sewing test, ./sewing bench, ./sewing package"
  return table.concat(lines, "\n") .. "\n"
end

---@param command table
---@return string
function M.of(command)
  local lines = { command.summary, "", "Usage: sewing " .. command.usage, "" }
  for _, option in ipairs(commands.options_of(command)) do
    local name = (option.short and "-" .. option.short .. ", " or "    ") .. "--" .. option.name .. (option.value and " " .. option.value
      or "")
    lines[#lines + 1] = ("  %-24s %s"):format(name, option.meaning)
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = "Examples:"
  for _, example in ipairs(command.examples) do lines[#lines + 1] = "  " .. example end
  return table.concat(lines, "\n") .. "\n"
end

---@param console table
---@param parsed table
---@return integer?
---@return Error?
function M.run(console, parsed)
  local name = parsed[1]
  if not name then
    console.out(M.overview())
    return 0
  end
  local command = commands.by_name[name]
  if not command then
    return nil, errors.new("Usage", ("there is no command '%s'%s"):format(name, suggest.hint(name, commands.names(), 2)))
  end
  console.out(M.of(command))
  return 0
end

return M
