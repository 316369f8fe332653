-- Keys that the machine itself has: container, instance, program.
local machine = require "aws_machine"
local container = require "aws.credentials.container"
local imds = require "aws.credentials.imds"
local process = require "aws.credentials.process"

local KEYS <const> = '{"AccessKeyId":"AK","SecretAccessKey":"hidden1","Token":"hidden2","Expiration":"2001-09-09T03:00:00Z","AccountId":"123456789012"}'

describe("container:", function()
  local RELATIVE <const> = { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI = "/v2/x" }

  it("asks once, without a proxy, and takes everything", function()
    local world = machine.new { env = RELATIVE, answers = function() return KEYS end }
    local found = assert(container.get(world))
    assert.are.same({ "AK", "hidden1", "hidden2", "123456789012", 1000004400 },
      { found.access_key, found.secret_key, found.session_token, found.account_id, found.expires_at })
    assert.are.equal("http://169.254.170.2/v2/x", world.requests[1].url)
    assert.is_true(world.requests[1].direct)
    assert.is_nil(world.requests[1].headers.authorization)
  end)

  it("reads the token file each time", function()
    local files = { ["/token"] = "one\n" }
    local world = machine.new { env = { AWS_CONTAINER_CREDENTIALS_FULL_URI = "http://169.254.170.23/x",
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE = "/token", AWS_CONTAINER_AUTHORIZATION_TOKEN = "other" }, files = files,
      answers = function() return KEYS end }
    assert(container.get(world))
    files["/token"] = "two"
    assert(container.get(world))
    assert.are.same({ "one", "two" }, { world.requests[1].headers.authorization, world.requests[2].headers.authorization })
    files["/token"] = "a\r\nx-other: b"
    local none, err = container.get(world)
    assert.is_nil(none)
    assert.matches("line end", err.message)
  end)

  it("tries again when the endpoint is in trouble, and not when it refuses", function()
    local world = machine.new { env = RELATIVE, answers = function(_, n) return n < 3 and { status = 500, body = "" } or KEYS end }
    assert(container.get(world))
    assert.are.equal(3, #world.requests)
    world = machine.new { env = RELATIVE, answers = function() return { status = 403, body = "hidden" } end }
    local none, err = container.get(world)
    assert.is_nil(none)
    assert.are.same({ 1, "ContainerFailed" }, { #world.requests, err.code })
    world = machine.new { env = RELATIVE }
    none, err = container.get(world)
    assert.is_nil(none)
    assert.are.same({ 3, true }, { #world.requests, err.retryable })
  end)

  it("asks only hosts of the machine without TLS", function()
    for url, allowed in pairs {
      ["http://127.0.0.1/x"] = true, ["http://127.8.9.1:90/x"] = true, ["http://[::1]:7/x"] = true, ["http://LOCALHOST/x"] = true,
      ["https://anywhere.example/x"] = true, ["http://169.254.170.3/x"] = false, ["http://127.0.0.1.evil.example/x"] = false,
      ["http://evil.example#@127.0.0.1/"] = false, ["http://127.0.0.1@evil.example/"] = false, ["ftp://localhost/x"] = false,
      ["http://localhost:x/"] = false, ["/x"] = false,
    } do
      local found = container.url(machine.new { env = { AWS_CONTAINER_CREDENTIALS_FULL_URI = url } })
      assert.are.equal(allowed, found ~= nil, url)
    end
  end)

  it("nothing is said when the environment names no endpoint", function()
    assert.are.equal(2, select("#", container.get(machine.new())))
    assert.are.same({}, { container.get(machine.new()) })
  end)
end)

describe("instance:", function()
  local INSTANCE <const> = KEYS:gsub("{", '{"Code":"Success",', 1)

  -- Answers as the metadata service does; `changed` overrules one path.
  local function service(changed)
    return function(request)
      local path = request.url:match("^http://169%.254%.169%.254(.*)$")
      local answer = changed and changed(path, request)
      if answer ~= nil then return answer end
      if path == "/latest/api/token" then return "T" end
      if path == "/latest/meta-data/iam/security-credentials/" then return "my-role" end
      if path == "/latest/meta-data/iam/security-credentials/my-role" then return INSTANCE end
      return { status = 404, body = "" }
    end
  end

  it("fetches a token, the role's name and its keys", function()
    local world = machine.new { answers = service() }
    local found = assert(imds.get(world))
    assert.are.same({ "AK", "hidden2", 1000004400 }, { found.access_key, found.session_token, found.expires_at })
    assert.are.equal("PUT", world.requests[1].method)
    assert.are.equal("T", world.requests[2].headers["x-aws-ec2-metadata-token"])
    for _, request in ipairs(world.requests) do assert.are.same({ 1, 1, true }, { request.timeout, request.connect_timeout, request.direct }) end
  end)

  it("speaks version 1 where 2 is not known, unless that is forbidden", function()
    local old = service(function(path) return path:find("token") and { status = 404, body = "" } or nil end)
    local world = machine.new { answers = old }
    assert.are.equal("AK", assert(imds.get(world)).access_key)
    assert.is_nil(world.requests[2].headers["x-aws-ec2-metadata-token"])
    local none, err = imds.get(machine.new { answers = old, env = { AWS_EC2_METADATA_V1_DISABLED = "true" } })
    assert.is_nil(none)
    assert.are.equal("ImdsFailed", err.code)
    none, err = imds.get(machine.new { answers = old }, { ec2_metadata_v1_disabled = "true" })
    assert.is_nil(none)
    assert.are.equal("ImdsFailed", err.code)
  end)

  it("takes another token when the first is refused", function()
    local tokens = 0
    local world = machine.new { answers = service(function(path, request)
      if path:find("token") then
        tokens = tokens + 1
        return "T" .. tokens
      end
      if request.headers["x-aws-ec2-metadata-token"] == "T1" then return { status = 401, body = "" } end
    end) }
    assert.are.equal("AK", assert(imds.get(world)).access_key)
    assert.are.equal(2, tokens)
  end)

  it("tries again when the service is in trouble; no answer means no instance", function()
    local world = machine.new { answers = service(function(path, _) return path:find("my%-role") and { status = 503, body = "" } or nil end) }
    local none, err = imds.get(world)
    assert.is_nil(none)
    assert.are.same({ "ImdsFailed", 6 }, { err.code, #world.requests })
    world = machine.new()
    none, err = imds.get(world)
    assert.is_nil(none)
    assert.are.same({ "NoCredentials", 1 }, { err.code, #world.requests })
  end)

  it("a lost answer is asked for again once the service is known to be there", function()
    local lost = 0
    local world = machine.new { answers = service(function(path)
      if path:find("my%-role") and lost < 2 then
        lost = lost + 1
        return false
      end
    end) }
    assert.are.equal("AK", assert(imds.get(world)).access_key)
    assert.are.equal(2, lost)
  end)

  it("switched off, it is not asked", function()
    local world = machine.new { env = { AWS_EC2_METADATA_DISABLED = "TRUE" }, answers = service() }
    local none, err = imds.get(world)
    assert.is_nil(none)
    assert.are.same({ "NoCredentials", 0 }, { err.code, #world.requests })
  end)

  it("expired keys are tried on while the service lags", function()
    local world = machine.new { answers = service(), now = 1000009999 }
    assert.are.equal(1000009999 + 15 * 60 + 5 * 60, assert(imds.get(world)).expires_at)
  end)

  it("a role that gives nothing is told", function()
    local none, err = imds.get(machine.new { answers = service(function(path)
      return path:find("my%-role") and '{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume"}' or nil
    end) })
    assert.is_nil(none)
    assert.matches("AssumeRoleUnauthorizedAccess EC2 cannot assume", err.message)
  end)

  it("tells its region", function()
    assert.are.equal("eu-west-3", imds.region(machine.new { answers = service(function(path)
      return path == "/latest/meta-data/placement/region" and "eu-west-3" or nil
    end) }))
    assert.is_nil(imds.region(machine.new()))
  end)
end)

describe("program:", function()
  local STEP <const> = { kind = "process", profile = "p", command = "the command", account_id = "999999999999" }

  local function printing(text, message) return machine.new { run = function(command)
    assert.are.equal("the command", command)
    return text, message
  end } end

  it("takes what it prints", function()
    local found = assert(process.get(STEP, printing('{"Version":1,"AccessKeyId":"AK","SecretAccessKey":"S","SessionToken":"T","Expiration":"2001-09-09T02:00:00Z"}')))
    assert.are.same({ "AK", "S", "T", 1000000800, "999999999999" },
      { found.access_key, found.secret_key, found.session_token, found.expires_at, found.account_id })
    assert.is_nil(assert(process.get(STEP, printing('{"Version":1,"AccessKeyId":"AK","SecretAccessKey":"S"}'))).expires_at)
  end)

  it("refuses other answers without repeating them", function()
    for text, pattern in pairs {
      ["hidden"] = "no JSON", ['{"Version":2,"AccessKeyId":"A","SecretAccessKey":"hidden"}'] = "Version 1",
      ['{"Version":1,"AccessKeyId":"A","Secret":"hidden"}'] = "SecretAccessKey",
      ['{"Version":1,"AccessKeyId":"A","SecretAccessKey":"hidden","Expiration":"hidden"}'] = "no time",
    } do
      local none, err = process.get(STEP, printing(text))
      assert.is_nil(none)
      assert.matches(pattern, err.message)
      assert.is_nil(tostring(err):find("hidden"), tostring(err))
    end
    local none, err = process.get(STEP, printing(nil, "it ended with code 3: no ticket"))
    assert.is_nil(none)
    assert.are.same({ "ProcessFailed", true }, { err.code, err.message:find("profile p: it ended with code 3: no ticket", 1, true) ~= nil })
  end)
end)
