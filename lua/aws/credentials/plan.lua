-- Which way a profile leads to credentials: one base, then the roles that are assumed one after the other. Nothing is asked
-- for here; the same profiles always give the same plan.
local failure = require "aws.failure"

local M = {}

---@class aws.CredentialStep
---@field kind "static"|"source"|"web_identity"|"sso"|"login"|"process"|"assume_role"
---@field profile string     that says so
---@field access_key string?
---@field secret_key string?
---@field session_token string?
---@field account_id string?
---@field name string?       source: Environment, Ec2InstanceMetadata or EcsContainer
---@field role_arn string?
---@field session_name string?
---@field external_id string?
---@field duration integer?  seconds
---@field token_file string?
---@field command string?
---@field session string?    name of the sso-session, or the login session
---@field start_url string?
---@field region string?
---@field role_name string?

local SOURCES <const> = { Environment = true, Ec2InstanceMetadata = true, EcsContainer = true }

local function bad(message) return failure.refuse("credentials", "InvalidProfile", message) end

-- The profile offers nothing: the next source may.
local function nothing(message) return failure.refuse("credentials", "NoCredentials", message) end

local function get(profile, key)
  local value = profile[key]
  return value ~= "" and value or nil
end

-- ---- bases: each gives its step, or nil when the profile does not speak of it, or nil and a failure ----

local function credential_source(profile, name)
  local source = get(profile, "credential_source")
  if not source then return nil end
  if not SOURCES[source] then
    return bad(("profile %s: credential_source must be Environment, Ec2InstanceMetadata or EcsContainer, not '%s'"):format(name, source))
  end
  return { kind = "source", name = source, profile = name }
end

local function web_identity(profile, name)
  local file = get(profile, "web_identity_token_file")
  if not file then return nil end
  if not get(profile, "role_arn") then
    return bad(("profile %s: `web_identity_token_file` was specified but `role_arn` was missing"):format(name))
  end
  return { kind = "web_identity", profile = name, role_arn = profile.role_arn, token_file = file,
    session_name = get(profile, "role_session_name") }
end

local function check_pair(profile, name)
  if get(profile, "sso_role_name") and not get(profile, "sso_account_id") then
    return bad(("profile %s: if `sso_role_name` is set, then `sso_account_id` must also be set"):format(name))
  end
  if get(profile, "sso_account_id") and not get(profile, "sso_role_name") then
    return bad(("profile %s: if `sso_account_id` is set, then `sso_role_name` must also be set"):format(name))
  end
  return true
end

-- Region and start URL of a profile's sso-session. The profile may repeat them, not change them.
local function session_of(set, profile, name)
  local session = set.sso_sessions[profile.sso_session]
  if not session then
    return bad(("profile %s: there is no section [sso-session %s]"):format(name, profile.sso_session))
  end
  for _, key in ipairs { "sso_region", "sso_start_url" } do
    if get(profile, key) and profile[key] ~= session[key] then
      return bad(("profile %s: `%s` can only be specified in the [sso-session] config when a session name is given"):format(name, key))
    end
    if not get(session, key) then return bad(("sso-session %s: `%s` was missing"):format(profile.sso_session, key)) end
  end
  return session
end

local function speaks_of_sso(profile)
  for _, key in ipairs { "sso_session", "sso_account_id", "sso_role_name", "sso_region", "sso_start_url" } do
    if get(profile, key) then return true end
  end
  return false
end

-- Where the older form has everything: in the profile itself.
local function legacy_place(profile, name)
  for _, key in ipairs { "sso_account_id", "sso_role_name", "sso_region", "sso_start_url" } do
    if not get(profile, key) then return bad(("profile %s: `%s` was missing"):format(name, key)) end
  end
  return profile
end

local function sso(profile, name, set)
  if not speaks_of_sso(profile) then return nil end
  local ok, err = check_pair(profile, name)
  if not ok then return nil, err end
  local place
  if get(profile, "sso_session") then
    place, err = session_of(set, profile, name)
  else
    place, err = legacy_place(profile, name)
  end
  if not place then return nil, err end
  return { kind = "sso", profile = name, session = get(profile, "sso_session"), region = place.sso_region,
    start_url = place.sso_start_url, account_id = get(profile, "sso_account_id"), role_name = get(profile, "sso_role_name") }
end

local function login(profile, name)
  local session = get(profile, "login_session")
  return session and { kind = "login", profile = name, session = session } or nil
end

local function process(profile, name)
  local command = get(profile, "credential_process")
  return command and { kind = "process", profile = name, command = command, account_id = get(profile, "aws_account_id") } or nil
end

local function static(profile, name)
  local access_key, secret_key = get(profile, "aws_access_key_id"), get(profile, "aws_secret_access_key")
  if not access_key and not secret_key then
    return nothing(("profile `%s` did not contain credential information"):format(name))
  end
  if not access_key or not secret_key then
    return bad(("profile %s: profile missing %s"):format(name, access_key and "aws_secret_access_key" or "aws_access_key_id"))
  end
  return { kind = "static", profile = name, access_key = access_key, secret_key = secret_key,
    session_token = get(profile, "aws_session_token") or get(profile, "aws_security_token"), account_id = get(profile, "aws_account_id") }
end

local function base_of(set, profile, name)
  for _, read in ipairs { credential_source, web_identity, sso, login, process } do
    local step, err = read(profile, name, set)
    if step or err then return step, err end
  end
  return static(profile, name)
end

-- ---- roles ----

local function duration_of(profile, name)
  local text = get(profile, "duration_seconds")
  if not text then return nil end
  local seconds = math.tointeger(tonumber(text))
  if not seconds or seconds < 900 or seconds > 43200 then
    return bad(("profile %s: duration_seconds must be a whole number from 900 to 43200"):format(name))
  end
  return seconds
end

-- The role a profile assumes: its step and the name of the profile that pays for it (itself: with its own base).
-- A web identity is a base and no role.
local function role_of(profile, name)
  local role_arn = get(profile, "role_arn")
  if not role_arn or get(profile, "web_identity_token_file") then return nil end
  local source_profile, source = get(profile, "source_profile"), get(profile, "credential_source")
  if source_profile and source then
    return bad(("profile %s: profile contained both `source_profile` and `credential_source`; only one can be"):format(name))
  end
  if not source_profile and not source then
    return bad(("profile %s: profile must contain `source_profile` or `credential_source` beside `role_arn`"):format(name))
  end
  if get(profile, "mfa_serial") then
    return failure.refuse("credentials", "MfaNeeded",
      ("profile %s: its role asks for a code of %s, and nobody can be asked here; "
        .. "put the keys of a session made with that code into the environment"):format(name, profile.mfa_serial))
  end
  local duration, err = duration_of(profile, name)
  if err then return nil, err end
  return { kind = "assume_role", profile = name, role_arn = role_arn, session_name = get(profile, "role_session_name"),
    external_id = get(profile, "external_id"), duration = duration }, source_profile or name
end

local function profile_of(set, name, referrer)
  local profile = set.profiles[name]
  if profile then return profile end
  if referrer then return bad(("could not find source profile %s referenced from %s"):format(name, referrer)) end
  return bad(("there is no profile %s in the configuration files"):format(name))
end

local function is_static(profile) return get(profile, "aws_access_key_id") and get(profile, "aws_secret_access_key") end

-- One profile of the way: its role, if it assumes one, and the name of the profile to go on with, if it is not the last.
-- Keys of a profile that another one refers to end the way.
local function look_at(profile, name, referrer)
  if referrer and is_static(profile) then return nil, nil end
  local role, next_name = role_of(profile, name)
  if not role then return nil, nil, next_name end
  return role, next_name ~= name and next_name or nil
end

-- Follows source_profile to the base, which is first in the result; the role asked for is last.
local function follow(set, first)
  local steps, seen, name, referrer = {}, {}, first, nil
  while name do
    local profile, err = profile_of(set, name, referrer)
    if not profile then return nil, err end
    if seen[name] then return bad(("profile formed an infinite loop: %s refers to %s again"):format(referrer, name)) end
    seen[name] = true
    local role, next_name
    role, next_name, err = look_at(profile, name, referrer)
    if err then return nil, err end
    if role then table.insert(steps, 1, role) end
    if not next_name then
      local base
      base, err = base_of(set, profile, name)
      if not base then return nil, err, referrer end
      table.insert(steps, 1, base)
    end
    name, referrer = next_name, name
  end
  return steps
end

---The steps to the credentials of a profile, in the order they are done.
---@param set aws.ProfileSet
---@param name string
---@return aws.CredentialStep[]? steps
---@return aws.Failure? failure   code "NoCredentials": the profile says nothing about them
function M.resolve(set, name)
  if next(set.profiles) == nil then return nothing("No profiles were defined") end
  if name == "default" and not set.profiles.default then return nothing("there is no default profile") end
  local steps, err, referrer = follow(set, name)
  if steps then return steps end
  if referrer and err.code == "NoCredentials" then return bad(err.message .. ", though " .. referrer .. " refers to it") end
  return nil, err
end

---The sso step of a profile, for who wants its token and no keys.
---@param set aws.ProfileSet
---@param name string
---@return aws.CredentialStep?
---@return aws.Failure?
function M.sso(set, name) return sso(set.profiles[name] or {}, name, set) end

return M
