-- Makes the records of a compact model from a service description in the form of botocore's service-2.json: what a
-- client needs to build requests and read answers, and nothing else. Scalar shapes are folded into the references to
-- them; documentation, enumerations and constraints go; the order of members stays.
local json = require "sm.json"
local names = require "aws.names"
local ordered = require "aws.generate.ordered_json"

local M = {}

-- Traits that no request or answer depends on.
local DROPPED <const> = {
  documentation = true, enum = true, pattern = true, min = true, max = true, sensitive = true, deprecated = true,
  deprecatedMessage = true, deprecatedSince = true, box = true, synthetic = true, xmlOrder = true, shape = true,
  contextParam = true, -- the operation lists them
}
local STRUCTURED <const> = { structure = true, list = true, map = true }
local OPERATION_FIELDS <const> = {
  "name", "http", "authtype", "auth", "unsignedPayload", "httpChecksum", "httpChecksumRequired", "requestcompression",
  "staticContextParams", "operationContextParams", "endpoint", "endpointdiscovery",
}

local Compactor = {}
Compactor.__index = Compactor

local function take(into, traits)
  for name, value in pairs(traits) do
    if not DROPPED[name] then into[name] = value end
  end
end

-- A reference to a shape: traits of the reference win over those of a folded scalar.
function Compactor:ref(given, member_name)
  local shape = self.shapes[given.shape]
  if not shape then error({ model_error = ("shape '%s' is not there"):format(tostring(given.shape)) }, 0) end
  local out = { type = shape.type, name = member_name }
  if STRUCTURED[shape.type] then
    out.shape = given.shape
    self:want(given.shape)
  else
    take(out, shape)
  end
  take(out, given)
  return out
end

function Compactor:want(name)
  if self.records["shape." .. name] ~= nil then return end
  self.records["shape." .. name] = false -- being made: shapes refer to themselves
  self.waiting[#self.waiting + 1] = name
end

function Compactor:structure(shape, out)
  local members = json.array()
  for i, name in ipairs(ordered.keys(shape.members or {})) do members[i] = self:ref(shape.members[name], name) end
  out.members = members
  out.required = shape.required
  return out
end

function Compactor:shape(name)
  local shape = self.shapes[name]
  local out = {}
  take(out, shape)
  out.name = name
  if shape.type == "structure" then return self:structure(shape, out) end
  if shape.type == "list" then
    out.member = self:ref(shape.member)
  else
    out.key, out.value = self:ref(shape.key), self:ref(shape.value)
  end
  return out
end

-- Parameters of the endpoint rules that come from the caller's arguments: rule parameter -> member.
local function endpoint_params(input)
  local out
  for _, name in ipairs(ordered.keys(input.members or {})) do
    local context = input.members[name].contextParam
    if context then
      out = out or {}
      out[context.name] = name
    end
  end
  return out
end

-- S3's rules put the bucket into the host or the path; it must not stand in the path a second time.
local function without_bucket(http, context_params)
  local uri = http.requestUri
  if not (context_params and context_params.Bucket == "Bucket" and uri:find("^/{Bucket}")) then return http end
  local out = {}
  for key, value in pairs(http) do out[key] = value end
  uri = uri:sub(#"/{Bucket}" + 1)
  out.requestUri = uri:sub(1, 1) == "/" and uri or "/" .. uri
  return out
end

function Compactor:operation(given)
  local out = {}
  for _, field in ipairs(OPERATION_FIELDS) do out[field] = given[field] end
  if out.endpointdiscovery and not out.endpointdiscovery.required then out.endpointdiscovery = nil end
  if given.input then
    out.input = self:ref(given.input)
    out.contextParams = endpoint_params(self.shapes[given.input.shape])
  end
  if given.output then out.output = self:ref(given.output) end
  if self.is_s3 then out.http = without_bucket(given.http, out.contextParams) end
  if given.errors and #given.errors > 0 then
    out.errors = json.array()
    for i, item in ipairs(given.errors) do
      out.errors[i] = item.shape
      self:want(item.shape)
    end
  end
  return out
end

-- Errors that no operation lists may be answered all the same.
function Compactor:exceptions()
  for name, shape in pairs(self.shapes) do
    if shape.exception then self:want(name) end
  end
end

local function metadata(service, special)
  local out = {}
  take(out, service.metadata)
  out.clientContextParams = nil
  if service.clientContextParams then
    out.clientContextParams = {}
    for name, param in pairs(service.clientContextParams) do out.clientContextParams[name] = param.type end
  end
  if next(special) then out.methods = special end
  out.uid = nil
  return out
end

-- Error codes that differ from the names of their shapes.
local function error_codes(shapes)
  local out
  for name, shape in pairs(shapes) do
    local code = shape.exception and shape.error and shape.error.code
    if code and code ~= name then
      out = out or {}
      out[code] = name
    end
  end
  return out
end

---@param service table   a service description read by ordered_json
---@param method_names table<string, string>?  names of methods that the rule does not give
---@return table<string, table> records: key -> value, as in the model file
function M.records(service, method_names)
  local self = setmetatable({ shapes = service.shapes or {}, records = {}, waiting = {} }, Compactor)
  self.is_s3 = service.metadata.serviceId == "S3"
  local special = {}
  for name, operation in pairs(service.operations or {}) do
    local method = method_names and method_names[name]
    if method then special[name] = method end
    local record = self:operation(operation)
    record.name = name
    self.records["operation." .. (method or names.snake(name))] = record
  end
  self:exceptions()
  while #self.waiting > 0 do
    local name = table.remove(self.waiting)
    self.records["shape." .. name] = self:shape(name)
  end
  local meta = metadata(service, special)
  meta.errorCodes = error_codes(self.shapes)
  self.records.metadata = meta
  return self.records
end

return M
