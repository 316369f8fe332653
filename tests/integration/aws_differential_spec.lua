-- Random calls of every shipped service, and of EC2: what we send, and what we read, is what botocore sends and reads.
-- SM_AWS_CALLS=2000 build/dev/sewing --busted tests/integration/aws_differential_spec.lua   makes 2000 of each kind per service
-- (SM_AWS_SEED another choice; SM_AWS_SERVICES only some, also of those that are not shipped).
local files = require "sm.files"
local json = require "sm.json"
local models = require "aws.model"
local process = require "process"

local python = files.env "SM_TEST_PYTHON"
local calls = math.tointeger(tonumber(files.env "SM_AWS_CALLS")) or 25
local seed = files.env "SM_AWS_SEED" or "1"

local function why_not()
  if not process.available() then return "no other program can be started" end
  if not python then return "SM_TEST_PYTHON is not set to a python that has botocore (./sewing test makes one)" end
  local output, code = process.run(python .. " -c 'import botocore; print(botocore.__path__[0])'")
  if code ~= 0 then return "botocore cannot be imported: " .. output end
  return nil, output:match "%S+"
end

local function services()
  local only = files.env "SM_AWS_SERVICES"
  local out = {}
  if only then
    for name in only:gmatch "[^,]+" do out[#out + 1] = name end
    return out
  end
  for _, name in ipairs(models.services()) do out[#out + 1] = name end
  -- What is spoken by none of them at present.
  return table.move({ "ec2", "cloudwatch:smithy-rpc-v2-cbor", "cloudwatch:query" }, 1, 3, #out + 1, out)
end

describe("beside botocore,", function()
  local path_before = package.path
  package.path = package.path .. ";./tests/?.lua"
  local reason, botocore = why_not()
  if reason then return pending(reason) end
  local differential = require "aws_differential"
  local folder = assert(files.temp_dir())
  differential.add_models(botocore, services(), folder)
  teardown(function()
    package.path = path_before
    files.remove_tree(folder)
  end)

  local made -- by one run of the peer for all services
  local function make_once()
    if made then return end
    made = true
    local output, code = process.run(("%s tests/integration/aws_peer.py %s %s --count %d --seed %s"):format(
      python, folder, table.concat(services(), " "), calls, seed))
    assert.are.equal(0, code, output)
  end

  -- Counts the lines on which the two differ; the first few are shown.
  local function compare(verb, judge, given)
    make_once()
    local service, spoken = given:match "^([^:]*):?(.*)$"
    local lines, differing, shown = 0, 0, {}
    for text in assert(files.read(("%s/%s.%s"):format(folder, given, verb))):gmatch "[^\n]+" do
      lines = lines + 1
      local line, why = assert(json.decode(text)), nil
      differential.speaking(service, spoken ~= "" and spoken or nil, function() why = judge(line) end)
      if why then
        differing = differing + 1
        if #shown < 5 then shown[#shown + 1] = ("%s: %s"):format(line.operation, why:sub(1, 600)) end
      end
    end
    assert.are.equal(calls, lines)
    assert.are.equal("", table.concat(shown, "\n"), ("%d of %d differ"):format(differing, lines))
  end

  for _, service in ipairs(services()) do
    it(("%s: the same %d requests"):format(service, calls), function() compare("requests", differential.request, service) end)
    it(("%s: the same reading of %d answers"):format(service, calls), function() compare("answers", differential.answer, service) end)
  end
end)
