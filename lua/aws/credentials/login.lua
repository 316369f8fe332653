-- `aws login`: keys of the console's session, which a refresh token renews. The request proves that it comes from who logged
-- in: a DPoP header (RFC 9449), signed with the key of the token file.
local reply = require "aws.credentials.reply"
local sts = require "aws.credentials.sts"
local token_file = require "aws.credentials.token_file"

local M = {}

local RENEW <const> = 5 * 60 -- seconds before the end

local function text(value) return type(value) == "string" and value ~= "" and value or nil end

local function bad(step, message)
  return reply.fail("InvalidToken", ("profile %s: %s; run `aws login`"):format(step.profile, message))
end

local function check(token, step)
  for _, key in ipairs { "refreshToken", "clientId", "dpopKey" } do
    if not text(token[key]) then return bad(step, ("`%s` was missing in the token file"):format(key)) end
  end
  if type(token.accessToken) ~= "table" then return bad(step, "`accessToken` was missing in the token file") end
  for _, key in ipairs { "accessKeyId", "secretAccessKey", "sessionToken", "expiresAt" } do
    if not text(token.accessToken[key]) then return bad(step, ("`accessToken.%s` was missing in the token file"):format(key)) end
  end
  if not reply.time(token.accessToken.expiresAt) then return bad(step, "`accessToken.expiresAt` is no time") end
  return token
end

local function credentials_of(token, step)
  local keys = token.accessToken
  return { access_key = keys.accessKeyId, secret_key = keys.secretAccessKey, session_token = keys.sessionToken,
    account_id = text(keys.accountId), expires_at = reply.time(keys.expiresAt), source = "login session of profile " .. step.profile }
end

---The proof of possession for one request.
---@param pem string
---@param url string
---@param world aws.World
---@return string? header
---@return string? message
function M.proof(pem, url, world)
  local crypto, json = require "sm.crypto", require "sm.json"
  local _, jwk = crypto.sign("ES256", pem, "") -- the public key stands in what is signed
  if type(jwk) ~= "table" then return nil, jwk end
  local header = json.encode({ typ = "dpop+jwt", alg = "ES256", jwk = jwk }, { sorted = true })
  local claims = json.encode({ htm = "POST", htu = url, iat = math.floor(world.now()), jti = crypto.uuid() }, { sorted = true })
  local signed = crypto.base64url(header) .. "." .. crypto.base64url(claims)
  local signature, message = crypto.sign("ES256", pem, signed)
  if not signature then return nil, message end
  return signed .. "." .. crypto.base64url(signature)
end

local REASONS <const> = {
  TOKEN_EXPIRED = "the session has expired", USER_CREDENTIALS_CHANGED = "the password or another credential was changed",
  INSUFFICIENT_PERMISSIONS = "the session may not be renewed: permission signin:CreateOAuth2Token is missing",
}

local function ask(token, step, context)
  local client, err = sts.client("signin", context, { region = context.region, anonymous = true })
  if not client then return nil, err end
  local params = { tokenInput = { clientId = token.clientId, refreshToken = token.refreshToken, grantType = "refresh_token" } }
  local built
  built, err = require("aws.call").build(client, client:operation("CreateOAuth2Token"), params, {})
  if not built then return nil, err end
  local placed
  placed, err = require("aws.sign").place(built.request, built.endpoint, built.config)
  if not placed then return nil, err end
  local proof, message = M.proof(token.dpopKey, built.request.url, context.world)
  if not proof then return bad(step, message) end
  local output
  output, err = client:call("CreateOAuth2Token", params, { headers = { DPoP = proof } })
  if output then return output.tokenOutput or {} end
  local reason = err.members and REASONS[err.members.error]
  return reply.fail(err.code, ("profile %s: %s; run `aws login`"):format(step.profile, reason or "the session was not renewed: " .. err.message),
    { status = err.status, request_id = err.request_id, retryable = err.retryable })
end

local function renew(token, step, path, context)
  local answer, err = ask(token, step, context)
  if not answer then return nil, err end
  local keys = answer.accessToken
  if type(keys) ~= "table" or not tonumber(answer.expiresIn) then return bad(step, "the answer to the renewal has no keys") end
  token.accessToken = { accessKeyId = keys.accessKeyId, secretAccessKey = keys.secretAccessKey, sessionToken = keys.sessionToken,
    accountId = token.accessToken.accountId, expiresAt = require("sm.time").iso(context.world.now() + answer.expiresIn) }
  token.refreshToken = text(answer.refreshToken) or token.refreshToken
  local checked
  checked, err = check(token, step)
  if not checked then return nil, err end
  token_file.write(context.world, path, token)
  return token
end

---@param step aws.CredentialStep
---@param context aws.CredentialContext
---@return aws.Credentials?
---@return aws.Failure?
function M.get(step, context)
  local path, err = token_file.path(context.world, "login/cache", step.session, "sha256", "AWS_LOGIN_CACHE_DIRECTORY")
  if not path then return nil, err end
  local token
  token, err = token_file.read(context.world, path, "aws login")
  if not token then return nil, err end
  token, err = check(token, step)
  if not token then return nil, err end
  if reply.time(token.accessToken.expiresAt) - context.world.now() <= RENEW then
    token, err = renew(token, step, path, context)
    if not token then return nil, err end
  end
  return credentials_of(token, step)
end

return M
