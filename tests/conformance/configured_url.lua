-- Who says where a service is: the client, the environment, the profile or its services section.
local client = require "aws.client"
local endpoint = require "aws.endpoint"
local machine = require "conformance.support.machine"
local vectors = require "conformance.support.vectors"

local function add_properties(lines, properties, indent)
  for name, value in pairs(properties) do lines[#lines + 1] = ("%s%s = %s"):format(indent, name, tostring(value)) end
end

local function config_text(suite)
  local lines = {}
  for name, properties in pairs(suite.profiles) do
    lines[#lines + 1] = name == "default" and "[default]" or ("[profile %s]"):format(name)
    add_properties(lines, properties, "")
  end
  for name, services in pairs(suite.services or {}) do
    lines[#lines + 1] = ("[services %s]"):format(name)
    for service, properties in pairs(services) do
      lines[#lines + 1] = service .. " ="
      add_properties(lines, properties, "  ")
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

-- Where an operation without arguments would be sent.
local function url_of(service, options)
  local made, err = client.new(service, options)
  if not made then return nil, err end
  for _, name in ipairs { "ListBuckets", "ListTables", table.unpack(made.model:operations()) } do
    local operation = made.model:operation(name)
    local found = operation and endpoint.resolve(made.model, operation, {}, made.config)
    if found then return found.url end
  end
  return nil, "no operation has an endpoint without arguments"
end

return { name = "configured_url", run = function(folder, report)
  local cases = vectors.read_json(folder .. "/endpoints/configured-url/profile-tests.json")
  for _, suite in ipairs(cases and cases.testSuites or {}) do
    local texts = { ["/home/.aws/config"] = config_text(suite) }
    for i, case in ipairs(suite.endpointUrlTests) do
      local env, options = { HOME = "/home" }, {}
      for name, value in pairs(suite.environments[case.environment]) do env[name] = value end
      for name, value in pairs(suite.client_configs[case.client_config]) do options[name] = value end
      options.profile, options.world = case.profile, machine.world(env, texts)
      local url, err = url_of(case.service, options)
      report(("#%d %s"):format(i, case.name), url == case.output.endpointUrl, ("expected %s, got %s"):format(case.output.endpointUrl, url or tostring(err)))
    end
  end
end }
