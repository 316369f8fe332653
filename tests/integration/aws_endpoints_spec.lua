-- Random settings, operations and arguments: our clients send to where botocore's would, signed for the same region and service.
-- SM_AWS_ENDPOINTS=5000 makes as many cases (SM_AWS_SEED another choice).
local aws = require "aws"
local files = require "sm.files"
local json = require "sm.json"
local process = require "process"

local NOWHERE <const> = { env = function() end, read_file = function() return nil, "no file", "not_found" end, now = os.time }

local function why_not(python)
  if not process.available() then return "no other program can be started" end
  if not python then return "SM_TEST_PYTHON is not set to a python that has botocore (./sewing test makes one)" end
  local output, code = process.run(python .. " -c 'import botocore'")
  if code ~= 0 then return "botocore cannot be imported: " .. output end
end

local function given(value) return value ~= json.null and value or nil end

local function client_of(case)
  local s3 = { addressing_style = case.s3.addressing_style, use_arn_region = case.s3.use_arn_region,
    accelerate = case.s3.use_accelerate_endpoint }
  return assert(aws.client(case.service, { region = case.region, endpoint_url = given(case.url), s3 = s3, use_fips = case.fips,
    use_dualstack = case.dual, access_key = "AKIDEXAMPLE", secret_key = "secret", world = NOWHERE }))
end

local function without_query(url) return (url:gsub("%?.*", "")) end

-- What is different, or nil.
local function difference(case)
  local client = client_of(case)
  local call, err = require("aws.call").build(client, client:operation(case.operation), case.params, {})
  local expect = case.expect
  if not call then return not expect.error and ("botocore sends to %s, we say %s"):format(expect.url, tostring(err)) or nil end
  if expect.error then return ("botocore says %s, we send to %s"):format(expect.error, call.endpoint.url) end
  local request = assert(require("aws.sign").place(call.request, call.endpoint, call.config))
  if without_query(request.url) ~= without_query(expect.url) then return ("%s, not %s"):format(request.url, expect.url) end
  local signing = call.endpoint.signing
  local scope = signing.scheme ~= "none" and signing.region .. "/" .. signing.name or nil
  if scope ~= given(expect.scope) then return ("signed for %s, not %s"):format(tostring(scope), tostring(expect.scope)) end
end

describe("endpoints beside botocore:", function()
  local python = files.env "SM_TEST_PYTHON"
  local reason = why_not(python)
  if reason then return pending(reason) end

  it("the same host, path, region and service", function()
    local output, code = process.run(("%s tests/integration/aws_endpoints_peer.py %s %s"):format(python, files.env "SM_AWS_ENDPOINTS" or "400",
      files.env "SM_AWS_SEED" or "1"))
    assert.are.equal(0, code, output)
    local cases, wrong = 0, {}
    for line in output:gmatch "[^\n]+" do
      local case = assert(json.decode(line))
      cases = cases + 1
      local why = difference(case)
      if why then wrong[#wrong + 1] = line .. "\n  " .. why end
    end
    assert.is_true(cases >= 400)
    assert.are.equal("", table.concat(wrong, "\n", 1, math.min(#wrong, 5)))
  end)
end)
