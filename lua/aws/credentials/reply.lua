-- What the sources of credentials answer, made into ours: one place that knows their JSON, and none that repeats it.
local failure = require "aws.failure"

local M = {}

---@param code string
---@param message string
---@param more table?
---@return nil
---@return aws.Failure
function M.fail(code, message, more)
  local fields = { kind = "credentials", code = code, message = message }
  for name, value in pairs(more or {}) do fields[name] = value end
  return nil, failure.new(fields)
end

---@param text string
---@param who string    for the message
---@return table?
---@return aws.Failure?
function M.decode(text, who)
  local value = require("sm.json").decode(text or "")
  if type(value) ~= "table" then return M.fail("InvalidAnswer", who .. " answered something that is no JSON object") end
  return value
end

---A point in time, as seconds, of an answer's ISO text.
---@param value any
---@return number?
function M.time(value)
  if type(value) ~= "string" then return nil end
  return (require("sm.time").parse_iso(value)) or nil
end

local function text(value) return type(value) == "string" and value ~= "" and value or nil end

---Credentials in the spelling that containers, instances and processes share: AccessKeyId, SecretAccessKey, ...
---@param answer table
---@param who string
---@param token_name string   "Token" or "SessionToken"
---@return aws.Credentials?
---@return aws.Failure?
function M.credentials(answer, who, token_name)
  local out = { access_key = text(answer.AccessKeyId), secret_key = text(answer.SecretAccessKey),
    session_token = text(answer[token_name]), account_id = text(answer.AccountId), source = who }
  if not out.access_key or not out.secret_key then
    return M.fail("InvalidAnswer", who .. " answered without AccessKeyId or SecretAccessKey")
  end
  if text(answer.Expiration) then
    out.expires_at = M.time(answer.Expiration)
    if not out.expires_at then return M.fail("InvalidAnswer", who .. " answered an Expiration that is no time") end
  end
  return out
end

---One short line of what somebody else wrote, for messages.
---@param words string?
---@return string
function M.line(words)
  local line = (words or ""):match("%S[^\r\n]*") or ""
  line = line:gsub("%c", " ")
  return #line > 200 and line:sub(1, 200) .. "..." or line
end

return M
