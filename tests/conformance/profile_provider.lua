-- Credentials of the selected profile alone, on machines with recorded traffic.
local chain = require "aws.credentials.chain"
local machine = require "conformance.support.machine"

-- In the chain a profile without credentials leads on; asked alone it is the end, and says so in the chain's words.
return { name = "profile_provider", run = function(folder, report)
  machine.run_cases(folder .. "/credentials/profile-provider", report, function(world) return chain.profile { world = world } end,
    machine.same_credentials)
end }
