-- What the two rest protocols share: parameters in paths, queries and headers, payloads, and the way back.
local common = require "aws.protocol.common"
local crypto = require "sm.crypto"
local failures = require "aws.failure"
local json = require "sm.json"
local scalar = require "aws.protocol.scalar"

local M = {}

local null = json.null

-- How a body is written and read, by protocol.
---@class aws.BodyCodec
---@field content_type string
---@field blob_type string?       content type of a blob payload
---@field empty string?           the body when there is no member for it
---@field encode fun(model: aws.Model, ref: table, value: any, whole: boolean): string?, string?
---@field decode fun(model: aws.Model, ref: table, text: string): any, string?
---@field failure fun(model: aws.Model, operation: table, response: aws.Response): nil, aws.Failure

-- ---- requests ----

local function invalid(name, message)
  return failures.refuse("validation", "ParamValidation", name .. ": " .. message)
end

local function add_query(query, ref, model, value)
  local name = ref.locationName or ref.name
  if ref.type ~= "list" then
    query[#query + 1] = { name, scalar.text(ref, value, "iso8601") }
    return
  end
  local member = model:shape(ref.shape).member
  for _, item in ipairs(value) do
    if item ~= null then query[#query + 1] = { name, scalar.text(member, item, "iso8601") } end
  end
end

-- A map as parameters: those that have a name of their own in the model or the URI win.
local function add_query_map(query, ref, model, value)
  local taken, of, keys = {}, model:shape(ref.shape).value, {}
  for _, pair in ipairs(query) do taken[pair[1]] = true end
  for key in next, value do keys[#keys + 1] = key end
  table.sort(keys)
  for _, key in ipairs(keys) do
    if not taken[key] and value[key] ~= null then
      add_query(query, { type = of.type, shape = of.shape, locationName = key, timestampFormat = of.timestampFormat }, model, value[key])
    end
  end
end

-- An item of a header list; commas and quotes would end it.
local function quoted(text)
  if not text:find '[",]' then return text end
  return '"' .. text:gsub('["\\]', "\\%0") .. '"'
end

local function header_list(model, ref, value)
  local member, out = model:shape(ref.shape).member, {}
  for _, item in ipairs(value) do
    if item ~= null then
      local text = scalar.text(member, item, "rfc822")
      out[#out + 1] = member.type == "string" and quoted(text) or text
    end
  end
  return table.concat(out, ",")
end

local function header_text(model, ref, value)
  if ref.jsonvalue then
    -- A text that is JSON already goes as it is.
    if type(value) == "string" and json.decode(value) ~= nil then return crypto.base64(value) end
    local text, message = json.encode(value)
    return text and crypto.base64(text), message
  end
  if ref.type == "list" then return header_list(model, ref, value) end
  return scalar.text(ref, value, "rfc822")
end

-- Line ends would begin another header.
local function set_header(headers, name, text, member)
  if text:find "[%z\r\n]" then return invalid(member, "a header has no line ends") end
  if not name:find "^[%w!#$%%&'*+%-.^_`|~]+$" then return invalid(member, "this is no name of a header") end
  headers[name:lower()] = text
  return true
end

local add = {} -- by location: into the request

function add.uri(parts, model, ref, value) -- luacheck: no unused args
  parts.labels[ref.locationName or ref.name] = scalar.text(ref, value, "iso8601")
  return true
end

function add.querystring(parts, model, ref, value)
  if ref.type == "map" then
    parts.query_maps[#parts.query_maps + 1] = { ref, value }
  else
    add_query(parts.request.query, ref, model, value)
  end
  return true
end

function add.header(parts, model, ref, value)
  local text, message = header_text(model, ref, value)
  if not text then return invalid(ref.name, message) end
  if text == "" then return true end
  return set_header(parts.request.headers, ref.locationName or ref.name, text, ref.name)
end

function add.headers(parts, _, ref, value)
  parts.header_maps[#parts.header_maps + 1] = { ref, value }
  return true
end

-- A map as headers: those that have a member of their own win.
local function add_header_map(headers, ref, value)
  for key, item in next, value do
    local name = (ref.locationName or "") .. key
    if item ~= null and headers[name:lower()] == nil then
      local ok, failure = set_header(headers, name, item, ref.name .. "." .. key)
      if not ok then return nil, failure end
    end
  end
  return true
end

-- Puts every member where it belongs; those without a place are the body.
local function distribute(model, shape, values, request)
  local parts = { request = request, labels = {}, query_maps = {}, header_maps = {}, body = {} }
  for _, ref in ipairs(shape.members) do
    local value = values[ref.name]
    if value ~= nil then
      local place = add[ref.location]
      if place then
        local ok, failure = place(parts, model, ref, value)
        if not ok then return nil, failure end
      else
        parts.body[ref.name] = value
      end
    end
  end
  for _, pair in ipairs(parts.header_maps) do
    local ok, failure = add_header_map(request.headers, pair[1], pair[2])
    if not ok then return nil, failure end
  end
  for _, pair in ipairs(parts.query_maps) do add_query_map(request.query, pair[1], model, pair[2]) end
  return parts
end

-- "/{Bucket}/{Key+}" with labels filled and encoded; a greedy one keeps its slashes.
local function fill_path(path, labels)
  local missing
  local text = path:gsub("{([^}]+)}", function(label)
    local name = label:match "^(.-)%+?$"
    local value = labels[name]
    if value == nil or value == "" then missing = missing or name end
    return value and common.percent(value, label:sub(-1) == "+")
  end)
  if missing then return nil, missing end
  return text
end

-- Whether a member has none of these places, and so is in the body.
local function has_body_members(shape, places)
  for _, ref in ipairs(shape.members) do
    if not places[ref.location] then return true end
  end
  return false
end

local function default_type(request, content_type)
  if content_type and not request.headers["content-type"] then request.headers["content-type"] = content_type end
end

-- One member is the whole body.
local function payload_body(codec, model, ref, value, request)
  if model:shape(ref.shape or "") and model:shape(ref.shape).eventstream then
    return failures.refuse("unsupported", "EventStreamInput", ref.name .. ": streams of events are not sent from here")
  end
  if ref.type == "blob" or ref.type == "string" then
    request.body = value
    if ref.type == "blob" then
      default_type(request, codec.blob_type)
    elseif value ~= nil then
      default_type(request, "text/plain")
    end
    return true
  end
  local body, message
  if value ~= nil then
    body, message = codec.encode(model, ref, value, false)
    if not body then return invalid(ref.name, message) end
  elseif not model:shape(ref.shape).union and not model:shape(ref.shape).document then
    body = codec.empty
  end
  request.body = body
  if body then default_type(request, codec.content_type) end
  return true
end

local function whole_body(codec, model, input, shape, values, request)
  if next(values) == nil and not (codec.empty and has_body_members(shape, add)) then return true end
  local body, message = codec.encode(model, input, values, true)
  if not body then return invalid("input", message) end
  request.body = body
  default_type(request, codec.content_type)
  return true
end

---@param codec aws.BodyCodec
---@param model aws.Model
---@param operation table
---@param params table?
---@param options table?
---@return aws.Request?
---@return aws.Failure?
function M.serialize(codec, model, operation, params, options)
  local request, values = common.begin(model, operation, params, options)
  if not request then return nil, values end
  local path
  path, request.query = common.split_uri(operation.http.requestUri)
  local input = operation.input
  if not input then
    request.path = path
    return request
  end
  local shape = model:shape(input.shape)
  local parts, failure = distribute(model, shape, values, request)
  if not parts then return nil, failure end
  local filled, missing = fill_path(path, parts.labels)
  if not filled then return invalid(missing, "it is part of the path and may not be empty") end
  request.path = filled
  local payload = shape.payload or input.payload
  local ok
  if payload then
    ok, failure = payload_body(codec, model, shape.by_name[payload], values[payload], request)
  else
    ok, failure = whole_body(codec, model, input, shape, parts.body, request)
  end
  if not ok then return nil, failure end
  return common.compress(operation, request, options)
end

-- ---- answers ----

local OUTSIDE <const> = { header = true, headers = true, statusCode = true } -- places that are not the body

-- Items of a header list: commas within quotes do not count, \" is a quote; dates hold a comma themselves.
local function split_list(text, member)
  local out = {}
  if member.type == "timestamp" and (member.timestampFormat or "rfc822"):lower() == "rfc822" then
    for date in text:gmatch "[^,]+,[^,]+" do out[#out + 1] = date:match "^%s*(.-)%s*$" end
    return out
  end
  local at = 1
  while at <= #text + 1 do
    local start = text:find("%S", at) or #text + 1
    local item, stop
    if text:sub(start, start) == '"' then
      stop = start + 1
      while stop <= #text and text:sub(stop, stop) ~= '"' do stop = stop + (text:sub(stop, stop) == "\\" and 2 or 1) end
      item = text:sub(start + 1, stop - 1):gsub("\\(.)", "%1")
      stop = text:find(",", stop, true) or #text + 1
    else
      stop = text:find(",", at, true) or #text + 1
      item = text:sub(at, stop - 1):match "^%s*(.-)%s*$"
    end
    out[#out + 1] = item
    at = stop + 1
  end
  return out
end

local function read_header(model, ref, text)
  if ref.jsonvalue then
    local decoded = crypto.unbase64(text)
    local value = decoded and json.decode(decoded)
    -- Numbers and words stay as the text that they are.
    return (type(value) == "table" or type(value) == "string") and value or decoded or text
  end
  if ref.type ~= "list" then return scalar.read(ref, text, "rfc822") end
  local member = model:shape(ref.shape).member
  local out = split_list(text, member)
  for i, item in ipairs(out) do out[i] = scalar.read(member, item, "rfc822") end
  return out
end

local function read_prefixed(prefix, headers)
  local out = {}
  prefix = prefix:lower()
  for name, text in pairs(headers) do
    if name:sub(1, #prefix) == prefix then out[name:sub(#prefix + 1)] = text end
  end
  return out
end

-- Members that come from the status line and the headers, into out.
local function read_outside(model, shape, response, out)
  for _, ref in ipairs(shape.members) do
    local place = ref.location
    if place == "header" then
      local text = response.headers[(ref.locationName or ref.name):lower()]
      if text then out[ref.name] = read_header(model, ref, text) end
    elseif place == "headers" then
      out[ref.name] = read_prefixed(ref.locationName or "", response.headers)
    elseif place == "statusCode" then
      out[ref.name] = response.status
    end
  end
end

local function read_payload(codec, model, ref, response, out)
  local body = response.body
  if ref.shape and model:shape(ref.shape).eventstream then
    local events, event_stream = require "aws.protocol.events", require "aws.event_stream"
    local decode = function(target, text) return (codec.decode(model, target, text)) end
    out[ref.name] = events.iterate(model, ref, event_stream.messages((events.reader(body))), decode)
    return out
  end
  if ref.type == "blob" or ref.type == "string" then
    if ref.streaming or body ~= "" then out[ref.name] = body end
    return out
  end
  if body == "" then return out end
  local value, message = codec.decode(model, ref, body)
  if value == nil and message then return require("aws.protocol.failed").unreadable(response, message) end
  out[ref.name] = value
  return out
end

-- The members of a structure out of an answer: also used for modelled errors.
---@param codec aws.BodyCodec
---@param model aws.Model
---@param ref table
---@param response aws.Response
---@return table? output
---@return aws.Failure?
function M.read(codec, model, ref, response)
  local shape, out = model:shape(ref.shape), {}
  local payload = shape.payload or ref.payload
  if payload then
    read_outside(model, shape, response, out)
    return read_payload(codec, model, shape.by_name[payload], response, out)
  end
  if has_body_members(shape, OUTSIDE) and response.body:find "%S" then
    local value, message = codec.decode(model, ref, response.body)
    if value == nil then return require("aws.protocol.failed").unreadable(response, message or "the answer has no object") end
    out = value
    for _, member in ipairs(shape.members) do
      if OUTSIDE[member.location] then out[member.name] = nil end
    end
  end
  read_outside(model, shape, response, out)
  return out
end

---@param codec aws.BodyCodec
---@param model aws.Model
---@param operation table
---@param response aws.Response
---@return table? output
---@return aws.Failure?
function M.parse(codec, model, operation, response)
  if response.status >= 300 then return codec.failure(model, operation, response) end
  if not operation.output then return {} end
  return M.read(codec, model, operation.output, response)
end

return M
