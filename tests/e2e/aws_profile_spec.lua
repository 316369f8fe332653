-- Commands and the local server under SEWING_PROFILE=aws: the built program against the stand-ins, found by their addresses as
-- operators name them.
local aws = require "aws_fixture"
local process = require "process"
local server = require "server"
local services = require "aws_services"

if not (aws.has "moto" and aws.has "dynamodb") then
  describe("commands on AWS", function() pending "moto or DynamoDB Local is not installed" end)
  return
end

describe("commands on AWS", function()
  local env, bucket
  setup(function()
    local api = aws.api()
    bucket = aws.bucket(api)
    assert(api:call("s3", "put_object", { Bucket = bucket, Key = "gold/fact_visit/data/a.parquet", Body = "PAR1" }))
    assert(api:call("glue", "create_database", { DatabaseInput = { Name = "of_" .. bucket:gsub("-", "_") } }))
    assert(api:call("glue", "create_table", { DatabaseName = "of_" .. bucket:gsub("-", "_"), TableInput = { Name = "visits" } }))
    local values = { SEWING_PROFILE = "aws", AWS_REGION = aws.REGION, AWS_ACCESS_KEY_ID = aws.KEYS.access_key, AWS_SECRET_ACCESS_KEY = aws.KEYS.secret_key,
      AWS_ENDPOINT_URL = services.url "moto", AWS_ENDPOINT_URL_DYNAMODB = services.url "dynamodb", DDB_TABLE = aws.lock_table(api),
      SEWING_STATE_TABLE = aws.state_table(api), GOLD_PREFIX_S3 = ("s3://%s/gold/"):format(bucket), ATHENA_OUTPUT = ("s3://%s/r/"):format(bucket),
      AWS_CONFIG_FILE = "/dev/null", AWS_SHARED_CREDENTIALS_FILE = "/dev/null" }
    local parts = {}
    for name, value in pairs(values) do parts[#parts + 1] = ("%s='%s'"):format(name, value) end
    env = table.concat(parts, " ")
  end)

  it("serve the API, and list what is there", function()
    local running = server.start { env = env }
    local status, body = running:ask("GET", "/schemas")
    assert.equal(200, status)
    local found = false
    for _, database in ipairs(body.databases) do found = found or database.name == "of_" .. bucket:gsub("-", "_") end
    assert.is_true(found)
    status, body = running:ask("GET", "/runs")
    assert.equal(200, status)
    assert.same({}, body.runs)
    status, body = running:ask("POST", "/run", { body = {} })
    assert.equal(500, status)
    assert.matches("ORCHESTRATOR_FN", body.error.message)
    assert.is_true(running:stop())
    running:remove()
  end)

  it("doctor says whose keys these are, what lacks and what answers", function()
    local function doctor(more)
      return process.run(("env SEWING_ROOT=%s %s %s %s doctor"):format(require("sm.files").cwd(), env, more, server.program))
    end
    local output, code = doctor ""
    assert.equal(0, code, output)
    assert.matches("warn  settings        not set: ORCHESTRATOR_FN, DMS_TASK_ARN, ", output, 1, true)
    assert.matches("ok    account         arn:aws:[^\n]*, region " .. aws.REGION:gsub("%-", "%%-"), output)
    assert.matches("ok    lock            answers in %d+ ms", output)
    assert.matches("warn  replication     [^\n]*DMS_TASK_ARN is not set", output)
    assert.is_nil(output:find("engine", 1, true))
    output, code = doctor "DDB_TABLE=no-such-table"
    assert.equal(1, code, output)
    assert.matches("fail  lock            [^\n]*ResourceNotFoundException", output)
  end)

  it("work in one process", function()
    local folder = server.folder()
    local output, code = process.run(("env SEWING_ROOT=%s %s %s schemas --data %s/none"):format(require("sm.files").cwd(), env, server.program, folder))
    assert.equal(0, code, output)
    assert.matches("of_" .. bucket:gsub("-", "_"), output, 1, true)
    require("sm.files").remove_tree(folder)
  end)
end)
