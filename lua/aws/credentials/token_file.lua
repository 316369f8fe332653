-- Tokens that `aws sso login` and `aws login` leave below ~/.aws: found by the hash of their session, written back when they
-- are renewed. Other programs read and write the same files.
local reply = require "aws.credentials.reply"
local profiles = require "aws.profile"
local worlds = require "aws.world"

local M = {}

---@param world aws.World
---@param folder string     below ~/.aws
---@param name string       of the session
---@param hash "sha1"|"sha256"
---@param variable string?  names another folder
---@return string? path
---@return aws.Failure?
function M.path(world, folder, name, hash, variable)
  local crypto = require "sm.crypto"
  local file = crypto.hex(crypto[hash](name)) .. ".json"
  local given = variable and worlds.text(world, variable)
  if given then return given:gsub("/+$", "") .. "/" .. file end
  local home = profiles.locations(world).home
  if not home then return reply.fail("InvalidSetting", "HOME is not set: there is no folder for tokens") end
  return ("%s/.aws/%s/%s"):format(home, folder, file)
end

---@param world aws.World
---@param path string
---@param login string   the command that makes the file
---@return table?
---@return aws.Failure?
function M.read(world, path, login)
  local text, message = world.read_file(path)
  if not text then
    return reply.fail("TokenMissing", ("failed to read `%s`: %s; run `%s`"):format(path, message or "unreadable", login))
  end
  return reply.decode(text, "the token file " .. path)
end

---Keeps a renewed token. When that fails it still serves this process.
---@param world aws.World
---@param path string
---@param token table
function M.write(world, path, token)
  local text = require("sm.json").encode(token, { sorted = true, pretty = true })
  if text and world.write_file then world.write_file(path, text) end
end

return M
