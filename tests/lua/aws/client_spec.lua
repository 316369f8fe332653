-- Clients: what making one and misusing one gives.
local aws = require "aws"

local WORLD <const> = { env = function(name) return name == "AWS_EC2_METADATA_DISABLED" and "true" or nil end, read_file = function() return nil, "no file", "not_found" end, now = os.time }

describe("aws.client", function()
  it("is the same for the same plain options", function()
    local one = assert(aws.client("dynamodb", { region = "eu-west-1" }))
    assert.are.equal(one, aws.client("dynamodb", { region = "eu-west-1" }))
    assert.are_not.equal(one, aws.client("dynamodb", { region = "eu-west-2" }))
    assert.are_not.equal(one, aws.client("sqs", { region = "eu-west-1" }))
  end)

  it("with keys of its own is not kept", function()
    local options = { region = "eu-west-1", access_key = "AKID", secret_key = "secret" }
    assert.are_not.equal(aws.client("dynamodb", options), aws.client("dynamodb", options))
  end)

  it("knows its operations only", function()
    local client = assert(aws.client("dynamodb", { region = "eu-west-1", world = WORLD }))
    assert.is_function(client.put_item)
    assert.are.equal(client.put_item, client.put_item)
    local ok, message = pcall(function() return client:putitem {} end)
    assert.is_false(ok)
    assert.matches("dynamodb has no operation 'putitem' %(did you mean 'put_item'%?%)", message)
    ok, message = pcall(function() return client:put_item("t") end)
    assert.is_false(ok)
    assert.matches("PutItem: parameters are a table", message)
    local none, err = client:call("PutItme")
    assert.is_nil(none)
    assert.are.equal("UnknownOperation", err.code)
  end)

  it("refuses options of a call that it does not know", function()
    local client = assert(aws.client("dynamodb", { region = "eu-west-1", world = WORLD }))
    for message, misuse in pairs {
      ["ListTables has no option 'timout' (did you mean 'timeout'?)"] = function() client:list_tables({}, { timout = 2 }) end,
      ["PutItem has no option 'regoin' (did you mean 'region'?)"] = function() client:call("PutItem", {}, { regoin = "x" }) end,
      ["list_tables has no option 'pagesize' (did you mean 'page_size'?)"] = function() client:collect("list_tables", {}, { pagesize = 2 }) end,
      ["scan has no option 'max_item' (did you mean 'max_items'?)"] = function() client:paginate("scan", {}, { max_item = 2 }) end,
      ["table_exists has no option 'dealy' (did you mean 'delay'?)"] = function() client:wait("table_exists", {}, { dealy = 2 }) end,
      ["get_item has no option 'expire' (did you mean 'expires'?)"] = function() client:presign("get_item", {}, { expire = 2 }) end,
      ["ListTables: options are a table"] = function() client:list_tables({}, 5) end,
    } do
      local ok, raised = pcall(misuse)
      assert.is_false(ok)
      assert.matches("client_spec.lua:%d+: ", raised)
      assert.matches(message, raised, 1, true)
    end
  end)

  it("refuses what is no service, no options or no credentials", function()
    for expected, misuse in pairs {
      ["the first argument is the name of a service"] = function() local client = aws.client() return client end,
      ["options are a table"] = function() local client = aws.client("s3", "eu-west-1") return client end,
      ["credentials are { access_key, secret_key"] = function() local client = aws.client("s3", { credentials = { accessKey = "a", secretKey = "b" } }) return client end,
    } do
      local ok, raised = pcall(misuse)
      assert.is_false(ok)
      assert.matches("client_spec.lua:%d+: ", raised)
      assert.matches(expected, raised, 1, true)
    end
  end)

  it("refuses options it does not know", function()
    local ok, message = pcall(aws.client, "dynamodb", { endpoint = "http://127.0.0.1" })
    assert.is_false(ok)
    assert.matches("aws.client has no option 'endpoint'", message)
    ok, message = pcall(aws.client, "dynamodb", { regoin = "eu-west-1" })
    assert.is_false(ok)
    assert.matches("did you mean 'region'", message)
  end)

  it("a service without a model is a failure with the nearest", function()
    local none, err = aws.client("dynamo-db")
    assert.is_nil(none)
    assert.is_true(aws.is_failure(err))
    assert.matches("did you mean 'dynamodb'", tostring(err))
    assert.matches("aws%-model add", tostring(err))
  end)

  it("what cannot be sent is refused before anything is sent, with the member", function()
    local client = assert(aws.client("dynamodb", { region = "eu-west-1", world = WORLD }))
    local none, err = client:put_item { TableNam = "t" }
    assert.is_nil(none)
    assert.are.equal("validation", err.kind)
    assert.matches("did you mean 'TableName'", err.message)
  end)

  it("without a region nothing can be signed, also at an endpoint of one's own", function()
    local options = { endpoint_url = "http://127.0.0.1:1", access_key = "AKID", secret_key = "secret", world = WORLD }
    for _, service in ipairs { "dynamodb", "sts" } do
      local none, err = assert(aws.client(service, options)):call(service == "sts" and "GetCallerIdentity" or "ListTables")
      assert.is_nil(none)
      assert.are.equal("NoRegion", err.code)
    end
    local url, err = assert(aws.client("sts", options)):presign("get_caller_identity")
    assert.is_nil(url)
    assert.are.equal("NoRegion", err.code)
  end)

  it("without keys the failure says so", function()
    local client = assert(aws.client("dynamodb", { region = "eu-west-1", endpoint_url = "http://127.0.0.1:1", world = WORLD }))
    local none, err = client:list_tables({}, { timeout = 2 })
    assert.is_nil(none)
    assert.are.equal("credentials", err.kind)
  end)

  it("every file of quirks is in the list of those that have one", function()
    local found = {}
    for _, entry in ipairs(require("sm.files").list("lua/aws/quirks")) do found[#found + 1] = (entry.name:gsub("%.lua$", ""):gsub("_", "-")) end
    assert.are.same(found, require("aws.quirks").services())
  end)

  it("lists the services", function()
    local services = table.concat(aws.services(), " ")
    for _, name in ipairs { "s3", "dynamodb", "athena", "glue", "lambda", "events", "scheduler", "dms", "ssm", "secretsmanager", "sts", "sns",
      "sqs", "stepfunctions", "logs", "cloudwatch", "ecs", "bedrock-runtime", "apigateway", "cognito-idp", "kms", "kinesis",
      "firehose", "xray", "quicksight" } do
      assert.matches(name, services, 1, true)
    end
  end)
end)
