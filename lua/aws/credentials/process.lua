-- credential_process: a program of the profile prints the keys as JSON. The command is the shell's to read.
local reply = require "aws.credentials.reply"

local M = {}

local TIMEOUT <const> = 60 -- seconds: some of these open a browser
local MAX_BYTES <const> = 64 * 1024

---The program's output. Its own complaint goes into the message, what it prints for us never.
---@param command string
---@param timeout number  seconds
---@return string? output
---@return string? message
---@return string? code
function M.run(command, timeout)
  local result, message, code = require("sm.process").run(command, { timeout = timeout, max_bytes = MAX_BYTES })
  if not result then return nil, message, code end
  if result.code == 0 then return result.stdout end
  local complaint = reply.line(result.stderr)
  return nil, ("it ended with code %d%s"):format(result.code, complaint ~= "" and ": " .. complaint or ""), "failed"
end

---@param step aws.CredentialStep
---@param world aws.World
---@return aws.Credentials?
---@return aws.Failure?
function M.get(step, world)
  local who = "credential_process of profile " .. step.profile
  local output, message = world.run(step.command, TIMEOUT)
  if not output then return reply.fail("ProcessFailed", ("%s: %s"):format(who, message or "failed")) end
  local answer, err = reply.decode(output, who)
  if not answer then return nil, err end
  if answer.Version ~= 1 then return reply.fail("InvalidAnswer", who .. " must answer Version 1") end
  local found
  found, err = reply.credentials(answer, who, "SessionToken")
  if not found then return nil, err end
  found.account_id = found.account_id or step.account_id
  return found
end

return M
