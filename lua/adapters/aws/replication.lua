-- Port replication on DMS: one task that reloads the source tables into bronze.
--
-- A load is the task's present or last run. Which job began it is written down before the task starts, so that a call that
-- is made twice finds its own load, and another job's load is not taken for it. When the task has stopped, its folders are
-- registered as the partitions of the run: only then can anybody read the load, and only then it is over.
local errors = require "lib.errors"
local failures = require "adapters.aws.failures"
local items = require "adapters.aws.items"
local load_event = require "domain.lakehouse.load_event"
local parquet_schema = require "adapters.aws.parquet_schema"
local s3_uri = require "adapters.aws.s3_uri"
local task = require "sm.task"

local M = {}

local RUNNING <const> = { starting = true, running = true, stopping = true, modifying = true, testing = true, creating = true,
  moving = true }
local LOADING <const> = { starting = true, running = true, stopping = true }
local ENDED_WELL <const> = { FULL_LOAD_ONLY_FINISHED = true, STOPPED_AFTER_FULL_LOAD = true, [""] = true }
local STALE_SECONDS <const> = 60       -- a stop this long before our start is that of an earlier load
local START_TRIES <const>, START_PAUSE <const> = 3, 2
local PATIENT_TRIES <const>, PATIENT_PAUSE <const> = 5, 1 -- of what nobody would ask again
local TABLES_AT_A_TIME <const> = 8

-- "dms:2025-08-13:JOB:1755072000"
local function id_of(load) return ("dms:%s:%s:%d"):format(load.run, load.job_id, math.floor(load.started_at)) end

local function read_id(id)
  local run, job_id, at = tostring(id):match("^dms:(%d%d%d%d%-%d%d%-%d%d):(.+):(%d+)$")
  return run and { run = run, job_id = job_id, started_at = tonumber(at) }
end

local function state_record(output) return output.Item and items.read(output.Item) end

-- "Stop Reason FULL_LOAD_ONLY_FINISHED" -> "FULL_LOAD_ONLY_FINISHED"
local function stop_reason(found) return ((found.StopReason or ""):gsub("^Stop Reason%s+", "")) end

-- Why a task that has stopped did not load everything; nil when it did.
local function fault_of(found)
  local stats, reason = found.ReplicationTaskStats or {}, stop_reason(found)
  if found.Status == "failed" or found.Status == "failed-move" then
    return found.LastFailureMessage or (reason ~= "" and reason) or "the replication task failed"
  end
  if (stats.TablesErrored or 0) > 0 then return ("%d tables could not be loaded"):format(stats.TablesErrored) end
  if not ENDED_WELL[reason] then return "the replication task stopped: " .. reason end
  if stats.FullLoadProgressPercent and stats.FullLoadProgressPercent < 100 then
    return ("the replication task stopped at %d %%"):format(stats.FullLoadProgressPercent)
  end
end

-- The end of a load is told once: what it takes to believe it is tried longer than other calls, when it may yet succeed.
local function patiently(call, pause)
  local result, err
  for try = 1, PATIENT_TRIES do
    result, err = call()
    local worth = err and (err.code == "TooManyRequests" or err.code == "Timeout" or err.details and err.details.retryable)
    if result ~= nil or not worth or try == PATIENT_TRIES then break end
    local wait, left = pause * 2 ^ (try - 1), task.remaining()
    if left and left < 2 * wait then break end
    task.sleep(wait)
  end
  return result, err
end

---@class aws.ReplicationOptions
---@field api table
---@field clock table
---@field task_arn string
---@field table_name string              of the state
---@field bronze string                  template, s3://bucket/bronze/{run}/
---@field pipeline fun(): Pipeline
---@field register fun(request: table): boolean|nil, Error?   port catalog's register_partition
---@field pause_seconds number?           between tries of what is told once

---@param options aws.ReplicationOptions
---@return table replication  port replication
function M.new(options)
  local api, arn, pause = options.api, options.task_arn, options.pause_seconds or PATIENT_PAUSE
  local replication = {}
  local KEY <const> = { pk = { S = "load#" .. arn }, sk = { S = "load" } }

  local function dms(operation, params, context)
    local output, failure = api:call("dms", operation, params)
    if output then return output end
    return nil, failures.error(failure, context), failure
  end

  local function describe()
    local output, err = dms("describe_replication_tasks", { WithoutSettings = true,
      Filters = { { Name = "replication-task-arn", Values = { arn } } } }, "read the replication task")
    if not output then return nil, err end
    local found = output.ReplicationTasks and output.ReplicationTasks[1]
    if found then return found end
    return nil, errors.new("BadSetting", "DMS_TASK_ARN names no replication task: " .. arn)
  end

  -- The load that was begun last, by anybody.
  local function last_load()
    local output, failure = api:call("dynamodb", "get_item", { TableName = options.table_name, Key = KEY, ConsistentRead = true })
    if not output then return nil, failures.error(failure, "read the last load") end
    return state_record(output) or false
  end

  local function write_load(load)
    local item = items.item { run = load.run, job_id = load.job_id, started_at = load.started_at }
    item.pk, item.sk = KEY.pk, KEY.sk
    local output, failure = api:call("dynamodb", "put_item", { TableName = options.table_name, Item = item })
    return output and true, failure and failures.error(failure, "write the load down")
  end

  -- Where the task puts the tables of this run, when the layer has a folder for each run.
  local function point_at_run(found, run)
    if not options.bronze:find("{run}", 1, true) then return true end
    local _, folder = s3_uri.split(s3_uri.expand(options.bronze, run), true)
    folder = folder:gsub("/$", "")
    local output, err = dms("describe_endpoints", { Filters = { { Name = "endpoint-arn", Values = { found.TargetEndpointArn } } } },
      "read the replication's target")
    if not output then return nil, err end
    local endpoint = output.Endpoints and output.Endpoints[1]
    if not endpoint then return nil, errors.new("ExternalServiceError", "the replication task has no target endpoint") end
    if endpoint.S3Settings and endpoint.S3Settings.BucketFolder == folder then return true end
    output, err = dms("modify_endpoint", { EndpointArn = endpoint.EndpointArn, S3Settings = { BucketFolder = folder } },
      "point the replication at the folder of the run")
    return output and true, err
  end

  local function busy() return nil, errors.new("Conflict", "a load is running already") end

  -- The load that is running, when it is this one: the call is a repeated one.
  local function running_load(request)
    local last, err = last_load()
    if last == nil then return nil, err end
    if last and last.job_id == request.job_id and last.run == request.run then return { id = id_of(last) } end
    return busy()
  end

  -- A task that has just been changed, or is not ready after all, refuses for a moment.
  local function start_task(found)
    local fresh = found.Status == "ready" and not found.ReplicationTaskStartDate
    local output, err, failure
    for try = 1, START_TRIES do
      output, err, failure = dms("start_replication_task", { ReplicationTaskArn = arn,
        StartReplicationTaskType = fresh and "start-replication" or "reload-target" }, "start the replication task")
      if output or not failure or failure.code ~= "InvalidResourceStateFault" then break end
      local now = describe()
      if not now or LOADING[now.Status] then break end
      if try < START_TRIES then task.sleep(START_PAUSE) end
    end
    return output, err, failure
  end

  function replication.start(request)
    local found, err = describe()
    if not found then return nil, err end
    if LOADING[found.Status] then return running_load(request) end
    local ok
    ok, err = point_at_run(found, request.run)
    if not ok then return nil, err end
    local load = { run = request.run, job_id = request.job_id, started_at = options.clock.now() }
    ok, err = write_load(load)
    if not ok then return nil, err end
    local output, failure
    output, err, failure = start_task(found)
    if output then return { id = id_of(load) } end
    if failure and failure.code == "InvalidResourceStateFault" then return busy() end
    return nil, err
  end

  -- Rows by table as DMS counted them. That they can be told is good to have and no condition of a load.
  local function counts()
    local by_name, params = {}, { ReplicationTaskArn = arn, MaxRecords = 500 }
    repeat
      local output = dms("describe_table_statistics", params, "count the loaded rows")
      if not output then return nil end
      for _, one in ipairs(output.TableStatistics or {}) do
        by_name[(one.SchemaName .. "_" .. one.TableName):lower()] = { rows = one.FullLoadRows, schema = one.SchemaName,
          name = one.TableName }
      end
      params.Marker = output.Marker
    until not params.Marker or params.Marker == ""
    return by_name
  end

  -- DMS writes schema/table below its folder; dbo_resident is dbo/resident unless it says another spelling.
  local function folder_of(source, run, counted)
    local schema, name = source.bronze:match("^([^_]+)_(.+)$")
    if counted then schema, name = counted.schema, counted.name end
    local base = s3_uri.expand(options.bronze, run):gsub("/$", "")
    return schema and ("%s/%s/%s/"):format(base, schema, name) or ("%s/%s/"):format(base, source.bronze)
  end

  -- The columns as DMS has written them; those of the pipeline's list when there is no file to look into.
  local function columns_of(source, location)
    local found, err = parquet_schema.of_folder(api, location)
    if err then return nil, err end
    if not found then return source.columns end
    local has = {}
    for _, column in ipairs(found) do has[column.name] = true end
    for _, column in ipairs(source.columns) do
      if not has[column.name] then
        return nil, errors.new("ExternalServiceError", ("%s lacks the column '%s'"):format(source.bronze, column.name))
      end
    end
    return found
  end

  local function register_one(load, source, counted)
    local location = folder_of(source, load.run, counted)
    local columns, err = columns_of(source, location)
    if not columns then return nil, err end
    return options.register { database = "bronze", table = source.bronze, columns = columns, partition = { run = load.run },
      location = location, sole = not options.bronze:find("{run}", 1, true) }
  end

  local function register(load, by_name)
    local calls, sources = {}, options.pipeline().sources
    for i, source in ipairs(sources) do
      local counted = by_name and by_name[source.bronze:lower()]
      calls[i] = function()
        return patiently(function() return register_one(load, source, counted) end, pause)
      end
    end
    return task.parallel(calls, { limit = TABLES_AT_A_TIME })
  end

  local function finished(load)
    local by_name, rows, tables = counts(), nil, {}
    local ok, err = register(load, by_name)
    if not ok then
      local reason = "the load cannot be read: " .. tostring(err.message or err)
      return { id = load.id, run = load.run, state = "failed", reason = reason, tables = tables }
    end
    for i, source in ipairs(options.pipeline().sources) do
      local counted = by_name and by_name[source.bronze:lower()]
      tables[i] = { name = source.bronze, rows = counted and counted.rows }
      if counted and counted.rows then rows = (rows or 0) + counted.rows end
    end
    return { id = load.id, run = load.run, state = "stopped", reason = "FULL_LOAD_ONLY_FINISHED", rows = rows, tables = tables }
  end

  -- The task has stopped before this load began, or was begun anew by another job since.
  local function is_another(found, load)
    local stats = found.ReplicationTaskStats or {}
    local stopped = stats.StopDate
    if type(stopped) == "number" and stopped < load.started_at - STALE_SECONDS then return "earlier" end
    local last = last_load()
    if last and last.job_id ~= load.job_id and last.started_at > load.started_at then return "later" end
  end

  function replication.status(id)
    local load = read_id(id)
    if not load then return nil, errors.new("NotFound", ("there is no load '%s'"):format(tostring(id):sub(1, 100))) end
    load.id = id
    local found, err = patiently(describe, pause)
    if not found then return nil, err end
    local running = { id = id, run = load.run, state = "running", tables = {} }
    local other = is_another(found, load)
    if other == "later" then
      return { id = id, run = load.run, state = "failed", reason = "another refresh has used the replication task since", tables = {} }
    end
    if RUNNING[found.Status] or other == "earlier" then return running end
    local fault = fault_of(found)
    if fault then return { id = id, run = load.run, state = "failed", reason = fault, tables = {} } end
    return finished(load)
  end

  function replication.resource() return arn end

  -- A load that has stopped by itself meanwhile is stopped.
  function replication.cancel(id)
    local load = read_id(id)
    if not load then return true end
    local last = last_load()
    if last and last.job_id ~= load.job_id then return true end
    local _, err, failure = dms("stop_replication_task", { ReplicationTaskArn = arn }, "stop the replication task")
    if not failure or failure.code == "InvalidResourceStateFault" or failures.is_missing(failure) then return true end
    return nil, err
  end

  --- What the end of a load looks like on the bus; for those who make it up (specs, a rerun by hand).
  function replication.event(failed, message, time) return load_event.event(arn, failed, message, time) end

  return replication
end

return M
