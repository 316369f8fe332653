-- EC2: user data is sent in base64, and a copy from another region carries a URL that lets EC2 read the source.
local crypto = require "sm.crypto"

local function with(params, changes)
  local out = {}
  for name, value in pairs(params) do out[name] = value end
  for name, value in pairs(changes) do out[name] = value end
  return out
end

local function encode_user_data(params)
  if type(params.UserData) ~= "string" then return params end
  return with(params, { UserData = crypto.base64(params.UserData) })
end

-- The same call as a URL of the source's region, signed by the caller.
local function sign_source(params, call)
  local source = params.SourceRegion
  if call.options.method == "GET" or params.PresignedUrl or type(source) ~= "string" then return params end
  local there = with(params, { DestinationRegion = call.config.region })
  local url, err = call.client:presign("copy_snapshot", there, { region = source, method = "GET" })
  if not url then return nil, err end
  return with(there, { PresignedUrl = url })
end

return { RunInstances = { before_serialize = encode_user_data }, CopySnapshot = { before_serialize = sign_source } }
