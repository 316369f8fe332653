-- An answer that is written as it comes, for callers that read it so (a function URL or REST API whose invoke mode is
-- response streaming). The runtime writes the prelude, then whatever `body` writes.
local M = {}

local Stream = { __name = "stream" }

-- What the answer of the Runtime API says of itself, so that the gateway reads the prelude.
M.CONTENT_TYPE = "application/vnd.awslambda.http-integration-response"

local END_OF_PRELUDE <const> = ("\0"):rep(8)

---@param answer {status: integer, headers: table<string, string>?, cookies: string[]?, body: fun(write: fun(chunk: string): boolean?)?}
---@return table stream   the same table, marked
function M.new(answer) return setmetatable(answer, Stream) end

---@param value any
---@return boolean
function M.is(value) return type(value) == "table" and getmetatable(value) == Stream end

-- Status, headers and cookies as the gateway reads them ahead of the body.
---@param stream table
---@return string? text
---@return string? message
function M.prelude(stream)
  local json = require "sm.json"
  local text, message = json.encode { statusCode = stream.status or 200, headers = stream.headers or {},
    cookies = stream.cookies and json.array(stream.cookies) or nil }
  if not text then return nil, message end
  return text .. END_OF_PRELUDE
end

return M
