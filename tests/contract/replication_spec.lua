-- Port replication: what every adapter must do. A new adapter adds one line at the end.
-- `new` gives the port, the events it published, put(name, text): a source file, and rows(table, run): what bronze holds.
local task = require "sm.task"

local fixture = require "lake_fixture"

local CSV <const> = "id,label,changed\n1,one,2025-01-01 10:00:00\n2,  two ,not a date\n,three,\n"

-- What every adapter does, wherever its tables come from.
local shared = {}

shared["refuses a second load while one runs"] = function(replication)
  local started = assert(replication.start { run = "2025-08-13", job_id = "job-1" })
  assert.equal("Conflict", select(2, replication.start { run = "2025-08-13", job_id = "job-2" }).code)
  assert.is_true(replication.cancel(started.id))
end

shared["can be cancelled, and says so"] = function(replication)
  local started = assert(replication.start { run = "2025-08-13", job_id = "job-1" })
  assert.equal("running", replication.status(started.id).state)
  assert.is_true(replication.cancel(started.id))
  assert.equal("failed", replication.status(started.id).state)
  assert.is_true(replication.cancel(started.id))
  assert.is_true(replication.cancel("local:none"))
end

shared["knows its load by the run"] = function(replication)
  local started = assert(replication.start { run = "2025-08-13", job_id = "job-1" })
  assert.equal("2025-08-13", replication.status(started.id).run)
  replication.cancel(started.id)
end

shared["does not know a load of another process"] = function(replication)
  assert.equal("NotFound", select(2, replication.status("local:none")).code)
end

local function contract(name, new)
  describe("replication (" .. name .. ")", function()
    if not fixture.has_engine() then return pending "libduckdb.so is not there" end
    local replication, events, put, rows, stop
    before_each(function() replication, events, put, rows, stop = new() end)
    after_each(function() stop() end)

    local function load(run, job_id)
      local started = assert(replication.start { run = run or "2025-08-13", job_id = job_id or "job-1" })
      local event = assert(events:pop(20))
      return assert(replication.status(started.id)), event
    end

    it("copies the source into the partition of the run, as text, and tells its end", function()
      put("dbo_thing.csv", CSV)
      local status, event = load()
      assert.equal("stopped", status.state)
      assert.equal(3, status.rows)
      assert.same({ { name = "dbo_thing", rows = 3 } }, status.tables)
      assert.equal("aws.dms", event.source)
      assert.equal("DMS Replication Task State Change", event["detail-type"])
      assert.same({ replication.resource() }, event.resources)
      assert.equal("REPLICATION_TASK_STOPPED", event.detail.eventType)
      assert.equal("DMS-EVENT-0079", event.detail.eventId)
      assert.same({ { "1", "one", "2025-01-01 10:00:00" }, { "2", "  two ", "not a date" }, { nil, "three", nil } },
          rows("dbo_thing", "2025-08-13"))
    end)

    it("replaces the partition when it is loaded again, and leaves others alone", function()
      put("dbo_thing.csv", CSV)
      load()
      load("2025-08-14", "job-2")
      put("dbo_thing.csv", "id,label,changed\n9,nine,\n")
      assert.equal(1, load("2025-08-13", "job-3").rows)
      assert.equal(1, #rows("dbo_thing", "2025-08-13"))
      assert.equal(3, #rows("dbo_thing", "2025-08-14"))
    end)

    it("tells a failed load with the reason, and keeps the partition that was there", function()
      put("dbo_thing.csv", CSV)
      load()
      put("dbo_thing.csv", "id,label\n1,one\n")
      local status, event = load(nil, "job-2")
      assert.equal("failed", status.state)
      assert.matches("dbo_thing.csv lacks the column 'changed'", status.reason)
      assert.equal("REPLICATION_TASK_FAILED", event.detail.eventType)
      assert.equal("DMS-EVENT-0078", event.detail.eventId)
      assert.matches("lacks the column", event.detail.detailMessage)
      assert.equal(3, #rows("dbo_thing", "2025-08-13"))
    end)

    it("names the row that is torn, not another header", function()
      put("dbo_thing.csv", "id,label,changed\n1,one,2025-01-01 10:00:00\n2,tw")
      local status = load()
      assert.equal("failed", status.state)
      assert.matches("Line: 3", status.reason, 1, true)
      assert.is_nil(status.reason:find("lacks", 1, true))
      put("dbo_thing.csv", "id;label;changed\r\n1;one;2025-01-01 10:00:00;more\r\n")
      assert.matches("Line: 2", load(nil, "job-2").reason, 1, true)
    end)

    it("says that a file is empty", function()
      put("dbo_thing.csv", "")
      local status = load()
      assert.equal("failed", status.state)
      assert.matches("dbo_thing.csv is empty", status.reason, 1, true)
      assert.equal(1, select(2, status.reason:gsub("dbo_thing.csv", "")))
    end)

    it("names the table whose file is missing", function()
      put("other.csv", CSV)
      local status = load()
      assert.equal("failed", status.state)
      assert.matches("no file for table dbo_thing", status.reason)
    end)

    for what, check in pairs(shared) do
      it(what, function()
        put("dbo_thing.csv", CSV)
        check(replication)
      end)
    end

    for extension, text in pairs {
      ndjson = '{"id":1,"label":"Zoë \\"x\\"","changed":"2025-01-01T10:00:00"}\n{"id":2}\n',
      json = '[{"id":1,"label":"Zoë \\"x\\"","changed":"2025-01-01T10:00:00"},{"id":2}]',
    } do
      it("reads " .. extension, function()
        put("thing." .. extension, text)
        assert.equal(2, load().rows)
        assert.same({ { "1", 'Zoë "x"', "2025-01-01T10:00:00" }, { "2", nil, nil } }, rows("dbo_thing", "2025-08-13"))
      end)
    end

    it("reads CSV with quotes, line breaks, other letters and other column orders", function()
      put("DBO_THING.CSV", 'changed,LABEL,extra,Id\n,"a ""b""\nc",x,1\n,"",y,2\n,李,z,3\n')
      assert.equal(3, load().rows)
      assert.same({ { "1", 'a "b"\nc', nil }, { "2", "", nil }, { "3", "李", nil } }, rows("dbo_thing", "2025-08-13"))
    end)

    it("reads a table of a SQLite file", function()
      put("shop.sqlite", function(path)
        local db <close> = assert(require("sm.sqlite").open(path))
        assert(db:script("CREATE TABLE Thing (id INTEGER, label TEXT, changed TEXT); INSERT INTO Thing VALUES (1, 'O''Brien', NULL), (2, NULL, '2025-01-01')"))
      end)
      assert.equal(2, load().rows)
      assert.same({ { "1", "O'Brien", nil }, { "2", nil, "2025-01-01" } }, rows("dbo_thing", "2025-08-13"))
    end)

    it("reads a SQLite table that has no row ids, row for row", function()
      put("shop.sqlite", function(path)
        local db <close> = assert(require("sm.sqlite").open(path))
        assert(db:script([[CREATE TABLE thing (label TEXT PRIMARY KEY, id INTEGER, changed TEXT) WITHOUT ROWID;
          WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000)
          INSERT INTO thing (label, id) SELECT 'label ' || (i * 7919 % 12007), i FROM n;]]))
      end)
      assert.equal(12000, load().rows)
      local ids = {}
      for _, row in ipairs(rows("dbo_thing", "2025-08-13")) do ids[row[1]] = true end
      for id = 1, 12000 do assert.is_true(ids[tostring(id)]) end
    end)

    it("reads Parquet, with whole numbers as such", function()
      put("thing.parquet", function(path, con)
        assert(con:exec(("COPY (SELECT 1.0::DOUBLE AS id, 'x' AS label, TIMESTAMP '2025-01-01 10:00:00' AS changed) TO '%s' (FORMAT parquet)"):format(path)))
      end)
      assert.equal(1, load().rows)
      assert.same({ { "1", "x", "2025-01-01 10:00:00" } }, rows("dbo_thing", "2025-08-13"))
    end)

    for what, bytes in pairs { ["bytes that are no text"] = "id,label,changed\n1,\xff\xfe\x00,\n", ["no Parquet"] = "PAR1 nonsense" } do
      it("tells why a file with " .. what .. " cannot be read", function()
        local file = what == "no Parquet" and "thing.parquet" or "thing.csv"
        put(file, bytes)
        local status = load()
        assert.equal("failed", status.state)
        assert.matches(file, status.reason, 1, true)
      end)
    end

    it("does not guess between two files of one table", function()
      put("dbo_thing.csv", CSV)
      put("thing.json", "[]")
      assert.matches("has two files", load().reason)
    end)
  end)
end

contract("local", function()
  local files = require "sm.files"
  local fakes = require "fakes"
  local folder = assert(files.realpath(assert(files.temp_dir())))
  assert(files.mkdir(folder .. "/source"))
  local lake = assert(require("adapters.local.lake").open { data = folder .. "/data", source = folder .. "/source" })
  local con = assert(lake.engine:connect())
  local events = task.queue()
  local catalog = require("adapters.local.catalog").new(lake)
  local replication = require("adapters.local.replication").new {
    root = lake.root, clock = fakes.clock(), ids = require("adapters.local.ids").new(),
    bus = { publish = function(event) events:push(event) return 1 end },
    pipeline = function() return fakes.ctx().pipeline end, source_folder = function() return folder .. "/source" end,
    connect = function() return lake.engine:connect() end, register = catalog.register_partition,
  }
  local function put(name, content)
    local path = folder .. "/source/" .. name
    if type(content) == "function" then content(path, con) else assert(files.write(path, content)) end
  end
  local function rows(table_name, run)
    local result = assert(con:query(("SELECT id, label, changed FROM read_parquet('%s/bronze/%s/run=%s/*.parquet', hive_partitioning = false) ORDER BY id")
      :format(lake.root, table_name, run)))
    local list = {}
    for i, row in ipairs(result.rows) do list[i] = { row[1], row[2], row[3] } end
    return list
  end
  local function stop()
    con:close()
    require("adapters.local.lake").close(lake)
    files.remove_tree(folder)
  end
  return replication, events, put, rows, stop
end)

-- DMS: a task with states of its own, as the service tells them; Glue is moto's, the state DynamoDB Local's.
local aws, scripted = require "aws_fixture", require "scripted"

local ARN <const> = "arn:aws:dms:us-east-1:123456789012:task:LOAD"

if not (aws.has "moto" and aws.has "dynamodb") then
  describe("replication (aws)", function() pending "moto or DynamoDB Local is not installed" end)
  return
end

-- dms.task: what DescribeReplicationTasks tells; dms.refuse: operation -> error of the next calls.
local function scripted_dms()
  local dms = { task = { ReplicationTaskArn = ARN, Status = "ready", TargetEndpointArn = "arn:endpoint" }, folder = "bronze", refuse = {} }
  local answers = {}
  function answers.DescribeReplicationTasks() return { ReplicationTasks = { dms.task } } end
  function answers.DescribeEndpoints()
    return { Endpoints = { { EndpointArn = "arn:endpoint", S3Settings = { BucketFolder = dms.folder } } } }
  end
  function answers.ModifyEndpoint(params)
    dms.folder = params.S3Settings.BucketFolder
    return { Endpoint = { EndpointArn = "arn:endpoint" } }
  end
  function answers.StartReplicationTask(params)
    if dms.task.Status == "running" then return scripted.failure("InvalidResourceStateFault", "the task is running") end
    dms.started = params.StartReplicationTaskType
    dms.task.Status, dms.task.ReplicationTaskStartDate = "running", require("sm.time").now()
    dms.task.StopReason, dms.task.ReplicationTaskStats = nil, { FullLoadProgressPercent = 0, TablesErrored = 0 }
    return { ReplicationTask = dms.task }
  end
  function answers.StopReplicationTask()
    if dms.task.Status ~= "running" then return scripted.failure("InvalidResourceStateFault", "the task is not running") end
    dms.task.Status, dms.task.StopReason = "stopped", "Stop Reason NORMAL"
    return { ReplicationTask = dms.task }
  end
  function answers.DescribeTableStatistics()
    return { TableStatistics = { { SchemaName = "dbo", TableName = "Thing", FullLoadRows = 3 } } }
  end
  dms.server = scripted.start(function(operation, params)
    if dms.refuse[operation] then return dms.refuse[operation] end
    return answers[operation](params)
  end)
  function dms.ends(reason, errored)
    dms.task.Status, dms.task.StopReason = "stopped", "Stop Reason " .. (reason or "FULL_LOAD_ONLY_FINISHED")
    dms.task.ReplicationTaskStats = { FullLoadProgressPercent = 100, TablesErrored = errored or 0, StopDate = require("sm.time").now() }
  end
  return dms
end

describe("replication (aws)", function()
  local dms, api, replication, registered, options
  local plain
  before_each(function()
    dms = scripted_dms()
    api = aws.api { dms = dms.server.url }
    plain = plain or aws.api()
    plain:call("s3", "create_bucket", { Bucket = "lake" })
    registered = {}
    options = { api = api, task_arn = ARN, table_name = aws.state_table(plain), bronze = "s3://lake/bronze/{run}/",
      clock = require("adapters.local.clock").new(), pipeline = function() return require("fakes").ctx().pipeline end,
      register = function(request)
        registered[#registered + 1] = request
        return true
      end }
    replication = require("adapters.aws.replication").new(options)
  end)
  after_each(function() dms.server.stop() end)

  for what, check in pairs(shared) do
    it(what, function() check(replication) end)
  end

  local function start(job_id, run) return assert(replication.start { run = run or "2025-08-13", job_id = job_id or "job-1" }) end

  it("reloads, after a first start", function()
    start()
    assert.equal("start-replication", dms.started)
    dms.ends()
    start("job-2")
    assert.equal("reload-target", dms.started)
  end)

  it("points the task at the folder of the run before it starts", function()
    start(nil, "2025-08-14")
    assert.equal("bronze/2025-08-14", dms.folder)
    local order = {}
    for i, call in ipairs(dms.server.calls) do order[i] = call.operation end
    assert.same({ "DescribeReplicationTasks", "DescribeEndpoints", "ModifyEndpoint", "StartReplicationTask" }, order)
  end)

  it("leaves the task's folder alone when all runs share one", function()
    options.bronze = "s3://lake/bronze/"
    replication = require("adapters.aws.replication").new(options)
    local started = start()
    assert.equal("bronze", dms.folder)
    dms.ends()
    assert.equal("stopped", replication.status(started.id).state)
    assert.same({ "s3://lake/bronze/dbo/Thing/", true }, { registered[1].location, registered[1].sole })
  end)

  it("is over when the folders are partitions, and tells the rows", function()
    local started = start()
    assert.equal("running", replication.status(started.id).state)
    assert.same({}, registered)
    dms.ends()
    local status = assert(replication.status(started.id))
    assert.same({ "stopped", "2025-08-13", 3, 1 }, { status.state, status.run, status.rows, #status.tables })
    assert.equal("s3://lake/bronze/2025-08-13/dbo/Thing/", registered[1].location)
    assert.same({ run = "2025-08-13" }, registered[1].partition)
  end)

  it("registers the columns that DMS has written, and fails a load that lacks one", function()
    local bucket = aws.bucket(plain)
    options.bronze = ("s3://%s/bronze/{run}/"):format(bucket)
    replication = require("adapters.aws.replication").new(options)
    local function put(select)
      local f = fixture.open()
      local con <close> = assert(f.lake.engine:connect())
      local path = f.lake.root .. "/x.parquet"
      assert(con:exec(("COPY (%s) TO '%s' (FORMAT parquet)"):format(select, path)))
      assert(plain:call("s3", "put_object", { Bucket = bucket, Key = "bronze/2025-08-13/dbo/Thing/LOAD00000001.parquet",
        Body = assert(require("sm.files").read(path)) }))
      f.close()
    end
    put "SELECT 1::BIGINT AS id, 'x' AS label, TIMESTAMP '2025-01-01 10:00:00' AS changed, 1 AS extra"
    local started = start()
    dms.ends()
    assert.equal("stopped", assert(replication.status(started.id)).state)
    local types = {}
    for i, column in ipairs(registered[1].columns) do types[i] = column.name .. " " .. column.type end
    assert.same({ "id bigint", "label string", "changed timestamp", "extra int" }, types)
    put "SELECT 1 AS id"
    assert.matches("dbo_thing lacks the column 'label'", assert(replication.status(started.id)).reason)
  end)

  it("tells a load that ended badly, and why", function()
    for reason, pattern in pairs { FATAL_ERROR = "FATAL_ERROR", RECOVERABLE_ERROR = "RECOVERABLE_ERROR", NORMAL = "NORMAL" } do
      local started = start(reason)
      dms.ends(reason)
      local status = assert(replication.status(started.id))
      assert.equal("failed", status.state)
      assert.matches(pattern, status.reason)
    end
    local started = start("errored")
    dms.ends(nil, 2)
    assert.matches("2 tables could not be loaded", replication.status(started.id).reason)
    started = start("dead")
    dms.task.Status, dms.task.LastFailureMessage = "failed", "no connection to the source"
    assert.equal("no connection to the source", replication.status(started.id).reason)
    assert.same({}, registered)
  end)

  it("fails a load that cannot be registered, instead of waiting for nobody", function()
    options.register = function() return nil, require("lib.errors").new("ExternalServiceError", "glue says no") end
    replication = require("adapters.aws.replication").new(options)
    local started = start()
    dms.ends()
    local status = assert(replication.status(started.id))
    assert.equal("failed", status.state)
    assert.matches("glue says no", status.reason)
  end)

  it("believes the end of a load although services are busy for a moment", function()
    local errors, tries = require "lib.errors", 0
    options.pause_seconds = 0.01
    options.register = function()
      tries = tries + 1
      if tries < 3 then return nil, errors.new("TooManyRequests", "busy") end
      return true
    end
    replication = require("adapters.aws.replication").new(options)
    local started = start()
    dms.ends()
    local asked = 0
    dms.refuse = setmetatable({}, { __index = function(_, operation)
      if operation ~= "DescribeReplicationTasks" or asked == 2 then return nil end
      asked = asked + 1
      return scripted.failure("ThrottlingException", "slow down")
    end })
    assert.equal("stopped", assert(replication.status(started.id)).state)
    assert.same({ 2, 3 }, { asked, tries })
  end)

  it("finds its own load when it is asked to start it again", function()
    local first = start()
    assert.equal(first.id, start().id)
    assert.equal(1, dms.server.count "StartReplicationTask")
    assert.equal("Conflict", select(2, replication.start { run = "2025-08-13", job_id = "job-2" }).code)
  end)

  it("does not take another job's load for its own", function()
    local first = start()
    dms.ends()
    start("job-2")
    local status = assert(replication.status(first.id))
    assert.equal("failed", status.state)
    assert.matches("another refresh", status.reason)
    assert.is_true(replication.cancel(first.id))
    assert.equal("running", dms.task.Status)
  end)

  it("counts without rows when it may not read them", function()
    dms.refuse.DescribeTableStatistics = scripted.failure("AccessDeniedFault", "no", nil, 403)
    local started = start()
    dms.ends()
    local status = assert(replication.status(started.id))
    assert.equal("stopped", status.state)
    assert.is_nil(status.rows)
    assert.equal("s3://lake/bronze/2025-08-13/dbo/thing/", registered[1].location)
  end)

  it("says so when the task does not exist or may not be started", function()
    dms.refuse.StartReplicationTask = scripted.failure("AccessDeniedFault", "no", nil, 403)
    local _, err = replication.start { run = "2025-08-13", job_id = "j" }
    assert.is_true(err.details.denied)
    dms.task = nil
    assert.equal("BadSetting", select(2, replication.start { run = "2025-08-13", job_id = "j" }).code)
  end)

  it("starts and stops a task of moto", function()
    local created = assert(plain:call("dms", "create_replication_task", { ReplicationTaskIdentifier = aws.fresh "load",
      SourceEndpointArn = "arn:source", TargetEndpointArn = "arn:target", ReplicationInstanceArn = "arn:instance",
      MigrationType = "full-load", TableMappings = "{}" })).ReplicationTask
    options.api, options.task_arn, options.bronze = plain, created.ReplicationTaskArn, "s3://lake/bronze/"
    replication = require("adapters.aws.replication").new(options)
    local started = assert(replication.start { run = "2025-08-13", job_id = "job-1" })
    assert.equal("running", replication.status(started.id).state)
    assert.is_true(replication.cancel(started.id))
    assert.equal("stopped", replication.status(started.id).state) -- moto gives no reason
    assert.equal(created.ReplicationTaskArn, replication.resource())
  end)
end)
