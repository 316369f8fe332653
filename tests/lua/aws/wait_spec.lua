-- Waiters: which answer ends them, and how they end without one.
local failure = require "aws.failure"
local jmespath = require "aws.jmespath"
local model = require "aws.model"
local wait = require "aws.wait"

local function service_failure(code, status)
  return failure.new { kind = "service", code = code, message = "said the service", status = status }
end

-- A client that gives the answers in turn, the last one again and again.
local function fake(service, answers)
  local client = { service = service, model = assert(model.load(service)), polls = 0 }
  function client:call(name)
    self.polls, self.name = self.polls + 1, name
    local answer = answers[math.min(self.polls, #answers)]
    if failure.is(answer) then return nil, answer end
    return answer, nil, { status = 200, headers = {} }
  end
  return client
end

local FAST <const> = { delay = 0 }

describe("aws.wait", function()
  it("ends with the answer that has the value at a path", function()
    local client = fake("dynamodb", { { Table = { TableStatus = "CREATING" } }, { Table = { TableStatus = "ACTIVE" } } })
    local output = assert(wait.run(client, "table_exists", { TableName = "t" }, FAST))
    assert.are.equal("ACTIVE", output.Table.TableStatus)
    assert.are.equal(2, client.polls)
    assert.are.equal("DescribeTable", client.name)
  end)

  it("an error may be what it waits for, or a reason to go on", function()
    local gone = service_failure("ResourceNotFoundException", 400)
    assert.are.same({}, wait.run(fake("dynamodb", { { Table = {} }, gone }), "table_not_exists", {}, FAST))
    local client = fake("dynamodb", { gone, { Table = { TableStatus = "ACTIVE" } } })
    assert(wait.run(client, "TableExists", {}, FAST))
    assert.are.equal(2, client.polls)
  end)

  it("looks at the status of the answer", function()
    assert(wait.run(fake("s3", { service_failure("NotFound", 404), {} }), "bucket_exists", {}, FAST))
    assert(wait.run(fake("s3", { {}, service_failure("404", 404) }), "object_not_exists", {}, FAST))
  end)

  it("an error that no acceptor knows is the failure", function()
    local denied = service_failure("AccessDenied", 403)
    local output, err = wait.run(fake("dynamodb", { denied }), "table_exists", {}, FAST)
    assert.is_nil(output)
    assert.are.equal(denied, err)
  end)

  it("what failed before the service is no answer", function()
    local none = failure.new { kind = "credentials", code = "NoCredentials", message = "" }
    local _, err = wait.run(fake("dynamodb", { none }), "table_not_exists", {}, FAST)
    assert.are.equal(none, err)
  end)

  it("a state of failure ends it, and says which", function()
    local client = fake("dms", { { ReplicationInstances = { { ReplicationInstanceStatus = "inaccessible-encryption-credentials" } } } })
    local output, err = wait.run(client, "replication_instance_available", {}, FAST)
    assert.is_nil(output)
    assert.are.equal("WaiterFailed", err.code)
    assert.matches("ReplicationInstances%[%]%.ReplicationInstanceStatus is ", err.message)
  end)

  it("all of a list must have the value, and an empty list has none", function()
    local both = { { ReplicationInstanceStatus = "available" }, { ReplicationInstanceStatus = "creating" } }
    local client = fake("dms", { { ReplicationInstances = require("sm.json").array() }, { ReplicationInstances = both },
      { ReplicationInstances = { both[1] } } })
    assert(wait.run(client, "replication_instance_available", {}, FAST))
    assert.are.equal(3, client.polls)
  end)

  it("gives up after so many polls", function()
    local client = fake("dynamodb", { { Table = { TableStatus = "CREATING" } } })
    local output, err = wait.run(client, "table_exists", {}, { delay = 0, max_attempts = 3 })
    assert.is_nil(output)
    assert.are.equal("WaiterTimeout", err.code)
    assert.are.equal(3, client.polls)
  end)

  it("does not sleep past its time", function()
    local client = fake("dynamodb", { { Table = { TableStatus = "CREATING" } } })
    local begun = require("sm.time").monotonic()
    local output, err = wait.run(client, "table_exists", {}, { delay = 30, timeout = 0.55 })
    assert.is_nil(output)
    assert.are.equal("timeout", err.kind)
    assert.is_true(require("sm.time").monotonic() - begun < 5)
    assert.is_true(client.polls >= 2)
  end)

  it("an unknown waiter is told with the nearest", function()
    local _, err = wait.run(fake("dynamodb", {}), "table_exist", {}, {})
    assert.are.equal("UnknownWaiter", err.code)
    assert.matches("table_exists", err.message)
  end)
end)

describe("every waiter of every model", function()
  for _, service in ipairs(model.services()) do
    local m = assert(model.load(service))
    for _, name in ipairs(m:waiters()) do
      it(("%s of %s can be run"):format(name, service), function()
        local definition = m:waiter(name)
        assert.is_table(m:operation(definition.operation))
        assert.is_true(definition.delay > 0 and definition.max_attempts > 0)
        for _, acceptor in ipairs(definition.acceptors) do
          local _, kind = jmespath.search(acceptor.argument or "@", {})
          assert.are_not.equal("syntax", kind)
          assert.is_true(({ success = true, failure = true, retry = true })[acceptor.state])
        end
      end)
    end
  end
end)
