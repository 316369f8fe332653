-- Syntax of the configuration and the credentials file. Where a refusal is expected, ours must name file and line; its words
-- are our own unless they hold the published ones.
local profile = require "aws.profile"
local vectors = require "conformance.support.vectors"

local EMPTY <const> = { profiles = {}, sso_sessions = {}, services = {} }

local function parse(input)
  local config, credentials, err = EMPTY, EMPTY
  if input.configFile then
    config, err = profile.parse(input.configFile, "config", "configFile")
    if not config then return nil, err end
  end
  if input.credentialsFile then
    credentials, err = profile.parse(input.credentialsFile, "credentials", "credentialsFile")
    if not credentials then return nil, err end
  end
  return profile.merge(config, credentials)
end

local function check(output, set, err)
  if output.errorContaining then
    if set then return false, "a refusal was expected: " .. output.errorContaining end
    return err.message:find("File, line %d+: ") ~= nil, err.message
  end
  if not set then return false, err.message end
  local why = vectors.difference(output.config.profiles or output.config, set.profiles, "profiles")
  if not why and output.config.sso_sessions then why = vectors.difference(output.config.sso_sessions, set.sso_sessions, "sso_sessions") end
  if not why and output.config.services then why = vectors.difference(output.config.services, set.services, "services") end
  return why == nil, why
end

return { name = "profile_parser", run = function(folder, report)
  local cases = vectors.read_json(folder .. "/credentials/profile-parser-tests.json")
  for i, case in ipairs(cases and cases.tests or {}) do
    report(("#%d %s"):format(i, case.name), check(case.output, parse(case.input)))
  end
end }
