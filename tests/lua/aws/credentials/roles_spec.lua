-- Credentials that are bought with others: roles, web identities, Identity Center, login sessions; and the chain.
local machine = require "aws_machine"
local chain = require "aws.credentials.chain"
local credentials = require "aws.credentials"
local json = require "sm.json"
local login = require "aws.credentials.login"
local tokens = require "aws.credentials.tokens"

local function role_answer(name, account)
  return ([[<%sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%sResult><AssumedRoleUser>
    <Arn>arn:aws:sts::%s:assumed-role/r/s</Arn><AssumedRoleId>X:s</AssumedRoleId></AssumedRoleUser><Credentials><AccessKeyId>AKROLE</AccessKeyId>
    <SecretAccessKey>hidden1</SecretAccessKey><SessionToken>hidden2</SessionToken><Expiration>2001-09-09T02:00:00Z</Expiration>
    </Credentials></%sResult></%sResponse>]]):format(name, name, account or "123456789012", name, name)
end

local function form(body)
  local out = {}
  for name, value in body:gmatch("([^&=]+)=([^&]*)") do
    out[name] = value:gsub("+", " "):gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end)
  end
  return out
end

local function with_config(text, more)
  more = more or {}
  more.files = more.files or {}
  more.files["/home/.aws/config"] = text
  return machine.new(more)
end

describe("roles:", function()
  local CONFIG <const> = "[profile a]\nregion = eu-west-1\nrole_arn = arn:aws:iam::123456789012:role/R\nsource_profile = b\n"
    .. "external_id = ext\nduration_seconds = 1800\nrole_session_name = me\n[profile b]\naws_access_key_id = AKBASE\naws_secret_access_key = hidden0\n"

  it("are assumed with what the profile says, signed by its source", function()
    local world = with_config(CONFIG, { answers = function() return role_answer("AssumeRole") end })
    local found = assert(chain.profile { world = world, profile = "a" })
    assert.are.same({ "AKROLE", "hidden1", "hidden2", 1000000800, "123456789012" },
      { found.access_key, found.secret_key, found.session_token, found.expires_at, found.account_id })
    local request = world.requests[1]
    assert.are.equal("https://sts.eu-west-1.amazonaws.com/", request.url)
    assert.matches("Credential=AKBASE/%d+/eu%-west%-1/sts/", request.headers.authorization)
    local sent = form(request.body)
    assert.are.same({ "AssumeRole", "arn:aws:iam::123456789012:role/R", "ext", "1800", "me" },
      { sent.Action, sent.RoleArn, sent.ExternalId, sent.DurationSeconds, sent.RoleSessionName })
  end)

  it("that ask for a code are refused clearly, and so are impossible durations", function()
    local _, err = chain.profile { world = with_config(CONFIG .. "[profile c]\nrole_arn=arn:aws:iam::1:role/R\nsource_profile=b\nmfa_serial=arn:x\n"), profile = "c" }
    assert.are.equal("MfaNeeded", err.code)
    _, err = chain.profile { world = with_config(CONFIG .. "[profile c]\nrole_arn=arn:aws:iam::1:role/R\nsource_profile=b\nduration_seconds=5\n"), profile = "c" }
    assert.matches("900 to 43200", err.message)
  end)

  it("a refusal of STS keeps its code and holds no secret", function()
    local world = with_config(CONFIG, { answers = function()
      return { status = 403, body = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not allowed</Message></Error><RequestId>R1</RequestId></ErrorResponse>" }
    end })
    local none, err = chain.profile { world = world, profile = "a" }
    assert.is_nil(none)
    assert.are.same({ "credentials", "AccessDenied", 403, "R1" }, { err.kind, err.code, err.status, err.request_id })
    assert.is_nil(tostring(err):find("hidden"))
  end)

  it("a source without keys is an end", function()
    local none, err = chain.load({ profile = "x" }, with_config("[profile x]\nrole_arn=arn:aws:iam::1:role/R\ncredential_source=Environment\nregion=a\n"))
    assert.is_nil(none)
    assert.matches("credential_source Environment has no keys", err.message)
    none, err = chain.load({ profile = "x" }, with_config("[profile x]\nrole_arn=arn:aws:iam::1:role/R\ncredential_source=Ec2InstanceMetadata\nregion=a\n"))
    assert.is_nil(none)
    assert.are.equal("SourceEmpty", err.code)
  end)

  it("a web identity of the environment is not signed, and its file is read each time", function()
    local files = { ["/token"] = "jwt1\n" }
    local world = machine.new { files = files, env = { AWS_WEB_IDENTITY_TOKEN_FILE = "/token", AWS_ROLE_ARN = "arn:aws:iam::1:role/W",
      AWS_ROLE_SESSION_NAME = "name", AWS_REGION = "eu-west-1" }, answers = function() return role_answer("AssumeRoleWithWebIdentity") end }
    local provider = credentials.provider({}, world)
    assert.are.equal("AKROLE", assert(provider:get()).access_key)
    assert.is_nil(world.requests[1].headers.authorization)
    files["/token"] = "jwt2"
    assert(provider:refresh())
    assert.are.same({ "jwt1", "jwt2" }, { form(world.requests[1].body).WebIdentityToken, form(world.requests[2].body).WebIdentityToken })
    local _, err = credentials.provider({}, machine.new { env = { AWS_WEB_IDENTITY_TOKEN_FILE = "/token" } }):get()
    assert.matches("AWS_ROLE_ARN", err.message)
  end)
end)

describe("Identity Center:", function()
  local CONFIG <const> = "[profile a]\nsso_session = dev\nsso_account_id = 123456789012\nsso_role_name = R\n"
    .. "[sso-session dev]\nsso_region = eu-west-1\nsso_start_url = https://x.example/start\n"
  local PATH <const> = "/home/.aws/sso/cache/34c6fceca75e456f25e7e99531e2425c6c1de443.json" -- sha1 of "dev"

  local function token(ends, more)
    local out = { accessToken = "hidden-old", expiresAt = ends, refreshToken = "hidden-refresh", clientId = "id", clientSecret = "hidden-secret",
      registrationExpiresAt = "2001-10-01T00:00:00Z", startUrl = "https://x.example/start", region = "eu-west-1" }
    for name, value in pairs(more or {}) do out[name] = value end
    return json.encode(out)
  end

  local function answers(request)
    if request.url:find("^https://oidc%.eu%-west%-1%.amazonaws%.com/token") then
      local asked = json.decode(request.body)
      assert.are.same({ "refresh_token", "hidden-refresh", "id", "hidden-secret" },
        { asked.grantType, asked.refreshToken, asked.clientId, asked.clientSecret })
      return '{"accessToken":"hidden-new","expiresIn":3600,"refreshToken":"hidden-refresh2"}'
    end
    if request.headers["x-amz-sso_bearer_token"] ~= "hidden-new" then return { status = 401, body = '{"message":"hidden"}' } end
    return '{"roleCredentials":{"accessKeyId":"AK","secretAccessKey":"hidden1","sessionToken":"hidden2","expiration":1000003600000}}'
  end

  it("renews a session's token before its end, and writes it down", function()
    local world = with_config(CONFIG, { files = { [PATH] = token("2001-09-09T01:50:00Z") }, answers = answers })
    local found = assert(chain.profile { world = world, profile = "a" })
    assert.are.same({ "AK", 1000003600, "123456789012" }, { found.access_key, found.expires_at, found.account_id })
    local kept = json.decode(world.written[PATH])
    assert.are.same({ "hidden-new", "hidden-refresh2", "2001-09-09T02:46:40Z", "id" },
      { kept.accessToken, kept.refreshToken, kept.expiresAt, kept.clientId })
  end)

  it("an expired token that cannot be renewed asks for a login", function()
    for _, text in ipairs { token("2001-09-09T01:00:00Z", { refreshToken = json.null }), token("2001-09-09T01:00:00Z", { registrationExpiresAt = "2001-09-01T00:00:00Z" }) } do
      local world = with_config(CONFIG, { files = { [PATH] = text }, answers = answers })
      local none, err = chain.profile { world = world, profile = "a" }
      assert.is_nil(none)
      assert.are.equal("TokenExpired", err.code)
      assert.matches("aws sso login", err.message)
      assert.is_nil(tostring(err):find("hidden"))
      assert.are.equal(0, #world.requests)
    end
    local world = with_config(CONFIG, { files = { [PATH] = token("2001-09-09T03:00:00Z") }, answers = answers })
    local none, err = chain.profile { world = world, profile = "a" }
    assert.is_nil(none)
    assert.are.same({ "TokenExpired", 1 }, { err.code, #world.requests })
    assert.is_nil(tostring(err):find("hidden"))
  end)

  it("gives the token itself to who wants one", function()
    local world = with_config(CONFIG, { env = { AWS_PROFILE = "a", AWS_BEARER_TOKEN_BEDROCK = "hidden-env" }, files = { [PATH] = token("2001-09-10T00:00:00Z") } })
    local found = assert(tokens.provider({}, world):get())
    assert.are.same({ "hidden-old", "token of sso-session dev" }, { found.token, tostring(found) })
    assert.are.equal("hidden-env", assert(tokens.provider({ signing_name = "bedrock" }, world):get()).token)
    local none, err = tokens.provider({ profile = "b" }, world):get()
    assert.is_nil(none)
    assert.are.equal("NoToken", err.code)
  end)
end)

describe("login sessions:", function()
  local PEM <const> = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg1MfimisUf+hcVVR+\nDySAF+Dms4qkJMIsqis7UymEYKmhRANCAAQQt4sr7Zwarob6QVEP3KSA03AoqeMf\nw+1yzVR9TFVlvweuXpx65Siu107SnxSOipK2/fFfF/cf/9BZ3hssrXf6\n-----END PRIVATE KEY-----\n"
  local PATH <const> = "/cache/" .. require("sm.crypto").hex(require("sm.crypto").sha256("arn:s")) .. ".json"

  it("are renewed with a proof of possession, and written down", function()
    local crypto = require "sm.crypto"
    local token = { accessToken = { accessKeyId = "OLD", secretAccessKey = "hidden0", sessionToken = "hidden0", accountId = "123456789012",
      expiresAt = "2001-09-09T01:00:00Z" }, clientId = "c", refreshToken = "hidden-r", dpopKey = PEM, idToken = "id" }
    local world = with_config("[profile a]\nlogin_session = arn:s\nregion = eu-west-1\n", { env = { AWS_LOGIN_CACHE_DIRECTORY = "/cache/" },
      files = { [PATH] = json.encode(token) },
      answers = function(request)
        assert.are.equal("https://eu-west-1.signin.aws.amazon.com/v1/token", request.url)
        local head, claims, signature = request.headers.dpop:match("^(.-)%.(.-)%.(.-)$")
        local jwk = json.decode(crypto.unbase64url(head)).jwk
        assert.is_true(crypto.verify("ES256", jwk, head .. "." .. claims, crypto.unbase64url(signature)))
        local said = json.decode(crypto.unbase64url(claims))
        assert.are.same({ "POST", request.url, 1000000000 }, { said.htm, said.htu, said.iat })
        return '{"accessToken":{"accessKeyId":"NEW","secretAccessKey":"hidden1","sessionToken":"hidden2"},"expiresIn":900,"refreshToken":"hidden-r2","tokenType":"urn:aws:params:oauth:token-type:access_token_sigv4"}'
      end })
    local found = assert(chain.profile { world = world, profile = "a" })
    assert.are.same({ "NEW", "123456789012", 1000000900 }, { found.access_key, found.account_id, found.expires_at })
    local kept = json.decode(world.written[PATH])
    assert.are.same({ "NEW", "hidden-r2", "id", PEM }, { kept.accessToken.accessKeyId, kept.refreshToken, kept.idToken, kept.dpopKey })
  end)

  it("a key that cannot be used is refused without its text", function()
    local none, message = login.proof("hidden", "https://x/", machine.new())
    assert.is_nil(none)
    assert.is_nil(message:find("hidden"))
  end)
end)

describe("the chain:", function()
  it("says what it looked at when nothing has credentials", function()
    local none, err = credentials.provider({}, machine.new()):get()
    assert.is_nil(none)
    assert.are.equal("NoCredentials", err.code)
    assert.matches("AWS_ACCESS_KEY_ID is not set; No profiles were defined; the instance metadata service is not there", err.message, 1, true)
  end)

  it("names the half that is missing of two variables", function()
    local _, err = credentials.provider({}, machine.new { env = { AWS_ACCESS_KEY_ID = "AK" } }):get()
    assert.matches("(AWS_SECRET_ACCESS_KEY is not set; ", err.message, 1, true)
  end)

  it("a profile that fails is the end; other identities are not tried", function()
    local world = with_config("[default]\naws_access_key_id = AK\n", { env = { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI = "/x" } })
    local none, err = credentials.provider({}, world):get()
    assert.is_nil(none)
    assert.matches("aws_secret_access_key", err.message)
    assert.are.equal(0, #world.requests)
  end)

  it("a named profile goes before the environment", function()
    local world = with_config("[profile p]\naws_access_key_id = AKP\naws_secret_access_key = S\n",
      { env = { AWS_ACCESS_KEY_ID = "AKE", AWS_SECRET_ACCESS_KEY = "S", AWS_PROFILE = "p" } })
    assert.are.equal("AKE", assert(credentials.provider({}, world):get()).access_key)
    assert.are.equal("AKP", assert(credentials.provider({ profile = "p" }, world):get()).access_key)
  end)

  it("a function of the platform asks its container endpoint and reads no file", function()
    local world = machine.new { env = { AWS_LAMBDA_FUNCTION_NAME = "f", AWS_CONTAINER_CREDENTIALS_FULL_URI = "http://localhost:9001/x",
      AWS_CONTAINER_AUTHORIZATION_TOKEN = "tok" }, answers = function(request)
      assert.are.equal("tok", request.headers.authorization)
      return '{"AccessKeyId":"AK","SecretAccessKey":"S","Token":"T","Expiration":"2001-09-09T03:00:00Z"}'
    end }
    assert.are.equal("AK", assert(credentials.provider({}, world):get()).access_key)
    assert.are.same({}, world.reads)
    local none, err = credentials.provider({}, machine.new { env = { AWS_LAMBDA_FUNCTION_NAME = "f" } }):get()
    assert.is_nil(none)
    assert.are.equal("NoCredentials", err.code)
  end)

  it("changed files count at the next load", function()
    local files = { ["/home/.aws/credentials"] = "[default]\naws_access_key_id = ONE\naws_secret_access_key = S\n" }
    local provider = credentials.provider({}, machine.new { files = files })
    assert.are.equal("ONE", assert(provider:get()).access_key)
    files["/home/.aws/credentials"] = files["/home/.aws/credentials"]:gsub("ONE", "TWO")
    assert.are.equal("TWO", assert(provider:refresh()).access_key)
  end)
end)
