-- Where the parameters of endpoint rules come from: fixed ones of the operation, the caller's arguments, the client's
-- settings, and the built-in ones such as the region; in this order.
local M = {}

-- What a bucket's name and the operation make of the wish for path style. A bucket given as an ARN cannot have it; where
-- a bucket lies must be asked without knowing its region.
local function path_style(operation, params, wanted)
  if operation.name == "GetBucketLocation" then return true end
  local bucket = params.Bucket
  if type(bucket) == "string" and bucket:sub(1, 4) == "arn:" then return false end
  return wanted
end

local function wants_path_style(config)
  local s3 = config.s3 or {}
  if s3.accelerate then return false end
  if config.endpoint_url then return s3.addressing_style ~= "virtual" end
  return s3.addressing_style == "path"
end

local function dual_stack(config, model)
  local s3 = config.s3
  if model.metadata.serviceId == "S3" and s3 and s3.use_dualstack ~= nil then return s3.use_dualstack end
  return config.use_dualstack or false
end

-- An endpoint of one's own cannot be a FIPS or dual-stack one: those settings are for the hosts of AWS.
local BUILT_INS <const> = {
  ["AWS::Region"] = function(config) return config.region end,
  ["AWS::UseFIPS"] = function(config) return not config.endpoint_url and config.use_fips or false end,
  ["AWS::UseDualStack"] = function(config, model) return not config.endpoint_url and dual_stack(config, model) end,
  ["SDK::Endpoint"] = function(config) return config.endpoint_url end,
  ["AWS::STS::UseGlobalEndpoint"] = function(config) return config.sts_regional == "legacy" end,
  ["AWS::S3::UseGlobalEndpoint"] = function(config)
    return config.s3 ~= nil and config.s3.us_east_1_regional_endpoint == "legacy" and config.region == "us-east-1"
  end,
  ["AWS::S3::Accelerate"] = function(config) return config.s3 and config.s3.accelerate or false end,
  ["AWS::S3::ForcePathStyle"] = function(config, _, operation, params)
    return path_style(operation, params, wants_path_style(config))
  end,
  ["AWS::S3::UseArnRegion"] = function(config)
    if config.s3 and config.s3.use_arn_region ~= nil then return config.s3.use_arn_region end
    return true
  end,
  ["AWS::S3Control::UseArnRegion"] = function(config) return config.s3 and config.s3.use_arn_region or false end,
  ["AWS::S3::DisableMultiRegionAccessPoints"] = function(config)
    return config.s3 and config.s3.disable_multiregion_access_points or false
  end,
  ["AWS::Auth::AccountId"] = function(config)
    if config.account_id_endpoint_mode == "disabled" or config.endpoint_url then return nil end
    if type(config.account_id) == "function" then return config.account_id() end
    return config.account_id
  end,
  ["AWS::Auth::AccountIdEndpointMode"] = function(config) return config.account_id_endpoint_mode or "preferred" end,
}

---@param config table
---@return function built_in  (name, model, operation, params) -> value
function M.built_ins(config)
  return function(name, model, operation, params)
    local make = BUILT_INS[name]
    return make and make(config, model, operation, params)
  end
end

---Built-in parameters given by name, as the published cases have them.
---@param given table<string, any>
---@return function
function M.given_built_ins(given)
  return function(name) return given[name] end
end

local function from_operation(name, operation, params)
  local fixed = operation.staticContextParams and operation.staticContextParams[name]
  if fixed then return fixed.value end
  local member = operation.contextParams and operation.contextParams[name]
  if member and params[member] ~= nil then return params[member] end
  local found = operation.operationContextParams and operation.operationContextParams[name]
  if found then return require("aws.jmespath").search(found.path, params) end
end

-- Settings of S3 that its model calls the client's own.
local function from_client(name, config)
  if config.client_context_params and config.client_context_params[name] ~= nil then return config.client_context_params[name] end
  if name == "DisableS3ExpressSessionAuth" and config.s3 and config.s3.disable_express_session_auth then return true end
end

---@param program table
---@param model aws.Model
---@param operation table
---@param params table
---@param config table
---@param built_in function
---@return table<string, any>
function M.collect(program, model, operation, params, config, built_in)
  local out = {}
  for name, spec in pairs(program.parameters) do
    local value
    if not spec.unused then
      value = from_operation(name, operation, params)
      if value == nil then value = from_client(name, config) end
      if value == nil and spec.builtIn then value = built_in(spec.builtIn, model, operation, params) end
    end
    out[name] = value
  end
  return out
end

return M
