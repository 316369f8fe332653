-- Roles: STS gives keys for one, to who has other keys or a token of an identity provider.
local reply = require "aws.credentials.reply"

local M = {}

-- Who has set no region gets the one every account of the commercial partition has.
local FALLBACK_REGION <const> = "us-east-1"

---@class aws.CredentialContext
---@field world aws.World
---@field profile string?    whose settings the calls obey (region, endpoint, FIPS, ...)
---@field region string?

---A client for the calls of this folder.
---@param service string
---@param context aws.CredentialContext
---@param options table
---@return aws.Client?
---@return aws.Failure?
function M.client(service, context, options)
  options.profile, options.world = context.profile, context.world
  return require("aws.client").new(service, options)
end

local function region_of(context, role_arn)
  if context.region then return context.region end
  local config, err = require("aws.config").resolve("STS", { profile = context.profile }, context.world)
  if not config then return nil, err end
  if config.region then return config.region end
  if role_arn:find("^arn:aws:") then return FALLBACK_REGION end
  return reply.fail("NoRegion", ("role %s: no region is set, and STS of its partition is not in %s"):format(role_arn, FALLBACK_REGION))
end

local function account_of(arn) return arn and arn:match("^arn:[^:]*:[^:]*:[^:]*:(%d+):") or nil end

local function credentials_of(output, role_arn)
  local found = output.Credentials
  if not found or not found.AccessKeyId or not found.SecretAccessKey then
    return reply.fail("InvalidAnswer", "STS answered without keys for " .. role_arn)
  end
  return { access_key = found.AccessKeyId, secret_key = found.SecretAccessKey, session_token = found.SessionToken,
    expires_at = found.Expiration, source = "role " .. role_arn,
    account_id = account_of(output.AssumedRoleUser and output.AssumedRoleUser.Arn) }
end

local function call(context, method, params, options)
  local region, err = region_of(context, params.RoleArn)
  if not region then return nil, err end
  options.region = region
  local client
  client, err = M.client("sts", context, options)
  if not client then return nil, err end
  local output
  output, err = client:call(method, params)
  if not output then
    return reply.fail(err.code, ("role %s: %s"):format(params.RoleArn, err.message),
      { status = err.status, request_id = err.request_id, retryable = err.retryable, service = "sts", operation = method })
  end
  return credentials_of(output, params.RoleArn)
end

local function session_name(step, world) return step.session_name or ("sewingmachine-%d"):format(math.floor(world.now() * 1000)) end

---@param step aws.CredentialStep
---@param source aws.Credentials     who assumes
---@param context aws.CredentialContext
---@return aws.Credentials?
---@return aws.Failure?
function M.assume(step, source, context)
  return call(context, "AssumeRole", { RoleArn = step.role_arn, RoleSessionName = session_name(step, context.world),
    ExternalId = step.external_id, DurationSeconds = step.duration }, { credentials = source })
end

---@param step aws.CredentialStep
---@param context aws.CredentialContext
---@return aws.Credentials?
---@return aws.Failure?
function M.web_identity(step, context)
  local token, message = context.world.read_file(step.token_file)
  if not token then
    return reply.fail("InvalidSetting", ("role %s: the token file %s: %s"):format(step.role_arn, step.token_file, message or "unreadable"))
  end
  return call(context, "AssumeRoleWithWebIdentity", { RoleArn = step.role_arn, RoleSessionName = session_name(step, context.world),
    WebIdentityToken = token:match("^%s*(.-)%s*$") }, { anonymous = true })
end

return M
