-- How long until AWS clients are ready, and until their first requests are built: milliseconds since the first line here.
-- A plain function, so that the program of the functions can run it; tests/bench/aws_client.py calls it in fresh processes.
local time = require "sm.time"

local FIRST <const> = {
  athena = { "StartQueryExecution", { QueryString = "SELECT 1", WorkGroup = "primary" } },
  glue = { "GetTables", { DatabaseName = "gold" } },
  s3 = { "ListObjectsV2", { Bucket = "lake-data", Prefix = "gold/" } },
  dynamodb = { "PutItem", { TableName = "locks", Item = { id = { S = "run" }, fence = { N = "1" } } } },
  lambda = { "Invoke", { FunctionName = "worker", Payload = "{}" } },
}

local function milliseconds(from) return (time.monotonic() - from) * 1000 end

return function(event)
  local begun = time.monotonic()
  local aws, clients = require "aws", {}
  for i, service in ipairs(event.services) do clients[i] = assert(aws.client(service, { region = "eu-west-1" })) end
  local ready = milliseconds(begun)
  local call = require "aws.call"
  for i, service in ipairs(event.services) do
    local first = FIRST[service]
    assert(call.build(clients[i], clients[i]:operation(first[1]), first[2], {}))
  end
  return { ready = ready, built = milliseconds(begun) }
end
