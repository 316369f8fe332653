-- HTTP events: the gateway's event -> request of entry/api -> the gateway's answer.
local errors = require "lib.errors"
local gateway = require "entry.lambda.gateway"
local log = require "lib.log"

local M = {}

local MAX_ID <const> = 128

-- The id under which log and caller find this request: the caller's own when it is harmless, else the invocation's.
local function request_id(request, context)
  local id = request.headers["x-request-id"]
  if id and id ~= "" and #id <= MAX_ID and not id:find("[^%w%-_.:/+=]") then return id end
  return context.request_id
end

-- What is left of the time: of the invocation's, and of the gateway's patience.
local function seconds_left(family, context)
  local left = context.remaining and context.remaining()
  return left and math.max(0, math.min(left, family.limit_seconds)) or family.limit_seconds
end

local RESERVE_BYTES <const> = 64 << 10 -- for headers, and what stands around a body

local function wants_stream(house, family)
  return family.streams and house.settings.invoke_mode == "response_stream"
end

-- The settings of use cases, with the time that this very request has, and the bytes that its answer may have.
local function settings_within(house, family, context)
  local bytes = not wants_stream(house, family) and family.max_bytes - RESERVE_BYTES or nil
  return setmetatable({ request_seconds = seconds_left(family, context), answer_bytes = bytes }, { __index = house.visible })
end

-- A base path that only the operator knows.
local function without_base(request, base)
  local below = base and gateway.without(request.path, base)
  if below then request.path, request.prefix = below, request.prefix .. base end
end

local function complete(request, house, family, context)
  local settings = house.settings
  request.request_id = request_id(request, context)
  without_base(request, settings.base_path)
  request.base_url = settings.public_url and settings.public_url:gsub("/$", "") or request.origin and request.origin .. request.prefix
  request.settings = settings_within(house, family, context)
  request.bytes = 0
  return request
end

-- Links of ours start at the API; those outside see what stands in front of it, too.
local function with_prefix(request, headers)
  local location = headers["Location"]
  if location and location:sub(1, 1) == "/" and request.prefix ~= "" then headers["Location"] = request.prefix .. location end
  return headers
end

-- An error in place of the answer, CORS headers included.
local function refuse(api, request, err)
  local node = api.router:node(request.path)
  local entry = node and node.methods[request.method]
  return api:refuse(request, err, entry and entry.route, node)
end

-- Whole answers ---------------------------------------------------------------------------------------------------------

local function enclosed(family, answer, body, event)
  local text, is_base64 = gateway.carried(body)
  return gateway.fitting(family.answer(answer, text, is_base64, event), family.max_bytes)
end

local function whole(family, request, answer, event)
  local function remaining() return request.settings.request_seconds - (request.now() - request.started) end
  local body, err = gateway.whole_body(answer, family.max_bytes, remaining)
  if not body then return nil, err end
  if request.method == "HEAD" then body = "" end
  request.bytes = #body
  local value, bytes = enclosed(family, answer, body, event)
  if value ~= nil then return value end
  if type(bytes) == "string" then return nil, errors.new("InternalError", "the answer cannot be written as JSON: " .. bytes) end
  return nil, gateway.too_large(bytes, family.max_bytes)
end

local function buffered(api, family, request, answer, event)
  with_prefix(request, answer.headers)
  local ok, value, err = pcall(whole, family, request, answer, event)
  if ok and value ~= nil then return value, answer.status end
  local failed
  if not ok then
    failed = errors.is(value) and refuse(api, request, value) or api:failure(request, value)
  else
    failed = refuse(api, request, err)
  end
  return enclosed(family, failed, failed.body, event), failed.status
end

-- Streamed answers ----------------------------------------------------------------------------------------------------

-- The function that writes a body; nil when there is nothing to write.
local function writer_of(request, answer, context)
  local body = answer.body
  if request.method == "HEAD" or body == nil or body == "" then return nil end
  if type(body) == "string" then return function(write) write(body) end end
  if answer.next_events then
    local stream = require "entry.stream"
    local wait = stream.wait_within(context.remaining)
    return function(write) stream.write_events(answer.next_events, write, { wait = wait }) end
  end
  if type(body) == "function" then return body end
  return function(write) gateway.write_file(body, write) end
end

local function streamed(request, answer, context)
  with_prefix(request, answer.headers)
  local headers, cookies = gateway.joined_headers(answer.headers)
  return require("entry.lambda.stream").new { status = answer.status, headers = headers, cookies = cookies,
    body = writer_of(request, answer, context) }, answer.status
end

-- The way of one event ------------------------------------------------------------------------------------------------

local function family_of(entry, event)
  local family = require("entry.lambda." .. entry.file)
  return family.variant and family.variant(event) or family
end

local function out(house, family, request, answer, event, context)
  local value, status
  if wants_stream(house, family) then
    value, status = streamed(request, answer, context)
  else
    value, status = buffered(request.api, family, request, answer, event)
  end
  if house.settings.access_log then
    log.access(request.method, request.path, status, request.now() - request.started, request.bytes, request.request_id)
  end
  return value
end

local function begin(house, api, family, event, context)
  local started = house.monotonic()
  local request, err = family.request(event)
  request.api, request.started, request.now = api, started, house.monotonic
  return complete(request, house, family, context), err
end

---@param house table     of entry/lambda/house
---@param api table       of entry/api
---@param entry table     of entry/lambda/events
---@param event table
---@param context table
---@param adjust fun(request: table)?
---@return any value       the gateway's answer, or a stream
function M.respond(house, api, entry, event, context, adjust)
  local family = family_of(entry, event)
  local request, err = begin(house, api, family, event, context)
  if adjust then adjust(request) end
  local shared = house.task_context()
  if shared then shared.request_id = request.request_id end
  local answer = err and refuse(api, request, err) or api:call(request)
  return out(house, family, request, answer, event, context)
end

-- The answer when the invocation was stopped from outside (time, memory): browsers can read it, CORS headers included.
---@param fault any   the host's error
---@return any? value
function M.failed(house, api, entry, event, context, fault)
  local family = family_of(entry, event)
  local request = begin(house, api, family, event, context)
  return out(house, family, request, api:failure(request, fault), event, context)
end

-- What does not speak HTTP as we do, and is told so in a form its gateway understands.
---@param entry table
---@return table value
function M.refusal(entry)
  local _, body = require("entry.answer").of_error(errors.new("NotSupported", entry.why))
  return { statusCode = 400, headers = { ["Content-Type"] = "application/json" }, body = body, isBase64Encoded = false }
end

return M
