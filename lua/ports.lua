-- What each port must offer. A use case names the ports it needs and is given only those;
-- boot.lua checks every adapter against this list. Two adapters of one port pass the same spec in tests/contract/.
-- Conventions: times are epoch seconds (float) unless a name says otherwise; failure is `nil, err` (lib.errors).

local M = {}

---@class Lease            what a lock hands out
---@field key string
---@field owner string     the job (or runner) that holds it
---@field fence integer    grows with every acquisition of the key; a smaller one has lost
---@field expires_at number
---@field allow_after number

---@class Step             one recorded step of a job
---@field name string
---@field layer string     bronze | staging | quarantine | silver | gold
---@field kind string      load | prepare | sql | test | tidy
---@field after string[]   names of the steps that must have succeeded
---@field state string     PENDING | RUNNING | SUCCEEDED | FAILED | CANCELLED
---@field started_at number?
---@field finished_at number?
---@field rows integer?
---@field error table?     {code, message}
---@field warnings string[]
---@field attempt integer  0 before the first start

---@class Job
---@field id string
---@field run string       "YYYY-MM-DD"
---@field owner string     the caller that asked for it
---@field state string     QUEUED | RUNNING | SUCCEEDED | FAILED | CANCELLED
---@field created_at number
---@field updated_at number
---@field started_at number?
---@field finished_at number?
---@field steps Step[]
---@field error table?     {code, message, step?}
---@field lease table?     {key, owner, fence}
---@field task string?     id of the replication task that loads bronze
---@field cancel_requested boolean
---@field idempotency_key string?

---@class Layer            lakehouse listing of one layer
---@field prefix string?
---@field dir_count integer
---@field dirs table[]     {name, prefix, file_count, truncated, files = {{key, size, last_modified, url}}}
---@field truncated boolean  true only when there is more than shown
---@field expires_at string? ISO-8601: when the addresses end, which may be before the time asked for

M.list = {
  -- now() -> seconds; today() -> "YYYY-MM-DD" (UTC); iso(t?) -> "YYYY-MM-DDTHH:MM:SSZ"
  clock = { "now", "today", "iso" },

  -- uuid() -> text; token(bytes) -> url-safe text of fresh randomness; digest(text) -> 64 hex digits, the same for the same text
  ids = { "uuid", "token", "digest" },

  -- The SQL files. render(name, values, {offered=true}?) -> sql | nil, err    offered: values the file does not declare are left out
  -- check() -> true | nil, err    reads every file; the error names each faulty one
  statements = { "render", "check" },

  -- Work beside work, in the task that asks.
  -- parallel({fn, ...}, {limit=}?) -> {r1, r2, ..., n=} | nil, err      first failure cancels the rest
  -- watched(work, {every=seconds, check=fn}) -> results of work | nil, err
  --   runs check every so often beside work; when check returns nil, err the work is cancelled and err returned
  -- sleep(seconds); remaining() -> seconds to the deadline | nil
  tasks = { "parallel", "watched", "sleep", "remaining" },

  -- acquire{key, owner, ttl_seconds, cooldown_seconds?, ignore_cooldown?, token?} -> Lease
  --   | nil, err CooldownActive with details {retry_after_seconds, owner, token} of the holder
  --   refused while a lease lives or allow_after lies ahead; exactly one winner among simultaneous calls
  -- renew(lease, ttl_seconds) -> Lease | nil, err Conflict when the lease was lost (another fence, or released);
  --   a lease that ran out and that nobody took is renewed
  -- release(lease, {keep_cooldown=bool}?) -> true     false when it was no longer held; harmless twice
  -- read(key) -> {key, owner, fence, expires_at, allow_after, token} | nil
  lock = { "acquire", "renew", "release", "read" },

  -- create{id?, run, owner, idempotency_key?, request_hash?, lease?, steps} -> Job, existing(bool)
  --   same owner and key: the job made first; another request_hash under the same key: nil, err Conflict
  -- by_key(owner, key) -> Job | nil
  -- get(id) -> Job | nil, err NotFound; list{limit?, cursor?, state?} -> {items = Job[] newest first, next = cursor?}
  -- update(id, changes, {expect_state = {states}?, fence?}?) -> Job | nil, err Conflict   changes: state, error,
  --   task, lease, started_at, finished_at
  -- step_started(id, name, fence?) -> Step | nil, err Conflict when a newer fence has written
  -- step_finished(id, name, {state, rows?, error?, warnings?}, fence?) -> Step
  -- reset_steps(id, names) -> Job         back to PENDING, for a retry
  -- request_cancel(id) -> Job | nil, err NotFound/Conflict
  -- events(id, after_seq, limit?) -> {{seq, at, type, data}}; watch(id, after_seq, timeout_seconds) -> events
  --   (waits until there is one, {} at the timeout)
  -- unfinished() -> Job[] oldest first
  jobs = { "create", "by_key", "get", "list", "update", "step_started", "step_finished", "reset_steps",
    "request_cancel", "events", "watch", "unfinished" },

  -- invoke_async(name, payload) -> true      accepted, runs later; its end is seen in the job
  -- invoke(name, payload) -> result | nil, err
  functions = { "invoke_async", "invoke" },

  -- start{run, job_id} -> {id}               asked again for the same job and run: the same task starts afresh, never two
  -- status(id) -> {id, state = "running"|"stopped"|"failed", run, reason?, rows?, tables = {{name, rows, error?}}}
  -- resource() -> the name that the end-of-load event carries in `resources`
  -- cancel(id) -> true
  replication = { "start", "status", "resource", "cancel" },

  -- publish(event) -> number of deliveries; event {source, ["detail-type"], resources, detail}
  -- subscribe(name, pattern, {target=function name, input=table}) -> true       same name replaces
  -- unsubscribe(name) -> true  harmless twice; list() -> names
  bus = { "publish", "subscribe", "unsubscribe", "list" },

  -- list{layer, run, max_dirs, max_files, ttl_seconds} -> Layer; max_dirs 0 reads nothing and says truncated
  -- sign(path, ttl_seconds) -> url; open_signed(path, query) -> {path, size, name} | nil, err Forbidden/NotFound
  storage = { "list", "sign", "open_signed" },

  -- start{sql, database?, parameters?, token?, caller, purpose="query"|"pipeline"|"materialize", max_bytes?} -> {id, state}
  --   same token: the same id
  -- get(id) -> {id, state QUEUED|RUNNING|SUCCEEDED|FAILED|CANCELLED, kind, caller, submitted_at, finished_at?,
  --   stats = {scanned_bytes, execution_ms, rows, bytes}, error?} | nil, err NotFound
  -- wait(id, seconds) -> as get; cancel(id) -> true | nil, err
  -- results(id, {max_rows, token?}) -> {columns, column_types, rows_text = {JSON array texts}, next_token?, row_count}
  -- export{sql, database, parameters, caller, format="csv"|"ndjson"|"parquet"} -> reader() -> chunk | nil (end) | nil, err
  -- run{sql, database?, parameters?, job_id?, token?, caller?, purpose?, keep?} -> {id, rows = affected or returned,
  --   first = {texts of the first row}?, stats} | nil, err QueryFailed/...
  --   start + wait, for pipeline steps; cancels the engine when its task is cancelled
  --   keep: an engine that outlives its callers goes on when the time is up; err Timeout has details.unfinished then, and the
  --   same token finds the statement again
  -- purge(older_than_seconds) -> count
  warehouse = { "start", "get", "wait", "results", "cancel", "export", "run", "purge" },

  -- databases() -> {names in order}; tables(db, {search?, limit?, cursor?}) -> {items = {{name, type}}, next?}
  -- table(db, name) -> {database, name, type = "iceberg"|"parquet", columns = {{name, type, comment?}}, partition_keys, location,
  --   row_count, byte_count, snapshot_id, created_at, updated_at, properties} | nil, err NotFound
  -- sample(db, name, n) -> {columns, column_types, rows_text}
  -- location(db, name) -> text: where the files of a new table belong (given as the location of CREATE TABLE)
  -- register_partition{database, table, columns = {{name, type}}, partition = {run = "YYYY-MM-DD"}, location, sole?} -> true
  --   makes a folder of Parquet files a partition of the table, creating the table's entry when it is new; harmless twice
  --   sole: the folder holds one run at a time, so no other partition points at it any more
  catalog = { "databases", "tables", "table", "sample", "location", "register_partition" },

  -- versions(db, table) -> {{version, at, rows}} newest first
  -- swap(db, table, staged_table) -> {version, rows}: the staged table's columns and rows become the table's, in one commit;
  --   staged is gone; a table that does not exist yet comes to be
  -- undo(db, table) -> {version, rows} | nil, err NotFound/Conflict when there is no earlier version
  table_store = { "versions", "swap", "undo" },
}

--- Says whether an adapter offers everything its port promises.
---@param name string     port name
---@param adapter table
---@return boolean|nil ok, string? problem   problem names every missing function
function M.check(name, adapter)
  local wanted = M.list[name]
  if not wanted then return nil, ("there is no port '%s'"):format(tostring(name)) end
  if type(adapter) ~= "table" then return nil, ("port '%s' has no adapter"):format(name) end
  local missing = {}
  for _, fn in ipairs(wanted) do
    if type(adapter[fn]) ~= "function" then missing[#missing + 1] = fn end
  end
  if #missing > 0 then
    return nil, ("the adapter of port '%s' lacks: %s"):format(name, table.concat(missing, ", "))
  end
  return true
end

--- The ports a use case declared, and nothing else; touching another one is our bug and raises.
---@param all table       port name -> adapter
---@param names string[]  what the use case declares
---@return table
function M.only(all, names)
  local given = {}
  for _, name in ipairs(names) do
    local adapter = all[name]
    if adapter == nil then error(("port '%s' is declared but has no adapter"):format(name), 2) end
    given[name] = adapter
  end
  return setmetatable(given, {
    __index = function(_, key) error(("port '%s' is used but not declared"):format(tostring(key)), 2) end,
    __newindex = function(_, key) error(("ports are read-only (%s)"):format(tostring(key)), 2) end,
  })
end

return M
