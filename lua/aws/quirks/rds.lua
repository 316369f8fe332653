-- RDS: a copy from another region carries a URL that lets RDS read the source. The source's region itself is not sent.
-- Neptune and DocumentDB are the same service by other names.
local function without_region(params)
  local out = {}
  for name, value in pairs(params) do
    if name ~= "SourceRegion" then out[name] = value end
  end
  return out
end

-- The same call as a URL of the source's region, signed by the caller. The region it goes to has no member of its own.
local function source_url(params, call, source)
  local calls, operation = require "aws.call", call.operation
  local there, err = calls.build(call.client, operation, params, { region = source, method = "GET" })
  if not there then return nil, err end
  local credentials
  credentials, err = calls.credentials(there)
  if err or not credentials then return nil, err end
  there.request.method = "GET"
  there.request.body = there.request.body .. "&DestinationRegion=" .. call.config.region
  return require("aws.presign").request(there.request, there.endpoint, credentials, there.config, require("aws.skew").now(), 3600,
    operation, params)
end

local function sign_source(params, call)
  local source = params.SourceRegion
  if type(source) ~= "string" then return params end
  local out = without_region(params)
  if out.PreSignedUrl then return out end
  local url, err = source_url(out, call, source)
  if not url then return nil, err --[[@as aws.Failure]] end
  out.PreSignedUrl = url
  return out
end

local copy = { before_serialize = sign_source }

return { CopyDBClusterSnapshot = copy, CopyDBSnapshot = copy, CreateDBCluster = copy, CreateDBInstanceReadReplica = copy }
