-- Settings of a client: who wins, and what is refused.
local config = require "aws.config"

local function world(env, files)
  env, files = env or {}, files or {}
  env.HOME = env.HOME or "/h"
  local read = {}
  return { env = function(name) return env[name] end, read = read, read_file = function(path)
    read[#read + 1] = path
    if files[path] then return files[path] end
    return nil, "no such file", "not_found"
  end }
end

local function with_config(text, env) return world(env, { ["/h/.aws/config"] = text }) end

describe("aws.config:", function()
  it("has its own values when nobody says anything", function()
    local c = assert(config.resolve("S3", nil, world()))
    assert.is_nil(c.region)
    assert.is_nil(c.endpoint_url)
    assert.is_nil(c.max_attempts)
    assert.are.same({ "default", "standard", "when_supported", "when_supported", "preferred", "regional" },
      { c.profile, c.retry_mode, c.request_checksum, c.response_checksum, c.account_id_endpoint_mode, c.sts_regional })
    assert.are.same({ false, false, 3, 60, "auto" },
      { c.use_fips, c.use_dualstack, c.connect_timeout, c.read_timeout, c.s3.addressing_style })
  end)

  it("options win over the environment, the environment over the profile", function()
    local text = "[default]\nregion = file\nca_bundle = /file.pem\nmax_attempts = 5\nuse_fips_endpoint = true\n"
    local w = with_config(text, { AWS_REGION = "env", AWS_DEFAULT_REGION = "older", AWS_MAX_ATTEMPTS = "4", AWS_CA_BUNDLE = " " })
    local c = assert(config.resolve("S3", { max_attempts = 2 }, w))
    assert.are.same({ "env", 2, "/file.pem", true }, { c.region, c.max_attempts, c.ca_bundle, c.use_fips })
    assert.are.equal("option", assert(config.resolve("S3", { region = "option" }, w)).region)
    assert.are.equal("file", assert(config.resolve("S3", {}, with_config(text))).region)
    assert.are.equal("older", assert(config.resolve("S3", {}, with_config(text, { AWS_DEFAULT_REGION = "older" }))).region)
  end)

  it("AWS_PROFILE and the option name the profile", function()
    local text = "[profile a]\nregion = ra\n[profile b]\nregion = rb\n"
    assert.are.equal("ra", assert(config.resolve("S3", {}, with_config(text, { AWS_PROFILE = "a", AWS_DEFAULT_PROFILE = "b" }))).region)
    assert.are.equal("rb", assert(config.resolve("S3", { profile = "b" }, with_config(text, { AWS_PROFILE = "a" }))).region)
  end)

  it("reads the block of s3 settings", function()
    local w = with_config("[default]\ns3 =\n  addressing_style = path\n  use_accelerate_endpoint = true\n  use_arn_region = false\n")
    local c = assert(config.resolve("S3", {}, w))
    assert.are.same({ "path", true, false }, { c.s3.addressing_style, c.s3.accelerate, c.s3.use_arn_region })
    c = assert(config.resolve("S3", { s3 = { addressing_style = "virtual", use_accelerate_endpoint = false } }, w))
    assert.are.same({ "virtual", false }, { c.s3.addressing_style, c.s3.accelerate })
  end)

  it("the variable of a service is its id, upper case, with underscores", function()
    local w = world { AWS_ENDPOINT_URL_SECRETS_MANAGER = "http://one:1", AWS_ENDPOINT_URL = "http://all:2" }
    assert.are.equal("http://one:1", assert(config.resolve("Secrets Manager", {}, w)).endpoint_url)
    assert.are.equal("http://all:2", assert(config.resolve("S3", {}, w)).endpoint_url)
    assert.are.equal("http://all:2", assert(config.resolve(nil, {}, w)).endpoint_url)
  end)

  it("refuses what is no value, naming its place and not an URL's text", function()
    local function refused(pattern, options, w)
      local c, err = config.resolve("S3", options, w or world())
      assert.is_nil(c)
      assert.are.equal("config", err.kind)
      assert.matches(pattern, err.message)
    end
    refused("AWS_MAX_ATTEMPTS must be a whole number, not 'many'", {}, world { AWS_MAX_ATTEMPTS = "many" })
    refused("AWS_USE_FIPS_ENDPOINT must be true or false", {}, world { AWS_USE_FIPS_ENDPOINT = "yes" })
    refused("'retry_mode' of profile default must be one of legacy, standard", {}, with_config("[default]\nretry_mode = x"))
    refused("region must be a text", { region = 7 })
    refused("^the option endpoint_url must begin with http", { endpoint_url = "user:secret@host" })
    refused("^AWS_ENDPOINT_URL must begin with http", {}, world { AWS_ENDPOINT_URL = "host:5000" })
    refused("^AWS_ENDPOINT_URL_S3 must begin", {}, world { AWS_ENDPOINT_URL_S3 = "host", AWS_ENDPOINT_URL = "http://all" })
    refused("^endpoint_url of profile default must begin", {}, with_config("[default]\nendpoint_url = host"))
    refused("services section 'gone'", {}, with_config("[default]\nservices = gone"))
    refused("/h/%.aws/config, line 1", {}, with_config("x = y"))
  end)

  it("a Lambda function's start reads no file", function()
    local w = world { AWS_LAMBDA_FUNCTION_NAME = "f", AWS_REGION = "eu-west-1" }
    assert.are.equal("eu-west-1", assert(config.resolve("S3", {}, w)).region)
    assert.are.same({}, w.read)
  end)
end)
