-- HTTP requests to other servers. The task that asks waits; connections are kept alive and shared by all tasks.
-- Failures of the world are nil, message, code: "timeout", "limit", "refused" (certificate), "io", "invalid", "closed".
-- Nothing is tried again here: whether that is safe only the caller knows.
local core = require "sm.http_core"

local M = {}

local abort_on_error = {
  __close = function(guard, err)
    if err ~= nil then guard.exchange:close() end
  end,
}

-- Sends what body() returns, chunk by chunk, until nil or until the server has heard enough.
local function send_body(exchange, body)
  local _ <close> = setmetatable({ exchange = exchange }, abort_on_error)
  repeat
    local chunk = body()
    local open = chunk ~= nil and exchange:write(chunk)
  until not open
  exchange:finish()
end

---@param options sm.http.Options
---@return sm.http.Answer? answer
---@return string? message
---@return string? code
function M.request(options)
  if type(options) ~= "table" or type(options.body) ~= "function" then return core.request(options) end
  local exchange, message, code = core.start(options)
  if not exchange then return nil, message, code end
  send_body(exchange, options.body)
  return exchange:wait()
end

return M
