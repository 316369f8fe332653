-- Clients on real sockets, judged by the verifying server.
local aws_client = require "aws.client"
local json = require "lib.json"
local task = require "sm.task"
local verifying = require "verifying_server"

describe("an aws client", function()
  local server, answers

  local function client(service, more)
    local options = { endpoint_url = server.url, region = "eu-central-1", credentials = { access_key = "AKID", secret_key = "secret", session_token = "T" },
      world = { env = function() end, read_file = function() return nil, "no file", "not_found" end, now = os.time } }
    for name, value in pairs(more or {}) do options[name] = value end
    return assert(aws_client.new(service, options))
  end

  before_each(function()
    answers = {}
    server = verifying.start { keys = { AKID = { secret = "secret", session_token = "T" } }, answer = function() return table.remove(answers, 1) or { body = "{}" } end }
  end)

  after_each(function() server.stop() end)

  it("calls DynamoDB", function()
    answers[1] = { body = json.encode { Item = { id = { S = "1" } } } }
    local output = assert(client("dynamodb"):get_item { TableName = "t", Key = { id = { S = "1" } } })
    assert.equal("1", output.Item.id.S)
    assert.is_nil(server.complaint())
    assert.equal("dynamodb", server.seen[1].service)
    assert.equal("DynamoDB_20120810.GetItem", server.seen[1].headers["x-amz-target"])
  end)

  it("gives a service's error with all it knows", function()
    answers[1] = { status = 400, headers = { ["x-amzn-requestid"] = "R1" }, body = '{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"no"}' }
    local output, err = client("dynamodb"):put_item { TableName = "t", Item = { id = { S = "1" } } }
    assert.is_nil(output)
    assert.same({ "service", "ConditionalCheckFailedException", "R1", 400, "dynamodb", "PutItem", 1 },
      { err.kind, err.code, err.request_id, err.status, err.service, err.operation, err.attempts })
  end)

  it("stops trying when its time is up", function()
    for i = 1, 3 do answers[i] = { status = 500, body = "{}" } end
    local started = require("sm.time").monotonic()
    local _, err = client("dynamodb"):list_tables({}, { timeout = 0.06 })
    assert.is_true(require("sm.time").monotonic() - started < 1)
    assert.is_table(err)
  end)

  it("counts attempts as the call says", function()
    for i = 1, 3 do answers[i] = { status = 500, body = "{}" } end
    local _, err = client("dynamodb"):list_tables({}, { max_attempts = 1 })
    assert.equal(1, err.attempts)
  end)

  it("sends without signature what is anonymous", function()
    server.stop()
    server = verifying.start { keys = {}, unsigned = true, answer = function() return { body = "{}" } end }
    assert(client("dynamodb", { anonymous = true }):list_tables())
    assert.equal("none", server.seen[1].form)
  end)

  it("carries many calls at once, each with its own signature", function()
    local dynamodb, jobs = client("dynamodb"), {}
    for i = 1, 50 do jobs[i] = function() return dynamodb:get_item { TableName = "t", Key = { id = { S = "key " .. i } } } end end
    assert(task.parallel(jobs))
    assert.is_nil(server.complaint())
    assert.equal(50, #server.seen)
  end)

  it("can be told to pause as before the revision of the retries", function()
    assert.equal(2021, client("dynamodb", { retry_revision = 2021 }).config.retry_revision)
  end)

  -- ---- S3 ----

  local function moved(status, code)
    return { status = status, headers = { ["x-amz-bucket-region"] = "us-west-2" }, body = code and "<Error><Code>" .. code .. "</Code><Message>m</Message></Error>" or "" }
  end

  for name, case in pairs {
    ["a redirect"] = { moved(301, "PermanentRedirect"), "get_object" }, ["a wrong region in the signature"] = { moved(400, "AuthorizationHeaderMalformed"), "get_object" },
    ["HEAD without a body"] = { moved(400), "head_object" }, ["HEAD with a redirect"] = { moved(301), "head_object" },
  } do
    it("follows a bucket to its region once and remembers it: " .. name, function()
      local s3 = client("s3")
      answers[1], answers[2], answers[3] = case[1], { body = "x" }, { body = "x" }
      assert(s3[case[2]](s3, { Bucket = "bucket", Key = "k" }))
      assert.same({ "eu-central-1", "us-west-2" }, { server.seen[1].region, server.seen[2].region })
      assert(s3[case[2]](s3, { Bucket = "bucket", Key = "k" }))
      assert.same({ "us-west-2", 3 }, { server.seen[3].region, #server.seen })
      assert.is_nil(server.complaint())
    end)
  end

  it("does not run after a bucket that moves on and on", function()
    for i = 1, 9 do answers[i] = { status = 301, headers = { ["x-amz-bucket-region"] = i % 2 == 0 and "eu-west-1" or "us-west-2" }, body = "<Error><Code>PermanentRedirect</Code></Error>" } end
    local output, err = client("s3"):get_object { Bucket = "bucket", Key = "k" }
    assert.is_nil(output)
    assert.equal("PermanentRedirect", err.code)
    assert.equal(2, #server.seen)
  end)

  it("takes an error that S3 sends with status 200 for one, and tries again", function()
    answers[1] = { body = "<?xml version=\"1.0\"?>\n\n <Error><Code>InternalError</Code><Message>m</Message></Error>" }
    answers[2] = { body = "<CopyObjectResult><ETag>e</ETag></CopyObjectResult>" }
    local output = assert(client("s3"):copy_object { Bucket = "b", Key = "k", CopySource = "a/b" })
    assert.equal("e", output.CopyObjectResult.ETag)
    assert.equal(2, #server.seen)
  end)

  local function read(output)
    local parts = {}
    while true do
      local piece, message, code = output.Body()
      if not piece then return table.concat(parts), message, code end
      parts[#parts + 1] = piece
    end
  end

  it("reads an object piece by piece and checks it at the end", function()
    answers[1] = { headers = { ["x-amz-checksum-crc32"] = "DUoRhQ==" }, body = "hello world" }
    answers[2] = { headers = { ["x-amz-checksum-crc32"] = "AAAAAA==" }, body = "hello world" }
    answers[3] = { headers = { ["x-amz-checksum-crc32"] = "AAAAAA==-2" }, body = "hello world" }
    local s3 = client("s3")
    assert.same({ "hello world" }, { read(assert(s3:get_object { Bucket = "b", Key = "k" })) })
    assert.equal("ENABLED", server.seen[1].headers["x-amz-checksum-mode"])
    local text, message, code = read(assert(s3:get_object { Bucket = "b", Key = "k" }))
    assert.same({ "hello world", "invalid" }, { text, code })
    assert.matches("checksum", message)
    assert.same({ "hello world" }, { read(assert(s3:get_object { Bucket = "b", Key = "k" })) })
  end)

  it("gives the error of a streamed operation whole", function()
    answers[1] = { status = 404, body = "<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>" }
    local output, err = client("s3"):get_object { Bucket = "b", Key = "k" }
    assert.is_nil(output)
    assert.same({ "NoSuchKey", "gone", 404 }, { err.code, err.message, err.status })
  end)

  it("sends objects as text and as streams over plain http, each with its checksum", function()
    local s3 = client("s3")
    assert(s3:put_object { Bucket = "b", Key = "k", Body = "hello world" })
    local left = { "hello ", "world" }
    assert(s3:put_object { Bucket = "b", Key = "k", ContentLength = 11, Body = function() return table.remove(left, 1) end })
    assert.is_nil(server.complaint())
    assert.same({ "DUoRhQ==", "hello world", "hello world" }, { server.seen[1].headers["x-amz-checksum-crc32"], server.seen[1].decoded, server.seen[2].decoded })
    assert.equal("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", server.seen[2].headers["x-amz-content-sha256"])
  end)

  it("sends a stream again that can start over", function()
    answers[1] = { status = 500, body = "" }
    local left
    local body = { length = 11, rewind = function() left = { "hello ", "world" } return true end, read = function() return table.remove(left, 1) end }
    body.rewind()
    assert(client("s3"):put_object { Bucket = "b", Key = "k", Body = body })
    assert.same({ "hello world", "hello world" }, { server.seen[1].decoded, server.seen[2].decoded })
  end)

  it("leaves checksums away when that is wanted", function()
    assert(client("s3", { request_checksum = "when_required", response_checksum = "when_required" }):put_object { Bucket = "b", Key = "k", Body = "x" })
    assert.is_nil(server.seen[1].headers["x-amz-checksum-crc32"])
  end)

  it("reads an answer of DynamoDB again that does not fit its checksum", function()
    answers[1] = { headers = { ["x-amz-crc32"] = "1" }, body = "{}" }
    assert(client("dynamodb"):list_tables())
    assert.equal(2, #server.seen)
  end)
end)
