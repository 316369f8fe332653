-- Answers of real services that were recorded, read by the models of those services.
local cases = require "conformance.support.protocol_cases"
local files = require "sm.files"
local json = require "sm.json"
local models = require "aws.model"
local protocol = require "aws.protocol"
local timestamp = require "aws.timestamp"
local vectors = require "conformance.support.vectors"

-- When these were recorded, some services spoke another protocol than today: the format of the answer tells which.
local FORMATS <const> = { xml = { "rest-xml", "ec2", "query" }, json = { "rest-json", "json" } }

local function spoken(metadata, format)
  local offered = { [metadata.protocol] = true }
  for _, name in ipairs(metadata.protocols or {}) do offered[name] = true end
  for _, name in ipairs(FORMATS[format]) do
    if offered[name] then return name end
  end
  return format == "xml" and "query" or "json"
end

-- The folders where ./sewing and the tests install botocore's data, which has models of all services.
local function botocore()
  local root = package.path:match "([^;]*)/lua/%?%.lua" or "."
  local found = { files.env "SEWING_BOTOCORE", root .. "/build/botocore/botocore" }
  for _, entry in ipairs(files.list(root .. "/build/venv/lib") or {}) do
    found[#found + 1] = ("%s/build/venv/lib/%s/site-packages/botocore"):format(root, entry.name)
  end
  for _, folder in pairs(found) do
    if files.exists(folder .. "/data") == true then return folder end
  end
  return nil
end

-- SQS spoke the query protocol; its model of today has no longer the names of the elements.
local SQS_LISTS <const> = {
  MessageList = "Message", QueueUrlList = "QueueUrl", BatchResultErrorEntryList = "BatchResultErrorEntry",
  SendMessageBatchResultEntryList = "SendMessageBatchResultEntry", DeleteMessageBatchResultEntryList = "DeleteMessageBatchResultEntry",
  ChangeMessageVisibilityBatchResultEntryList = "ChangeMessageVisibilityBatchResultEntry",
}
local SQS_MAPS <const> = { QueueAttributeMap = "Attribute", MessageSystemAttributeMap = "Attribute", MessageBodyAttributeMap = "MessageAttribute" }

local function add_sqs_names(shapes)
  for list, name in pairs(SQS_LISTS) do
    if shapes[list] then shapes[list].member.locationName = name end
  end
  for map, name in pairs(SQS_MAPS) do
    local shape = shapes[map]
    if shape then shape.locationName, shape.key.locationName, shape.value.locationName = name, "Name", "Value" end
  end
end

local known = {}

local function model_of(service)
  if known[service] == nil then
    local root = botocore()
    local parts = root and require("aws.generate.botocore").read(root, service)
    if parts and service == "sqs" then add_sqs_names(parts.service.shapes) end
    known[service] = parts and models.from_service(parts.service, service) or models.load(service) or false
  end
  return known[service] or nil
end

-- "ec2-describe-instances", with something behind it where there are several -> service and operation.
local function find(name)
  local service, rest = name:match "^(%w+)%-(.*)$"
  local model = model_of(service)
  if not model then return nil, "no model of " .. service .. " (./sewing conformance installs botocore's)" end
  local method = rest:gsub("#%d+$", ""):gsub("%-", "_")
  while method do
    local operation = model:method(method)
    if operation then return model, operation end
    method = method:match "^(.*)_[^_]*$"
  end
  return nil, "no operation for " .. name
end

-- Times stand as text in the expectations.
local function text_as_times(model, ref, value)
  if ref.type == "timestamp" and type(value) == "string" then return timestamp.parse(value) or value end
  if type(value) ~= "table" or not ref.shape then return value end
  local shape, out = model:shape(ref.shape), {}
  for key, item in pairs(value) do
    local of = shape.member or shape.value or shape.by_name and shape.by_name[key]
    out[key] = of and text_as_times(model, of, item) or not of and item
  end
  return json.is_array(value) and json.array(out) or out
end

-- What the service's quirks make of an output.
local function quirked(service, model, operation, output, response)
  local name = "aws.quirks." .. service
  local hooks = package.searchpath(name, package.path) and require(name) or {}
  local call = { service = service, model = model, operation = operation, params = {} }
  for _, key in ipairs { "*", operation.name } do
    local hook = hooks[key] and hooks[key].after_parse
    if hook then output = assert(hook(output, call, response)) end
  end
  return output
end

local function judge_good(service, model, operation, P, body, expected)
  local response = { status = 200, headers = {}, body = body }
  local output, failure = P.parse(model, operation, response)
  if not output then return tostring(failure) end
  expected.ResponseMetadata = nil
  if operation.output then expected = text_as_times(model, operation.output, expected) end
  return vectors.difference(cases.plain(expected), cases.plain(quirked(service, model, operation, output, response)))
end

local function judge_error(_, model, operation, P, body, expected)
  local output, failure = P.parse(model, operation, { status = 400, headers = {}, body = body })
  if output then return "no error was found" end
  local wanted, metadata = expected.Error, expected.ResponseMetadata or {}
  if wanted.Code ~= failure.code then return ("code %s, not %s"):format(failure.code, wanted.Code) end
  if (wanted.Message or "") ~= failure.message then return ("message %s, not %s"):format(failure.message, wanted.Message) end
  if wanted.Type and wanted.Type ~= failure.fault then return ("fault %s, not %s"):format(failure.fault, wanted.Type) end
  if metadata.RequestId and metadata.RequestId ~= failure.request_id then return "request id " .. tostring(failure.request_id) end
  for name, value in pairs(wanted) do
    local got = (failure.members or {})[name]
    if name ~= "Code" and name ~= "Message" and name ~= "Type" and got ~= value then return name .. " is missing" end
  end
  return nil
end

local function judge(name, body, expected, is_error, format)
  local model, operation = find(name)
  if not model then return operation end
  local service = name:match "^%w+"
  local P = assert(protocol.of(model, spoken(model.metadata, format)))
  return (is_error and judge_error or judge_good)(service, model, operation, P, body, expected)
end

local function run_folder(bodies, expectations, suffix, is_error, report, label)
  for _, file in ipairs(vectors.names(bodies, suffix .. "$")) do
    local name = file:sub(1, -#suffix) -- the suffix is a pattern, one letter longer
    local expected = json.decode(assert(files.read(expectations .. "/" .. name .. ".json")))
    local ok, why = pcall(judge, name, assert(files.read(bodies .. "/" .. file)), expected, is_error, label:match "^%a+")
    report(label .. " " .. name, ok and why == nil, why)
  end
end

return {
  name = "responses",
  run = function(dir, report)
    local root = dir .. "/responses"
    run_folder(root .. "/xml/responses", root .. "/xml/responses", "%.xml", false, report, "xml")
    run_folder(root .. "/xml/errors", root .. "/xml/errors", "%.xml", true, report, "xml error")
    run_folder(root .. "/json/responses", root .. "/json/expected", "%.json", false, report, "json")
    run_folder(root .. "/json/errors", root .. "/json/expected", "%.json", true, report, "json error")
  end,
}
