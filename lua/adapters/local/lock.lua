-- Locks with a lease and a fencing number, in state.sqlite. The check and the write are one transaction, so of any
-- number of simultaneous calls exactly one wins. The number grows with every winner and never goes back.
local errors = require "lib.errors"
local state = require "adapters.local.state"

local M = {}

local LOOK_AGAIN_SECONDS <const> = 10 -- at most, when a living lease is all that stands in the way: it is given back early

local function refusal(row, now, ignore_cooldown)
  local held = row.released == 0 and row.expires_at - now or 0
  local cooling = not ignore_cooldown and row.allow_after - now or 0
  if held <= 0 and cooling <= 0 then return nil end
  local wait = cooling > 0 and cooling or math.min(held, LOOK_AGAIN_SECONDS)
  return errors.new("CooldownActive", held > 0 and "A refresh is running." or "A refresh was started a moment ago.",
    { retry_after_seconds = math.ceil(wait), owner = row.owner, token = row.token, held = held > 0 })
end

local function lease_of(row)
  return { key = row.key, owner = row.owner, fence = row.fence, token = row.token, expires_at = row.expires_at,
      allow_after = row.allow_after }
end

local UPSERT <const> = [[
INSERT INTO locks (key, owner, fence, token, expires_at, allow_after, released) VALUES (:key, :owner, 1, :token,
    :expires_at, :allow_after, 0)
ON CONFLICT (key) DO UPDATE SET owner = :owner, fence = fence + 1, token = :token, expires_at = :expires_at,
    allow_after = :allow_after, released = 0]]

---@param db table      state.sqlite
---@param clock table   port clock
---@return table lock   port lock
function M.new(db, clock)
  local lock = {}

  function lock.acquire(request)
    local lease, problem, code = db:transaction(function(tx)
      local now = clock.now()
      local row, message, why = tx:row("SELECT * FROM locks WHERE key = ?", request.key)
      if not row and message then return nil, state.failure(message, why, "read a lock") end
      local refused = row and refusal(row, now, request.ignore_cooldown)
      if refused then return nil, refused end
      local changed
      changed, message, why = tx:exec(UPSERT, { key = request.key, owner = request.owner, token = request.token,
        expires_at = now + request.ttl_seconds, allow_after = now + (request.cooldown_seconds or 0) })
      if not changed then return nil, state.failure(message, why, "take a lock") end
      return lease_of(tx:row("SELECT * FROM locks WHERE key = ?", request.key))
    end)
    if not lease then return nil, state.failure(problem, code, "take a lock") end
    return lease
  end

  function lock.renew(lease, ttl_seconds)
    local changed, message, code = db:exec("UPDATE locks SET expires_at = ? WHERE key = ? AND fence = ? AND released = 0",
      clock.now() + ttl_seconds, lease.key, lease.fence)
    if not changed then return nil, state.failure(message, code, "renew a lock") end
    if changed == 0 then
      return nil, errors.new("Conflict", ("the lock '%s' has gone to somebody else"):format(lease.key))
    end
    return lock.read(lease.key)
  end

  function lock.release(lease, options)
    local keep = options and options.keep_cooldown
    local changed, message, code = db:exec(
      "UPDATE locks SET released = 1, allow_after = CASE WHEN ? THEN allow_after ELSE 0 END WHERE key = ? AND fence = ? AND released = 0",
      keep and 1 or 0, lease.key, lease.fence)
    if not changed then return nil, state.failure(message, code, "release a lock") end
    return changed > 0
  end

  function lock.read(key)
    local row, message, code = db:row("SELECT * FROM locks WHERE key = ?", key)
    if not row then
      if message then return nil, state.failure(message, code, "read a lock") end
      return nil
    end
    return lease_of(row)
  end

  -- Runners of a process that has died hold nothing any more. For the start of the only process on this data.
  function lock.forget_runners()
    return db:exec("UPDATE locks SET released = 1 WHERE key LIKE 'runner:%'")
  end

  return lock
end

return M
