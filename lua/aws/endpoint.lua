-- Where a request goes: endpoint rules of the service, run on the client's settings and the caller's arguments; and how
-- it is signed there.
local engine = require "aws.endpoint.engine"
local failure = require "aws.failure"
local functions = require "aws.endpoint.functions"
local parameters = require "aws.endpoint.parameters"
local partitions = require "aws.endpoint.partitions"

local M = {}

---@class aws.Endpoint
---@field url string
---@field headers table<string, string[]>
---@field properties table
---@field signing aws.Signing

---@class aws.Signing
---@field scheme "v4"|"v4a"|"v4-s3express"|"bearer"|"none"
---@field name string?           of the service, in the signature
---@field region string?
---@field double_encode boolean  the path is encoded once more for the signature
---@field unsigned_payload boolean?

---Compiles a rule set as it is published.
---@param rule_set table
---@return table? program
---@return string? message
function M.compile(rule_set) return require("aws.generate.rules").compile(rule_set) end

---Runs compiled rules on parameters.
---@param program table
---@param given table<string, any>
---@param given_partitions table?  as in partitions.json; default: the shipped list
---@return table? endpoint  url, headers, properties
---@return string? message
function M.run(program, given, given_partitions)
  local lookup = given_partitions and partitions.from_json(given_partitions) or partitions.of
  return engine.run(program, given, lookup)
end

-- The rules of a model; branches are read when they are reached.
local function program_of(model)
  local program = model.endpoint_program
  if program then return program end
  program = model:record("endpoint")
  if not program then return nil end
  program.part = function(number) return model:record(("endpoint.%03d"):format(number)) end
  model.endpoint_program = program
  model.endpoint_cache = { count = 0 }
  return program
end

-- ---- signing ----

local SCHEMES <const> = { sigv4 = "v4", ["sigv4-s3express"] = "v4-s3express", sigv4a = "v4a" }

-- The scheme that the settings prefer, by its name: "sigv4a, sigv4".
local function preferred(schemes, config)
  for name in (config.auth_scheme_preference or ""):gmatch("[^,%s]+") do
    for _, scheme in ipairs(schemes) do
      if scheme.name == name and SCHEMES[name] then return scheme, SCHEMES[name] end
    end
  end
end

-- The first scheme that we can sign with; v4a costs more, so anything else goes before it.
local function choose(schemes, config)
  local scheme, name = preferred(schemes, config)
  if scheme then return scheme, name end
  for _, candidate in ipairs(schemes) do
    name = SCHEMES[candidate.name]
    if name == "v4a" then scheme = scheme or candidate elseif name then return candidate, name end
  end
  if scheme then return scheme, "v4a" end
end

-- What model and operation say, where the rules say nothing.
local function modelled_schemes(model, operation)
  local out = {}
  for i, scheme in ipairs(operation.auth or model.metadata.auth or {}) do out[i] = { name = scheme:match("[^#]+$") } end
  return out
end

-- The region that a pseudo region such as aws-global stands for in a signature.
local function signing_region(region)
  if region and region:find("global", 1, true) then return partitions.of(region).implicitGlobalRegion end
  return region
end

local function is_unsigned(operation)
  if operation.authtype == "none" then return true end
  local first = operation.auth and operation.auth[1]
  return first == "smithy.api#noAuth"
end

---@param model aws.Model
---@param operation table
---@param properties table  of the endpoint
---@param config table       region, auth_scheme_preference, sigv4a_region_set
---@return aws.Signing?
---@return aws.Failure?
function M.signing(model, operation, properties, config)
  if is_unsigned(operation) then return { scheme = "none", double_encode = true } end
  local metadata = model.metadata
  local signing = { scheme = "v4", name = metadata.signingName or metadata.endpointPrefix, region = signing_region(config.region),
    double_encode = metadata.serviceId ~= "S3" }
  signing.unsigned_payload = operation.authtype == "v4-unsigned-body" or operation.unsignedPayload or nil
  local scheme, name = choose(properties.authSchemes or modelled_schemes(model, operation), config)
  if scheme then
    signing.scheme, signing.name = name, scheme.signingName or signing.name
    signing.region = scheme.signingRegion or scheme.signingRegionSet and table.concat(scheme.signingRegionSet, ",") or signing.region
    if scheme.disableDoubleEncoding ~= nil then signing.double_encode = not scheme.disableDoubleEncoding end
    if name == "v4a" then signing.region = config.sigv4a_region_set or signing.region or "*" end
  elseif properties.authSchemes then
    return failure.refuse("unsupported", "UnsupportedSigning", "the endpoint asks for a way of signing that is not known here")
  end
  return signing
end

-- ---- resolving ----

local CACHE_MAX <const> = 256

-- A value within a key: no two have the same text, whatever a caller writes into them ("nil" is a good name for a bucket).
local function part_of_key(value)
  if type(value) == "string" then return #value .. ":" .. value end
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  for i, one in ipairs(value) do parts[i] = part_of_key(one) end
  return "[" .. table.concat(parts, ",") .. "]"
end

local function cache_key(program, values)
  local names = program.names
  if not names then
    names = {}
    for name, spec in pairs(program.parameters) do
      if not spec.unused then names[#names + 1] = name end
    end
    program.names = names
  end
  local parts = {}
  for i, name in ipairs(names) do parts[i] = part_of_key(values[name]) end
  return table.concat(parts, ",")
end

---@return nil
---@return aws.Failure
function M.no_region()
  return failure.refuse("config", "NoRegion", "no region: set AWS_REGION, a region in the profile, or the option region")
end

local function explain(message, values)
  if values.Region == nil and message:lower():find("region", 1, true) then return M.no_region() end
  return failure.refuse("config", "InvalidEndpoint", message)
end

-- The rules' answer for these parameters, remembered.
local function run_cached(model, program, values)
  local cache, key = model.endpoint_cache, cache_key(program, values)
  local found = cache[key]
  if found then return found end
  local message
  found, message = engine.run(program, values, partitions.of)
  if not found then return explain(message, values) end
  if cache.count >= CACHE_MAX then
    cache = { count = 0 }
    model.endpoint_cache = cache
  end
  cache[key], cache.count = found, cache.count + 1
  return found
end

-- Services without rules: the name every service has had.
local function plain(model, config)
  if config.endpoint_url then return { url = config.endpoint_url, headers = {}, properties = {} } end
  if not config.region then return explain("missing region", {}) end
  local suffix = partitions.of(config.region).dnsSuffix
  return { url = ("https://%s.%s.%s"):format(model.metadata.endpointPrefix, config.region, suffix), headers = {}, properties = {} }
end

-- Members of the caller's parameters that the rules look at.
local function members_of(program, operation)
  local members = operation.endpoint_members
  if not members then
    members = {}
    for name, member in pairs(operation.contextParams or {}) do
      local spec = program.parameters[name]
      if spec and not spec.unused then members[#members + 1] = member end
    end
    operation.endpoint_members = members
  end
  return members
end

-- The key of an answer that depends on operation, region and a few members only; nil when it depends on more: other parts of
-- the parameters, or the account of the credentials.
local function quick_key(program, operation, params, config)
  if operation.operationContextParams or program.parameters.AccountId then return nil end
  local key = operation.name .. "\0" .. tostring(config.region)
  for _, member in ipairs(members_of(program, operation)) do
    local value = params[member]
    if value ~= nil and type(value) ~= "string" then return nil end
    key = key .. "\0" .. part_of_key(value)
  end
  return key
end

local function resolve(model, program, operation, params, config, built_in)
  local found, err
  if program then
    found, err = run_cached(model, program, parameters.collect(program, model, operation, params, config, built_in))
  else
    found, err = plain(model, config)
  end
  if not found then return nil, err end
  local signing
  signing, err = M.signing(model, operation, found.properties, config)
  if not signing then return nil, err end
  return { url = found.url, headers = found.headers, properties = found.properties, signing = signing }
end

---@param model aws.Model
---@param operation table
---@param params table   the caller's
---@param config table   region, endpoint_url, use_fips, use_dualstack, s3, account_id, ...
---@param built_in function?  default: from config
---@return aws.Endpoint? endpoint  shared: not to be changed
---@return aws.Failure?
function M.resolve(model, operation, params, config, built_in)
  if not built_in and config.region and not functions.isValidHostLabel(config.region) then
    return failure.refuse("config", "InvalidRegion", ("'%s' is no name of a region"):format(config.region))
  end
  local program = program_of(model)
  local quick = not built_in and config.endpoints -- answers of this client
  local key = quick and program and quick_key(program, operation, params, config)
  if key and quick[key] then return quick[key] end
  local found, err = resolve(model, program, operation, params, config, built_in or parameters.built_ins(config))
  if found and key then
    if quick.count >= CACHE_MAX then
      for name in pairs(quick) do quick[name] = nil end
      quick.count = 0
    end
    quick[key], quick.count = found, quick.count + 1
  end
  return found, err
end

return M
