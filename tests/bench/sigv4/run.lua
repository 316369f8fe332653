-- build/dev/sewing --lua tests/bench/sigv4/run.lua: signatures and presigned URLs per second, as JSON. Medians of five rounds.
local aws = require "aws"
local json = require "sm.json"
local sigv4 = require "sm.sigv4"
local time = require "sm.time"

local KEYS <const> = { access_key = "AKIDEXAMPLE", secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", session_token = ("T"):rep(900) }

-- What a DynamoDB call signs.
local post = {
  method = "POST", path = "/", region = "eu-west-1", service = "dynamodb", time = time.now(), body = ('{"TableName":"t"}'):rep(10),
  headers = {
    host = "dynamodb.eu-west-1.amazonaws.com", ["content-type"] = "application/x-amz-json-1.0", ["x-amz-target"] = "DynamoDB_20120810.GetItem",
  },
}
for name, value in pairs(KEYS) do post[name] = value end

local function per_second(count, work)
  local rates = {}
  for round = 1, 5 do
    local started = time.monotonic()
    for i = 1, count do work(i) end
    rates[round] = count / (time.monotonic() - started)
  end
  table.sort(rates)
  return rates[3]
end

local s3 = assert(aws.client("s3", { region = "eu-west-1", credentials = KEYS }))

print(json.encode {
  sign = per_second(20000, function() return sigv4.sign(post) end),
  presign = per_second(3750, function(i)
    return assert(s3:presign("get_object", { Bucket = "lake-data", Key = "gold/fact_visit/data/00000-" .. i .. ".parquet" }, { expires = 900 }))
  end),
})
