-- Keys from the container's endpoint: ECS tasks, EKS pod identity, functions restored from a snapshot.
local reply = require "aws.credentials.reply"
local worlds = require "aws.world"

local M = {}

local ECS_HOST <const> = "http://169.254.170.2"
local ATTEMPTS <const> = 3
local TIMEOUT <const> = 2 -- seconds, of one attempt
local PAUSE <const> = 0.1 -- seconds, doubled each time

-- Hosts that may be asked without TLS: they are inside of the machine.
local ALLOWED <const> = { ["169.254.170.2"] = true, ["169.254.170.23"] = true, ["[fd00:ec2::23]"] = true, ["[::1]"] = true,
  localhost = true }

local function is_allowed(host)
  host = host:lower()
  if ALLOWED[host] then return true end
  local rest = host:match("^127(%.%d+%.%d+%.%d+)$")
  return rest ~= nil
end

local function host_of(authority)
  local host = authority:match("^(%b[])") or authority:match("^[^:]+")
  local rest = host and authority:sub(#host + 1)
  if not host or not (rest == "" or rest:find("^:%d+$")) then return nil end
  return host
end

---The URL that the environment names.
---@param world aws.World
---@return string? url       nil without a failure: the environment names none
---@return aws.Failure?
function M.url(world)
  local relative = worlds.text(world, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
  if relative then
    if relative:sub(1, 1) ~= "/" then
      return reply.fail("InvalidSetting", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI must begin with a slash")
    end
    return ECS_HOST .. relative
  end
  local full = worlds.text(world, "AWS_CONTAINER_CREDENTIALS_FULL_URI")
  if not full then return nil end
  local scheme, authority = full:match("^(%a+)://([^/?#]*)")
  local host = authority and host_of(authority)
  if not host then return reply.fail("InvalidSetting", "AWS_CONTAINER_CREDENTIALS_FULL_URI: URI did not specify a host") end
  if scheme:lower() == "https" or scheme:lower() == "http" and is_allowed(host) then return full end
  return reply.fail("InvalidSetting", ("AWS_CONTAINER_CREDENTIALS_FULL_URI: '%s' is not asked without TLS; only a loopback address, "
    .. "169.254.170.2, 169.254.170.23 and fd00:ec2::23 are"):format(host))
end

-- The file is read each time: the platform writes a new token into it.
local function authorization(world)
  local path = worlds.text(world, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
  local token = worlds.text(world, "AWS_CONTAINER_AUTHORIZATION_TOKEN")
  if path then
    local text, message = world.read_file(path)
    if not text then
      return reply.fail("InvalidSetting", ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE %s: %s"):format(path, message or "unreadable"))
    end
    token = text:match("^%s*(.-)%s*$")
  end
  if token and token:find("[\r\n]") then return reply.fail("InvalidSetting", "the container's authorization token holds a line end") end
  return token
end

local function ask(world, url, headers)
  local answer, message
  for attempt = 1, ATTEMPTS do
    if attempt > 1 then world.sleep(PAUSE * 2 ^ (attempt - 2)) end
    answer, message = world.http { url = url, headers = headers, timeout = TIMEOUT, connect_timeout = TIMEOUT, direct = true }
    if answer and answer.status < 500 and answer.status ~= 429 then return answer end
  end
  return answer, message
end

---@param world aws.World
---@return aws.Credentials?   nil without a failure: there is no such endpoint
---@return aws.Failure?
function M.get(world)
  local url, err = M.url(world)
  if not url then return nil, err end
  local token
  token, err = authorization(world)
  if err then return nil, err end
  local answer, message = ask(world, url, { accept = "application/json", authorization = token })
  if not answer then return reply.fail("ContainerFailed", "the container's endpoint: " .. (message or "no answer"), { retryable = true }) end
  if answer.status ~= 200 then
    return reply.fail("ContainerFailed", ("the container's endpoint answered %d"):format(answer.status), { retryable = answer.status >= 500 })
  end
  local decoded
  decoded, err = reply.decode(answer.body, "the container's endpoint")
  if not decoded then return nil, err end
  return reply.credentials(decoded, "container", "Token")
end

return M
