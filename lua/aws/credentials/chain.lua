-- The sources behind the environment, in order: the selected profile, a web identity of the environment, the container, the
-- instance. The first that has something to say is asked; when it fails, its failure is the answer, because keys of another
-- identity would be worse than none.
local failure = require "aws.failure"
local plan = require "aws.credentials.plan"
local profiles = require "aws.profile"
local worlds = require "aws.world"

local M = {}

local bases = {}

function bases.static(step)
  return { access_key = step.access_key, secret_key = step.secret_key, session_token = step.session_token,
    account_id = step.account_id, source = "profile " .. step.profile }
end

local function instance(context)
  local set = profiles.load(context.world)
  return require("aws.credentials.imds").get(context.world, set and set.profiles[context.profile or profiles.locations(context.world).profile])
end

local function container(context) return require("aws.credentials.container").get(context.world) end

local named = {
  Environment = function(context) return require("aws.credentials.environment").get(context.world) end,
  EcsContainer = container,
  Ec2InstanceMetadata = instance,
}

function bases.source(step, context)
  local found, err = named[step.name](context)
  if found or err then return found, err end
  return failure.refuse("credentials", "SourceEmpty", ("profile %s: its credential_source %s has no keys"):format(step.profile, step.name))
end

function bases.web_identity(step, context) return require("aws.credentials.sts").web_identity(step, context) end
function bases.sso(step, context) return require("aws.credentials.sso").get(step, context) end
function bases.login(step, context) return require("aws.credentials.login").get(step, context) end
function bases.process(step, context) return require("aws.credentials.process").get(step, context.world) end

---Does the steps of a plan, one after the other.
---@param steps aws.CredentialStep[]
---@param context aws.CredentialContext
---@return aws.Credentials?
---@return aws.Failure?
function M.run(steps, context)
  local found, err = bases[steps[1].kind](steps[1], context)
  for i = 2, #steps do
    if not found then break end
    found, err = require("aws.credentials.sts").assume(steps[i], found, context)
  end
  if found then return found end
  -- The profile chose its source: that this has nothing is an end, not a reason to look further.
  if err.code == "NoCredentials" and #steps > 1 then err = failure.new { kind = "credentials", code = "SourceEmpty", message = err.message } end
  return nil, err
end

---The selected profile's credentials.
---@param context aws.CredentialContext
---@return aws.Credentials?
---@return aws.Failure?  code "NoCredentials": it has none
function M.profile(context)
  local set, err = profiles.reload(context.world)
  if not set then return nil, err end
  local steps
  steps, err = plan.resolve(set, context.profile or profiles.locations(context.world).profile)
  if not steps then return nil, err end
  return M.run(steps, context)
end

-- What EKS and others put into the environment of a workload.
local function web_identity(context)
  local file = worlds.text(context.world, "AWS_WEB_IDENTITY_TOKEN_FILE")
  if not file then return nil end
  local role = worlds.text(context.world, "AWS_ROLE_ARN")
  if not role then
    return failure.refuse("credentials", "InvalidSetting", "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not")
  end
  return bases.web_identity({ role_arn = role, token_file = file, session_name = worlds.text(context.world, "AWS_ROLE_SESSION_NAME") }, context)
end

local SOURCES <const> = {
  { "profile", M.profile }, { "web identity", web_identity }, { "container", container }, { "instance", instance },
}

-- A function of the platform without a configuration file has neither profile nor instance.
local function is_asked(name, bare) return not bare or name ~= "profile" and name ~= "instance" end

local function none(notes, world)
  local missing = worlds.text(world, "AWS_ACCESS_KEY_ID") and "AWS_SECRET_ACCESS_KEY" or "AWS_ACCESS_KEY_ID"
  local message = ("the credential provider was not enabled: no source has credentials (%s is not set"):format(missing)
  for _, note in ipairs(notes) do message = message .. "; " .. note end
  return failure.refuse("credentials", "NoCredentials", message .. ")")
end

---@param options { profile: string?, region: string? }
---@param world aws.World
---@return aws.Credentials?
---@return aws.Failure?
function M.load(options, world)
  local context = { world = world, profile = options.profile, region = options.region }
  local bare, notes = worlds.is_bare_lambda(world) and not options.profile, {}
  for _, source in ipairs(SOURCES) do
    if is_asked(source[1], bare) then
      local found, err = source[2](context)
      if found then return found end
      if err and err.code ~= "NoCredentials" then return nil, err end
      notes[#notes + 1] = err and err.message or nil
    end
  end
  return none(notes, world)
end

return M
