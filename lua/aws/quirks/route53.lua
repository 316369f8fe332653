-- Route 53 answers ids as paths ("/hostedzone/Z1") and takes only their last part.
local TRIMMED <const> = { ResourceId = true, DelegationSetId = true, ChangeId = true }

-- Members whose shape is an id have a name that says so; `Id` is one of them where the path holds it.
local function trim(params, call)
  local input = call.operation.input
  local out = {}
  for name, value in pairs(params) do out[name] = value end
  for _, ref in ipairs(input and call.model:shape(input.shape).members or {}) do
    local value = params[ref.name]
    local id = ref.location == "uri" and ref.name == "Id" or ref.name == "HostedZoneId" or TRIMMED[ref.name]
    if id and type(value) == "string" then out[ref.name] = value:match "([^/]*)$" end
  end
  return out
end

return { ["*"] = { before_serialize = trim } }
