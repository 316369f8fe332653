-- Stands in for the cloud's replication: copies every source table into its bronze partition of the run as Parquet, then
-- publishes the same end-of-load event. A partition appears whole or not at all, and a repeated load replaces it.
local errors = require "lib.errors"
local files = require "sm.files"
local load_event = require "domain.lakehouse.load_event"
local plan = require "domain.lakehouse.plan"
local quote = require "lib.sql.quote"
local source_folder = require "adapters.local.source"
local task = require "sm.task"

local M = {}

local RESOURCE <const> = "local:replication:full-load"
local TABLES_AT_A_TIME <const> = 2

local function must(ok, message, code, context)
  if ok == nil then return nil, errors.from(message, code, context) end
  return ok
end

-- Moves a finished folder into place. Between the two renames there is no partition; a crash there means that the load is
-- not finished and will be repeated.
local function put_in_place(fresh, final, old)
  local ok, message, code
  if files.exists(final) then
    ok, message, code = files.rename(final, old)
    if not ok then return must(ok, message, code, "replace " .. final) end
  end
  ok, message, code = files.rename(fresh, final)
  if not ok then return must(ok, message, code, "put " .. final .. " in place") end
  files.remove_tree(old)
  files.sync_dir(final:match("^(.*)/[^/]+$"))
  return true
end

local function copy_rows(con, select, folder)
  return con:exec(("COPY (%s) TO %s (FORMAT parquet, COMPRESSION snappy, PER_THREAD_OUTPUT true)"):format(select, quote.text(folder)))
end

-- The engine's advice is about its own options, and its context may name the file already.
local function told(err, name)
  local text = err.message:gsub("\n%s*Possible [Ff]ix.*$", ""):gsub("%s*\n%s*", "; ")
  if text:find(name, 1, true) == 1 then return errors.new(err.code, text, err.details) end
  return errors.new(err.code, name .. ": " .. text, err.details)
end

---@class ReplicationOptions
---@field source_folder fun(): string|nil, Error?   where the source tables are, made when it is the sample
---@field connect fun(): table|nil, Error?          a connection of the engine
---@field register fun(request: table): boolean|nil, Error?   port catalog's register_partition
---@field pipeline fun(): Pipeline
---@field bus table
---@field clock table
---@field ids table
---@field root string     the folder of the lake

---@param options ReplicationOptions
---@return table replication  port replication
function M.new(options)
  local replication, loads = {}, {}

  -- Loads one table into its partition; gives the number of rows.
  local function load_table(folder, source, run)
    local found, err = source_folder.find(folder, source)
    if not found then return nil, err end
    local con <close>, unconnected = options.connect()
    if not con then return nil, unconnected end
    local base = ("%s/bronze/%s"):format(options.root, source.bronze)
    local token = options.ids.uuid()
    local fresh, old, scratch = base .. "/.loading-" .. token, base .. "/.old-" .. token, base .. "/.rows-" .. token
    local made, message, code = files.mkdir(fresh)
    if not made then return must(made, message, code, "make the bronze folder") end
    local _ <close> = setmetatable({}, { __close = function()
      files.remove_tree(fresh)
      if files.exists(scratch) then files.remove(scratch) end
    end })
    local select, rows
    select, err = source_folder.select(con, source, found, scratch)
    if select then rows, err = copy_rows(con, select, fresh) end
    if not rows then return nil, told(err, found.name) end
    local final = ("%s/run=%s"):format(base, run)
    local ok
    ok, err = put_in_place(fresh, final, old)
    if not ok then return nil, err end
    ok, err = options.register { database = "bronze", table = source.bronze, columns = plan.bronze_columns(source),
      partition = { run = run }, location = "file://" .. final }
    return ok and rows, err
  end

  local function load_all(load)
    local folder, err = options.source_folder()
    if not folder then return nil, err end
    local sources, calls = options.pipeline().sources, {}
    for i, source in ipairs(sources) do
      calls[i] = function() return load_table(folder, source, load.run) end
    end
    local counts
    counts, err = task.parallel(calls, { limit = TABLES_AT_A_TIME })
    if not counts then return nil, err end
    load.rows, load.tables = 0, {}
    for i, source in ipairs(sources) do
      load.rows = load.rows + counts[i]
      load.tables[i] = { name = source.bronze, rows = counts[i] }
    end
    return true
  end

  local function finish(load, ok, err)
    if load.state ~= "running" then return end
    load.state = ok and "stopped" or "failed"
    load.reason = ok and "FULL_LOAD_ONLY_FINISHED" or tostring(type(err) == "table" and err.message or err)
    options.bus.publish(load_event.event(RESOURCE, not ok, load.reason, options.clock.iso()))
  end

  function replication.start(request)
    local id = "local:" .. request.job_id
    local before = loads[id]
    if before then replication.cancel(id) end
    for _, other in pairs(loads) do
      if other.state == "running" then return nil, errors.new("Conflict", "a load is running already") end
    end
    local load = { id = id, run = request.run, state = "running", rows = 0, tables = {} }
    loads[id] = load
    load.task = task.spawn(load_all, load)
    task.spawn(function() finish(load, load.task:join()) end)
    return { id = id }
  end

  function replication.status(id)
    local load = loads[id]
    if not load then return nil, errors.new("NotFound", ("there is no load '%s' in this process"):format(tostring(id))) end
    return { id = id, run = load.run, state = load.state, reason = load.reason, rows = load.rows, tables = load.tables }
  end

  function replication.cancel(id)
    local load = loads[id]
    if load and load.state == "running" then
      load.state, load.reason = "failed", "the load was cancelled"
      load.task:cancel("the load was cancelled")
      load.task:join()
    end
    return true
  end

  function replication.resource() return RESOURCE end

  --- Half-written folders of a process that has died. For the start of the only process on this data.
  function replication.sweep()
    for _, entry in ipairs(files.list(options.root .. "/bronze") or {}) do
      for _, inner in ipairs(files.list(options.root .. "/bronze/" .. entry.name) or {}) do
        if inner.name:find("^%.loading%-") or inner.name:find("^%.old%-") or inner.name:find("^%.rows%-") then
          files.remove_tree(("%s/bronze/%s/%s"):format(options.root, entry.name, inner.name))
        end
      end
    end
  end

  return replication
end

return M
