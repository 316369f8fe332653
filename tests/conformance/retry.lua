-- Retries: the older table of what is retryable, by service; the tables of the standard mode, before and after its revision;
-- and the shared defaults.
local checksum = require "aws.checksum"
local config = require "aws.config"
local failure = require "aws.failure"
local json = require "lib.json"
local retry = require "aws.retry"
local signing = require "conformance.support.signing"

local M = { name = "retry" }

local function read(path)
  local text = signing.read(path)
  return text and assert(json.decode(text)) or nil
end

-- ---- the older table ----

local function crc_failure()
  local response = { status = 200, headers = { ["x-amz-crc32"] = "1" }, body = "{}" }
  return checksum.check(response, { method = "POST", headers = {} }, {})
end

local function failure_of(when)
  if when.socket_errors then return failure.new { kind = "transport", code = "ConnectionFailed", retryable = true } end
  local response = when.response
  if response.crc32body then return crc_failure() end
  return failure.new { kind = "service", code = response.service_error_code or tostring(response.http_status_code), status = response.http_status_code }
end

local function run_legacy(rules, report)
  for service, operations in pairs(rules.retry) do
    for operation, entry in pairs(operations) do
      for name, policy in pairs(entry.policies) do
        local when = (policy["$ref"] and rules.definitions[policy["$ref"]] or policy).applies_when
        report(("legacy %s %s %s"):format(service, operation, name), retry.classify(failure_of(when), service) ~= nil, "not taken for retryable")
      end
    end
  end
end

-- In the default entry there are no operations: the policies stand at once.
local function run_legacy_defaults(rules, report)
  for name, policy in pairs(rules.retry.__default__.policies) do
    local when = (policy["$ref"] and rules.definitions[policy["$ref"]] or policy).applies_when
    report("legacy default " .. name, retry.classify(failure_of(when)) ~= nil, "not taken for retryable")
  end
end

-- ---- the standard mode ----

local function policy_of(revision, service, random)
  return retry.policy({ retry_revision = revision }, service, nil, { random = function() return random end, sleep = function() end, remaining = function() end })
end

local function same(report, name, got, wanted)
  report(name, got == wanted or math.type(got) and math.type(wanted) and math.abs(got - wanted) < 1e-9, ("%s, wanted %s"):format(tostring(got), tostring(wanted)))
end

local function run_delays(revision, table_, report)
  for i, case in ipairs(table_.cases) do
    local policy = policy_of(revision, case.service, case.rand)
    local err = failure.new { kind = case.throttled and "throttle" or "service", code = "InternalError", status = 500 }
    err.retry_after = retry.asked { ["x-amz-retry-after"] = case.retry_after }
    same(report, ("%d delay %d, attempt %d"):format(revision, i, case.attempt), retry.delay(policy, case.attempt, err), case.delay)
  end
end

-- What is left of the quota after one retry of a kind.
local function cost_of(revision, err)
  local policy = policy_of(revision, nil, 0)
  local seen
  retry.run(policy, function(n)
    if n == 1 then return nil, err end
    seen = policy.bucket.capacity - policy.bucket.left
    return true
  end)
  return seen, policy
end

local function run_quota(revision, quota, report)
  local transient = failure.new { kind = "service", code = "x", status = 500 }
  local spent, policy = cost_of(revision, transient)
  same(report, revision .. " capacity", policy.bucket.capacity, quota.capacity)
  same(report, revision .. " cost of a retry", spent, quota.retry_cost)
  same(report, revision .. " cost comes back", policy.bucket.left, quota.capacity)
  if quota.timeout_cost then
    same(report, revision .. " cost of a time-out", cost_of(revision, failure.new { kind = "timeout", retryable = true }), quota.timeout_cost)
  end
  if quota.throttling_cost then same(report, revision .. " cost when throttled", cost_of(revision, failure.new { kind = "throttle" }), quota.throttling_cost) end
  if quota.refund_on_success_without_retry then
    policy.bucket.left = 100
    retry.run(policy, function() return true end)
    same(report, revision .. " refund without retry", policy.bucket.left - 100, quota.refund_on_success_without_retry)
  end
end

local function run_attempts(revision, attempts, report)
  if type(attempts) ~= "table" then attempts = { default = attempts } end
  for service, count in pairs(attempts) do
    local tries = 0
    retry.run(policy_of(revision, service ~= "default" and service or nil, 0), function()
      tries = tries + 1
      return nil, failure.new { kind = "service", code = "x", status = 500 }
    end)
    same(report, ("%d attempts, %s"):format(revision, service), tries, count)
  end
end

local function run_codes(what, report)
  for _, status in ipairs(what.status_transient) do
    same(report, "status " .. status, retry.classify(failure.new { kind = "service", code = "x", status = status }), "transient")
  end
  for _, code in ipairs(what.codes_transient) do
    report("transient " .. code, retry.classify(failure.new { kind = "service", code = code, status = 400 }) ~= nil)
  end
  for _, code in ipairs(what.codes_throttling) do
    same(report, "throttling " .. code, retry.classify(failure.new { kind = "service", code = code, status = 400 }), "throttle")
  end
  same(report, "read timeout", retry.classify(failure.new { kind = "timeout", retryable = true }), "timeout")
  same(report, "connection", retry.classify(failure.new { kind = "transport", retryable = true }), "transient")
  same(report, "modelled", retry.classify(failure.new { kind = "service", code = "Odd", status = 400, retryable = true }), "transient")
  for _, code in ipairs(what.service.sts) do
    same(report, "sts " .. code, retry.classify(failure.new { kind = "service", code = code, status = 400 }, "sts"), "transient")
  end
end

local function run_long_polling(operations, report)
  for service, names in pairs(operations) do
    for _, name in ipairs(names) do
      local slept, tries = 0, 0
      local policy = retry.policy({}, service, { capacity = 500, left = 0 }, { random = function() return 1 end, sleep = function() slept = slept + 1 end, remaining = function() end })
      retry.run(policy, function()
        tries = tries + 1
        return nil, failure.new { kind = "throttle" }
      end, name)
      report(("long polling %s %s"):format(service, name), slept == 1 and tries == 1, "does not wait without quota")
    end
  end
end

-- ---- defaults ----

local function run_defaults(defaults, report)
  local world = { env = function() end, read_file = function() return nil, "none", "not_found" end, now = os.time, home = "/nonexistent" }
  local found = config.resolve("S3", { region = "us-east-1" }, world) or {}
  same(report, "default retry mode", found.retry_mode, defaults.base.retryMode)
  same(report, "default of STS", found.sts_regional, defaults.base.stsRegionalEndpoints)
  same(report, "default of S3 in us-east-1", found.s3 and found.s3.us_east_1_regional_endpoint, defaults.base.s3UsEast1RegionalEndpoints)
end

---@param dir string
---@param report fun(case: string, ok: boolean, why: string?)
function M.run(dir, report)
  local rules, defaults = read(dir .. "/retry/legacy-retry-rules.json"), read(dir .. "/retry/sdk-default-configuration.json")
  if rules then
    run_legacy_defaults(rules, report)
    rules.retry.__default__ = nil
    run_legacy(rules, report)
  end
  if defaults then run_defaults(defaults, report) end
  local standard = read(dir .. "/extra/retry-standard.json")
  if not standard then return end
  run_codes(standard.retryable, report)
  for revision, table_ in pairs { [2021] = standard.now, [2026] = standard.next } do
    run_delays(revision, table_, report)
    run_quota(revision, table_.quota, report)
    run_attempts(revision, table_.max_attempts, report)
  end
  run_long_polling(standard.next.long_polling_operations, report)
end

return M
