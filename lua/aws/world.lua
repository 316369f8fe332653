-- What configuration and credentials see of the machine: variables, files, clock, HTTP, programs. Tests hand in another world.
local files = require "sm.files"

local M = {}

---@class aws.World
---@field env fun(name: string): string?
---@field read_file fun(path: string): string?, string?, string?      content | nil, message, code
---@field write_file fun(path: string, text: string): boolean?, string?, string?   for its owner only
---@field http fun(request: sm.http.Options): sm.http.Answer?, string?, string?
---@field now fun(): number                seconds since 1970
---@field run fun(command: string, timeout: number): string?, string?, string?     what it printed | nil, message, code
---@field sleep fun(seconds: number)
---@field random fun(): number             0 to 1
---@field platform string?                 "windows" for the tests of file locations

-- A configuration file is a page of text; more is a mistake.
local MAX_FILE_BYTES <const> = 4 * 1024 * 1024

local DEFAULT <const> = {
  env = files.env,
  read_file = function(path) return files.read(path, MAX_FILE_BYTES) end,
  write_file = function(path, text) return files.write_atomic(path, text, "private") end,
  http = function(request) return require("sm.http").request(request) end,
  now = function() return require("sm.time").now() end,
  run = function(command, timeout) return require("aws.credentials.process").run(command, timeout) end,
  sleep = function(seconds) return require("sm.task").sleep(seconds) end,
  random = math.random,
}

---The machine itself.
---@return aws.World
function M.default() return DEFAULT end

---A variable's text; one that is absent or blank is nil.
---@param world aws.World
---@param name string
---@return string?
function M.text(world, name)
  local value = world.env(name)
  if not value then return nil end
  value = value:match("^%s*(.-)%s*$")
  return value ~= "" and value or nil
end

---Whether this process is a Lambda function that was given no configuration file: then everything is in the environment,
---and the file system is left alone.
---@param world aws.World
---@return boolean
function M.is_bare_lambda(world)
  if not (world.env("AWS_LAMBDA_FUNCTION_NAME") or world.env("AWS_LAMBDA_RUNTIME_API")) then return false end
  for _, name in ipairs { "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE" } do
    if M.text(world, name) then return false end
  end
  return true
end

return M
