-- Which failures are worth another attempt, after how long, and how often: AWS's "standard" mode, in its revision of 2026
-- (waits from 50 ms on, a second when throttled) or, where config.retry_revision says so, as it was before.
--
-- A bucket of tokens per client stops retries when everything fails: each costs, each success gives back. The whole is
-- bounded by the task's deadline: no attempt starts that could not end.
local M = {}

local CAPACITY <const> = 500
local REFUND <const> = 1
local MAX_DELAY <const> = 20 -- seconds
local LEGACY_ATTEMPTS <const> = 5
local NEWEST <const> = 2026

-- By revision: attempts, the first wait, what a retry costs; by kind of failure and, where it matters, by service.
local REVISIONS <const> = {
  [2026] = {
    attempts = 3, attempts_of = { dynamodb = 4, dynamodbstreams = 4 },
    base = 0.05, base_of = { dynamodb = 0.025, dynamodbstreams = 0.025 }, base_throttled = 1,
    cost = { transient = 14, timeout = 14, throttle = 5 },
  },
  [2021] = {
    attempts = 3, attempts_of = {}, base = 1, base_of = {}, base_throttled = 1,
    cost = { transient = 5, timeout = 10, throttle = 5 },
  },
}

-- These wait even when the quota is used up: whoever polls would come back at once.
local LONG_POLLING <const> = {
  sqs = { ReceiveMessage = true }, stepfunctions = { GetActivityTask = true },
  swf = { PollForActivityTask = true, PollForDecisionTask = true },
}
local MARGIN <const> = 0.05 -- seconds that an attempt after a wait needs at least

local function set(list)
  local out = {}
  for _, name in ipairs(list) do out[name] = true end
  return out
end

local THROTTLING <const> = set {
  "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException", "RequestThrottled", "TooManyRequestsException",
  "ProvisionedThroughputExceededException", "TransactionInProgressException", "RequestLimitExceeded", "BandwidthLimitExceeded",
  "LimitExceededException", "SlowDown", "PriorRequestNotComplete", "EC2ThrottledException",
}
local TRANSIENT <const> = set { "RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete", "InternalError" }
local TRANSIENT_STATUS <const> = { [500] = true, [502] = true, [503] = true, [504] = true }
local THROTTLING_STATUS <const> = { [429] = true, [509] = true }
-- Codes that only one service means so.
local OF_SERVICE <const> = {
  dynamodb = set { "ReplicatedWriteConflictException" },
  s3 = set { "BadDigest" },
  sts = set { "IDPCommunicationError" },
}
-- Calls that must not run twice: no second attempt when the first may have arrived.
local ONCE <const> = {
  lambda = set { "Invoke", "InvokeAsync", "InvokeWithResponseStream" },
  stepfunctions = set { "StartSyncExecution" },
}

---@class aws.RetryPolicy
---@field max_attempts integer
---@field rules table
---@field bucket table?       nil: no quota
---@field service string?
---@field random fun(): number
---@field sleep fun(seconds: number)
---@field remaining fun(): number?

---The quota that all calls of a client share.
function M.bucket() return { capacity = CAPACITY, left = CAPACITY } end

---@param config table?   retry_mode, max_attempts, retry_revision
---@param service string?
---@param bucket table?
---@param world table?    random, sleep, remaining: for tests
---@return aws.RetryPolicy
function M.policy(config, service, bucket, world)
  config, world = config or {}, world or {}
  local mode = config.retry_mode or "standard"
  local rules = REVISIONS[config.retry_revision or NEWEST] or REVISIONS[NEWEST]
  local attempts = config.max_attempts or mode == "legacy" and LEGACY_ATTEMPTS or rules.attempts_of[service] or rules.attempts
  return {
    service = service, rules = rules,
    max_attempts = mode == "none" and 1 or math.max(1, attempts),
    bucket = mode ~= "legacy" and (bucket or M.bucket()) or nil,
    random = world.random or math.random,
    sleep = world.sleep or function(seconds) require("sm.task").sleep(seconds) end,
    remaining = world.remaining or function() return require("sm.task").remaining() end,
  }
end

---What kind of retry a failure deserves: "throttle", "timeout", "transient"; nil: none.
---@param failure aws.Failure
---@param service string?
---@return string?
function M.classify(failure, service)
  local code, status = failure.code, failure.status
  if failure.kind == "timeout" then return failure.retryable ~= false and "timeout" or nil end
  if failure.throttled or THROTTLING[code] or THROTTLING_STATUS[status] then return "throttle" end
  if failure.retryable then return "transient" end
  if TRANSIENT[code] or TRANSIENT_STATUS[status] then return "transient" end
  if service and OF_SERVICE[service] and OF_SERVICE[service][code] then return "transient" end
  return nil
end

---Whether a call must not run twice.
---@param service string?
---@param operation string?
---@return boolean
function M.is_once(service, operation)
  return service ~= nil and ONCE[service] ~= nil and ONCE[service][operation] == true
end

-- A call that must not run twice is tried again only when it surely did not run: it was not sent, or it was refused.
local function may_repeat(failure, service, operation, kind)
  if not M.is_once(service, operation) then return true end
  return failure.unsent or kind == "throttle"
end

---Seconds to wait after attempt number n, before the next.
---@param policy table
---@param n integer
---@param failure aws.Failure?
---@return number
function M.delay(policy, n, failure)
  local rules = policy.rules
  local base = rules.base_of[policy.service] or rules.base
  if failure and M.classify(failure, policy.service) == "throttle" then base = rules.base_throttled end
  local wait = policy.random() * math.min(base * 2 ^ (n - 1), MAX_DELAY)
  local asked = failure and failure.retry_after
  if asked and asked >= 0 then wait = math.max(wait, math.min(asked, wait + 5)) end
  return wait
end

---What a response asks us to wait, in seconds: x-amz-retry-after in milliseconds, Retry-After in seconds.
---@param headers table?
---@return number?
function M.asked(headers)
  if not headers then return nil end
  local milliseconds = tonumber(headers["x-amz-retry-after"])
  if milliseconds then return milliseconds >= 0 and milliseconds / 1000 or nil end
  local seconds = tonumber(headers["retry-after"])
  return seconds and seconds >= 0 and seconds or nil
end

-- Takes what a retry costs; 0 when there is no quota, nil when it is used up.
local function take(policy, kind)
  local bucket = policy.bucket
  if not bucket then return 0 end
  local cost = policy.rules.cost[kind]
  if bucket.left < cost then return nil end
  bucket.left = bucket.left - cost
  return cost
end

local function give_back(policy, cost)
  local bucket = policy.bucket
  if bucket then bucket.left = math.min(bucket.capacity, bucket.left + (cost or REFUND)) end
end

-- Whether another attempt follows; waits for it. The second result is what it cost.
local function again(policy, failure, n, operation)
  local kind = M.classify(failure, policy.service)
  if not kind or n >= policy.max_attempts or failure.final then return false end
  if not may_repeat(failure, policy.service, operation, kind) then return false end
  local wait, left = M.delay(policy, n, failure), policy.remaining()
  if left and wait + MARGIN >= left then return false end
  local cost = take(policy, kind)
  local polls = LONG_POLLING[policy.service]
  if not cost and not (polls and polls[operation]) then return false end
  if wait > 0 then policy.sleep(wait) end
  return cost ~= nil, cost
end

-- What the failure tells its reader about itself.
local function label(failure, service, n)
  local kind = M.classify(failure, service)
  failure.attempts, failure.retryable = n, kind ~= nil
  if kind ~= "throttle" then return end
  failure.throttled = true
  if failure.kind == "service" then failure.kind = "throttle" end
end

---Calls attempt(1), attempt(2), ... until it gives something, or what it fails with is not worth another.
---@param policy aws.RetryPolicy
---@param attempt fun(n: integer): any, aws.Failure?, any   output | nil, failure; the rest is handed through
---@param operation string?  the API name
---@return any output
---@return aws.Failure? failure
---@return any
function M.run(policy, attempt, operation)
  local n, cost = 0, nil
  while true do
    n = n + 1
    local output, failure, extra = attempt(n)
    if output ~= nil or failure == nil then
      give_back(policy, cost)
      return output, nil, extra
    end
    label(failure, policy.service, n)
    local goes_on
    goes_on, cost = again(policy, failure, n, operation)
    if not goes_on then return nil, failure, extra end
  end
end

return M
