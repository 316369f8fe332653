-- Route 53 answers ids as paths ("/hostedzone/Z1") and takes only their last part. Ids of policies and checks are none.
local TRIMMED <const> = { HostedZoneId = true, HostedZoneIdMarker = true, DelegationSetId = true, ChangeId = true }
local OWN_ID <const> = { HostedZone = true, Change = true, ReusableDelegationSet = true, HostedZoneComment = true }

local function has_own_id(operation)
  return OWN_ID[operation:match "^%u%l+(.*)$" or ""] == true
end

local function trim(params, call)
  local out, id = {}, has_own_id(call.operation.name)
  for name, value in pairs(params) do
    if type(value) == "string" and (TRIMMED[name] or id and name == "Id") then value = value:match "([^/]*)$" end
    out[name] = value
  end
  return out
end

return { ["*"] = { before_serialize = trim } }
