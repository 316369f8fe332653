-- Jobs, their steps and their events in state.sqlite. A change and the event that tells of it are one transaction; who
-- watches in this process is woken at once, others see it within a second.
local errors = require "lib.errors"
local json = require "lib.json"
local state = require "adapters.local.state"
local task = require "sm.task"

local M = {}

local LOOK_AGAIN_SECONDS <const> = 1   -- for events of other processes
local DEFAULT_LIMIT <const> = 50

local Jobs = {}
Jobs.__index = Jobs

-- Reading ----------------------------------------------------------------------------------------------------------

local function decode(text) return text and json.decode(text) or nil end
local function encode(value) return value ~= nil and assert(json.encode(value)) or nil end

local function step_of(row)
  row.after, row.error, row.warnings = decode(row.after) or {}, decode(row.error), decode(row.warnings) or {}
  row.job_id, row.position = nil, nil
  return row
end

local function job_of(db, row)
  local rows, message, code = db:rows("SELECT * FROM steps WHERE job_id = ? ORDER BY position", row.id)
  if not rows then return nil, state.failure(message, code, "read steps") end
  row.steps = {}
  for i, step in ipairs(rows) do row.steps[i] = step_of(step) end
  row.error, row.lease, row.cancel_requested = decode(row.error), decode(row.lease), row.cancel_requested == 1
  return row
end

local function read(db, id)
  local row, message, code = db:row("SELECT * FROM jobs WHERE id = ?", id)
  if row then return job_of(db, row) end
  if message then return nil, state.failure(message, code, "read a refresh") end
  return nil, errors.new("NotFound", ("there is no refresh '%s' (GET /runs lists them)"):format(tostring(id):sub(1, 60)))
end

local function all_of(db, rows, message, code)
  if not rows then return nil, state.failure(message, code, "list refreshes") end
  local list = {}
  for i, row in ipairs(rows) do
    local job, err = job_of(db, row)
    if not job then return nil, err end
    list[i] = job
  end
  return list
end

-- Writing ----------------------------------------------------------------------------------------------------------

local function must(changed, message, code)
  if not changed then error(state.failure(message, code, "write a refresh"), 0) end
  return changed
end

-- One transaction on a job: fn(tx, job) -> result | nil, err. What raises inside is undone and comes back as an error.
function Jobs:change(id, fn)
  local result, problem, code = self.db:transaction(function(tx)
    local job, err = read(tx, id)
    if not job then return nil, err end
    local ok, value, why = pcall(fn, tx, job)
    if not ok then return nil, errors.is(value) and value or errors.new("InternalError", tostring(value)) end
    return value, why
  end)
  if result == nil then return nil, state.failure(problem, code, "write a refresh") end
  self:wake(id)
  return result
end

function Jobs:tell(tx, id, kind, data)
  must(tx:exec("INSERT INTO events SELECT ?1, COALESCE(MAX(seq), 0) + 1, ?2, ?3, ?4 FROM events WHERE job_id = ?1",
    id, self.clock.now(), kind, encode(data)))
  must(tx:exec("UPDATE jobs SET updated_at = ? WHERE id = ?", self.clock.now(), id))
end

local function check_fence(tx, job, fence)
  if not fence then return true end
  if fence < job.fence then return nil, errors.new("Conflict", "a newer runner has taken over this refresh") end
  if fence > job.fence then must(tx:exec("UPDATE jobs SET fence = ? WHERE id = ?", fence, job.id)) end
  return true
end

local function find_step(job, name)
  for _, step in ipairs(job.steps) do
    if step.name == name then return step end
  end
  error(errors.new("NotFound", ("refresh %s has no step '%s'"):format(job.id, tostring(name))), 0)
end

local function same_request(job, request)
  if job.request_hash == request.request_hash then return job, true end
  return nil, errors.new("Conflict", "this idempotency key was used for another request")
end

local function insert(self, tx, request)
  local now = self.clock.now()
  must(tx:exec([[INSERT INTO jobs (id, sequence, run, owner, state, created_at, updated_at, lease, idempotency_key, request_hash)
    SELECT ?1, COALESCE(MAX(sequence), 0) + 1, ?2, ?3, 'QUEUED', ?4, ?4, ?5, ?6, ?7 FROM jobs]],
    request.id, request.run, request.owner, now, encode(request.lease), request.idempotency_key, request.request_hash))
  for i, step in ipairs(request.steps) do
    must(tx:exec("INSERT INTO steps (job_id, position, name, layer, kind, after, state) VALUES (?, ?, ?, ?, ?, ?, 'PENDING')",
      request.id, i, step.name, step.layer, step.kind, encode(json.list(step.after))))
  end
  self:tell(tx, request.id, "job", { state = "QUEUED", run = request.run })
end

function Jobs:create(request)
  if not request.id then error("a job needs an id", 2) end
  local job, existing, code = self.db:transaction(function(tx)
    local known = request.idempotency_key and
      tx:row("SELECT id FROM jobs WHERE owner = ? AND idempotency_key = ?", request.owner, request.idempotency_key)
    if known then return same_request(assert(read(tx, known.id)), request) end
    local ok, err = pcall(insert, self, tx, request)
    if not ok then return nil, state.failure(err, nil, "write a refresh") end
    return read(tx, request.id)
  end)
  if not job then return nil, state.failure(existing, code, "write a refresh") end
  self:wake(job.id)
  return job, existing or false
end

local function expected(job, states)
  if not states then return true end
  for _, one in ipairs(states) do
    if job.state == one then return true end
  end
  return false
end

local FIELDS <const> = { "state", "error", "task", "lease", "started_at", "finished_at" }

function Jobs:update(id, changes, options)
  options = options or {}
  return self:change(id, function(tx, job)
    if not expected(job, options.expect_state) then
      return nil, errors.new("Conflict", ("the refresh is %s"):format(job.state))
    end
    local ok, err = check_fence(tx, job, options.fence)
    if not ok then return nil, err end
    for _, field in ipairs(FIELDS) do
      local value = changes[field]
      if value ~= nil then
        if type(value) == "table" then value = encode(value) end
        must(tx:exec(("UPDATE jobs SET %s = ? WHERE id = ?"):format(field), value, id))
      end
    end
    if changes.state then self:tell(tx, id, "job", { state = changes.state, error = changes.error }) end
    return read(tx, id)
  end)
end

function Jobs:step_started(id, name, fence)
  return self:change(id, function(tx, job)
    local ok, err = check_fence(tx, job, fence)
    if not ok then return nil, err end
    local step = find_step(job, name)
    must(tx:exec([[UPDATE steps SET state = 'RUNNING', attempt = attempt + 1, started_at = ?, finished_at = NULL, rows = NULL,
      error = NULL, warnings = NULL WHERE job_id = ? AND name = ?]], self.clock.now(), id, name))
    self:tell(tx, id, "step", { name = name, layer = step.layer, state = "RUNNING", attempt = step.attempt + 1 })
    return find_step(assert(read(tx, id)), name)
  end)
end

function Jobs:step_finished(id, name, record, fence)
  return self:change(id, function(tx, job)
    local ok, err = check_fence(tx, job, fence)
    if not ok then return nil, err end
    local step = find_step(job, name)
    must(tx:exec("UPDATE steps SET state = ?, finished_at = ?, rows = ?, error = ?, warnings = ? WHERE job_id = ? AND name = ?",
      record.state, self.clock.now(), record.rows, encode(record.error), encode(json.list(record.warnings)), id, name))
    self:tell(tx, id, "step", { name = name, layer = step.layer, state = record.state, rows = record.rows, error = record.error,
      warnings = record.warnings and #record.warnings > 0 and json.list(record.warnings) or nil })
    return find_step(assert(read(tx, id)), name)
  end)
end

function Jobs:reset_steps(id, names)
  return self:change(id, function(tx)
    for _, name in ipairs(names) do
      must(tx:exec([[UPDATE steps SET state = 'PENDING', started_at = NULL, finished_at = NULL, rows = NULL, error = NULL, warnings = NULL
        WHERE job_id = ? AND name = ?]], id, name))
    end
    must(tx:exec("UPDATE jobs SET error = NULL, finished_at = NULL, cancel_requested = 0 WHERE id = ?", id))
    self:tell(tx, id, "retry", { steps = json.list(names) })
    return read(tx, id)
  end)
end

function Jobs:request_cancel(id)
  return self:change(id, function(tx, job)
    if not expected(job, { "QUEUED", "RUNNING" }) then
      return nil, errors.new("Conflict", ("the refresh is over: %s"):format(job.state))
    end
    if not job.cancel_requested then
      must(tx:exec("UPDATE jobs SET cancel_requested = 1 WHERE id = ?", id))
      self:tell(tx, id, "cancel", {})
    end
    return read(tx, id)
  end)
end

-- Looking ----------------------------------------------------------------------------------------------------------

function Jobs:get(id) return read(self.db, id) end

function Jobs:by_key(owner, key)
  local row = self.db:row("SELECT id FROM jobs WHERE owner = ? AND idempotency_key = ?", owner, key)
  return row and read(self.db, row.id) or nil
end

function Jobs:list(query)
  local limit = query.limit or DEFAULT_LIMIT
  local before = query.cursor and math.tointeger(tonumber(query.cursor)) or nil
  if query.cursor and not before then return nil, errors.new("BadParam", "nextPageToken is not one of ours") end
  local items, err = all_of(self.db, self.db:rows(
    [[SELECT * FROM jobs WHERE (?1 IS NULL OR sequence < ?1) AND (?2 IS NULL OR state = ?2) ORDER BY sequence DESC LIMIT ?3]],
    before, query.state, limit + 1))
  if not items then return nil, err end
  local more
  if #items > limit then
    items[limit + 1] = nil
    more = tostring(items[limit].sequence)
  end
  return { items = items, next = more }
end

function Jobs:unfinished()
  return all_of(self.db, self.db:rows("SELECT * FROM jobs WHERE state IN ('QUEUED', 'RUNNING') ORDER BY sequence"))
end

function Jobs:events(id, after_seq, limit)
  local rows, message, code = self.db:rows("SELECT seq, at, type, data FROM events WHERE job_id = ? AND seq > ? ORDER BY seq LIMIT ?",
    id, after_seq or 0, limit or 1000)
  if not rows then return nil, state.failure(message, code, "read events") end
  for _, row in ipairs(rows) do row.data = decode(row.data) end
  return rows
end

function Jobs:watch(id, after_seq, timeout_seconds)
  local bell <const> = task.queue()
  local bells = self.watchers[id] or {}
  self.watchers[id] = bells
  bells[bell] = true
  local _ <close> = setmetatable({}, { __close = function()
    bells[bell] = nil
    if next(bells) == nil and self.watchers[id] == bells then self.watchers[id] = nil end
  end })
  local left = timeout_seconds
  while true do
    local found, err = self:events(id, after_seq)
    if not found or #found > 0 or left <= 0 then return found, err end
    local wait = math.min(left, LOOK_AGAIN_SECONDS)
    bell:pop(wait)
    left = left - wait
  end
end

function Jobs:wake(id)
  for bell in pairs(self.watchers[id] or {}) do bell:push(true) end
end

---@param db table      state.sqlite
---@param clock table   port clock
---@return table jobs   port jobs
function M.new(db, clock)
  local self = setmetatable({ db = db, clock = clock, watchers = {} }, Jobs)
  local port = {}
  for _, name in ipairs { "create", "by_key", "get", "list", "update", "step_started", "step_finished", "reset_steps", "request_cancel",
    "events", "watch", "unfinished" } do
    port[name] = function(...) return self[name](self, ...) end
  end
  return port
end

return M
