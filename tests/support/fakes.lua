-- Ports as plain tables, for the specs of use cases and domain rules. Each takes overrides, so that a spec shows only
-- what matters to it. Time stands still until a spec moves it. No assertions here.
local errors = require "lib.errors"

local M = {}

local function with(base, overrides)
  for name, value in pairs(overrides or {}) do base[name] = value end
  return base
end

M.NOW = 1755072000 -- 2025-08-13 08:00:00 UTC

function M.clock(overrides)
  local clock = { at = M.NOW }
  function clock.now() return clock.at end
  function clock.today() return os.date("!%Y-%m-%d", math.floor(clock.at)) end
  function clock.iso(t) return os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(t or clock.at)) end
  return with(clock, overrides)
end

function M.ids(overrides)
  local n = 0
  return with({
    uuid = function()
      n = n + 1
      return ("00000000-0000-4000-8000-%012d"):format(n)
    end,
    token = function() return "token" end,
    digest = function(text) return "digest:" .. text end,
  }, overrides)
end

-- Runs calls one after the other; `watched` looks once before the work and once after.
function M.tasks(overrides)
  return with({
    parallel = function(calls)
      local results = { n = #calls }
      for i, call in ipairs(calls) do
        local value, err = call()
        if value == nil and err ~= nil then return nil, err end
        results[i] = value
      end
      return results
    end,
    watched = function(work, options)
      local ok, err = options.check()
      if not ok then return nil, err end
      return work()
    end,
    sleep = function() end,
    remaining = function() return nil end,
  }, overrides)
end

function M.lock(clock, overrides)
  local rows, fence = {}, 0
  local lock = { rows = rows }
  local function refuse(row, now)
    local wait = row.allow_after > now and row.allow_after - now or math.min(row.expires_at - now, 10)
    return nil, errors.new("CooldownActive", "A refresh is running.", { retry_after_seconds = math.ceil(wait),
        owner = row.owner, token = row.token })
  end
  function lock.acquire(request)
    local row, now = rows[request.key], clock.now()
    if row and (row.expires_at > now or (row.allow_after > now and not request.ignore_cooldown)) then return refuse(row, now) end
    fence = fence + 1
    rows[request.key] = { key = request.key, owner = request.owner, fence = fence, token = request.token,
      expires_at = now + request.ttl_seconds, allow_after = now + (request.cooldown_seconds or 0) }
    return with({}, rows[request.key])
  end
  function lock.renew(lease, ttl)
    local row = rows[lease.key]
    if not row or row.fence ~= lease.fence or row.released then return nil, errors.new("Conflict", "the lease was lost") end
    row.expires_at = clock.now() + ttl
    return with({}, row)
  end
  function lock.release(lease, options)
    local row = rows[lease.key]
    if not row or row.fence ~= lease.fence or row.released then return false end
    row.expires_at, row.released = 0, true
    if not (options and options.keep_cooldown) then row.allow_after = 0 end
    return true
  end
  function lock.read(key) return rows[key] end
  return with(lock, overrides)
end

local function new_job(request, now)
  local job = { id = request.id, run = request.run, owner = request.owner, state = "QUEUED", created_at = now, updated_at = now,
    steps = {}, lease = request.lease, idempotency_key = request.idempotency_key, cancel_requested = false }
  for i, step in ipairs(request.steps) do
    job.steps[i] = { name = step.name, layer = step.layer, kind = step.kind, after = step.after, state = "PENDING", warnings = {},
      attempt = 0 }
  end
  return job
end

function M.jobs(clock, overrides)
  local all, order = {}, {}
  local jobs = { all = all }
  local function find(id)
    if all[id] then return all[id] end
    return nil, errors.new("NotFound", "there is no refresh '" .. tostring(id) .. "'")
  end
  local function step_of(job, name)
    for _, step in ipairs(job.steps) do if step.name == name then return step end end
  end
  local function fenced(job, fence)
    if fence and job.fence and fence < job.fence then return nil, errors.new("Conflict", "a newer runner has this refresh") end
    if fence then job.fence = fence end
    return true
  end
  function jobs.create(request)
    local job = new_job(request, clock.now())
    all[job.id] = job
    table.insert(order, 1, job)
    return job, false
  end
  function jobs.by_key(owner, key)
    for _, job in ipairs(order) do if job.owner == owner and job.idempotency_key == key then return job end end
  end
  function jobs.get(id) return find(id) end
  function jobs.list(query)
    local items = {}
    for _, job in ipairs(order) do if #items < (query.limit or 50) and (not query.state
      or job.state == query.state) then items[#items + 1] = job end end
    return { items = items }
  end
  function jobs.update(id, changes, options)
    local job, err = find(id)
    if not job then return nil, err end
    local fits = not (options and options.expect_state)
    for _, state in ipairs(options and options.expect_state or {}) do fits = fits or job.state == state end
    if not fits then return nil, errors.new("Conflict", "the refresh is " .. job.state) end
    local ok
    ok, err = fenced(job, options and options.fence)
    if not ok then return nil, err end
    for name, value in pairs(changes) do job[name] = value end
    return job
  end
  function jobs.step_started(id, name, fence)
    local job = find(id)
    local ok, err = fenced(job, fence)
    if not ok then return nil, err end
    local step = step_of(job, name)
    step.state, step.started_at, step.attempt, step.error = "RUNNING", clock.now(), step.attempt + 1, nil
    return step
  end
  function jobs.step_finished(id, name, record, fence)
    local job = find(id)
    local ok, err = fenced(job, fence)
    if not ok then return nil, err end
    local step = step_of(job, name)
    step.finished_at = clock.now()
    with(step, record)
    step.warnings = record.warnings or {}
    return step
  end
  function jobs.reset_steps(id, names)
    local job = find(id)
    for _, name in ipairs(names) do
      local step = step_of(job, name)
      step.state, step.error, step.rows, step.started_at, step.finished_at, step.warnings = "PENDING", nil, nil, nil, nil, {}
    end
    job.error, job.finished_at, job.cancel_requested = nil, nil, false
    return job
  end
  function jobs.request_cancel(id)
    local job, err = find(id)
    if not job then return nil, err end
    if job.state ~= "QUEUED" and job.state ~= "RUNNING" then return nil, errors.new("Conflict", "the refresh is over: " .. job.state) end
    job.cancel_requested = true
    return job
  end
  function jobs.events() return {} end
  function jobs.watch() return {} end
  function jobs.unfinished()
    local list = {}
    for _, job in ipairs(order) do if job.state == "QUEUED" or job.state == "RUNNING" then table.insert(list, 1, job) end end
    return list
  end
  return with(jobs, overrides)
end

function M.functions(overrides)
  local functions = { calls = {} }
  function functions.invoke_async(name, payload)
    functions.calls[#functions.calls + 1] = { name = name, payload = payload }
    return true
  end
  function functions.invoke() return {} end
  return with(functions, overrides)
end

function M.bus(overrides)
  local bus = { subscriptions = {}, history = {} }
  function bus.subscribe(name, pattern, target)
    bus.subscriptions[name] = { pattern = pattern, target = target }
    bus.history[#bus.history + 1] = "subscribe " .. name
    return true
  end
  function bus.unsubscribe(name)
    bus.subscriptions[name] = nil
    return true
  end
  function bus.publish() return 0 end
  function bus.list()
    local names = {}
    for name in pairs(bus.subscriptions) do names[#names + 1] = name end
    return names
  end
  return with(bus, overrides)
end

function M.replication(overrides)
  local replication = { state = "running", rows = 7, cancelled = {} }
  function replication.start(request)
    replication.started = request
    return { id = "task-" .. request.job_id }
  end
  function replication.status(id) return { id = id, state = replication.state, reason = replication.reason, rows = replication.rows } end
  function replication.resource() return "local:replication:full-load" end
  function replication.cancel(id)
    replication.cancelled[#replication.cancelled + 1] = id
    return true
  end
  return with(replication, overrides)
end

function M.storage(overrides)
  local storage = { asked = {} }
  function storage.list(query)
    storage.asked[#storage.asked + 1] = query
    return { prefix = query.layer .. "/", dir_count = 0, dirs = {}, truncated = query.max_dirs == 0 }
  end
  function storage.sign(path) return "/files/" .. path end
  function storage.open_signed() return nil, errors.new("Forbidden", "the address has expired") end
  return with(storage, overrides)
end

function M.statements(overrides)
  return with({
    render = function(name, values)
      local parts = { name }
      local names = {}
      for key in pairs(values) do names[#names + 1] = key end
      table.sort(names)
      for _, key in ipairs(names) do
        local value = values[key]
        if type(value) == "string" or type(value) == "number" then parts[#parts + 1] = key .. "=" .. value end
        if type(value) == "table" and value.sql then parts[#parts + 1] = key .. "=" .. value.sql end
      end
      return table.concat(parts, " ")
    end,
    check = function() return true end,
  }, overrides)
end

-- Answers every statement with `rows` affected and the first row of `first` (by the statement's first word).
function M.warehouse(overrides)
  local warehouse = { ran = {}, executions = {}, cancelled = {}, first = {}, rows = 3, state = "SUCCEEDED" }
  function warehouse.run(request)
    warehouse.ran[#warehouse.ran + 1] = request
    local word = request.sql:match("^%S+")
    return { id = "q" .. #warehouse.ran, rows = warehouse.rows, first = warehouse.first[word] or { "0", "0" }, stats = {} }
  end
  function warehouse.start(request)
    local id = "e" .. (#warehouse.executions + 1)
    warehouse.executions[#warehouse.executions + 1] = request
    warehouse.executions[id] = { id = id, state = warehouse.state, kind = "SELECT", caller = request.caller, submitted_at = M.NOW,
      stats = { scanned_bytes = 12, execution_ms = 3, rows = 1 }, error = warehouse.error }
    return { id = id, state = "QUEUED" }
  end
  function warehouse.get(id)
    if warehouse.executions[id] then return warehouse.executions[id] end
    return nil, errors.new("NotFound", "QueryExecution " .. tostring(id) .. " was not found")
  end
  function warehouse.wait(id, seconds)
    warehouse.waited = seconds
    return warehouse.get(id)
  end
  function warehouse.results(id, options)
    warehouse.read = { id = id, options = options }
    return { columns = { "a" }, column_types = { "integer" }, rows_text = { '["1"]' }, row_count = 1 }
  end
  function warehouse.cancel(id)
    warehouse.cancelled[#warehouse.cancelled + 1] = id
    if warehouse.executions[id] then warehouse.executions[id].state = "CANCELLED" end
    return true
  end
  function warehouse.export(request)
    warehouse.exported = request
    return function() return nil end
  end
  function warehouse.purge() return 0 end
  return with(warehouse, overrides)
end

function M.catalog(overrides)
  local catalog = { known = {}, names = { "bronze", "gold", "silver" } }
  function catalog.databases() return catalog.names end
  function catalog.tables(database)
    local items = {}
    for name in pairs(catalog.known) do
      local db, tab = name:match("^(.-)%.(.*)$")
      if db == database then items[#items + 1] = { name = tab, type = "iceberg" } end
    end
    table.sort(items, function(a, b) return a.name < b.name end)
    return { items = items }
  end
  function catalog.table(database, name)
    local found = catalog.known[database .. "." .. name]
    if found then return found end
    return nil, errors.new("NotFound", ("there is no table %s.%s"):format(database, name))
  end
  function catalog.sample() return { columns = { "a" }, column_types = { "integer" }, rows_text = { '["1"]' } } end
  function catalog.location(database, name) return ("file:///lake/%s/%s"):format(database, name) end
  function catalog.register_partition() return true end
  return with(catalog, overrides)
end

function M.table_store(overrides)
  local store = { swapped = {} }
  function store.versions() return {} end
  function store.swap(database, name, staged)
    store.swapped[#store.swapped + 1] = { database = database, table = name, staged = staged }
    return { version = 2, rows = 3 }
  end
  function store.undo() return { version = 1, rows = 5 } end
  return with(store, overrides)
end

-- Every port at once; overrides replace whole ports.
function M.ports(overrides)
  local clock = overrides and overrides.clock or M.clock()
  return with({
    clock = clock, ids = M.ids(), tasks = M.tasks(), lock = M.lock(clock), jobs = M.jobs(clock), functions = M.functions(),
    bus = M.bus(), replication = M.replication(), storage = M.storage(), statements = M.statements(), warehouse = M.warehouse(),
    catalog = M.catalog(), table_store = M.table_store(),
  }, overrides)
end

M.settings = { cooldown_seconds = 30, request_seconds = 4000, resource_key = "full-load", lease_seconds = 60, presign_ttl_seconds = 900,
  max_dirs_per_layer = 25,
  max_files_per_dir = 50, min_live_ratio = 0.5, service_name = "sewingmachine", query_wait_seconds = 25, query_max_bytes = 1 << 30,
  fixed_run = "2025-08-13", keep_versions = 3 }

-- A small pipeline: one source, one model.
M.pipeline_list = {
  sources = { { name = "thing", bronze = "dbo_thing", staging = "thing_latest", silver = "src_thing", key = { "id" },
    columns = { { "id", "integer" }, { "label", "varchar" }, { "changed", "timestamp(6)" } }, newer_by = "changed", soft_delete = true,
    tests = { staging = { { "not_null", column = "id" } }, silver = { { "unique", columns = { "id" } } } } } },
  models = { { name = "dim_thing", sql = "gold_dim_thing", key = { "id" }, after = { "thing" },
    columns = { { "id", "integer" }, { "label", "varchar" } }, tests = { { "unique", columns = { "id" } } } } },
}

function M.ctx(overrides)
  local pipeline = assert(require("domain.lakehouse.pipeline_rules").prepare(M.pipeline_list))
  return with({ caller = "anna", base_url = "http://127.0.0.1:8080", settings = M.settings, pipeline = pipeline, version = "test" },
    overrides)
end

return M
