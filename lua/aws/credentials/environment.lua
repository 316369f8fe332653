-- Keys from the environment: what Lambda gives every function, and what shells export. Blank variables count as absent.
local worlds = require "aws.world"

local M = {}

---@param world aws.World
---@return aws.Credentials?  nil when the environment has none
function M.get(world)
  local access_key = worlds.text(world, "AWS_ACCESS_KEY_ID")
  local secret_key = worlds.text(world, "AWS_SECRET_ACCESS_KEY")
  if not access_key or not secret_key then return nil end
  return {
    access_key = access_key, secret_key = secret_key, source = "environment",
    session_token = worlds.text(world, "AWS_SESSION_TOKEN"), account_id = worlds.text(world, "AWS_ACCOUNT_ID"),
  }
end

return M
