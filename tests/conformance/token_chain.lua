-- Bearer tokens of the selected profile.
local machine = require "conformance.support.machine"
local tokens = require "aws.credentials.tokens"
local time = require "sm.time"

local function check(expected, found, err)
  if not expected.Ok then
    if found then return false, "a failure was expected" end
    return machine.is_expected(expected.ErrorContains or "", err)
  end
  if not found then return false, tostring(err) end
  local ends = expected.Ok.expiration
  return found.token == expected.Ok.token and (not ends or found.expires_at == time.parse_iso(ends)), "another token or end"
end

return { name = "token_chain", run = function(folder, report)
  machine.run_cases(folder .. "/credentials/default-token-provider-chain", report,
    function(world) return tokens.provider({}, world):get() end, check)
end }
