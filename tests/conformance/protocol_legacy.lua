-- botocore's older protocol cases, in the same format.
local input = require "conformance.protocol_input"
local output = require "conformance.protocol_output"

return {
  name = "protocol-legacy",
  run = function(dir, report)
    input.folder(dir .. "/protocols/legacy/input", function(name, ...) report("input " .. name, ...) end)
    output.folder(dir .. "/protocols/legacy/output", function(name, ...) report("output " .. name, ...) end)
  end,
}
