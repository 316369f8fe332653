-- DynamoDB: every answer carries the CRC32 of its bytes; one that does not fit is asked for again.
local crypto = require "sm.crypto"
local failure = require "aws.failure"

local function check_crc(output, _, response)
  local expected = math.tointeger(tonumber(response.headers["x-amz-crc32"]))
  if not expected or type(response.body) ~= "string" or response.headers["content-encoding"] then return output end
  if crypto.crc32(response.body) == expected then return output end
  local _, err = failure.refuse("response", "ChecksumMismatch", "the CRC32 of the answer does not fit")
  err.retryable = true
  return nil, err
end

local function name_version(request, call)
  request.headers["x-amz-api-version"] = call.model.metadata.apiVersion
  return request
end

return { ["*"] = { after_parse = check_crc }, DescribeEndpoints = { after_serialize = name_version } }
