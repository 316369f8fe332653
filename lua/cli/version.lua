-- version: the number, and with --json what the program is built from.
local exit_codes = require "cli.exit_codes"
local json = require "lib.json"

local M = {}

---@param console table
---@param parsed table
---@return integer
function M.run(console, parsed)
  local number = require("version").number
  if not parsed.json then
    console.out("sewing " .. number .. "\n")
    return exit_codes.OK
  end
  local libraries = {}
  for name, version in pairs(require "sm.libs") do
    if type(version) == "string" then libraries[name] = version end
  end
  console.out(json.encode { version = number, lua = _VERSION, libraries = json.verbatim(libraries) } .. "\n")
  return exit_codes.OK
end

return M
