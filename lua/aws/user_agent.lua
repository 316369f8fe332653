-- What the requests say about their sender.
local M = {}

local base

local function env(name)
  local value = require("sm.files").env(name)
  return value ~= "" and value or nil
end

-- Only what may stand in such a header.
local function token(text) return (text:gsub("[^%w!#$%%&'*+.^_`|~-]", "-")):sub(1, 50) end

local function base_text()
  local text = ("sewing-machine/%s lang/lua#%s"):format(require("version").number, _VERSION:match("[%d.]+"))
  local place = env "AWS_EXECUTION_ENV"
  return place and text .. " exec-env/" .. token(place) or text
end

---@param config aws.Config?
---@return string
function M.text(config)
  base = base or base_text()
  local app = config and config.user_agent_app_id
  return app and base .. " app/" .. token(app) or base
end

-- What may stand in the header as it is; everything else as %XX.
local function header_text(text)
  return (text:gsub("[^%w_.~%-=;:+&%[%]{}\"',]", function(c) return ("%%%02X"):format(c:byte()) end))
end

---Hands the trace of a Lambda invocation on, so that loops of functions are found.
---@param headers table
---@param environment (fun(name: string): string?)?
function M.add_trace(headers, environment)
  if headers["x-amzn-trace-id"] then return end
  local get = environment or env
  if not get "AWS_LAMBDA_FUNCTION_NAME" then return end
  local trace = not environment and require("sm.task").context().trace_id or get "_X_AMZN_TRACE_ID"
  if trace and trace ~= "" then headers["x-amzn-trace-id"] = header_text(trace) end
end

return M
