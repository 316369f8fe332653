-- Ids and tokens from the host's randomness.
local crypto = require "sm.crypto"

local M = {}

---@return table ids  port ids
function M.new()
  return {
    uuid = crypto.uuid,
    token = function(bytes) return crypto.base64url(crypto.random(bytes)) end,
    digest = function(text) return crypto.hex(crypto.sha256(text)) end,
  }
end

return M
