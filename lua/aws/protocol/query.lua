-- The query protocol and its EC2 dialect: a form of dotted names is posted, XML comes back.
local common = require "aws.protocol.common"
local json = require "sm.json"
local scalar = require "aws.protocol.scalar"
local xml_value = require "aws.protocol.xml_value"

local M = {}

local null = json.null

local function upper_first(name) return name:sub(1, 1):upper() .. name:sub(2) end

-- How the two dialects name members and write lists.
local QUERY <const> = {
  name = function(ref, shape) return ref.locationName or shape and shape.locationName or ref.name end,
  item = function(prefix, ref, shape)
    if not (ref.flattened or shape.flattened) then return prefix .. "." .. (shape.member.locationName or "member") end
    -- Older models name a flattened list by its member only.
    local name = not ref.locationName and shape.member.locationName
    if not name then return prefix end
    local head = prefix:match "^(.*)%.[^.]*$"
    return head and head .. "." .. name or name
  end,
  writes_empty_lists = true,
}
local EC2 <const> = {
  name = function(ref, shape)
    return ref.queryName or upper_first(ref.locationName or shape and shape.locationName or ref.name)
  end,
  item = function(prefix) return prefix end,
}

local write -- by type, below

local function write_any(form, dialect, model, ref, value, prefix)
  local writer = write[ref.type]
  if writer then return writer(form, dialect, model, ref, value, prefix) end
  form[#form + 1] = { prefix, scalar.text(ref, value, "iso8601") }
end

local function write_structure(form, dialect, model, ref, value, prefix)
  for _, member in ipairs(model:shape(ref.shape).members) do
    local given = value[member.name]
    if given ~= nil and given ~= null then
      local name = dialect.name(member, member.shape and model:shape(member.shape))
      write_any(form, dialect, model, member, given, prefix and prefix .. "." .. name or name)
    end
  end
end

local function write_list(form, dialect, model, ref, value, prefix)
  local shape = model:shape(ref.shape)
  if #value == 0 then
    if dialect.writes_empty_lists then form[#form + 1] = { prefix, "" } end
    return
  end
  prefix = dialect.item(prefix, ref, shape)
  for i, item in ipairs(value) do
    if item ~= null then write_any(form, dialect, model, shape.member, item, prefix .. "." .. i) end
  end
end

local function write_map(form, dialect, model, ref, value, prefix)
  local shape = model:shape(ref.shape)
  local keys = {}
  for key, item in next, value do
    if item ~= null then keys[#keys + 1] = key end
  end
  table.sort(keys)
  prefix = (ref.flattened or shape.flattened) and prefix or prefix .. ".entry"
  local key_name, value_name = shape.key.locationName or "key", shape.value.locationName or "value"
  for i, key in ipairs(keys) do
    form[#form + 1] = { ("%s.%d.%s"):format(prefix, i, key_name), key }
    write_any(form, dialect, model, shape.value, value[key], ("%s.%d.%s"):format(prefix, i, value_name))
  end
end

write = { structure = write_structure, list = write_list, map = write_map }

local function encode(form)
  local out = {}
  for i, pair in ipairs(form) do out[i] = common.percent(pair[1]) .. "=" .. common.percent(pair[2]) end
  return table.concat(out, "&")
end

local function serialize(dialect, model, operation, params, options)
  local request, values = common.begin(model, operation, params, options)
  if not request then return nil, values end
  request.headers["content-type"] = "application/x-www-form-urlencoded; charset=utf-8"
  local form = { { "Action", operation.name }, { "Version", model.metadata.apiVersion } }
  if operation.input then write_structure(form, dialect, model, operation.input, values) end
  request.body = encode(form)
  return common.compress(operation, request, options)
end

-- The element that holds the output: <OperationResult>, or the root where there is none (EC2).
local function result_of(operation, root)
  local wrapper = operation.output.resultWrapper or operation.name .. "Result"
  for _, child in ipairs(root) do
    if child.name == wrapper then return child end
  end
  return operation.output.resultWrapper and { name = wrapper } or root
end

---@param model aws.Model
---@param operation table
---@param params table?
---@param options table?
---@return aws.Request?
---@return aws.Failure?
function M.serialize(model, operation, params, options) return serialize(QUERY, model, operation, params, options) end

---@param model aws.Model
---@param operation table
---@param params table?
---@param options table?
---@return aws.Request?
---@return aws.Failure?
function M.serialize_ec2(model, operation, params, options) return serialize(EC2, model, operation, params, options) end

---@param model aws.Model
---@param operation table
---@param response aws.Response
---@return table? output
---@return aws.Failure?
function M.parse(model, operation, response)
  if response.status >= 300 then return require("aws.protocol.xml_error").parse(model, operation, response) end
  if not operation.output or not response.body:find "%S" then return {} end
  local root, message = common.parse_xml(response.body)
  if not root then return require("aws.protocol.failed").unreadable(response, message) end
  return xml_value.decode(model, operation.output, result_of(operation, root))
end

return M
