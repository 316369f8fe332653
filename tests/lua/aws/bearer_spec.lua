-- Which calls take a token instead of a signature.
local aws_client = require "aws.client"
local call = require "aws.call"

local KEYS <const> = { access_key = "AKID", secret_key = "secret" }

local function world(variables)
  return { env = function(name) return variables[name] end, read_file = function() return nil, "no file", "not_found" end, now = os.time }
end

local function build(service, name, params, variables, options)
  options = options or {}
  options.region, options.credentials, options.world = "eu-central-1", KEYS, world(variables or {})
  local client = assert(aws_client.new(service, options))
  return assert(call.build(client, assert(client:operation(name)), params, {}))
end

local CONVERSE <const> = { modelId = "m", messages = { { role = "user", content = { { text = "hi" } } } } }

describe("aws.bearer", function()
  it("is used where the environment has a token for the service", function()
    local one = build("bedrock-runtime", "converse", CONVERSE, { AWS_BEARER_TOKEN_BEDROCK = "abc" })
    assert.equal("bearer", one.endpoint.signing.scheme)
    assert.equal("abc", assert(call.credentials(one)).token)
  end)

  it("is not used for other services, or without a token", function()
    assert.equal("v4", build("bedrock-runtime", "converse", CONVERSE).endpoint.signing.scheme)
    assert.equal("v4", build("dynamodb", "list_tables", {}, { AWS_BEARER_TOKEN_DYNAMODB = "abc" }).endpoint.signing.scheme)
  end)

  it("is used where the settings prefer it", function()
    for preference, scheme in pairs { ["httpBearerAuth, sigv4"] = "bearer", ["sigv4,httpBearerAuth"] = "v4", ["sigv4a,httpBearerAuth"] = "bearer", [""] = "v4" } do
      assert.equal(scheme, build("bedrock-runtime", "converse", CONVERSE, {}, { auth_scheme_preference = preference }).endpoint.signing.scheme, preference)
    end
  end)

  it("is not presigned", function()
    local client = assert(aws_client.new("bedrock-runtime", { region = "r", credentials = KEYS, world = world { AWS_BEARER_TOKEN_BEDROCK = "abc" } }))
    local url, err = client:presign("converse", CONVERSE)
    assert.is_nil(url)
    assert.equal("CannotPresign", err.code)
  end)

  it("leaves what is anonymous anonymous", function()
    assert.equal("none", build("bedrock-runtime", "converse", CONVERSE, { AWS_BEARER_TOKEN_BEDROCK = "abc" }, { anonymous = true }).endpoint.signing.scheme)
  end)
end)
