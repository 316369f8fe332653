-- Calls of AWS operations for the adapters: one client for each service, made with its first use, and nothing loaded before.
local M = {}

local Api = {}
Api.__index = Api

---@param service string  as lua/aws/models names it
---@return table|nil client, aws.Failure?
function Api:client(service)
  local known = self.clients[service]
  if known then return known end
  local made, failure = require("aws").client(service, self.options[service] or self.options.default)
  self.clients[service] = made
  return made, failure
end

--- api:call("dynamodb", "get_item", {...}) -> output | nil, failure
---@param service string
---@param operation string
---@param params table
---@param options table?  of the call
---@return table|nil output, aws.Failure? failure
function Api:call(service, operation, params, options)
  local client, failure = self:client(service)
  if not client then return nil, failure end
  return client[operation](client, params, options)
end

---@param options table   of the clients: `default`, or one entry for a service that wants others
---@return table api
function M.new(options) return setmetatable({ options = options, clients = {} }, Api) end

return M
