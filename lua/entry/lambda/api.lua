-- The handler `api`: the whole router behind any gateway.
local errors = require "lib.errors"
local events = require "entry.lambda.events"
local http = require "entry.lambda.http"

local M = {}

-- Only what comes from a gateway can be answered: nothing else names a route.
local function refused(entry)
  if entry.is_http then return http.refusal(entry) end
  if entry.why then return nil, errors.new("NotSupported", entry.why) end
  return nil, errors.new("BadRequest", ("the handler 'api' answers HTTP requests of a gateway, and this is an event of another kind (%s): "
    .. "give the function that takes it a use case as its handler, for example lakehouse/run"):format(entry.name))
end

---@param house table
---@return table handler
function M.new(house)
  local handler = { raw = false }

  function handler.run(event, context)
    event = events.unwrapped(event)
    local entry = events.recognise(event)
    if entry.kind ~= "http" then return refused(entry) end
    return http.respond(house, house:api(), entry, event, context)
  end

  function handler.failed(event, context, fault)
    event = events.unwrapped(event)
    local entry = events.recognise(event)
    if entry.kind ~= "http" then return nil end
    return http.failed(house, house:api(), entry, event, context, fault)
  end

  return handler
end

return M
