-- IAM Identity Center: the token of `aws sso login` buys keys of a role. Tokens of an sso-session are renewed; those of the
-- older form, named by their start URL, are used until they end.
local reply = require "aws.credentials.reply"
local sts = require "aws.credentials.sts"
local token_file = require "aws.credentials.token_file"

local M = {}

-- Seconds before a token's end at which another is asked for.
local RENEW <const> = 15 * 60

local function text(value) return type(value) == "string" and value ~= "" and value or nil end

local function login_again(step, why)
  return reply.fail("TokenExpired", ("profile %s: %s; run `aws sso login`"):format(step.profile, why))
end

local function can_renew(token, now)
  for _, key in ipairs { "refreshToken", "clientId", "clientSecret" } do
    if not text(token[key]) then return false end
  end
  local registered_until = reply.time(token.registrationExpiresAt)
  return registered_until ~= nil and registered_until > now
end

local function ask_for_token(step, token, context)
  local client, err = sts.client("sso-oidc", context, { region = step.region, anonymous = true })
  if not client then return nil, err end
  return client:call("CreateToken", { clientId = token.clientId, clientSecret = token.clientSecret, grantType = "refresh_token",
    refreshToken = token.refreshToken })
end

-- The renewed token, written down for the other programs of this machine.
local function renew(step, token, path, context)
  local answer, err = ask_for_token(step, token, context)
  if not answer then return nil, err end
  if not text(answer.accessToken) or not tonumber(answer.expiresIn) then
    return reply.fail("InvalidAnswer", "IAM Identity Center renewed a token without accessToken or expiresIn")
  end
  local renewed = {}
  for key, value in pairs(token) do renewed[key] = value end
  renewed.accessToken = answer.accessToken
  renewed.expiresAt = require("sm.time").iso(context.world.now() + answer.expiresIn)
  renewed.refreshToken = answer.refreshToken or token.refreshToken
  renewed.startUrl, renewed.region = step.start_url, step.region
  token_file.write(context.world, path, renewed)
  return renewed
end

local function checked(token, path)
  local expires_at = reply.time(token.expiresAt)
  if text(token.accessToken) and expires_at then return token.accessToken, expires_at end
  return reply.fail("InvalidToken", ("the token file %s: accessToken or expiresAt was missing"):format(path))
end

---The bearer token of a session.
---@param step aws.CredentialStep
---@param context aws.CredentialContext
---@return string? token
---@return number|aws.Failure expires_at
function M.token(step, context)
  local path, err = token_file.path(context.world, "sso/cache", step.session or step.start_url, "sha1")
  if not path then return nil, err end
  local token
  token, err = token_file.read(context.world, path, "aws sso login")
  if not token then return nil, err end
  local value, expires_at = checked(token, path)
  if not value then return nil, expires_at end
  local now = context.world.now()
  if step.session and expires_at - now < RENEW and can_renew(token, now) then
    local renewed = renew(step, token, path, context)
    if renewed then value, expires_at = checked(renewed, path) end
  end
  if expires_at <= now then return login_again(step, "the token has expired") end
  return value, expires_at
end

local function role_credentials(step, token, context)
  local client, err = sts.client("sso", context, { region = step.region, anonymous = true })
  if not client then return nil, err end
  local output
  output, err = client:call("GetRoleCredentials", { roleName = step.role_name, accountId = step.account_id, accessToken = token })
  if output then return output.roleCredentials or {} end
  if err.status == 401 then return login_again(step, "IAM Identity Center refused the token") end
  return reply.fail(err.code, ("profile %s: IAM Identity Center gave no keys: %s"):format(step.profile, err.message),
    { status = err.status, request_id = err.request_id, retryable = err.retryable })
end

---@param step aws.CredentialStep
---@param context aws.CredentialContext
---@return aws.Credentials?
---@return aws.Failure?
function M.get(step, context)
  if not step.account_id then
    return reply.fail("TokenOnly", ("profile %s: the selected profile will resolve an access token instead of credentials; "
      .. "sso_account_id and sso_role_name are not set"):format(step.profile))
  end
  local token, err = M.token(step, context)
  if not token then return nil, err end
  local found
  found, err = role_credentials(step, token, context)
  if not found then return nil, err end
  if not text(found.accessKeyId) or not text(found.secretAccessKey) then
    return reply.fail("InvalidAnswer", "IAM Identity Center answered without keys")
  end
  return { access_key = found.accessKeyId, secret_key = found.secretAccessKey, session_token = text(found.sessionToken),
    expires_at = tonumber(found.expiration) and found.expiration / 1000, account_id = step.account_id,
    source = ("role %s of IAM Identity Center"):format(step.role_name) }
end

return M
