-- S3 Express One Zone: buckets named ...--x-s3 are called with the keys of a session, which the bucket gives for five minutes.
-- One provider for each bucket of a client; it asks for the next session a minute ahead.
local M = {}

local AHEAD <const> = 60 -- seconds before the end of a session at which the next one is fetched

local Provider = {}
Provider.__index = Provider
Provider.__name = "aws.ExpressProvider"

local function now() return require("aws.skew").now() end

local function fetch(self)
  local output, err = self.client:call("CreateSession", { Bucket = self.bucket }, { region = self.region })
  if not output then return nil, err end
  local given = output.Credentials
  self.held = { access_key = given.AccessKeyId, secret_key = given.SecretAccessKey, session_token = given.SessionToken,
    expires_at = given.Expiration, express = true, source = "session of " .. self.bucket }
  return self.held
end

---@return aws.Credentials?
---@return aws.Failure?
function Provider:get()
  local held = self.held
  if held and held.expires_at - now() > AHEAD then return held end
  return self:refresh(held)
end

---One at a time: who waited gets what the first one fetched.
---@param old aws.Credentials?
---@return aws.Credentials?
---@return aws.Failure?
function Provider:refresh(old)
  self.mutex = self.mutex or require("sm.task").mutex()
  return self.mutex:with(function()
    if self.held ~= old then return self.held end
    return fetch(self)
  end)
end

---@param client aws.Client
---@param bucket string
---@param region string?
---@return table provider
function M.provider(client, bucket, region)
  local shared = client.shared
  shared.express = shared.express or {}
  local key = tostring(region) .. "/" .. bucket
  local provider = shared.express[key]
  if not provider then
    provider = setmetatable({ client = client, bucket = bucket, region = region }, Provider)
    shared.express[key] = provider
  end
  return provider
end

return M
