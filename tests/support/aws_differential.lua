-- Compares our requests and answers with those of botocore, line by line of what tests/integration/aws_peer.py prints.
local aws_call = require "aws.call"
local checksum = require "aws.checksum"
local client = require "aws.client"
local cbor = require "aws.cbor"
local crypto = require "sm.crypto"
local json = require "sm.json"
local models = require "aws.model"
local protocol = require "aws.protocol"
local sign = require "aws.sign"
local cases = require "conformance.support.protocol_cases"
local vectors = require "conformance.support.vectors"

local M = {}

local REGION <const>, TOKEN <const> = "eu-central-1", "00000000-0000-4000-8000-000000000000"
local NOW <const> = 1795251600 -- 2026-11-21T09:00:00Z
local CREDENTIALS <const> = { access_key = "AKIDEXAMPLE", secret_key = "secret", session_token = "token" }
local SPECIAL <const> = { NaN = 0 / 0, Infinity = math.huge, ["-Infinity"] = -math.huge }

-- A machine without variables and files.
local WORLD <const> = {
  env = function() return nil end, read_file = function() return nil, "there are no files", "not_found" end,
  now = function() return NOW end, http = function() return nil, "there is no network", "io" end,
}

-- Headers that say who sends, or that the transport adds.
local OWN <const> = {
  ["user-agent"] = true, ["amz-sdk-invocation-id"] = true, ["amz-sdk-request"] = true, ["content-length"] = true,
  ["accept-encoding"] = true, authorization = true, host = true, ["transfer-encoding"] = true, expect = true,
}

-- {"$bytes": ...} and its like as values.
local function untagged(value)
  if type(value) ~= "table" then return value end
  if value["$bytes"] then return assert(crypto.unbase64(value["$bytes"])) end
  if value["$time"] then return value["$time"] end
  if value["$float"] then return SPECIAL[value["$float"]] end
  local out = {}
  for key, item in pairs(value) do out[key] = untagged(item) end
  return json.is_array(value) and json.array(out) or out
end

local clients = {}
local function client_of(service)
  clients[service] = clients[service] or assert(client.new(service, { region = REGION, credentials = CREDENTIALS, world = WORLD }))
  return clients[service]
end

-- ---- requests ----

-- Ours, built and signed by the same clock and keys.
local function build(line)
  local c = client_of(line.service)
  local operation = assert(c:operation(line.operation))
  local call, failure = aws_call.build(c, operation, untagged(line.params), { token = function() return TOKEN end })
  if not call then return nil, failure end
  local request = call.request
  local ok
  if operation.httpChecksum or operation.httpChecksumRequired then
    ok, failure = checksum.prepare(request, call.model, operation, call.params, call.config)
    if not ok then return nil, failure end
  end
  ok, failure = sign.request(request, call.endpoint, CREDENTIALS, call.config, NOW, operation)
  if not ok then return nil, failure end
  return request, nil, call
end

local function split_url(url)
  local base, query = url:match "^([^?]*)%??(.*)$"
  local pairs_of = {}
  for part in query:gmatch "[^&]+" do
    local name, value = part:match "^([^=]*)=?(.*)$"
    pairs_of[#pairs_of + 1] = name .. "=" .. value:gsub("%+", "%%20")
  end
  table.sort(pairs_of)
  return base, table.concat(pairs_of, "&")
end

-- Fractions of a second end where they end: .500000Z is .5Z.
local function short_fractions(text)
  return (text:gsub("(%d%d:%d%d:%d%d)%.(%d-)0+Z", "%1.%2Z"):gsub("(%d%d:%d%d:%d%d)%.Z", "%1Z")
    :gsub("(%d%d%%3A%d%d%%3A%d%d)%.(%d-)0+Z", "%1.%2Z"))
end

local function same_body(kind, expected, got)
  if expected == got then return true end
  if kind == "smithy-rpc-v2-cbor" then
    if expected == "" or got == "" then return false end
    return vectors.difference(cases.plain(cbor.decode(expected)), cases.plain(cbor.decode(got))) == nil
  end
  if kind == "query" or kind == "ec2" then
    expected = expected:gsub("+", "%%20")
    -- A URL within is signed for the moment.
    expected, got = expected:gsub("(Pre[sS]ignedUrl=.-%%3F)[^&]*", "%1"), got:gsub("(Pre[sS]ignedUrl=.-%%3F)[^&]*", "%1")
  end
  return cases.same_body(kind, short_fractions(expected), short_fractions(got))
end

-- Content types that the published suites want to be said; botocore says nothing.
local SAID <const> = { ["application/octet-stream"] = true, ["application/xml"] = true, ["text/plain"] = true }

-- Whether a header may differ: what depends on the order of a document's members, and whether a body under TLS is hashed,
-- which botocore decides by other rules.
local function may_differ(line, name, theirs, ours)
  if name == "content-type" then return theirs == nil and SAID[ours] end
  if name == "content-md5" and theirs == nil then return true end -- meant by the older trait; botocore sends CRC32 alone
  if line.unsigned and name:find "^x%-amz%-[ds]" then return ours == nil end
  if not (theirs and ours) then return false end
  local ours_json, their_json = json.decode(crypto.unbase64(ours) or ""), json.decode(crypto.unbase64(theirs) or "")
  if type(ours_json) == "table" then
    line.other_hash = true
    return vectors.difference(their_json, ours_json) == nil
  end
  if name == "x-amz-content-sha256" and (theirs == "UNSIGNED-PAYLOAD" or ours == "UNSIGNED-PAYLOAD") then
    line.other_hash = true
    return true
  end
  local of_body = name:find "^x%-amz%-checksum%-" or name == "x-amz-content-sha256" or name == "content-md5"
  return of_body and not line.same_bytes
end

local function header_difference(line, request)
  local names = {}
  for name in pairs(line.headers) do names[name] = true end
  for name in pairs(request.headers) do names[name:lower()] = true end
  for name in pairs(names) do
    local theirs, ours = line.headers[name], request.headers[name]
    -- The fractions of a time in a header go out from here; botocore cuts them.
    if theirs and ours and theirs:find "^%d+%-%d%d%-%d%dT" and ours:find "%.%d+Z$" then
      ours, line.other_hash = ours:gsub("%.%d+Z$", "Z"), true
    end
    if not OWN[name] and theirs ~= ours and not may_differ(line, name, theirs, ours) then
      return ("header %s: %s, not %s"):format(name, tostring(ours), tostring(theirs))
    end
  end
  return nil
end

-- Same bytes must have the same signature; else the keys' scope must be the same.
local function signature_difference(line, request)
  local theirs, ours = line.headers.authorization, request.headers.authorization
  if line.unsigned then return ours and "it is signed" or nil end
  if (theirs == nil) ~= (ours == nil) then return "one of the two is not signed" end
  if theirs == nil then return nil end
  local scope = "Credential=([^,]+)"
  if theirs:match(scope) ~= ours:match(scope) then return ("scope %s, not %s"):format(ours:match(scope), theirs:match(scope)) end
  local signed = "SignedHeaders=([^,]+)"
  if line.same_bytes and not line.other_hash and theirs:match(signed) == ours:match(signed) and theirs ~= ours then
    return ("signature %s, not %s"):format(ours, theirs)
  end
  return nil
end

---Why our request is another than botocore's; nil when it is the same.
---@param line table
---@return string?
function M.request(line)
  local request, failure, call = build(line)
  if line.refused then
    -- What botocore refuses, its rules or ours must refuse too.
    return request and "botocore refuses: " .. line.refused or nil
  end
  if not request then return "refused: " .. tostring(failure) end
  local base, query = split_url(line.url)
  local our_base, our_query = split_url(request.url)
  if request.method ~= line.method then return ("method %s, not %s"):format(request.method, line.method) end
  if base ~= our_base then return ("%s, not %s"):format(our_base, base) end
  if short_fractions(query) ~= short_fractions(our_query) then return ("query %s, not %s"):format(our_query, query) end
  local body, our_body = assert(crypto.unbase64(line.body)), request.body or ""
  line.same_bytes = body == our_body and query == our_query
  -- The model says so; botocore goes by the endpoint's rules where these name a scheme.
  line.unsigned = call.operation.authtype == "none"
  local kind = protocol.choose(call.model.metadata)
  if not same_body(kind, body, our_body) then return ("body %s, not %s"):format(our_body, body) end
  return header_difference(line, request) or signature_difference(line, request)
end

-- ---- answers ----

local function find_operation(service, name)
  local model = assert(models.load(service))
  return model, assert(model:operation(name)), assert(protocol.of(model))
end

local ELSEWHERE <const> = { Code = true, Message = true, message = true, __type = true, Type = true }

local function error_difference(line, failure)
  local found = untagged(line.result)
  if found.Code ~= failure.code then return ("code %s, not %s"):format(failure.code, found.Code) end
  if type(found.Message) == "string" and found.Message ~= "" and found.Message ~= failure.message then
    return ("message %s, not %s"):format(failure.message, found.Message)
  end
  local members = cases.plain(failure.members or {})
  for name, value in pairs(found.Members or {}) do
    local why = not ELSEWHERE[name] and value ~= json.null and vectors.difference(cases.plain(value), members[name])
    if why then return "member " .. name .. ": " .. why end
  end
  return nil
end

-- Reads the events of a stream into a list, and compares how it ends.
local function stream_difference(expected, output)
  for name, value in pairs(output) do
    if type(value) == "function" then
      local events, event, failure = json.array {}, value()
      while event do
        events[#events + 1] = event
        event, failure = value()
      end
      output[name] = events
      if (failure and failure.code) ~= expected["$failed"] then return ("ends with %s, not %s"):format(tostring(failure), tostring(expected["$failed"])) end
    end
  end
  expected["$failed"] = nil
  return nil
end

---Why we read an answer otherwise than botocore; nil when both read the same.
---@param line table
---@return string?
function M.answer(line)
  local model, operation, P = find_operation(line.service, line.operation)
  local body = assert(crypto.unbase64(line.body))
  local output, failure = P.parse(model, operation, { status = line.status, headers = line.headers, body = body })
  if line.unread then return nil end
  if line.status >= 300 then
    if output then return "no error was found" end
    return error_difference(line, failure)
  end
  if not output then return tostring(failure) end
  local expected = untagged(line.result)
  local why = stream_difference(expected, output)
  if why then return why end
  local shape = operation.output and model:shape(operation.output.shape)
  -- An empty payload that is no stream is absent here, and an empty value there.
  local payload = shape and shape.payload
  if payload and output[payload] == nil and (expected[payload] == "" or type(expected[payload]) == "table") then expected[payload] = nil end
  return vectors.difference(cases.plain(expected), cases.plain(output))
end

---Runs f while a service speaks one protocol of those that it knows.
---@param service string
---@param name string?
---@param f function
function M.speaking(service, name, f)
  local metadata = assert(models.load(service)).metadata
  local usual, usual_list = metadata.protocol, metadata.protocols
  if name then metadata.protocol, metadata.protocols = name, { name } end
  local ok, err = pcall(f)
  metadata.protocol, metadata.protocols = usual, usual_list
  if not ok then error(err, 0) end
end

-- ---- models of services that are not shipped ----

---Makes the models that are missing from botocore's data in a folder, where aws.model finds them.
---@param botocore string
---@param services string[]
---@param folder string
function M.add_models(botocore, services, folder)
  local files = require "sm.files"
  assert(files.mkdir(folder .. "/aws/models"))
  local shipped = {}
  for _, name in ipairs(models.services()) do shipped[name] = true end
  for _, given in ipairs(services) do
    local service = given:match "^[^:]*"
    if not shipped[service] then
      shipped[service] = true
      local text = assert(require("aws.generate.records").of_service(botocore, service))
      assert(files.write(folder .. "/aws/models/" .. service .. ".txt", text))
    end
  end
  package.path = folder .. "/?.lua;" .. package.path
end

return M
