-- The whole chain of credential sources, on machines with recorded traffic.
local credentials = require "aws.credentials"
local machine = require "conformance.support.machine"

return { name = "credential_chain", run = function(folder, report)
  machine.run_cases(folder .. "/credentials/default-credential-provider-chain", report,
    function(world) return credentials.provider({}, world):get() end, machine.same_credentials)
end }
