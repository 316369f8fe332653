-- Port lock on DynamoDB. One item for each key; the check and the write are one conditional update, so of any number of
-- simultaneous calls exactly one wins. The table is the contract's: hash key `resource`, TTL attribute `expiresAt`.
--
--   runId      the owner            leaseUntil  end of the lease, epoch seconds
--   fence      grows, see below     allowAfter  end of the cooldown
--   token      of the request       released    the owner gave the lease back
--   lastRun    when it was taken    expiresAt   when DynamoDB may remove the item
--   attempt    of the winning call, which knows it again when its answer was lost
--
-- A fence begins at the present millisecond: an item that was removed by its TTL starts again above every number it gave
-- out before. What the time is, the service says (adapters.aws.service_time).
local crypto = require "sm.crypto"
local errors = require "lib.errors"
local failures = require "adapters.aws.failures"
local items = require "adapters.aws.items"

local M = {}

local LOOK_AGAIN_SECONDS <const> = 10 -- at most, when a living lease is all that stands in the way: it is given back early
local KEPT_SECONDS <const> = 3600     -- after the last of its times
local NAMES <const> = { ["#resource"] = "resource", ["#token"] = "token" }
local TOKEN_NAME <const> = { ["#token"] = "token" }

local FREE <const> = "attribute_not_exists(leaseUntil) OR released = :yes OR leaseUntil <= :now"
local FREE_AND_COOL <const> = "attribute_not_exists(#resource) OR ((" .. FREE
  .. ") AND (attribute_not_exists(allowAfter) OR allowAfter <= :now))"
local TAKE <const> = "SET runId = :owner, fence = if_not_exists(fence, :epoch) + :one, leaseUntil = :until, allowAfter = :allow, "
  .. "lastRun = :now, released = :no, expiresAt = :gone, #token = :token, attempt = :attempt"
local MINE <const> = "fence = :fence AND released = :no"

local function refused_by_condition(failure) return failure.code == "ConditionalCheckFailedException" end

local function lease_of(key, item)
  local row = items.read(item)
  return { key = key, owner = row.runId, fence = row.fence, token = row.token ~= "" and row.token or nil,
    expires_at = row.leaseUntil, allow_after = row.allowAfter, released = row.released, attempt = row.attempt }
end

local function gone(...) return math.ceil(math.max(...)) + KEPT_SECONDS end

local function refusal(holder, now, ignore_cooldown)
  local held = not holder.released and (holder.expires_at or 0) - now or 0
  local cooling = not ignore_cooldown and (holder.allow_after or 0) - now or 0
  local wait = cooling > 0 and cooling or math.min(held, LOOK_AGAIN_SECONDS)
  return errors.new("CooldownActive", held > 0 and "A refresh is running." or "A refresh was started a moment ago.",
    { retry_after_seconds = math.max(0, math.ceil(wait)), owner = holder.owner, token = holder.token, held = held > 0 })
end

---@param options {api: table, table_name: string, time: table}   time: adapters.aws.service_time
---@return table lock   port lock
function M.new(options)
  local api, time = options.api, options.time
  local lock = {}

  -- Every answer tells what time it is at the service.
  local function call(operation, key, params)
    params.TableName, params.Key = options.table_name, { resource = { S = key } }
    local output, failure, response = api:call("dynamodb", operation, params)
    time.seen(response)
    return output, failure
  end

  local function update(key, expression, condition, values, names)
    return call("update_item", key, { UpdateExpression = expression, ConditionExpression = condition, ExpressionAttributeNames = names,
      ExpressionAttributeValues = items.item(values), ReturnValues = "ALL_NEW", ReturnValuesOnConditionCheckFailure = "ALL_OLD" })
  end

  local function item_of(key)
    local output, failure = call("get_item", key, { ConsistentRead = true })
    if not output then return nil, failures.error(failure, "read a lock") end
    return output.Item and lease_of(key, output.Item)
  end

  -- Who stands in the way. The refusal brings it along; a service that does not is asked.
  local function holder_of(request, failure)
    local item = failure.members and failure.members.Item
    if item and next(item) then return lease_of(request.key, item) end
    return item_of(request.key)
  end

  function lock.acquire(request)
    local known, unknown = time.ready(function() return item_of(request.key) end)
    if not known then return nil, unknown end
    local now = time.now()
    local attempt = crypto.uuid()
    local till, allow = now + request.ttl_seconds, now + (request.cooldown_seconds or 0)
    local output, failure = update(request.key, TAKE, request.ignore_cooldown and FREE or FREE_AND_COOL, {
      [":owner"] = request.owner, [":epoch"] = math.floor(now * 1000), [":one"] = 1, [":until"] = till, [":allow"] = allow,
      [":now"] = now, [":no"] = false, [":yes"] = true, [":gone"] = gone(till, allow), [":token"] = request.token or "",
      [":attempt"] = attempt }, request.ignore_cooldown and TOKEN_NAME or NAMES)
    if output then return lease_of(request.key, output.Attributes) end
    if not refused_by_condition(failure) then return nil, failures.error(failure, "take a lock") end
    local holder, err = holder_of(request, failure)
    if err then return nil, err end
    if not holder then return nil, errors.new("Conflict", ("the lock '%s' changes hands; try again"):format(request.key)) end
    -- Our own write, whose answer was lost on the way and that was sent again.
    if holder.attempt == attempt then return holder end
    return nil, refusal(holder, now, request.ignore_cooldown)
  end

  function lock.renew(lease, ttl_seconds)
    local till = time.now() + ttl_seconds
    local output, failure = update(lease.key, "SET leaseUntil = :until, expiresAt = :gone", MINE,
      { [":until"] = till, [":gone"] = gone(till, lease.allow_after or 0), [":fence"] = lease.fence, [":no"] = false })
    if output then return lease_of(lease.key, output.Attributes) end
    if refused_by_condition(failure) then
      return nil, errors.new("Conflict", ("the lock '%s' has gone to somebody else"):format(lease.key))
    end
    return nil, failures.error(failure, "renew a lock")
  end

  function lock.release(lease, release_options)
    local keep = release_options and release_options.keep_cooldown
    local values = { [":fence"] = lease.fence, [":no"] = false, [":yes"] = true }
    if not keep then values[":zero"] = 0 end
    local output, failure = update(lease.key, keep and "SET released = :yes" or "SET released = :yes, allowAfter = :zero", MINE, values)
    if output then return true end
    if refused_by_condition(failure) then return false end
    return nil, failures.error(failure, "release a lock")
  end

  function lock.read(key) return item_of(key) end

  return lock
end

return M
