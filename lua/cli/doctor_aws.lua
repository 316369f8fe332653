-- What doctor looks at under SEWING_PROFILE=aws: whose keys these are, which settings lack, and whether each service answers.
local shape = require "lib.shape"

local M = {}

local SECONDS <const> = 10

local function ok(check, detail) return { check = check, state = "ok", detail = detail } end
local function warn(check, detail) return { check = check, state = "warn", detail = detail } end
local function fail(check, detail) return { check = check, state = "fail", detail = detail } end

-- The settings that functions refuse to work without (docs/aws-lakehouse.md).
local NEEDED <const> = { "DDB_TABLE", "ORCHESTRATOR_FN", "DMS_TASK_ARN", "ATHENA_RUNNER_FUNCTION_ARN", "BRONZE_PREFIX_S3", "SILVER_PREFIX_S3",
  "GOLD_PREFIX_S3" }

function M.needed(settings)
  local missing = {}
  local _, err = require("settings").check(settings, NEEDED)
  for i, problem in ipairs(err and err.details.problems or {}) do missing[i] = problem.name end
  if #missing == 0 then return ok("settings", "all that the functions need") end
  return warn("settings", ("not set: %s (sewing doctor --settings says what they are)"):format(table.concat(missing, ", ")))
end

function M.account(settings)
  local sts, err = require("aws").client("sts", { region = settings.aws_region, timeout = SECONDS })
  local who
  if sts then who, err = sts:get_caller_identity() end
  if not who then return fail("account", tostring(err)) end
  return ok("account", ("%s, region %s"):format(who.Arn, settings.aws_region))
end

local function probe(settings)
  local app, err = require("boot").open(settings, { purpose = "doctor" })
  if not app then return nil, err end
  local use_case
  use_case, err = app.use_case("health")
  if not use_case then return nil, err end
  local answer
  answer, err = use_case.run(app.ports_of(use_case), shape.check(use_case.input, { deep = true }), { settings = settings, version = "" })
  app.close()
  return answer, err
end

--- One line for each port of the lakehouse.
function M.services(settings)
  local answer, err = probe(settings)
  if not answer then return { fail("services", tostring(err.message or err)) } end
  local out = {}
  for i, port in ipairs(answer.ports) do
    out[i] = port.ok and ok(port.port, ("answers in %d ms"):format(port.took_ms))
      or (port.error.code == "BadSetting" and warn or fail)(port.port, port.error.message)
  end
  return out
end

return M
