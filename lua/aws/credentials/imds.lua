-- Keys of an EC2 instance's role, from the instance metadata service: version 2 with its session token; version 1 only where
-- version 2 is not known and nobody has forbidden it.
local failure = require "aws.failure"
local profiles = require "aws.profile"
local reply = require "aws.credentials.reply"
local worlds = require "aws.world"

local M = {}

local IPV4 <const> = "http://169.254.169.254"
local IPV6 <const> = "http://[fd00:ec2::254]"
local TOKEN_SECONDS <const> = 21600
local ATTEMPTS <const> = 4  -- when the service answers that it is in trouble
local PAUSE <const> = 0.1   -- seconds, doubled each time
local PATH <const> = "/latest/meta-data/iam/security-credentials/"

-- Expired keys are better than none when the service lags: they are tried on, for so long (seconds, then at random).
local EXTEND <const> = 15 * 60
local EXTEND_RANDOM <const> = 10 * 60

local function setting(world, profile, variable, key)
  local value = worlds.text(world, variable)
  if value then return value end
  value = profile and profile[key]
  return value ~= "" and value or nil
end

local function bad(message) return failure.refuse("config", "InvalidSetting", message) end

---Where the service is, as environment and profile say.
---@param world aws.World
---@param profile table?   the selected profile's properties
---@param mode string?     the caller's choice of IPv4 or IPv6
---@return string? url     without a slash at its end
---@return aws.Failure?
function M.endpoint(world, profile, mode)
  local url = setting(world, profile, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint")
  if url then
    if not url:find("^https?://[%w%.%-%[%]:]+/?[%w%-%._~/]*$") then
      return bad("AWS_EC2_METADATA_SERVICE_ENDPOINT: invalid uri character, or no http:// before a host")
    end
    return (url:gsub("/+$", ""))
  end
  mode = mode or setting(world, profile, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ec2_metadata_service_endpoint_mode") or "IPv4"
  if mode:lower() == "ipv4" then return IPV4 end
  if mode:lower() == "ipv6" then return IPV6 end
  return bad(("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE: `%s` is not a valid endpoint mode; IPv4 and IPv6 are"):format(mode))
end

local function number(text, fallback) return tonumber(text) or fallback end

local function open(world, profile)
  local url, err = M.endpoint(world, profile)
  if not url then return nil, err end
  return {
    world = world, url = url,
    timeout = number(setting(world, profile, "AWS_METADATA_SERVICE_TIMEOUT", "metadata_service_timeout"), 1),
    attempts = number(setting(world, profile, "AWS_METADATA_SERVICE_NUM_ATTEMPTS", "metadata_service_num_attempts"), ATTEMPTS),
    v1 = (setting(world, profile, "AWS_EC2_METADATA_V1_DISABLED", "ec2_metadata_v1_disabled") or ""):lower() ~= "true",
  }
end

-- One request; again when the service is in trouble. No answer to the first one means that this is no instance: once is enough.
local function ask(service, method, path, headers)
  local answer, message
  for attempt = 1, service.attempts do
    if attempt > 1 then service.world.sleep(PAUSE * 2 ^ (attempt - 2)) end
    answer, message = service.world.http { method = method, url = service.url .. path, headers = headers, timeout = service.timeout,
      connect_timeout = service.timeout, max_bytes = 65536, direct = true }
    if answer and answer.status < 500 or not answer and service.token == nil then break end
  end
  if answer then return answer end
  return nil, message or "no answer"
end

local function none(message)
  return failure.refuse("credentials", "NoCredentials", "the instance metadata service is not there: " .. message)
end

-- The session token; false where only version 1 is spoken.
local function token_of(service)
  local answer, message = ask(service, "PUT", "/latest/api/token", { ["x-aws-ec2-metadata-token-ttl-seconds"] = tostring(TOKEN_SECONDS) })
  if not answer then return none(message) end
  if answer.status == 200 then return answer.body end
  if service.v1 and (answer.status == 403 or answer.status == 404 or answer.status == 405) then return false end
  return reply.fail("ImdsFailed", ("the instance metadata service answered %d to the request for a token"):format(answer.status))
end

-- A token can end before its time (the service was started anew): then once more with another.
local function read(service, path)
  for round = 1, 2 do
    if service.token == nil then
      local token, err = token_of(service)
      if token == nil then return nil, err end
      service.token = token
    end
    local answer, message = ask(service, "GET", path, { ["x-aws-ec2-metadata-token"] = service.token or nil })
    if not answer then return none(message) end
    if answer.status ~= 401 or round == 2 then return answer end
    service.token = nil
  end
end

-- Static stability: an outage of the service must not stop what still works.
local function extend(found, world)
  local now = world.now()
  if found.expires_at and found.expires_at <= now then
    found.expires_at = now + EXTEND + math.floor(world.random() * EXTEND_RANDOM)
  end
  return found
end

local function role_of(service)
  local answer, err = read(service, PATH)
  if not answer then return nil, err end
  if answer.status == 404 then return none("no role is attached to this instance") end
  if answer.status ~= 200 then return reply.fail("ImdsFailed", ("the instance metadata service answered %d"):format(answer.status)) end
  local role = answer.body:match("^%s*([^\r\n]-)%s*$") or answer.body:match("^%s*([^\r\n]-)%s*\n")
  if not role or role == "" then return none("no role is attached to this instance") end
  return role
end

---@param world aws.World
---@param profile table?   the selected profile's properties
---@return aws.Credentials?
---@return aws.Failure?  code "NoCredentials": this is no instance, it has no role, or the service is switched off
function M.get(world, profile)
  if (worlds.text(world, "AWS_EC2_METADATA_DISABLED") or ""):lower() == "true" then return none("AWS_EC2_METADATA_DISABLED is set") end
  local service, err = open(world, profile)
  if not service then return nil, err end
  local role
  role, err = role_of(service)
  if not role then return nil, err end
  local answer
  answer, err = read(service, PATH .. role)
  if not answer then return nil, err end
  if answer.status ~= 200 then return reply.fail("ImdsFailed", ("the instance metadata service answered %d"):format(answer.status)) end
  local decoded
  decoded, err = reply.decode(answer.body, "the instance metadata service")
  if not decoded then return nil, err end
  if decoded.Code and decoded.Code ~= "Success" then
    return reply.fail("ImdsFailed", ("the instance's role gives no keys: %s %s"):format(tostring(decoded.Code), reply.line(decoded.Message)))
  end
  local found
  found, err = reply.credentials(decoded, "instance role " .. role, "Token")
  return found and extend(found, world), err
end

---The region an instance says it is in, for who has no other.
---@param world aws.World
---@return string?
function M.region(world)
  if (worlds.text(world, "AWS_EC2_METADATA_DISABLED") or ""):lower() == "true" then return nil end
  local set = profiles.load(world)
  local service = open(world, set and set.profiles[profiles.locations(world).profile])
  local answer = service and read(service, "/latest/meta-data/placement/region")
  return answer and answer.status == 200 and answer.body:match("^%s*([%w%-]+)%s*$") or nil
end

return M
