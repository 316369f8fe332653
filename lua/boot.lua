-- Puts the program together: the one place that knows settings, adapters, ports and use cases, one file for each profile.
-- Adapters are made when they are first touched, so that a start does not wait for what nobody asks for.
local M = {}

--- The program on this machine, without any account.
---@param settings table   from settings.read
---@param options table?   {purpose = "serve"|"command", base_url?, on_reload?}
---@return table|nil app   {use_case, ports_of, ports, names, call, data, source, resume, close}
---@return Error?
function M.local_profile(settings, options) return require("boot.local_profile").open(settings, options) end

--- The program on AWS: the same use cases over services.
---@param settings table
---@param options table?   {api?: adapters.aws.api, clock?}  for specs
---@return table|nil app   {use_case, ports_of, ports, names, call, resume, close}
---@return Error?
function M.aws_profile(settings, options) return require("boot.aws_profile").open(settings, options) end

--- The program under the profile that the settings name, for commands on this machine.
---@param settings table
---@param options table?   of local_profile
---@return table|nil app, Error?
function M.open(settings, options)
  if settings.profile == "aws" then return M.aws_profile(settings) end
  return M.local_profile(settings, options)
end

return M
