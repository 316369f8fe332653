-- Port warehouse on this machine: statements with ids, states and kept results, as Athena has them.
-- A statement runs in a task of its own; a few at a time, the others wait in the order they came.
--
-- What runs them is an engine, DuckDB in this process (warehouse/embedded.lua) or a Trino cluster (adapters/trino/engine.lua):
--   parse(text, purpose) -> tree, class | nil, err
--   execute(request, tree, class, held, path) -> {rows, bytes, columns?, first?} | nil, err     rows go to the file at path
--   reader(request, tree, class, held) -> function() -> text | nil at the end | nil, err        a whole result as text
--   interrupt(held)    another task wants it stopped; held.stopped is set       release(held)  it is over; harmless twice
-- `held` belongs to one statement; the engine keeps there what it needs to stop it, and notes scanned_bytes.
local crypto = require "sm.crypto"
local errors = require "lib.errors"
local executions = require "adapters.local.warehouse.executions"
local files = require "sm.files"
local log = require "lib.log"
local results = require "adapters.local.warehouse.results"
local task = require "sm.task"

local M = {}

local RUNNING_AT_A_TIME <const> = 4
local MAX_ROWS <const> = 100000000
local PAGE_ROWS <const> = 1000
local OVER <const> = { SUCCEEDED = true, FAILED = true, CANCELLED = true }

local Warehouse = {}
Warehouse.__index = Warehouse

-- Records -----------------------------------------------------------------------------------------------------------

local function view(e)
  return {
    id = e.id, state = e.state, kind = e.kind, caller = e.caller, submitted_at = e.submitted_at, finished_at = e.finished_at,
    stats = { scanned_bytes = e.stats.scanned_bytes, execution_ms = e.stats.execution_ms, rows = e.stats.rows, bytes = e.stats.bytes },
    first = e.first, error = e.error,
  }
end

local function from_row(row)
  local e = { id = row.id, state = row.state, kind = row.kind, caller = row.caller, submitted_at = row.submitted_at,
    finished_at = row.finished_at,
    columns = row.columns, first = row.first, token_hash = row.token_hash,
    stats = { scanned_bytes = row.scanned_bytes, execution_ms = row.execution_ms, rows = row.rows, bytes = row.bytes } }
  if row.error then e.error = errors.new(errors.codes[row.error.code] and row.error.code or "QueryFailed", row.error.message,
    row.error.details) end
  return e
end

local function unknown(id) return errors.new("NotFound", ("there is no query '%s'"):format(tostring(id))) end

-- caller nil: asked from inside. Somebody else's execution looks like none.
function Warehouse:find(id, caller)
  local e = self.live[id]
  if not e then
    local row = type(id) == "string" and self.executions:get(id)
    if not row then return nil, unknown(id) end
    e = from_row(row)
  end
  if caller and e.caller ~= caller then return nil, unknown(id) end
  return e
end

-- Running -----------------------------------------------------------------------------------------------------------

local function wake(e)
  for _, queue in ipairs(e.waiters) do queue:push(true) end
  e.waiters = {}
end

function Warehouse:finish(e, state, done, err)
  if OVER[e.state] then return end
  e.state, e.finished_at, e.error = state, self.now(), err
  e.stats.execution_ms = e.started_at and math.floor((e.finished_at - e.started_at) * 1000 + 0.5) or 0
  if done then e.stats.rows, e.stats.bytes, e.columns, e.first = done.rows, done.bytes, done.columns, done.first end
  self.executions:finished(e)
  self.live[e.id] = nil
  wake(e)
end

-- The statement itself; raises nothing, so that a record always gets an end.
local function work(self, e)
  e.state, e.started_at = "RUNNING", self.now()
  self.executions:started(e.id, e.started_at)
  local _ <close> = setmetatable({}, { __close = function() self.engine:release(e.held) end })
  local done, err = self.engine:execute(e.request, e.tree, e.class, e.held, results.path(self.folder, e.id))
  e.stats.scanned_bytes = e.held.scanned_bytes
  return done, err
end

local function run_to_end(self, e)
  local _ <close> = setmetatable({}, { __close = function()
    if e.has_slot then self.slots:release() end
    -- Whatever ended this task early: the record must not stay open.
    if not OVER[e.state] then self:finish(e, "CANCELLED", nil, errors.new("QueryCancelled", "the query was stopped before its end")) end
  end })
  self.slots:acquire()
  e.has_slot = true
  if e.held.stopped then return self:finish(e, "CANCELLED") end
  local ok, done, err = xpcall(work, debug.traceback, self, e)
  if not ok then
    log.error("statement_failed", { query_id = e.id, kind = e.kind, traceback = tostring(done) })
    err, done = errors.new("InternalError", "Unexpected failure; the log tells more under query " .. e.id), nil
  end
  if done then return self:finish(e, "SUCCEEDED", done) end
  if e.held.stopped or err.code == "QueryCancelled" then return self:finish(e, "CANCELLED", nil, errors.new("QueryCancelled",
    "the query was cancelled")) end
  self:finish(e, "FAILED", nil, err)
end

local function same_text(e, hash, token)
  if e.token_hash == hash then return e end
  return nil, errors.new("Conflict", ("the token '%s' was used for another statement"):format(token))
end

-- The execution a token already stands for.
function Warehouse:repeated(request, hash)
  for _, e in pairs(self.live) do
    if e.caller == request.caller and e.request.token == request.token then return same_text(e, hash, request.token) end
  end
  local row = self.executions:by_token(request.caller, request.token)
  if not row then return nil end
  return same_text(from_row(row), hash, request.token)
end

local function new_execution(self, request, tree, class, hash)
  return {
    id = crypto.uuid(), caller = request.caller, purpose = request.purpose, token = request.token, token_hash = hash,
      job_id = request.job_id, kind = class.kind,
    sql = request.sql, state = "QUEUED", submitted_at = self.now(), stats = {}, waiters = {}, held = {}, request = request, tree = tree,
      class = class,
  }
end

local function filled(self, request)
  local out = {}
  for key, value in pairs(request) do out[key] = value end
  out.caller, out.purpose = request.caller or "internal", request.purpose or "query"
  if out.purpose == "query" then
    out.max_rows, out.max_bytes, out.max_scanned_bytes = request.max_rows or self.max_rows, request.max_bytes or self.max_bytes,
      self.max_scanned_bytes
  end
  out.database = request.database ~= "" and request.database or nil
  return out
end

-- Records a statement, or finds the one its token stands for. Nothing runs yet.
function Warehouse:enter(request)
  local tree, class = self.engine:parse(request.sql, request.purpose)
  if not tree then return nil, class end
  local hash = request.token and executions.token_hash(request)
  local e, ok, err
  if request.token then
    e, err = self:repeated(request, hash)
    if err then return nil, err end
    local again = e and e.state == "FAILED" and e.error and e.error.details and e.error.details.retryable
    if e and not again then return e, false end
    if e then
      local id = e.id
      e = new_execution(self, request, tree, class, hash)
      e.id = id
      self.live[id] = e
      ok, err = self.executions:requeue(id, e.submitted_at)
      if not ok then return nil, err end
      return e, true
    end
  end
  e = new_execution(self, request, tree, class, hash)
  self.live[e.id] = e
  ok, err = self.executions:insert(e)
  if ok then return e, true end
  self.live[e.id] = nil
  if ok == nil then return nil, err end
  return self:enter(request)
end

function Warehouse:start(request)
  local e, new = self:enter(filled(self, request))
  if not e then return nil, new end
  if new then task.spawn_with({ name = "query " .. e.id }, run_to_end, self, e) end
  return { id = e.id, state = e.state }
end

function Warehouse:wait(id, seconds, caller)
  local e, err = self:find(id, caller)
  if not e then return nil, err end
  if OVER[e.state] or seconds <= 0 then return view(e) end
  local queue = task.queue()
  e.waiters[#e.waiters + 1] = queue
  queue:pop(seconds)
  return view(e)
end

-- Stops a statement. One that is over stays as it is; one that is committing may still succeed.
function Warehouse:cancel(id, caller)
  local e, err = self:find(id, caller)
  if not e then return nil, err end
  if OVER[e.state] or not e.held then return true end
  e.held.stopped = true
  if e.state == "QUEUED" then self:finish(e, "CANCELLED", nil, errors.new("QueryCancelled", "the query was cancelled"))
  else self.engine:interrupt(e.held) end
  return true
end

-- Start and wait in the caller's own task: when that is cancelled, so is the engine.
function Warehouse:run(request)
  local asked = filled(self, request)
  if not request.purpose then asked.purpose = "pipeline" end
  local e, new = self:enter(asked)
  if not e then return nil, new end
  if new then
    local _ <close> = setmetatable({}, { __close = function()
      if not OVER[e.state] then self:cancel(e.id) end
    end })
    run_to_end(self, e)
  end
  while not OVER[e.state] do
    local seen, err = self:wait(e.id, 60)
    if not seen then return nil, err end
    if OVER[seen.state] then e = assert(self:find(e.id)) end
  end
  if e.state ~= "SUCCEEDED" then return nil, e.error or errors.new("QueryCancelled", "the query was cancelled") end
  return { id = e.id, rows = e.stats.rows, first = e.first, stats = view(e).stats }
end

-- Results -------------------------------------------------------------------------------------------------------------

local function not_ready(e)
  if e.state == "FAILED" or e.state == "CANCELLED" then
    return e.error or errors.new("QueryCancelled", "the query was cancelled")
  end
  return errors.new("Conflict", ("the query has not ended yet (%s)"):format(e.state), { state = e.state })
end

local function plain(columns, key)
  local list = {}
  for i, c in ipairs(columns or {}) do list[i] = c[key] end
  return list
end

function Warehouse:results(id, options, caller)
  options = options or {}
  local e, err = self:find(id, caller or options.caller)
  if not e then return nil, err end
  if e.state ~= "SUCCEEDED" then return nil, not_ready(e) end
  local page = { columns = plain(e.columns, "name"), column_types = plain(e.columns, "type"), rows_text = {}, row_count = e.stats.rows }
  local offset = 0
  if options.token then
    offset = self.executions:page_offset(id, options.token)
    if not offset then return nil, errors.new("BadParam", "Malformed nextPageToken: it does not belong to this query") end
  end
  if not e.columns then return page end
  local lines, next_offset = results.read(results.path(self.folder, id), offset, options.max_rows or PAGE_ROWS)
  if not lines then return nil, next_offset end
  page.rows_text = lines
  if next_offset < e.stats.bytes then page.next_token = self.executions:page_token(id, next_offset) end
  return page
end

-- Export ----------------------------------------------------------------------------------------------------------------

-- What export gives: called for the next chunk; gives its place back at the end, when it is closed, or dropped.
local Reader = {}
Reader.__call = function(self) return self.read() end
Reader.__close = function(self) self.release() end
Reader.__gc = Reader.__close

---@return table|nil reader  callable: text | nil at the end | nil, Error; may be a to-be-closed variable
---@return Error? err
function Warehouse:export(request)
  local asked = filled(self, request)
  asked.max_rows, asked.max_bytes = nil, nil
  local tree, class = self.engine:parse(asked.sql, "query")
  if not tree then return nil, class end
  local held, released = {}, false
  self.slots:acquire()
  local function release()
    if released then return end
    released = true
    self.engine:release(held)
    self.slots:release()
  end
  local reader <close> = setmetatable({}, { __close = function(opened)
    if not opened.read then release() end
  end })
  local read, err = self.engine:reader(asked, tree, class, held)
  if not read then return nil, err end
  function reader.read()
    local text, problem = read()
    if not text then release() end
    return text, problem
  end
  return setmetatable({ read = reader.read, release = release }, Reader)
end

-- Upkeep ---------------------------------------------------------------------------------------------------------------

---@param older_than number  seconds
---@return integer count
function Warehouse:purge(older_than)
  local ids = self.executions:ended_before(self.now() - older_than)
  for _, id in ipairs(ids) do
    files.remove(results.path(self.folder, id))
    self.executions:remove(id)
  end
  return #ids
end

---@param options {engine: table, data: string, now: (fun(): number)?, state: table, running: integer?, max_rows: integer?,
---  max_bytes: integer?, max_scanned_bytes: integer?}
---@return table|nil warehouse the port, Error? err
function M.new(options)
  local records, err = executions.open(options.state)
  if not records then return nil, err end
  local self = setmetatable({
    engine = options.engine, executions = records, live = {}, slots = task.semaphore(options.running or RUNNING_AT_A_TIME),
    now = options.now or require("sm.time").now, folder = options.data .. "/results",
    max_rows = options.max_rows or MAX_ROWS, max_bytes = options.max_bytes or 10 << 30,
    max_scanned_bytes = options.max_scanned_bytes,
  }, Warehouse)
  records:fail_interrupted(self.now())
  local port = {}
  for _, name in ipairs { "start", "wait", "results", "cancel", "export", "run", "purge" } do
    port[name] = function(...) return self[name](self, ...) end
  end
  function port.get(id, caller)
    local e, problem = self:find(id, caller)
    if not e then return nil, problem end
    return view(e)
  end
  return port
end

return M
