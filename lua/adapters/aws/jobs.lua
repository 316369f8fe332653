-- Port jobs on DynamoDB. A change reads the job, decides, and writes the next version together with the event that tells of
-- it; whoever was faster makes it decide again. Who watches looks again and again, more seldom with time.
local crypto = require "sm.crypto"
local errors = require "lib.errors"
local json = require "lib.json"
local store_module = require "adapters.aws.jobs.store"
local task = require "sm.task"
local text = require "lib.text"

local M = {}

local DEFAULT_LIMIT <const> = 50
local EVENTS_LIMIT <const> = 1000
local TRIES <const> = 20                      -- of a change that others are faster with
local FIRST_PAUSE <const>, LONGEST_PAUSE <const> = 0.01, 0.5
local FIRST_LOOK <const>, LONGEST_LOOK <const> = 0.2, 1
local LONGEST_MESSAGE <const> = 8000          -- bytes; an item holds 400 KB
local MOST_WARNINGS <const>, LONGEST_WARNING <const> = 50, 1000

local Jobs = {}
Jobs.__index = Jobs

local function pause(try)
  local most = math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ^ try)
  local jitter = crypto.random(1):byte() / 255
  task.sleep(most * (0.2 + 0.8 * jitter))
end

-- What the port promises, from the record as it is stored.
local function job_of(record)
  local job = {}
  for name, value in pairs(record) do job[name] = value end
  job.version, job.event_seq, job.pk, job.sk = nil, nil, nil, nil
  return job
end

local function short_error(err)
  if not err then return nil end
  return { code = err.code, message = text.cut(tostring(err.message), LONGEST_MESSAGE), step = err.step }
end

local function short_warnings(warnings)
  local list = {}
  for i, warning in ipairs(warnings or {}) do
    if i > MOST_WARNINGS then break end
    list[i] = text.cut(warning, LONGEST_WARNING)
  end
  return json.list(list)
end

local function find_step(record, name)
  for _, step in ipairs(record.steps) do
    if step.name == name then return step end
  end
  return nil, errors.new("NotFound", ("refresh %s has no step '%s'"):format(record.id, tostring(name)))
end

local function check_fence(record, fence)
  if not fence then return true end
  if fence < record.fence then return nil, errors.new("Conflict", "a newer runner has taken over this refresh") end
  record.fence = fence
  return true
end

local function expected(record, states)
  if not states then return true end
  for _, one in ipairs(states) do
    if record.state == one then return true end
  end
  return false
end

-- Writing ----------------------------------------------------------------------------------------------------------

-- The event is part of the change: what it tells is true when it can be read.
local function teller(self, record, events)
  return function(kind, data)
    record.event_seq = record.event_seq + 1
    events[#events + 1] = { seq = record.event_seq, at = self.clock.now(), type = kind, data = data }
  end
end

local function copy(value)
  if type(value) ~= "table" then return value end
  local out = {}
  for key, one in pairs(value) do out[key] = copy(one) end
  return json.is_list(value) and json.list(out) or out
end

-- One change of a job: fn(record, tell) changes the record and gives the result, or nil and why not.
function Jobs:change(id, fn)
  for try = 1, TRIES do
    local before, err = self.store:read(id)
    if not before then return nil, err end
    local record, events = copy(before), {}
    local result
    result, err = fn(record, teller(self, record, events))
    if result == nil then return nil, err end
    record.version, record.updated_at = before.version + 1, self.clock.now()
    local written
    written, err = self.store:replace(record, before, events)
    if written then return result == record and job_of(record) or result end
    if written == nil then return nil, err end
    pause(try)
  end
  return nil, errors.new("Conflict", ("the refresh %s is changed by too many at once; try again"):format(id))
end

local function new_record(self, request, sequence)
  local now, steps = self.clock.now(), {}
  for i, step in ipairs(request.steps) do
    steps[i] = { name = step.name, layer = step.layer, kind = step.kind, after = json.list(copy(step.after)), state = "PENDING",
      attempt = 0, warnings = json.list {} }
  end
  return { id = request.id, sequence = sequence, run = request.run, owner = request.owner, state = "QUEUED", created_at = now,
    updated_at = now, cancel_requested = false, fence = 0, version = 1, event_seq = 1, lease = request.lease,
    idempotency_key = request.idempotency_key, request_hash = request.request_hash, steps = json.list(steps) }
end

-- The job that was made first for the same key.
local function existing(self, request)
  if not request.idempotency_key then return nil end
  local known, err = self.store:by_key(request.owner, request.idempotency_key)
  if not known then return nil, err end
  if known.request_hash ~= request.request_hash then
    return nil, errors.new("Conflict", "this idempotency key was used for another request")
  end
  return self:get(known.job_id)
end

function Jobs:create(request)
  if not request.id then error("a job needs an id", 2) end
  for try = 1, TRIES do
    local known, err = existing(self, request)
    if known then return known, true end
    if err then return nil, err end
    local sequence
    sequence, err = self.store:next_sequence()
    if not sequence then return nil, err end
    local record = new_record(self, request, sequence)
    local event = { seq = 1, at = record.created_at, type = "job", data = { state = "QUEUED", run = request.run } }
    local written
    written, err = self.store:insert(record, event, request.idempotency_key)
    if written then return job_of(record), false end
    if written == nil then return nil, err end
    if not request.idempotency_key and self.store:read(request.id) then
      return nil, errors.new("Conflict", ("there is a refresh '%s' already"):format(request.id))
    end
    pause(try)
  end
  return nil, errors.new("Conflict", "the refresh could not be written down; try again")
end

local FIELDS <const> = { "state", "task", "lease", "started_at", "finished_at" }

function Jobs:update(id, changes, options)
  options = options or {}
  return self:change(id, function(record, tell)
    if not expected(record, options.expect_state) then return nil, errors.new("Conflict", ("the refresh is %s"):format(record.state)) end
    local ok, err = check_fence(record, options.fence)
    if not ok then return nil, err end
    for _, field in ipairs(FIELDS) do
      if changes[field] ~= nil then record[field] = changes[field] end
    end
    if changes.error ~= nil then record.error = short_error(changes.error) end
    if changes.state then tell("job", { state = changes.state, error = short_error(changes.error) }) end
    return record
  end)
end

function Jobs:step_started(id, name, fence)
  return self:change(id, function(record, tell)
    local ok, err = check_fence(record, fence)
    if not ok then return nil, err end
    local step
    step, err = find_step(record, name)
    if not step then return nil, err end
    step.state, step.attempt, step.started_at = "RUNNING", step.attempt + 1, self.clock.now()
    step.finished_at, step.rows, step.error, step.warnings = nil, nil, nil, json.list {}
    tell("step", { name = name, layer = step.layer, state = "RUNNING", attempt = step.attempt })
    return step
  end)
end

function Jobs:step_finished(id, name, result, fence)
  return self:change(id, function(record, tell)
    local ok, err = check_fence(record, fence)
    if not ok then return nil, err end
    local step
    step, err = find_step(record, name)
    if not step then return nil, err end
    step.state, step.finished_at, step.rows = result.state, self.clock.now(), result.rows
    step.error, step.warnings = short_error(result.error), short_warnings(result.warnings)
    tell("step", { name = name, layer = step.layer, state = step.state, rows = step.rows, error = step.error,
      warnings = #step.warnings > 0 and step.warnings or nil })
    return step
  end)
end

function Jobs:reset_steps(id, names)
  return self:change(id, function(record, tell)
    for _, name in ipairs(names) do
      local step, err = find_step(record, name)
      if not step then return nil, err end
      step.state, step.started_at, step.finished_at, step.rows, step.error = "PENDING", nil, nil, nil, nil
      step.warnings = json.list {}
    end
    record.error, record.finished_at, record.cancel_requested = nil, nil, false
    tell("retry", { steps = json.list(copy(names)) })
    return record
  end)
end

function Jobs:request_cancel(id)
  return self:change(id, function(record, tell)
    if not expected(record, { "QUEUED", "RUNNING" }) then
      return nil, errors.new("Conflict", ("the refresh is over: %s"):format(record.state))
    end
    if not record.cancel_requested then
      record.cancel_requested = true
      tell("cancel", {})
    end
    return record
  end)
end

-- Looking ----------------------------------------------------------------------------------------------------------

function Jobs:get(id)
  local record, err = self.store:read(id)
  return record and job_of(record), err
end

function Jobs:by_key(owner, key)
  local known, err = self.store:by_key(owner, key)
  if not known then return nil, err end
  return self:get(known.job_id)
end

local function jobs_of(self, entries)
  local records, err = self.store:records(entries)
  if not records then return nil, err end
  for i, record in ipairs(records) do records[i] = job_of(record) end
  return records
end

function Jobs:list(query)
  local limit = query.limit or DEFAULT_LIMIT
  local before = query.cursor and math.tointeger(tonumber(query.cursor)) or nil
  if query.cursor and (not before or before < 1 or before > store_module.LAST) then
    return nil, errors.new("BadParam", "nextPageToken is not one of ours")
  end
  local entries, err = self.store:entries(before, query.state, limit + 1)
  if not entries then return nil, err end
  local more
  if #entries > limit then
    entries[limit + 1] = nil
    more = tostring(entries[limit].sequence)
  end
  local items
  items, err = jobs_of(self, entries)
  return items and { items = items, next = more }, err
end

function Jobs:unfinished()
  local entries, err = self.store:open_entries()
  if not entries then return nil, err end
  return jobs_of(self, entries)
end

function Jobs:events(id, after, limit) return self.store:events(id, after or 0, limit or EVENTS_LIMIT) end

function Jobs:watch(id, after, timeout_seconds)
  local left, look = timeout_seconds, FIRST_LOOK
  while true do
    local found, err = self:events(id, after)
    if not found or #found > 0 or left <= 0 then return found, err end
    local wait = math.min(left, look)
    task.sleep(wait)
    left, look = left - wait, math.min(LONGEST_LOOK, look * 1.5)
  end
end

---@param options {api: table, table_name: string, clock: table}
---@return table jobs   port jobs
function M.new(options)
  local self = setmetatable({ store = store_module.new(options.api, options.table_name), clock = options.clock }, Jobs)
  local port = {}
  for _, name in ipairs { "create", "by_key", "get", "list", "update", "step_started", "step_finished", "reset_steps", "request_cancel",
    "events", "watch", "unfinished" } do
    port[name] = function(...) return self[name](self, ...) end
  end
  return port
end

return M
