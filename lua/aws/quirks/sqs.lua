-- SQS: the service tells the MD5 of every body and of its attributes; what arrived is what was sent.
local crypto = require "sm.crypto"
local failure = require "aws.failure"

local function fits(body, digest)
  return type(body) ~= "string" or type(digest) ~= "string" or crypto.hex(crypto.md5(body)) == digest:lower()
end

-- Attributes are hashed in the order of their names: name, type, kind of value and value, each behind its length.
local function attributes_fit(attributes, digest)
  if type(attributes) ~= "table" or next(attributes) == nil or type(digest) ~= "string" then return true end
  local names, parts = {}, {}
  for name in pairs(attributes) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local value = attributes[name]
    local bytes, kind = value.StringValue, "\1"
    if value.DataType:find "^Binary" then bytes, kind = value.BinaryValue, "\2" end
    parts[#parts + 1] = string.pack(">s4s4", name, value.DataType) .. kind .. string.pack(">s4", bytes or "")
  end
  return fits(table.concat(parts), digest)
end

local function mismatch(which, retryable)
  local _, err = failure.refuse("response", "ChecksumMismatch", which .. ": the MD5 of the body does not fit")
  err.retryable = retryable
  return nil, err
end

local function message_fits(sent, told)
  return fits(sent.MessageBody, told.MD5OfMessageBody) and attributes_fit(sent.MessageAttributes, told.MD5OfMessageAttributes)
end

local function check_sent(output, call)
  if message_fits(call.params, output) then return output end
  return mismatch("the message that was sent", false)
end

local function check_batch(output, call)
  local sent = {}
  for _, entry in ipairs(call.params.Entries or {}) do sent[entry.Id] = entry end
  for _, entry in ipairs(output.Successful or {}) do
    if sent[entry.Id] and not message_fits(sent[entry.Id], entry) then return mismatch("the message " .. entry.Id, false) end
  end
  return output
end

local function check_received(output)
  for _, message in ipairs(output.Messages or {}) do
    local whole = fits(message.Body, message.MD5OfBody) and attributes_fit(message.MessageAttributes, message.MD5OfMessageAttributes)
    if not whole then return mismatch("the message " .. tostring(message.MessageId), true) end
  end
  return output
end

return {
  SendMessage = { after_parse = check_sent },
  SendMessageBatch = { after_parse = check_batch },
  ReceiveMessage = { after_parse = check_received },
}
