-- Settings of a client: what the caller gives, else the environment, else the profile of the configuration file, else ours.
local failure = require "aws.failure"
local worlds = require "aws.world"

local M = {}

---@class aws.Config
---@field region string?
---@field endpoint_url string?
---@field profile string?
---@field use_fips boolean
---@field use_dualstack boolean
---@field retry_mode "standard"
---@field max_attempts integer?         nil: as the service wants it
---@field retry_revision integer?       2021: the pauses and costs of before the revision of 2026
---@field request_checksum "when_supported"|"when_required"
---@field response_checksum "when_supported"|"when_required"
---@field account_id_endpoint_mode "preferred"|"disabled"|"required"
---@field sts_regional "regional"|"legacy"
---@field s3 table                      addressing_style, use_arn_region, accelerate, use_dualstack, disable_multiregion_access_points, ...
---@field ca_bundle string?
---@field connect_timeout number        seconds
---@field read_timeout number           seconds
---@field user_agent_app_id string?
---@field ignore_configured_endpoint_urls boolean
---@field world aws.World?              that of a test: what is sent goes through its http

local TRUTH <const> = { ["true"] = true, ["false"] = false }

-- Name in the result -> where it is looked for. `key` is the name in a profile, "s3.x" one inside of its s3 block.
local SETTINGS <const> = {
  region = { env = { "AWS_REGION", "AWS_DEFAULT_REGION" }, key = "region" },
  use_fips = { env = { "AWS_USE_FIPS_ENDPOINT" }, key = "use_fips_endpoint", kind = "boolean", default = false },
  use_dualstack = { env = { "AWS_USE_DUALSTACK_ENDPOINT" }, key = "use_dualstack_endpoint", kind = "boolean", default = false },
  retry_mode = { env = { "AWS_RETRY_MODE" }, key = "retry_mode", values = { "legacy", "standard", "adaptive" }, default = "standard" },
  max_attempts = { env = { "AWS_MAX_ATTEMPTS" }, key = "max_attempts", kind = "integer" },
  request_checksum = { env = { "AWS_REQUEST_CHECKSUM_CALCULATION" }, key = "request_checksum_calculation",
    values = { "when_supported", "when_required" }, default = "when_supported" },
  response_checksum = { env = { "AWS_RESPONSE_CHECKSUM_VALIDATION" }, key = "response_checksum_validation",
    values = { "when_supported", "when_required" }, default = "when_supported" },
  account_id_endpoint_mode = { env = { "AWS_ACCOUNT_ID_ENDPOINT_MODE" }, key = "account_id_endpoint_mode",
    values = { "preferred", "disabled", "required" }, default = "preferred" },
  sts_regional = { env = { "AWS_STS_REGIONAL_ENDPOINTS" }, key = "sts_regional_endpoints",
    values = { "regional", "legacy" }, default = "regional" },
  ca_bundle = { env = { "AWS_CA_BUNDLE" }, key = "ca_bundle" },
  user_agent_app_id = { env = { "AWS_SDK_UA_APP_ID" }, key = "sdk_ua_app_id" },
  disable_request_compression = { env = { "AWS_DISABLE_REQUEST_COMPRESSION" }, key = "disable_request_compression",
    kind = "boolean", default = false },
  request_min_compression_size = { env = { "AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES" }, key = "request_min_compression_size_bytes",
    kind = "integer", default = 10240 },
  disable_host_prefix = { env = { "AWS_DISABLE_HOST_PREFIX_INJECTION" }, key = "disable_host_prefix_injection", kind = "boolean",
    default = false },
  ignore_configured_endpoint_urls = { env = { "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS" }, key = "ignore_configured_endpoint_urls",
    kind = "boolean", default = false },
  auth_scheme_preference = { env = { "AWS_AUTH_SCHEME_PREFERENCE" }, key = "auth_scheme_preference" },
  sigv4a_region_set = { env = { "AWS_SIGV4A_SIGNING_REGION_SET" }, key = "sigv4a_signing_region_set" },
  retry_revision = { kind = "integer" },
  connect_timeout = { kind = "number", default = 3 },
  read_timeout = { kind = "number", default = 60 },
}

local S3_SETTINGS <const> = {
  addressing_style = { key = "s3.addressing_style", values = { "auto", "virtual", "path" }, default = "auto" },
  accelerate = { key = "s3.use_accelerate_endpoint", kind = "boolean", default = false },
  use_dualstack = { key = "s3.use_dualstack_endpoint", kind = "boolean" },
  use_arn_region = { env = { "AWS_S3_USE_ARN_REGION" }, key = "s3_use_arn_region", also = "s3.use_arn_region", kind = "boolean" },
  us_east_1_regional_endpoint = { env = { "AWS_S3_US_EAST_1_REGIONAL_ENDPOINT" }, key = "s3_us_east_1_regional_endpoint",
    also = "s3.us_east_1_regional_endpoint", values = { "regional", "legacy" }, default = "regional" },
  disable_multiregion_access_points = { env = { "AWS_S3_DISABLE_MULTIREGION_ACCESS_POINTS" },
    key = "s3_disable_multiregion_access_points", also = "s3.s3_disable_multiregion_access_points", kind = "boolean", default = false },
  disable_express_session_auth = { env = { "AWS_S3_DISABLE_EXPRESS_SESSION_AUTH" }, key = "s3_disable_express_session_auth",
    kind = "boolean", default = false },
}

local function refuse(where, wanted, value)
  return failure.refuse("config", "InvalidSetting", ("%s must be %s, not '%s'"):format(where, wanted, tostring(value)))
end

local function check_number(where, kind, value)
  local number = tonumber(value)
  if kind == "integer" then number = number and math.tointeger(number) end
  if not number or number < 0 then return refuse(where, kind == "integer" and "a whole number" or "a number of seconds", value) end
  return number
end

local function one_of(values, value)
  for _, allowed in ipairs(values) do
    if value:lower() == allowed then return allowed end
  end
end

-- The value as its kind; a text of the outside that is not of the kind is refused with the name of its place.
local function check(setting, where, value)
  if setting.kind == "boolean" then
    if type(value) == "boolean" then return value end
    local truth = TRUTH[tostring(value):lower()]
    if truth == nil then return refuse(where, "true or false", value) end
    return truth
  end
  if setting.kind then return check_number(where, setting.kind, value) end
  if type(value) ~= "string" then return refuse(where, "a text", value) end
  if not setting.values then return value end
  local found = one_of(setting.values, value)
  if not found then return refuse(where, "one of " .. table.concat(setting.values, ", "), value) end
  return found
end

local function from_profile(source, key)
  local profile = source.profile
  if not profile then return nil end
  local block, name = key:match("^(.-)%.(.*)$")
  if not block then return profile[key] end
  if not profile[block] then return nil end
  return require("aws.profile").nested(profile[block])[name]
end

-- Where a setting stands outside of the caller's options: text and its place.
local function outside(setting, source)
  for _, name in ipairs(setting.env or {}) do
    local value = worlds.text(source.world, name)
    if value then return value, name end
  end
  for _, key in ipairs { setting.key, setting.also } do
    local value = from_profile(source, key)
    if value and value ~= "" then return value, ("'%s' of profile %s"):format(key:match("[^.]+$"), source.name) end
  end
end

local function read(settings, given, source, out)
  for name, setting in pairs(settings) do
    local value, where = given[name], name
    if value == nil then value, where = outside(setting, source) end
    if value == nil then
      out[name] = setting.default
    else
      local checked, err = check(setting, where, value)
      if err then return nil, err end
      out[name] = checked
    end
  end
  return out
end

-- ---- endpoint URLs ----

-- A service id as it is written in variables: "Secrets Manager" -> SECRETS_MANAGER.
local function variable_of(service_id) return "AWS_ENDPOINT_URL_" .. service_id:upper():gsub("[%s-]+", "_") end

-- What the profile's services section says of a service.
local function service_section(source, service_id)
  local section = source.profile and source.profile.services
  if not section or section == "" then return nil end
  local services = source.set.services[section]
  if not services then
    return failure.refuse("config", "InvalidSetting",
      ("profile %s names the services section '%s', which the configuration file does not have"):format(source.name, section))
  end
  local block = services[(service_id:lower():gsub("[%s-]+", "_"))]
  return block and require("aws.profile").nested(block) or nil
end

local function configured_url(source, service_id)
  local own = service_id and variable_of(service_id)
  for _, variable in ipairs { own or "AWS_ENDPOINT_URL", own and "AWS_ENDPOINT_URL" } do
    local url = worlds.text(source.world, variable)
    if url then return url, nil, variable end
  end
  local section, err
  if service_id then section, err = service_section(source, service_id) end
  if err then return nil, err end
  local url = section and section.endpoint_url or source.profile and source.profile.endpoint_url
  return url ~= "" and url or nil, nil, ("endpoint_url of profile %s"):format(source.name)
end

-- What a URL may carry of its user's secrets is not repeated.
local function check_url(url, where)
  if type(url) ~= "string" or not url:find("^https?://[^/?#%s]+") then
    return failure.refuse("config", "InvalidSetting", where .. " must begin with http:// or https:// and name a host")
  end
  return url
end

local function endpoint_url(source, service_id, options, out)
  local url, err, where = options.endpoint_url, nil, "the option endpoint_url"
  if not url and not out.ignore_configured_endpoint_urls then url, err, where = configured_url(source, service_id) end
  if err then return nil, err end
  if url then url, err = check_url(url, where) end
  if err then return nil, err end
  out.endpoint_url = url
  return out
end

-- ---- the whole ----

local function open_source(options, world)
  local source = { world = world, name = options.profile or worlds.text(world, "AWS_PROFILE")
    or worlds.text(world, "AWS_DEFAULT_PROFILE") or "default" }
  if worlds.is_bare_lambda(world) and not options.profile then return source end
  local set, err = require("aws.profile").load(world)
  if not set then return nil, err end
  source.set, source.profile = set, set.profiles[source.name]
  return source
end

local function s3_options(given)
  if type(given) ~= "table" then return {} end
  local out = {}
  for name, value in pairs(given) do out[name == "use_accelerate_endpoint" and "accelerate" or name] = value end
  return out
end

---@param name string
---@return boolean  whether a client takes an option of this name
function M.knows(name)
  return SETTINGS[name] ~= nil or name == "s3" or name == "profile" or name == "endpoint_url"
end

---@return string[] names of the settings
function M.names()
  local out = { "s3", "profile", "endpoint_url" }
  for name in pairs(SETTINGS) do out[#out + 1] = name end
  table.sort(out)
  return out
end

---The settings of a client of one service. Unknown options are not looked at.
---@param service_id string?  "S3", "Secrets Manager": as the model's metadata has it; nil: what all services share
---@param options table?      the same names as the result has
---@param world aws.World?
---@return aws.Config? config
---@return aws.Failure? failure
function M.resolve(service_id, options, world)
  options, world = options or {}, world or worlds.default()
  local source, err = open_source(options, world)
  if not source then return nil, err end
  local out
  out, err = read(SETTINGS, options, source, { profile = source.name, world = world ~= worlds.default() and world or nil })
  if not out then return nil, err end
  out.s3, err = read(S3_SETTINGS, s3_options(options.s3), source, {})
  if not out.s3 then return nil, err end
  out.retry_mode = "standard" -- the only one here; legacy and adaptive get it too
  if out.max_attempts == 0 then out.max_attempts = nil end
  return endpoint_url(source, service_id, options, out)
end

return M
