-- A service whose answers a spec writes: for what moto does not do (errors on purpose, states of its own, running functions).
local json = require "sm.json"
local server = require "sm.server"

local M = {}

--- An error as services with JSON protocols write it.
---@param code string
---@param message string?
---@param fields table?
---@param status integer?
function M.failure(code, message, fields, status)
  local body = { __type = code, message = message or code }
  for name, value in pairs(fields or {}) do body[name] = value end
  return { status = status or 400, body = body }
end

-- "AmazonAthena.StartQueryExecution" -> "StartQueryExecution"
local function operation_of(request)
  local target = request.headers["x-amz-target"]
  return target and target:match("([^.]+)$")
end

--- Starts it on a free port. `answer(operation, params, request)` gives the body, or {status, body, headers}.
---@param answer function
---@return {url: string, calls: table[], stop: function}
function M.start(answer)
  local self = { calls = {} }
  local listening = assert(server.listen { on_request = function(request)
    local params = request.body and request.body ~= "" and json.decode(request.body) or {}
    local operation = operation_of(request) or request.method .. " " .. request.path
    self.calls[#self.calls + 1] = { operation = operation, params = params }
    local given = answer(operation, params, request)
    if type(given) == "table" and (given.status or given.headers) then
      local body = given.body
      return { status = given.status or 200, headers = given.headers or { ["Content-Type"] = "application/x-amz-json-1.1" },
        body = type(body) == "table" and assert(json.encode(body)) or body or "" }
    end
    return { headers = { ["Content-Type"] = "application/x-amz-json-1.1" }, body = assert(json.encode(given or {})) }
  end })
  self.url = "http://127.0.0.1:" .. listening.port
  self.stop = function() listening.stop() end
  self.count = function(operation)
    local n = 0
    for _, call in ipairs(self.calls) do
      if call.operation == operation then n = n + 1 end
    end
    return n
  end
  return self
end

return M
