-- Requests built from the published cases: what is given, what must go out.
local checksum = require "aws.checksum"
local cases = require "conformance.support.protocol_cases"
local protocol = require "aws.protocol"

local M = {}

local TOKEN <const> = "00000000-0000-4000-8000-000000000000"

-- "https://example.com/custom" with a host prefix -> host with path, and the path itself.
local function endpoint(suite, request)
  local host, path = (suite.clientEndpoint or ""):match "^https?://([^/]*)(.*)$"
  return host and (request.host_prefix or "") .. host .. path, (path or ""):gsub("/$", "")
end

local function check_headers(expected, request)
  for name, wanted in pairs(expected.headers or {}) do
    local got = request.headers[name:lower()]
    if not got then return ("no header %s"):format(name) end
    local first = wanted:gsub(", ", ",")
    if name:lower() == "content-type" then
      -- A charset may follow; the media type of a blob is not in these models.
      if got ~= wanted and got:match "^[^;]*" ~= wanted and got ~= "application/octet-stream" then return ("%s: %s, not %s"):format(name, got, wanted) end
    elseif got:gsub(", ", ",") ~= first then
      return ("%s: %s, not %s"):format(name, got, wanted)
    end
  end
  for _, name in ipairs(expected.forbidHeaders or {}) do
    local there = request.headers[name:lower()]
    if name:lower() == "content-length" then there = request.body and request.body ~= "" end
    if there then return ("header %s is not wanted"):format(name) end
  end
  for _, name in ipairs(expected.requireHeaders or {}) do
    local there = request.headers[name:lower()]
    if name:lower() == "content-length" then there = request.body end
    if not there then return ("header %s is missing"):format(name) end
  end
  return nil
end

-- Why the request is not what the case expects; nil when it is.
local function judge(suite, case)
  local model, operation = cases.model(suite, case.given)
  local P = assert(protocol.of(model))
  local params = operation.input and cases.params(model, operation.input, case.params or {}) or case.params
  local request, failure = P.serialize(model, operation, params, { token = function() return TOKEN end })
  if not request then return tostring(failure) end
  assert(checksum.prepare(request, model, operation, params or {}, { request_checksum = "when_required" }))
  local expected = case.serialized
  local host, prefix = endpoint(suite, request)
  if expected.method and request.method ~= expected.method then return "method " .. request.method end
  local uri = prefix .. cases.uri(request)
  if cases.sorted_uri(uri) ~= cases.sorted_uri(expected.uri) then return ("%s, not %s"):format(uri, expected.uri) end
  if expected.host and host ~= expected.host then return ("host %s, not %s"):format(host, expected.host) end
  local why = check_headers(expected, request)
  if why then return why end
  local body = request.body or ""
  if expected.body and not cases.same_body(protocol.choose(model.metadata), expected.body, body) then
    return ("body %s, not %s"):format(body, expected.body)
  end
  return nil
end

-- Runs the cases of a folder.
function M.folder(folder, report)
  cases.each(folder, function(_, suite, case, name)
    local ok, why = pcall(judge, suite, case)
    report(name, ok and why == nil, why)
  end)
end

M.name = "protocol-input"
function M.run(dir, report) M.folder(dir .. "/protocols/input", report) end

return M
