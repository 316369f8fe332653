-- The handler SYSTEM/USECASE: one use case, whoever asks for it. Behind a gateway it answers its own route; events of other
-- services and direct calls give its input. A failure is the invocation's error, so that the service behind it tries again or
-- keeps the event for later.
local answer = require "entry.answer"
local batch = require "entry.lambda.batch"
local errors = require "lib.errors"
local events = require "entry.lambda.events"
local json = require "lib.json"
local shape = require "lib.shape"

local M = {}

local function field_shapes(use_case)
  return use_case.input and use_case.input.field_shapes or {}
end

-- Services deliver at least once; what names the delivery keeps its repetition from being a second call.
local function with_key(input, call, use_case)
  if not call.id or not field_shapes(use_case).idempotency_key or input.idempotency_key or input.idempotencyKey then return input end
  local out = {}
  for name, value in pairs(input) do out[name] = value end
  out.idempotency_key = call.id
  return out
end

-- The user of an identity pool, where a mobile client's call names one.
local function pool_user(context)
  local identity = context.identity or context.identity_json and json.decode(context.identity_json)
  return type(identity) == "table" and (identity.cognitoIdentityId or identity.cognito_identity_id) or nil
end

local function context_of(house, call, context)
  local left = context.remaining and context.remaining()
  local settings = left and setmetatable({ request_seconds = left }, { __index = house.visible }) or house.visible
  return { request_id = context.request_id, caller = pool_user(context) or call.caller or "direct", settings = settings,
    version = require("version").number, record = call.record }
end

local function plain(result, use_case)
  if type(result) == "table" and (result.events or result.stream or result.file) then
    return nil, errors.new("NotSupported", "this answer is a stream or a file, which only HTTP can carry")
  end
  return answer.public(result, use_case.output)
end

local function performer(house, use_case, context)
  return function(call)
    if call.err then return nil, call.err end
    local input, err = shape.check(use_case.input or shape.empty, with_key(call.input, call, use_case))
    if not input then return nil, err end
    local app
    app, err = house.app()
    if not app then return nil, err end
    local shared = house.task_context()
    if shared then shared.job_id = input.job_id end
    local result
    result, err = use_case.run(app.ports_of(use_case), input, context_of(house, call, context))
    if result == nil then return nil, err or errors.new("InternalError", "the use case gave no result") end
    return plain(result, use_case)
  end
end

-- One call answers for itself; several that share an event are answered for as one.
local function run_calls(calls, perform, context)
  if #calls == 1 then return perform(calls[1]) end
  local items = {}
  for i, call in ipairs(calls) do items[i] = { item = call.id, calls = { call } } end
  return batch.run(items, nil, perform, context)
end

local function run_event(house, use_case, entry, event, context)
  if entry.kind == "refused" then return nil, errors.new("NotSupported", entry.why) end
  local family = require("entry.lambda." .. entry.file)
  local perform = performer(house, use_case, context)
  if family.items then return batch.run(family.items(event, use_case), family.partial, perform, context) end
  local value, err = run_calls(family.calls(event, use_case), perform, context)
  if family.finish then return family.finish(house, event, value, err) end
  return value, err
end

-- Functions of one route each are often put behind a gateway under a path of its own: then the path says nothing, and the
-- route is the one that the use case has.
local function onto_route(api)
  return function(request)
    local routes = api.routes
    if routes[1] and not routes[2] and not routes[1].pattern:find("{", 1, true) and not api.router:node(request.path) then
      request.path = routes[1].pattern
    end
  end
end

---@param house table
---@param name string   of the use case
---@return table? handler
---@return Error?
function M.new(house, name)
  local app, err = house.app()
  local sound
  if app then sound, err = app.use_case(name) end
  if not sound then return nil, err end
  local handler = { raw = false }

  local function http(event, context, respond)
    local api = house:api(name)
    return respond(house, api, events.recognise(event), event, context, onto_route(api))
  end

  function handler.run(event, context)
    event = events.unwrapped(event)
    local entry = events.recognise(event)
    if entry.kind == "http" then return http(event, context, require("entry.lambda.http").respond) end
    if entry.is_http then return require("entry.lambda.http").refusal(entry) end
    local use_case, broken = app.use_case(name)
    if not use_case then return nil, broken end
    local value, failure = run_event(house, use_case, entry, event, context)
    if value == nil and failure == nil then return json.null end
    return value, failure
  end

  function handler.failed(event, context, fault)
    event = events.unwrapped(event)
    if events.recognise(event).kind ~= "http" then return nil end
    return http(event, context, function(_, api, entry, e, c)
      return require("entry.lambda.http").failed(house, api, entry, e, c, fault)
    end)
  end

  return handler
end

return M
