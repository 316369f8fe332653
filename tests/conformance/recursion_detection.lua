-- When the trace of a Lambda invocation goes out with a request.
local user_agent = require "aws.user_agent"
local vectors = require "conformance.support.vectors"

local function headers_of(lines)
  local out = {}
  for _, line in ipairs(lines) do
    local name, value = line:match("^([^:]+):%s*(.*)$")
    out[name:lower()] = value
  end
  return out
end

-- What a header may not hold travels percent-encoded.
local function decoded(headers)
  local out = {}
  for name, value in pairs(headers) do
    out[name] = value:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end)
  end
  return out
end

return { name = "recursion_detection", run = function(folder, report)
  for i, case in ipairs(vectors.read_json(folder .. "/credentials/recursion-detection.json") or {}) do
    local headers = headers_of(case.requestHeadersBefore)
    user_agent.add_trace(headers, function(name) return case.env[name] end)
    local wanted = headers_of(case.requestHeadersAfter)
    local why = vectors.difference(wanted, headers, "headers")
    if why then why = vectors.difference(decoded(wanted), decoded(headers), "headers") end
    report(("#%d"):format(i), why == nil, why)
  end
end }
