-- sql-translate: what the engine gets for a statement of the lake's dialect. One statement a line in, one line out.
local exit_codes = require "cli.exit_codes"

local M = {}

---@param console table
---@param parsed table
---@return integer?
---@return Error?
function M.run(console, parsed)
  local linemode = require "lib.sql.linemode"
  local failed = false
  local function translate(line)
    local text, ok = linemode.translate(line)
    console.out(text .. "\n")
    failed = failed or not ok
  end
  if parsed[1] then
    translate(parsed[1])
  else
    for line in io.stdin:lines() do
      translate(line)
      io.stdout:flush()
    end
  end
  return failed and exit_codes.FAILED or exit_codes.OK
end

return M
