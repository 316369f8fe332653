-- Operations that take a token instead of a signature: those that take nothing else, and those of services that take both when
-- there is a token for the service (AWS_BEARER_TOKEN_BEDROCK) or the settings prefer it (AWS_AUTH_SCHEME_PREFERENCE).
local failure = require "aws.failure"
local tokens = require "aws.credentials.tokens"
local worlds = require "aws.world"

local M = {}

local BEARER <const> = "smithy.api#httpBearerAuth"

-- The first of the preferred schemes that the operation takes: "sigv4, httpBearerAuth".
local function preferred(config, schemes)
  for name in (config.auth_scheme_preference or ""):gmatch("[^,%s]+") do
    for _, scheme in ipairs(schemes) do
      if scheme:match("[^#]+$") == name then return scheme end
    end
  end
end

---Whether this call takes a token.
---@param call aws.Call
---@param schemes string[]  what the operation takes
---@param signing_name string
---@return boolean
function M.wanted(call, schemes, signing_name)
  local others = false
  for _, scheme in ipairs(schemes) do others = others or scheme ~= BEARER end
  if not others or call.operation.authtype == "bearer" then return true end
  local world = call.client.options.world or worlds.default()
  if tokens.from_environment(world, signing_name) then return true end
  return preferred(call.config, schemes) == BEARER
end

---@param call aws.Call
---@return aws.CredentialsProvider
function M.provider(call)
  local shared = call.client.shared
  shared.tokens = shared.tokens
    or tokens.provider({ signing_name = call.endpoint.signing.name, profile = call.client.options.profile }, call.client.options.world)
  return shared.tokens
end

---Puts the token into the request. It goes over TLS only.
---@param request aws.Request
---@param token aws.Token?
---@return aws.Request?
---@return aws.Failure?
function M.add(request, token)
  if not token or not token.token then return failure.refuse("credentials", "NoToken", "no token for this operation") end
  if request.scheme ~= "https" then return failure.refuse("config", "TokenWithoutTls", "a token is sent over https only") end
  request.headers.authorization = "Bearer " .. token.token
  return request
end

return M
