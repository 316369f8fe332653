-- completion SHELL: a script made from the table of commands.
local commands = require "cli.commands"
local errors = require "lib.errors"

local M = {}

local function words_of(command)
  local words = {}
  for _, sub in ipairs(command.subcommands or {}) do words[#words + 1] = sub end
  for _, option in ipairs(commands.options_of(command)) do words[#words + 1] = "--" .. option.name end
  return words
end

local shells = {}

function shells.bash()
  local lines = { "_sewing() {", '  local current=${COMP_WORDS[COMP_CWORD]} words=""', '  if [ "$COMP_CWORD" -eq 1 ]; then',
    '    words="' .. table.concat(commands.names(), " ") .. '"', "  else", '    case ${COMP_WORDS[1]} in' }
  for _, command in ipairs(commands.list) do
    local words = command.name == "help" and commands.names() or words_of(command)
    lines[#lines + 1] = ('    %s) words="%s" ;;'):format(command.name, table.concat(words, " "))
  end
  lines[#lines + 1] = "    esac\n  fi"
  lines[#lines + 1] = '  COMPREPLY=($(compgen -W "$words" -- "$current"))'
  lines[#lines + 1] = "}\ncomplete -o default -F _sewing sewing ./sewing\n"
  return table.concat(lines, "\n")
end

local function zsh_quote(s)
  return (s:gsub("'", "'\\''"):gsub(":", "\\:"))
end

function shells.zsh()
  local lines = { "#compdef sewing", "_sewing() {", "  local -a names", "  names=(" }
  for _, command in ipairs(commands.list) do
    lines[#lines + 1] = ("    '%s:%s'"):format(command.name, zsh_quote(command.summary))
  end
  lines[#lines + 1] = "  )\n  if (( CURRENT == 2 )); then _describe command names; return; fi\n  case ${words[2]} in"
  for _, command in ipairs(commands.list) do
    lines[#lines + 1] = ("    %s) compadd -- %s ;;"):format(command.name, table.concat(words_of(command), " "))
  end
  lines[#lines + 1] = "  esac\n  _files\n}\ncompdef _sewing sewing\n"
  return table.concat(lines, "\n")
end

function shells.fish()
  local lines = { "complete -c sewing -f" }
  for _, command in ipairs(commands.list) do
    local summary = command.summary:gsub("'", "\\'")
    lines[#lines + 1] = ("complete -c sewing -n __fish_use_subcommand -a %s -d '%s'"):format(command.name, summary)
    local seen = ("-n '__fish_seen_subcommand_from %s'"):format(command.name)
    for _, sub in ipairs(command.subcommands or {}) do lines[#lines + 1] = ("complete -c sewing %s -a %s"):format(seen, sub) end
    for _, option in ipairs(commands.options_of(command)) do
      local meaning = option.meaning:gsub("'", "\\'")
      lines[#lines + 1] = ("complete -c sewing %s -l %s%s -d '%s'"):format(seen, option.name, option.value and " -r" or "", meaning)
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

---@param console table
---@param parsed table
---@return integer?
---@return Error?
function M.run(console, parsed)
  local make = shells[parsed[1] or ""]
  if not make then return nil, errors.new("Usage", "say which shell: sewing completion bash, zsh or fish") end
  console.out(make())
  return 0
end

return M
