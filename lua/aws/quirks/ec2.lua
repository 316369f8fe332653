-- EC2: user data is given as it is and sent in base64.
local crypto = require "sm.crypto"

local function encode_user_data(params)
  if type(params.UserData) ~= "string" then return params end
  local out = {}
  for name, value in pairs(params) do out[name] = value end
  out.UserData = crypto.base64(params.UserData)
  return out
end

return { RunInstances = { before_serialize = encode_user_data } }
