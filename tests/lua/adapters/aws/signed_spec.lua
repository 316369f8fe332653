-- What the adapters send is signed as the services want it: a server that checks signatures stands between them and the
-- stand-ins, which take any.
local api_module = require "adapters.aws.api"
local aws = require "aws_fixture"
local load_event = require "domain.lakehouse.load_event"
local services = require "aws_services"
local verifying = require "verifying_server"

if not (aws.has "moto" and aws.has "dynamodb") then
  describe("signatures of the adapters", function() pending "moto or DynamoDB Local is not installed" end)
  return
end

describe("signatures of the adapters:", function()
  local gate, db_gate, api, plain
  setup(function()
    local keys = { [aws.KEYS.access_key] = aws.KEYS.secret_key }
    gate = verifying.start { keys = keys, forward = services.url "moto" }
    db_gate = verifying.start { keys = keys, forward = services.url "dynamodb" }
    api = api_module.new { default = aws.options(gate.url), dynamodb = aws.options(db_gate.url) }
    plain = aws.api()
  end)
  teardown(function()
    gate.stop()
    db_gate.stop()
  end)

  -- Every request since `from` was signed right, for this service.
  local function all_right(server, from, service)
    assert.is_true(#server.seen > from)
    for i = from + 1, #server.seen do
      local one = server.seen[i]
      assert.is_true(one.ok, ("%s %s: %s"):format(one.method, one.path, tostring(one.why)))
      assert.equal(service, one.service)
      assert.equal(aws.REGION, one.region)
    end
  end

  it("S3, listings and addresses", function()
    local bucket, from = aws.bucket(plain), #gate.seen
    assert(plain:call("s3", "put_object", { Bucket = bucket, Key = "gold/t u/ä+b.parquet", Body = "PAR1" }))
    local storage = require("adapters.aws.storage").new { api = api, clock = require("adapters.local.clock").new(),
      prefixes = { gold = ("s3://%s/gold/"):format(bucket) }, presign = require("adapters.aws.presign").new(api) }
    local layer = assert(storage.list { layer = "gold", run = "2025-08-13", max_dirs = 5, max_files = 5, ttl_seconds = 60 })
    local answer = assert(require("sm.http").request { url = layer.dirs[1].files[1].url })
    assert.same({ 200, "PAR1" }, { answer.status, answer.body })
    all_right(gate, from, "s3")
    assert.equal("query", gate.seen[#gate.seen].form)
    answer = assert(require("sm.http").request { url = (layer.dirs[1].files[1].url:gsub("%%2Bb", "%%2Bc")) })
    assert.equal(403, answer.status)
  end)

  it("DynamoDB, a lock and a job", function()
    local from = #db_gate.seen
    local lock = require("adapters.aws.lock").new { api = api, table_name = aws.lock_table(plain),
      time = require("adapters.aws.service_time").plain(require("adapters.local.clock").new()) }
    assert(lock.acquire { key = "k", owner = "o", ttl_seconds = 5 })
    local jobs = require("adapters.aws.jobs").new { api = api, table_name = aws.state_table(plain), clock = require("adapters.local.clock").new() }
    assert(jobs.create { id = "j", run = "2025-08-13", owner = "Zoë", steps = {} })
    all_right(db_gate, from, "dynamodb")
  end)

  it("Glue", function()
    local from = #gate.seen
    assert(require("adapters.aws.catalog").new({ api = api, clock = require("adapters.local.clock").new(), prefixes = {} }).databases())
    all_right(gate, from, "glue")
  end)

  it("Athena", function()
    local from = #gate.seen
    assert(require("adapters.aws.warehouse").new({ api = api, clock = require("adapters.local.clock").new(), table_name = "none",
      workgroup = "primary", output = "s3://lake/", catalog = "AwsDataCatalog" }).run { sql = "DROP TABLE IF EXISTS d.t", caller = "pipeline" })
    all_right(gate, from, "athena")
  end)

  it("EventBridge", function()
    local from = #gate.seen
    local bus = require("adapters.aws.bus").new { api = api, bus_name = "default", targets = { advance = "arn:aws:lambda:us-east-1:1:function:f" } }
    assert(bus.subscribe("sewingmachine-x", load_event.pattern "t", { target = "advance" }))
    assert(bus.unsubscribe "sewingmachine-x")
    all_right(gate, from, "events")
  end)

  it("DMS", function()
    local from = #gate.seen
    require("adapters.aws.replication").new({ api = api, task_arn = "arn:aws:dms:us-east-1:1:task:T", bronze = "s3://lake/bronze/",
      clock = require("adapters.local.clock").new() }).status "dms:2025-08-13:j:1"
    all_right(gate, from, "dms")
  end)

  it("Lambda, with an ARN in the path", function()
    aws.tell_moto("config", { ["lambda"] = { use_docker = false } })
    local from = #gate.seen
    assert(require("adapters.aws.functions").new({ api = api, names = { advance = "arn:aws:lambda:us-east-1:123456789012:function:advance" } })
      .invoke_async("advance", { job_id = "j" }))
    all_right(gate, from, "lambda")
  end)

  it("and with other keys nothing goes through", function()
    local wrong = api_module.new { default = aws.options(gate.url, { credentials = { access_key = aws.KEYS.access_key, secret_key = "another" },
      max_attempts = 1 }) }
    local names, err = require("adapters.aws.catalog").new({ api = wrong, clock = require("adapters.local.clock").new(), prefixes = {} }).databases()
    assert.is_nil(names)
    assert.is_true(err.details.denied)
    assert.is_nil(tostring(err):find("another", 1, true))
  end)
end)
