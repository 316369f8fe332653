-- Which URL the container's and the instance's endpoints have.
local container = require "aws.credentials.container"
local imds = require "aws.credentials.imds"
local machine = require "conformance.support.machine"
local profile = require "aws.profile"
local vectors = require "conformance.support.vectors"

local function check(result, url, err)
  if result.Ok then return url == result.Ok, ("expected %s, got %s"):format(result.Ok, url or tostring(err)) end
  return url == nil, "a refusal was expected, got " .. tostring(url)
end

local function instance_url(case)
  local world = machine.world(case.env, case.fs)
  local set = assert(profile.load(world))
  local url, err = imds.endpoint(world, set.profiles[profile.locations(world).profile], case.mode_override)
  return url and url .. "/latest/api/token", err
end

return { name = "metadata_endpoints", run = function(folder, report)
  local ecs = vectors.read_json(folder .. "/credentials/ecs-tests.json")
  for i, case in ipairs(ecs and ecs.tests or {}) do
    report(("container #%d %s"):format(i, case.docs), check(case.result, container.url(machine.world(case.env))))
  end
  local instance = vectors.read_json(folder .. "/credentials/imds-endpoint-tests.json")
  for i, case in ipairs(instance and instance.tests or {}) do
    report(("instance #%d %s"):format(i, case.docs), check(case.result, instance_url(case)))
  end
end }
