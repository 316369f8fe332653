-- Endpoint rules: the engine's cases one function at a time, the cases of each service's rules, and those that name an
-- operation and built-in parameters, through our own model of the service.
local endpoint = require "aws.endpoint"
local model = require "aws.model"
local parameters = require "aws.endpoint.parameters"
local vectors = require "conformance.support.vectors"

local function as_expected(expect, found, message)
  if expect.error then
    if found then return false, "an error was expected, got " .. found.url end
    return message == expect.error, ("expected error %q, got %q"):format(expect.error, tostring(message))
  end
  if not found then return false, "got the error " .. tostring(message) end
  local why = vectors.difference(expect.endpoint.url, found.url, "url")
    or vectors.difference(expect.endpoint.headers or {}, found.headers, "headers")
    or vectors.difference(expect.endpoint.properties or {}, found.properties, "properties")
  return why == nil, why
end

local function run_cases(name, program, cases, partitions, report)
  for i, case in ipairs(cases) do
    local found, message = endpoint.run(program, case.params or {}, partitions)
    report(("%s#%d %s"):format(name, i, case.documentation or ""), as_expected(case.expect, found, message))
  end
end

local function compile(path, report, name)
  local rule_set = vectors.read_ordered(path)
  if not rule_set then return report(name, false, "there is no rule set beside these cases") end
  local program, message = endpoint.compile(rule_set)
  if not program then report(name, false, message) end
  return program
end

local function run_engine(folder, partitions, report)
  for _, file in ipairs(vectors.names(folder .. "/test-cases", "%.json$")) do
    local name = folder:match("[^/]+$") .. "/" .. file
    local program = compile(folder .. "/valid-rules/" .. file, report, name)
    local cases = vectors.read_json(folder .. "/test-cases/" .. file)
    if program then run_cases(name, program, cases.testCases, partitions, report) end
  end
end

-- The same expectation through a client's path: model, operation, arguments, built-in parameters.
local function run_operation(name, service, input, expect, report)
  local operation = service:operation(input.operationName)
  if not operation then return report(name, false, "the model has no operation " .. input.operationName) end
  local built_in = parameters.given_built_ins(input.builtInParams or {})
  local found, err = endpoint.resolve(service, operation, input.operationParams or {}, {
    region = (input.builtInParams or {})["AWS::Region"], client_context_params = input.clientParams }, built_in)
  if err and err.kind == "unsupported" then found, err = nil, err.message end
  local message = type(err) == "table" and err.message or err
  if err and err.code == "NoRegion" then message = expect.error end
  report(name, as_expected(expect, found, message))
end

local function run_service(folder, file, partitions, report)
  local service_name = file:gsub("%.json$", "")
  local program = compile(folder .. "/rulesets/" .. file, report, service_name)
  local cases = vectors.read_json(folder .. "/tests/" .. file).testCases
  if program then run_cases(service_name, program, cases, partitions, report) end
  local service = model.load(service_name)
  if service then -- our operations with the rules published beside the cases: ours may be newer
    service = setmetatable({ endpoint_program = program, endpoint_cache = { count = 0 } }, { __index = service })
  end
  for i, case in ipairs(cases) do
    for j, input in ipairs(case.operationInputs or {}) do
      local name = ("%s#%d operation %d %s"):format(service_name, i, j, case.documentation or "")
      if service then
        run_operation(name, service, input, case.expect, report)
      else
        report(name, false, "there is no model of " .. service_name)
      end
    end
  end
end

return {
  name = "endpoints",
  run = function(dir, report)
    local folder = dir .. "/endpoints"
    local partitions = vectors.read_json(folder .. "/partitions.json")
    for _, origin in ipairs(vectors.names(folder .. "/engine")) do
      local root = folder .. "/engine/" .. origin
      run_engine(root, vectors.read_json(root .. "/partitions.json") or partitions, report)
    end
    for _, file in ipairs(vectors.names(folder .. "/tests", "%.json$")) do run_service(folder, file, partitions, report) end
  end,
}
