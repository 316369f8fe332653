-- Clients on real sockets, judged by the verifying server.
local aws_client = require "aws.client"
local json = require "lib.json"
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
end)
