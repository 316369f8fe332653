-- sql-translate: what the engine gets for a statement of the lake's dialect. Without an argument it is a filter: one JSON
-- object with `sql` a line in, one with `sql` or `error` a line out.
local errors = require "lib.errors"
local exit_codes = require "cli.exit_codes"
local json = require "lib.json"

local M = {}

---@param console table
---@param parsed table
---@return integer?
---@return Error?
function M.run(console, parsed)
  local linemode = require "lib.sql.linemode"
  if parsed[1] then
    local answer = linemode.translate(parsed[1])
    if answer.error then return nil, errors.new(errors.codes[answer.code] and answer.code or "SyntaxError", answer.error) end
    console.out(answer.sql .. "\n")
    return exit_codes.OK
  end
  linemode.run(io.stdin:lines(), function(line)
    console.out(line .. "\n")
    io.stdout:flush()
  end, json)
  return exit_codes.OK
end

return M
