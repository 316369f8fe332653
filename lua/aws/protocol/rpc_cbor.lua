-- rpc-v2-cbor: every operation posts one CBOR map to a path of its own.
local cbor = require "aws.cbor"
local common = require "aws.protocol.common"
local json = require "sm.json"
local json_value = require "aws.protocol.json_value"
local timestamp = require "aws.timestamp"

local M = {}

local null, tointeger = json.null, math.tointeger

-- ---- to CBOR ----

local write -- by type, below

local function write_structure(out, model, ref, value)
  local shape = model:shape(ref.shape)
  local at, count = #out + 1, 0
  out[at] = ""
  for _, member in ipairs(shape.members) do
    local given = value[member.name]
    if given ~= nil and given ~= null then
      count = count + 1
      out[#out + 1] = cbor.text(member.locationName or member.name)
      write[member.type](out, model, member, given)
    end
  end
  out[at] = cbor.map(count)
end

local function write_list(out, model, ref, value)
  local member = model:shape(ref.shape).member
  local writer = write[member.type]
  out[#out + 1] = cbor.list(#value)
  for _, item in ipairs(value) do
    if item == null then out[#out + 1] = cbor.NULL else writer(out, model, member, item) end
  end
end

local function write_map(out, model, ref, value)
  local of = model:shape(ref.shape).value
  local writer = write[of.type]
  local at, count = #out + 1, 0
  out[at] = ""
  for key, item in next, value do
    count = count + 1
    out[#out + 1] = cbor.text(key)
    if item == null then out[#out + 1] = cbor.NULL else writer(out, model, of, item) end
  end
  out[at] = cbor.map(count)
end

local function write_integer(out, _, _, value) out[#out + 1] = cbor.integer(tointeger(value)) end
local function write_text(out, _, _, value) out[#out + 1] = cbor.text(value) end

write = {
  structure = write_structure, list = write_list, map = write_map, string = write_text, character = write_text,
  integer = write_integer, long = write_integer, short = write_integer, byte = write_integer,
  blob = function(out, _, _, value) out[#out + 1] = cbor.bytes(value) end,
  boolean = function(out, _, _, value) out[#out + 1] = cbor.boolean(value) end,
  float = function(out, _, _, value) out[#out + 1] = cbor.float(value, true) end,
  double = function(out, _, _, value) out[#out + 1] = cbor.float(value) end,
  timestamp = function(out, _, ref, value)
    out[#out + 1] = cbor.time(timestamp.epoch(assert(timestamp.parse(value, ref.timestampFormat or "unixTimestamp"))))
  end,
}

---@param model aws.Model
---@param operation table
---@param params table?
---@param options table?
---@return aws.Request?
---@return aws.Failure?
function M.serialize(model, operation, params, options)
  local request, values = common.begin(model, operation, params, options)
  if not request then return nil, values end
  local headers = request.headers
  request.method = "POST"
  request.path = ("/service/%s/operation/%s"):format(model.metadata.targetPrefix, operation.name)
  headers["smithy-protocol"] = "rpc-v2-cbor"
  headers["accept"] = common.event_member(model, operation.output) and "application/vnd.amazon.eventstream" or "application/cbor"
  if model.metadata.awsQueryCompatible then headers["x-amzn-query-mode"] = "true" end
  if operation.input then
    local out = {}
    write_structure(out, model, operation.input, values)
    request.body = table.concat(out)
    headers["content-type"] = "application/cbor"
  end
  return common.compress(operation, request, options)
end

-- ---- from CBOR ----

local read -- by type, below; other types are already what the caller gets

local function read_structure(model, ref, value)
  if type(value) ~= "table" then return nil end
  local shape = model:shape(ref.shape)
  local out, unknown = {}, nil
  for _, member in ipairs(shape.members) do
    local given = value[member.locationName or member.name]
    if given ~= nil and given ~= null then
      local reader = read[member.type]
      if reader then given = reader(model, member, given) end
      out[member.name] = given
    end
  end
  if shape.union and next(out) == nil then
    for name, given in pairs(value) do
      if given ~= null and name ~= "__type" then unknown = name end
    end
    if unknown then return { SDK_UNKNOWN_MEMBER = { name = unknown } } end
  end
  return out
end

local function read_list(model, ref, value)
  if type(value) ~= "table" then return nil end
  local member = model:shape(ref.shape).member
  local reader = read[member.type]
  for i = 1, reader and #value or 0 do
    if value[i] ~= null then value[i] = reader(model, member, value[i]) end
  end
  return value
end

local function read_map(model, ref, value)
  if type(value) ~= "table" then return nil end
  local shape = model:shape(ref.shape)
  local reader = read[shape.value.type]
  for key, item in next, value do
    if item == null then
      if not shape.sparse then value[key] = nil end
    elseif reader then
      value[key] = reader(model, shape.value, item)
    end
  end
  return value
end

local function read_integer(_, _, value) return tointeger(value) or value end

read = {
  structure = read_structure, list = read_list, map = read_map, integer = read_integer, long = read_integer,
  timestamp = function(_, ref, value) return json_value.decode(nil, ref, value) end,
}

local function read_error(model, operation, response)
  local body = type(response.body) == "string" and response.body ~= "" and cbor.decode(response.body)
  if type(body) ~= "table" then body = {} end
  local failed = require "aws.protocol.failed"
  local code = failed.code(body.__type) or failed.code(response.headers["x-amzn-errortype"]) or failed.code(body.code)
  local query_code, fault = failed.query_error(response.headers)
  local shape = failed.shape(model, operation, code) or failed.shape(model, operation, query_code)
  local message = body.message or body.Message
  return failed.answer(response, {
    code = query_code or code, error_code = query_code and code, fault = fault, shape = shape, message = message,
    members = shape and read_structure(model, { type = "structure", shape = shape.name }, body),
  })
end

local function decode_event(model)
  return function(ref, text)
    if text == "" then return nil end
    local value = cbor.decode(text)
    return value and read_structure(model, ref, value)
  end
end

---@param model aws.Model
---@param operation table
---@param response aws.Response
---@return table? output
---@return aws.Failure?
function M.parse(model, operation, response)
  if response.status >= 300 then return read_error(model, operation, response) end
  local stream = common.event_member(model, operation.output)
  if stream then return require("aws.protocol.events").open(model, operation, stream, response.body, decode_event(model)) end
  if not operation.output or response.body == "" then return {} end
  local value, message = cbor.decode(response.body)
  if type(value) ~= "table" then return require("aws.protocol.failed").unreadable(response, message or "the answer is no map") end
  return read_structure(model, operation.output, value)
end

return M
