-- The model of a service: operations, shapes, paginators, waiters and endpoint rules, each decoded when first asked for.
-- It is read from lua/aws/models/NAME.txt (lines `key<TAB>JSON`, sorted), or made straight from a service description.
local json = require "sm.json"
local names = require "aws.names"
local failure = require "aws.failure"

local M = {}

-- Of the files: raised when a program cannot read what another has made.
M.FORMAT = 1

---@class aws.Ref
---@field type string    "structure", "list", "map" or a scalar type
---@field shape string?  name of the structure, list or map
---@field name string?   of the member

---@class aws.Model
---@field name string      of the model file
---@field metadata table
local Model = {}
Model.__index = Model

-- ---- short forms in the file: aws.generate.records writes them ----

local REQUIRED <const> = ("!"):byte()

-- "Name string" or "Item map ItemMap" -> a reference.
local function ref_of(short)
  if type(short) ~= "string" then return short end
  local name, kind, shape = short:match("^(%S*) (%S+) ?(%S*)$")
  return { name = name ~= "" and name or nil, type = kind, shape = shape ~= "" and shape or nil }
end

-- "Name!" is a required member.
local function full_members(members)
  local required
  for i = 1, #members do
    local member = ref_of(members[i])
    local name = member.name
    if name:byte(-1) == REQUIRED then
      member.name = name:sub(1, -2)
      required = required or {}
      required[#required + 1] = member.name
    end
    members[i] = member
  end
  return required
end

local function full_shape(shape, name)
  shape.name, shape.type = name, shape.type or "structure"
  if shape.members then shape.required = full_members(shape.members) end
  shape.member, shape.key, shape.value = ref_of(shape.member), ref_of(shape.key), ref_of(shape.value)
  return shape
end

local function full_operation(operation)
  operation.input, operation.output = ref_of(operation.input), ref_of(operation.output)
  operation.http = operation.http or { method = "POST", requestUri = "/" }
  return operation
end

local FULL <const> = { shape = full_shape, operation = full_operation }

local function index_members(shape)
  if shape.type ~= "structure" then return shape end
  local by_name = {}
  for _, member in ipairs(shape.members) do by_name[member.name] = member end
  shape.by_name = by_name
  return shape
end

-- A record decoded once; false remembers that there is none.
function Model:record(key)
  local known = self.decoded[key]
  if known == nil then
    known = self.read(key) or false
    self.decoded[key] = known
  end
  return known or nil
end

---@param name string
---@return table? shape
function Model:shape(name)
  local shape = self.shapes[name]
  if shape == nil then
    shape = self.read("shape." .. name)
    shape = shape and index_members(shape) or false
    self.shapes[name] = shape
  end
  return shape or nil
end

---@param name string  of an operation in the API: "ListObjectsV2"
---@return string      of the method: "list_objects_v2"
function Model:method_name(name)
  local special = self.metadata.methods
  return special and special[name] or names.snake(name)
end

---@param method string  "list_objects_v2"
---@return table? operation
function Model:method(method) return self:record("operation." .. method) end

---@param name string  "ListObjectsV2"
---@return table? operation
function Model:operation(name)
  local operation = self:method(self:method_name(name))
  return operation and operation.name == name and operation or nil
end

---@return string[] names of methods, sorted
function Model:methods() return self.names("operation.") end

---@return string[] names of operations in the API, sorted
function Model:operations()
  local out = {}
  for i, method in ipairs(self:methods()) do out[i] = self:method(method).name end
  table.sort(out)
  return out
end

---@param method string  of the operation
---@return table? definition
function Model:paginator(method) return self:record("paginator." .. self:method_name(method)) end

---@param name string  "bucket_exists" or "BucketExists"
---@return table? definition
function Model:waiter(name) return self:record("waiter." .. names.snake(name)) end

---@return string[]
function Model:waiters() return self.names("waiter.") end

local function new(name, read, list)
  local self = setmetatable({ name = name, read = read, names = list, decoded = {}, shapes = {} }, Model)
  self.metadata = read("metadata")
  return self
end

-- ---- from a file ----

-- The file beside the Lua sources, wherever the host finds those.
local function find_file(name)
  local path = package.path:gsub("%?%.lua", "?.txt")
  return package.searchpath("aws/models/" .. name, path, "")
end

---@return string[] names of the services that have a model, sorted
function M.services()
  local files = require "sm.files"
  local seen, out = {}, {}
  for template in package.path:gmatch("[^;]+") do
    for _, entry in ipairs(files.list((template:gsub("%?.*", "aws/models"))) or {}) do
      local name = entry.name:match("^(%l[%w%-]*)%.txt$")
      if name and not seen[name] then
        seen[name] = true
        out[#out + 1] = name
      end
    end
  end
  table.sort(out)
  return out
end

local function unknown(name)
  local hint = require("lib.suggest").hint(tostring(name), M.services())
  return failure.refuse("config", "UnknownService", ("there is no model of service '%s'%s; ./sewing aws-model add %s makes one")
    :format(tostring(name), hint, tostring(name)))
end

local function from_file(name, path)
  local records, message = require("sm.records").open(path)
  if not records then return failure.refuse("config", "UnreadableModel", message) end
  local function read(key)
    local text, unreadable = records:get(key)
    if unreadable then error(path .. ": " .. unreadable, 0) end
    if not text then return nil end
    local value, wrong = json.decode(text)
    if value == nil then error(("%s: record %s: %s"):format(path, key, wrong), 0) end
    local kind, rest = key:match("^(%a+)%.(.*)$")
    local full = FULL[kind]
    return full and full(value, rest) or value
  end
  if not records:get("metadata") then return failure.refuse("config", "UnreadableModel", path .. " is not a service model") end
  local model = new(name, read, function(prefix) return records:keys(prefix) end)
  if model.metadata.format ~= M.FORMAT then
    return failure.refuse("config", "UnreadableModel", ("%s was made by another version: ./sewing aws-model add %s"):format(path, name))
  end
  return model
end

-- Services that people also call by the name of their host.
local ALIASES <const> = { monitoring = "cloudwatch", states = "stepfunctions", email = "ses" }

local loaded = {}

---@param name string  "s3", "dynamodb", ... as in ./sewing aws-model list
---@return aws.Model?
---@return aws.Failure?
function M.load(name)
  name = ALIASES[name] or name
  local model = loaded[name]
  if model then return model end
  if type(name) ~= "string" or not name:find("^%l[%w%-]*$") then return unknown(name) end
  local path = find_file(name)
  if not path then return unknown(name) end
  local err
  model, err = from_file(name, path)
  loaded[name] = model
  return model, err
end

-- ---- from a service description ----

---@param records table<string, table>
---@param name string?
---@return aws.Model
function M.from_records(records, name)
  local function list(prefix)
    local out = {}
    for key in pairs(records) do
      if key:sub(1, #prefix) == prefix then out[#out + 1] = key:sub(#prefix + 1) end
    end
    table.sort(out)
    return out
  end
  return new(name or records.metadata.endpointPrefix or "service", function(key) return records[key] end, list)
end

---@param service table  a service description as in service-2.json, read by aws.generate.ordered_json
---@param name string?
---@return aws.Model
function M.from_service(service, name) return M.from_records(require("aws.generate.compact").records(service), name) end

return M
