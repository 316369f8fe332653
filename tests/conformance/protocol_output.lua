-- Answers read by the published cases: a response is given, what the caller gets, or the error.
local cases = require "conformance.support.protocol_cases"
local crypto = require "sm.crypto"
local json = require "sm.json"
local protocol = require "aws.protocol"
local vectors = require "conformance.support.vectors"

local M = {}

-- The body as it was on the wire; cases of binary protocols write it in base64.
local function body_of(suite, response, name)
  local body = response.body
  if body == nil or body == json.null then return "" end
  local binary = suite.metadata.protocol == "smithy-rpc-v2-cbor" or name:find "EventStream" or suite.description:find "Event Stream"
  return binary and assert(crypto.unbase64(body)) or body
end

-- Names of headers reach us in lower case.
local function lower_headers(model, operation, result)
  for _, ref in ipairs(operation.output and model:shape(operation.output.shape).members or {}) do
    if ref.location == "headers" and result[ref.name] then
      local out = {}
      for key, value in pairs(result[ref.name]) do out[key:lower()] = value end
      result[ref.name] = out
    end
  end
  return result
end

local function error_difference(case, failure)
  if failure.code ~= case.errorCode then return ("code %s, not %s"):format(failure.code, case.errorCode) end
  if case.errorMessage and failure.message ~= case.errorMessage then
    return ("message %s, not %s"):format(failure.message, case.errorMessage)
  end
  local expected, members = case.error or {}, cases.plain(failure.members or {})
  for name, value in pairs(expected) do
    local why = vectors.difference(value, members[name])
    if why then return ("member %s: %s"):format(name, why) end
  end
  return nil
end

local function judge(suite, case, name)
  local model, operation = cases.model(suite, case.given)
  local P = assert(protocol.of(model))
  local headers = {}
  for key, value in pairs(case.response.headers or {}) do headers[key:lower()] = value end
  local output, failure = P.parse(model, operation, {
    status = case.response.status_code or 200, headers = headers, body = body_of(suite, case.response, name),
  })
  if case.errorCode then
    if output then return "no error was found" end
    return error_difference(case, failure)
  end
  if not output then return tostring(failure) end
  return vectors.difference(lower_headers(model, operation, cases.plain(case.result)), cases.plain(output))
end

-- Runs the cases of a folder.
function M.folder(folder, report)
  cases.each(folder, function(_, suite, case, name)
    local ok, why = pcall(judge, suite, case, name)
    report(name, ok and why == nil, why)
  end)
end

M.name = "protocol-output"
function M.run(dir, report) M.folder(dir .. "/protocols/output", report) end

return M
