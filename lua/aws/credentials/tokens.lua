-- Bearer tokens, for services that take them instead of signatures: of the environment (AWS_BEARER_TOKEN_<SERVICE>), or of the
-- selected profile's sso-session.
local credentials = require "aws.credentials"
local failure = require "aws.failure"
local plan = require "aws.credentials.plan"
local profiles = require "aws.profile"
local worlds = require "aws.world"

local M = {}

---@class aws.Token
---@field token string
---@field expires_at number?
---@field source string

-- Shown without the token.
local Shown <const> = { __name = "aws.Token", __tostring = function(token) return "token of " .. token.source end }

---A token that the environment has for one service.
---@param world aws.World
---@param signing_name string  "bedrock"
---@return aws.Token?
function M.from_environment(world, signing_name)
  local value = worlds.text(world, "AWS_BEARER_TOKEN_" .. signing_name:upper():gsub("[%s-]", "_"))
  return value and setmetatable({ token = value, source = "environment" }, Shown) or nil
end

local function session_step(context)
  local set, err = profiles.reload(context.world)
  if not set then return nil, err end
  local name = context.profile or profiles.locations(context.world).profile
  local profile = set.profiles[name]
  if not profile or not profile.sso_session or profile.sso_session == "" then
    return failure.refuse("credentials", "NoToken", ("profile %s names no sso_session, so there is no token"):format(name))
  end
  return plan.sso(set, name)
end

---@param context aws.CredentialContext
---@return aws.Token?
---@return aws.Failure?
function M.load(context)
  local step, err = session_step(context)
  if not step then return nil, err end
  local value, expires_at = require("aws.credentials.sso").token(step, context)
  if not value then return nil, expires_at end
  return setmetatable({ token = value, expires_at = expires_at, source = "sso-session " .. step.session }, Shown)
end

---A provider of tokens: get and refresh as those of credentials.
---@param options { profile: string?, signing_name: string? }
---@param world aws.World?
---@return aws.CredentialsProvider
function M.provider(options, world)
  world = world or worlds.default()
  return credentials.new(function()
    local given = options.signing_name and M.from_environment(world, options.signing_name)
    if given then return given end
    return M.load { world = world, profile = options.profile }
  end, world)
end

return M
