-- SQS: the service tells the MD5 of every body; what arrived is what was sent.
local crypto = require "sm.crypto"
local failure = require "aws.failure"

local function fits(body, digest)
  return type(body) ~= "string" or type(digest) ~= "string" or crypto.hex(crypto.md5(body)) == digest:lower()
end

local function mismatch(which, retryable)
  local _, err = failure.refuse("response", "ChecksumMismatch", which .. ": the MD5 of the body does not fit")
  err.retryable = retryable
  return nil, err
end

local function check_sent(output, call)
  if fits(call.params.MessageBody, output.MD5OfMessageBody) then return output end
  return mismatch("the message that was sent", false)
end

local function check_batch(output, call)
  local bodies = {}
  for _, entry in ipairs(call.params.Entries or {}) do bodies[entry.Id] = entry.MessageBody end
  for _, entry in ipairs(output.Successful or {}) do
    if not fits(bodies[entry.Id], entry.MD5OfMessageBody) then return mismatch("the message " .. entry.Id, false) end
  end
  return output
end

local function check_received(output)
  for _, message in ipairs(output.Messages or {}) do
    if not fits(message.Body, message.MD5OfBody) then return mismatch("the message " .. tostring(message.MessageId), true) end
  end
  return output
end

return {
  SendMessage = { after_parse = check_sent },
  SendMessageBatch = { after_parse = check_batch },
  ReceiveMessage = { after_parse = check_received },
}
