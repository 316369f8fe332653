-- build/dev/sewing --lua tests/bench/aws_client/run.lua SERVICE...: the measurement in the development build, as JSON.
local measure = dofile("tests/bench/aws_client/aws_client.lua")
print(require("sm.json").encode(measure { services = { ... } }))
