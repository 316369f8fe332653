-- IAM: policy documents are answered as JSON in the encoding of URLs, and given as tables.
local json = require "sm.json"

local DOCUMENTS <const> = { PolicyDocument = true, AssumeRolePolicyDocument = true, Document = true }

local function decoded(text)
  local plain = text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
  local value = json.decode(plain)
  return type(value) == "table" and value or text
end

local function decode_documents(output)
  for name, value in pairs(output) do
    if type(value) == "table" then
      decode_documents(value)
    elseif DOCUMENTS[name] and type(value) == "string" then
      output[name] = decoded(value)
    end
  end
  return output
end

return { ["*"] = { after_parse = decode_documents } }
