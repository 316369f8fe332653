-- Buckets of S3 Express: their calls are signed with the keys of a session.
local aws_client = require "aws.client"
local verifying = require "verifying_server"

local BUCKET <const> = "data--use1-az4--x-s3"

describe("a bucket of S3 Express", function()
  local server, sessions, lasts

  local function answer(req)
    if not (req.query or ""):find("session", 1, true) then return { body = "" } end
    sessions = sessions + 1
    local ends = os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() + lasts)
    return { body = ("<CreateSessionResult><Credentials><SessionToken>token%d</SessionToken><SecretAccessKey>inner</SecretAccessKey>"
      .. "<AccessKeyId>SESSION</AccessKeyId><Expiration>%s</Expiration></Credentials></CreateSessionResult>"):format(sessions, ends) }
  end

  local function client(more)
    local options = { endpoint_url = server.url, region = "us-east-1", access_key = "AKID", secret_key = "outer",
      world = { env = function() end, read_file = function() return nil, "no file", "not_found" end, now = os.time } }
    for name, value in pairs(more or {}) do options[name] = value end
    return assert(aws_client.new("s3", options))
  end

  before_each(function()
    sessions, lasts = 0, 300
    server = verifying.start { keys = { AKID = "outer", SESSION = "inner" }, answer = answer }
  end)
  after_each(function() server.stop() end)

  it("asks for a session once, and signs with it", function()
    local s3 = client()
    assert(s3:delete_object { Bucket = BUCKET, Key = "a" })
    assert(s3:delete_object { Bucket = BUCKET, Key = "b" })
    assert.is_nil(server.complaint())
    assert.are.equal(1, sessions)
    assert.are.equal("AKID", server.seen[1].access_key)
    assert.are.equal("SESSION", server.seen[2].access_key)
    assert.are.equal("s3express", server.seen[2].service)
    assert.are.equal("token1", server.seen[2].headers["x-amz-s3session-token"])
    assert.is_nil(server.seen[2].headers["x-amz-security-token"])
  end)

  it("asks again before the session ends", function()
    lasts = 30
    local s3 = client()
    assert(s3:delete_object { Bucket = BUCKET, Key = "a" })
    assert(s3:delete_object { Bucket = BUCKET, Key = "b" })
    assert.are.equal(2, sessions)
    assert.are.equal("token2", server.seen[4].headers["x-amz-s3session-token"])
  end)

  it("is called with the client's own keys when sessions are switched off", function()
    assert(client({ s3 = { disable_express_session_auth = true } }):delete_object { Bucket = BUCKET, Key = "a" })
    assert.are.equal(0, sessions)
    assert.are.equal("AKID", server.seen[1].access_key)
  end)

  it("presigned URLs carry the session's token", function()
    local url, ends = client():presign("get_object", { Bucket = BUCKET, Key = "a" }, { expires = 3600 })
    assert.matches("X%-Amz%-S3session%-Token=token1", url)
    assert.matches("Credential=SESSION", url)
    assert.is_true(ends <= os.time() + 301)
  end)
end)
