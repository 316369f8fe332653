-- One service's model file: the records of everything that botocore knows about it, one line each, sorted.
local botocore = require "aws.generate.botocore"
local compact = require "aws.generate.compact"
local json = require "sm.json"
local model = require "aws.model"
local names = require "aws.names"
local rules = require "aws.generate.rules"

local M = {}

-- A list even when the description has one string.
local function as_list(value)
  if value == nil then return nil end
  return type(value) == "table" and value or json.array { value }
end

local function paginator(given)
  return {
    input_token = as_list(given.input_token), output_token = as_list(given.output_token), result_key = as_list(given.result_key),
    limit_key = given.limit_key, more_results = given.more_results, non_aggregate_keys = given.non_aggregate_keys,
  }
end

local function add_paginators(records, given, method_names)
  for name, definition in pairs(given and given.pagination or {}) do
    local method = method_names[name] or names.snake(name)
    if records["operation." .. method] then records["paginator." .. method] = paginator(definition) end
  end
end

local function add_waiters(records, given)
  for name, definition in pairs(given and given.waiters or {}) do
    local acceptors = json.array()
    for i, acceptor in ipairs(definition.acceptors) do
      acceptors[i] = { matcher = acceptor.matcher, argument = acceptor.argument, expected = acceptor.expected, state = acceptor.state }
    end
    records["waiter." .. names.snake(name)] = { operation = definition.operation, delay = definition.delay,
      max_attempts = definition.maxAttempts, acceptors = acceptors }
  end
end

local function add_endpoint(records, given, service)
  local program, message = rules.compile(given)
  if not program then error(("endpoint rules of %s: %s"):format(service, message), 0) end
  for key, value in pairs(rules.records(program)) do records[key] = value end
end

-- ---- short forms of what most members and operations are; aws.model reads them ----

-- "Name string", "Item! map ItemMap": a member without further traits.
local function short_ref(ref)
  if type(ref) ~= "table" then return ref end
  local count = 0
  for _ in pairs(ref) do count = count + 1 end
  local text = (ref.name or "") .. " " .. ref.type
  if ref.shape then text = text .. " " .. ref.shape end
  return count == (ref.name and 2 or 1) + (ref.shape and 1 or 0) and text or ref
end

-- "Name!" is a required member.
local function mark_required(shape)
  local required = {}
  for _, name in ipairs(shape.required or {}) do required[name] = true end
  for _, member in ipairs(shape.members or {}) do
    if required[member.name] then member.name = member.name .. "!" end
  end
  shape.required = nil
end

local function short_shape(shape)
  mark_required(shape)
  for i, member in ipairs(shape.members or {}) do shape.members[i] = short_ref(member) end
  shape.member, shape.key, shape.value = short_ref(shape.member), short_ref(shape.key), short_ref(shape.value)
  shape.name = nil
  if shape.type == "structure" then shape.type = nil end
end

-- Codes that more than one error has.
local function shared_codes(records)
  local owners, shared = {}, {}
  for key, shape in pairs(records) do
    local name = key:match("^shape%.(.*)$")
    if name and shape.exception then
      local code = shape.error and shape.error.code or name
      if owners[code] then shared[code] = true end
      owners[code] = name
    end
  end
  return shared
end

-- An error is found by its code; an operation lists those that are not found so.
local function ambiguous(records, errors, shared)
  local out
  for _, name in ipairs(errors or {}) do
    local shape = records["shape." .. name]
    if not shape.exception or shared[shape.error and shape.error.code or name] then
      out = out or json.array()
      out[#out + 1] = name
    end
  end
  return out
end

local function short_operation(operation)
  operation.input, operation.output = short_ref(operation.input), short_ref(operation.output)
  local http = operation.http
  if http.method == "POST" and http.requestUri == "/" then operation.http = nil end
end

local function shorten(records)
  local shared = shared_codes(records)
  for key, value in pairs(records) do
    if key:find("^operation%.") then
      value.errors = ambiguous(records, value.errors, shared)
      short_operation(value)
    end
  end
  for key, value in pairs(records) do
    if key:find("^shape%.") then short_shape(value) end
  end
  return records
end

---@param records table<string, any>
---@return string text of a model file
function M.text(records)
  local keys = {}
  for key in pairs(records) do keys[#keys + 1] = key end
  table.sort(keys)
  local lines = {}
  for i, key in ipairs(keys) do lines[i] = key .. "\t" .. assert(json.encode(records[key], { sorted = true })) .. "\n" end
  return table.concat(lines)
end

---@param root string     the folder of the botocore package
---@param service string  as its data folder names it
---@return string? text
---@return string? message
function M.of_service(root, service)
  local parts = botocore.read(root, service)
  if not parts then return nil, ("no service '%s' in %s"):format(service, root) end
  local method_names = botocore.method_names(root)
  local records = compact.records(parts.service, method_names)
  add_paginators(records, parts.paginators, method_names)
  add_waiters(records, parts.waiters)
  if parts.rules then add_endpoint(records, parts.rules, service) end
  records.metadata.format = model.FORMAT
  return M.text(shorten(records))
end

return M
