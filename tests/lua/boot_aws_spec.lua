-- The profile for AWS as a whole: what it wants to know, and what it costs to make.
local settings_list = require "settings"

local GIVEN <const> = { DDB_TABLE = "locks", ORCHESTRATOR_FN = "orchestrate", ATHENA_RUNNER_FUNCTION_ARN = "arn:aws:lambda:r:1:function:advance",
  DMS_TASK_ARN = "arn:aws:dms:r:1:task:T", ATHENA_OUTPUT = "s3://lake/results/", BRONZE_PREFIX_S3 = "s3://lake/bronze/{run}/" }

local function settings_of(given) return assert(settings_list.read(function(name) return given[name] end)) end

local function open(given) return require("boot").aws_profile(settings_of(given or GIVEN)) end

describe("boot for AWS:", function()
  it("names every setting that is missing, at once", function()
    local app, err = open {}
    assert.is_nil(app)
    assert.equal("BadSetting", err.code)
    for _, name in ipairs { "DDB_TABLE", "ORCHESTRATOR_FN", "ATHENA_RUNNER_FUNCTION_ARN", "DMS_TASK_ARN", "ATHENA_OUTPUT", "BRONZE_PREFIX_S3" } do
      assert.matches(name, err.message, 1, true)
    end
    local wrong = {}
    for name, value in pairs(GIVEN) do wrong[name] = value end
    wrong.ATHENA_OUTPUT = "results"
    assert.matches("ATHENA_OUTPUT must be like s3://", select(2, open(wrong)).message, 1, true)
  end)

  it("loads nothing of AWS before something is asked for", function()
    local before = {}
    for name in pairs(package.loaded) do
      if name:find("^aws") or name:find("^adapters") or name:find("^domain") or name:find("^sm%.") then before[name] = true end
    end
    for name in pairs(before) do
      if not name:find("^sm%.") then package.loaded[name] = nil end
    end
    assert(open())
    for name in pairs(package.loaded) do
      assert.is_nil(name:match("^aws%..*") or name:match("^domain%..*") or name:match("^adapters%.aws%.[^a].*"), name)
    end
  end)

  it("has every port, and every use case finds its own", function()
    local app = assert(open())
    for name in pairs(require("ports").list) do assert.is_true(require("ports").check(name, app.ports[name])) end
    for _, name in ipairs(app.names()) do app.ports_of(assert(app.use_case(name))) end
    assert.equal("arn:aws:dms:r:1:task:T", app.ports.replication.resource())
    assert.equal("s3://lake/staging/visit/", app.ports.catalog.location("staging", "visit"))
  end)
end)
