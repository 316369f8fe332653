-- Settings of a command: options of the command line, then the environment, then the --config file, then defaults.
local errors = require "lib.errors"
local settings = require "settings"

local M = {}

local FROM_OPTION <const> = { data = "SEWING_DATA", host = "SEWING_HOST", port = "SEWING_PORT", source = "SEWING_SOURCE",
  auth = "SEWING_AUTH" }

local function file_values(console, parsed, files)
  local path = parsed.config or console.env("SEWING_CONFIG")
  if not path or path == "" then return {} end
  local source, message = files.read(path)
  if not source then return nil, errors.new("BadSetting", ("the settings file %s cannot be read: %s"):format(path, message)) end
  local values, err = settings.parse_file(source)
  if not values then return nil, errors.wrap(err, path) end
  return values
end

---@param console table
---@param parsed table    options of the command
---@param files table?    sm.files
---@return table? settings
---@return Error?
function M.read(console, parsed, files)
  files = files or require "sm.files"
  local from_file, err = file_values(console, parsed, files)
  if not from_file then return nil, err end
  local from_options = {}
  for option, name in pairs(FROM_OPTION) do from_options[name] = parsed[option] end
  return settings.read(function(name)
    if from_options[name] ~= nil then return from_options[name] end
    local value = console.env(name)
    if value ~= nil then return value end
    return from_file[name]
  end)
end

return M
