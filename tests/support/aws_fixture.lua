-- AWS as the contract specs see it: clients of moto and of DynamoDB Local, and the tables and buckets that adapters need.
local api = require "adapters.aws.api"
local services = require "aws_services"

local M = { REGION = services.REGION, ACCOUNT = services.ACCOUNT }

M.KEYS = { access_key = "AKIDEXAMPLE", secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" }

M.has = services.has
M.fresh = services.fresh
M.tell_moto = services.tell_moto
M.reset_moto = services.reset_moto

--- Options of a client at an address.
---@param url string
---@param more table?
function M.options(url, more)
  local options = { region = M.REGION, endpoint_url = url, credentials = M.KEYS, s3 = { addressing_style = "path" } }
  for name, value in pairs(more or {}) do options[name] = value end
  return options
end

--- The adapters' calls against the stand-ins; DynamoDB goes to DynamoDB Local. `overrides`: service -> address.
---@param overrides table<string, string>?
function M.api(overrides)
  local known = {}
  for service, url in pairs(overrides or {}) do known[service] = M.options(url, { max_attempts = 1 }) end
  -- a service is started when it is first called
  local options = setmetatable(known, { __index = function(_, service)
    return M.options(services.url(service == "dynamodb" and "dynamodb" or "moto"))
  end })
  return api.new(options)
end

local function attribute(name) return { AttributeName = name, AttributeType = "S" } end

--- The table of locks.
---@return string name
function M.lock_table(an_api)
  local name = M.fresh "locks"
  assert(an_api:call("dynamodb", "create_table", { TableName = name, BillingMode = "PAY_PER_REQUEST",
    AttributeDefinitions = { attribute "resource" }, KeySchema = { { AttributeName = "resource", KeyType = "HASH" } } }))
  return name
end

--- The table of jobs, queries and loads.
---@return string name
function M.state_table(an_api)
  local name = M.fresh "state"
  assert(an_api:call("dynamodb", "create_table", { TableName = name, BillingMode = "PAY_PER_REQUEST",
    AttributeDefinitions = { attribute "pk", attribute "sk" },
    KeySchema = { { AttributeName = "pk", KeyType = "HASH" }, { AttributeName = "sk", KeyType = "RANGE" } } }))
  return name
end

--- A role that functions of moto may have.
---@return string arn
function M.role()
  local http, name = require "sm.http", M.fresh "role"
  local answer = assert(http.request { method = "POST", url = services.url "moto", timeout = 30, headers = {
    ["Content-Type"] = "application/x-www-form-urlencoded",
    Authorization = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0" },
    body = ("Action=CreateRole&Version=2010-05-08&RoleName=%s&AssumeRolePolicyDocument=%%7B%%7D"):format(name) })
  assert(answer.status == 200, answer.body)
  return ("arn:aws:iam::%s:role/%s"):format(M.ACCOUNT, name)
end

---@return string name
function M.bucket(an_api)
  local name = M.fresh "lake"
  assert(an_api:call("s3", "create_bucket", { Bucket = name }))
  return name
end

return M
