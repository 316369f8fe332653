-- The profile for AWS as a whole: what it wants to know, and what it costs to make.
local settings_list = require "settings"

local GIVEN <const> = { DDB_TABLE = "locks", ORCHESTRATOR_FN = "orchestrate", ATHENA_RUNNER_FUNCTION_ARN = "arn:aws:lambda:r:1:function:advance",
  DMS_TASK_ARN = "arn:aws:dms:r:1:task:T", ATHENA_OUTPUT = "s3://lake/results/", BRONZE_PREFIX_S3 = "s3://lake/bronze/{run}/" }

local function settings_of(given) return assert(settings_list.read(function(name) return given[name] end)) end

local function open(given) return require("boot").aws_profile(settings_of(given or GIVEN)) end

describe("boot for AWS:", function()
  it("names every setting that a use case misses, at once, and none that only others need", function()
    local app = open {}
    local needs = { run = { "DDB_TABLE", "ORCHESTRATOR_FN" }, query = { "DDB_TABLE" }, schemas = {}, health = {},
      orchestrate = { "ATHENA_RUNNER_FUNCTION_ARN", "BRONZE_PREFIX_S3", "DDB_TABLE", "DMS_TASK_ARN" },
      advance = { "ATHENA_OUTPUT", "ATHENA_RUNNER_FUNCTION_ARN", "BRONZE_PREFIX_S3", "DDB_TABLE", "DMS_TASK_ARN" } }
    for name, wanted in pairs(needs) do
      local use_case, err = app.use_case(name)
      assert.equal(#wanted > 0, use_case == nil, name)
      local missing = {}
      for i, problem in ipairs(err and err.details.problems or {}) do missing[i] = problem.name end
      assert.same(wanted, missing)
      if err then assert.equal("BadSetting", err.code) end
    end
  end)

  it("says with every call of a port what the port misses", function()
    local app = open {}
    for name, call in pairs { jobs = "list", lock = "read", replication = "status", warehouse = "get" } do
      local _, err = app.ports[name][call] {}
      assert.equal("BadSetting", err.code)
      assert.matches("DDB_TABLE is not set", err.message, 1, true)
    end
  end)

  it("refuses a location that is none", function()
    local _, err = settings_list.read(function(name) return name == "ATHENA_OUTPUT" and "results" or nil end)
    assert.matches("ATHENA_OUTPUT must be like s3://", err.message, 1, true)
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
