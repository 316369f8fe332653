-- explain CODE: what an error code means, where it shows up and what to do.
local errors = require "lib.errors"
local exit_codes = require "cli.exit_codes"
local status = require "entry.status"
local suggest = require "lib.suggest"
local text = require "lib.text"

local M = {}

local function find(name)
  for code in pairs(errors.codes) do
    if code:lower() == name:lower() then return code end
  end
end

---@param console table
---@param parsed table
---@return integer?
---@return Error?
function M.run(console, parsed)
  local name = parsed[1]
  if not name then
    for _, code in ipairs(text.sorted_keys(errors.codes)) do console.out(("%-22s %s\n"):format(code, errors.codes[code][1])) end
    return 0
  end
  local code = find(name)
  if not code then
    local hint = suggest.hint(name, text.sorted_keys(errors.codes), math.min(4, #name // 2))
    return nil, errors.new("NotFound", ("there is no code '%s'%s; sewing explain lists them all"):format(name, hint))
  end
  local words, exit = errors.codes[code], exit_codes.of(code)
  console.out(("%s\n  %s\n  What to do: %s\n  HTTP %d %s, exit code %d (%s)\n"):format(code, words[1], words[2], status.of[code],
    status.reasons[status.of[code]], exit, exit_codes.meaning[exit]))
  return 0
end

return M
