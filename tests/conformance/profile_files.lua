-- Where the files of profiles lie, which profile is selected, and odd files: read, or refused with their line.
local files = require "sm.files"
local machine = require "conformance.support.machine"
local profile = require "aws.profile"
local vectors = require "conformance.support.vectors"

local function run_locations(folder, report)
  local cases = vectors.read_json(folder .. "/credentials/file-location-tests.json")
  for _, case in ipairs(cases and cases.tests or {}) do
    local world = machine.world(case.environment)
    world.platform = case.platform
    local found = profile.locations(world)
    local why = vectors.difference({ case.configLocation, case.credentialsLocation, case.profile },
      { found.config, found.credentials, found.profile }, case.platform)
    report(case.name, why == nil, why)
  end
end

local function run_samples(folder, report)
  for _, name in ipairs(vectors.names(folder)) do
    local text = assert(files.read(folder .. "/" .. name))
    for _, kind in ipairs { "config", "credentials" } do
      local set, err = profile.parse(text, kind, name)
      local ok = set ~= nil or err.message:find(name .. ", line ", 1, true) ~= nil
      report(("%s as %s"):format(name, kind), ok, err and err.message)
    end
  end
end

return { name = "profile_files", run = function(folder, report)
  run_locations(folder, report)
  run_samples(folder .. "/credentials/config-samples", report)
end }
