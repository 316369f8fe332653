-- Settings from the environment and from a file, and how wrong ones are told.
local settings = require "settings"

local function read(env) return settings.read(function(name) return env[name] end) end

local function problems(env)
  local values, err = read(env)
  assert.is_nil(values)
  assert.are.equal("BadSetting", err.code)
  local names = {}
  for i, problem in ipairs(err.details.problems) do names[i] = problem.name end
  return names, err.message
end

describe("settings", function()
  it("have the contract's defaults", function()
    local v = read {}
    assert.are.same({ 30, "full-load", "sewingmachine", 900, 25, 50, "primary", "AwsDataCatalog", "default", "2025-08-13", "us-west-1" },
      { v.cooldown_seconds, v.resource_key, v.service_name, v.presign_ttl_seconds, v.max_dirs_per_layer, v.max_files_per_dir,
        v.athena_wg, v.athena_catalog, v.eventbus_name, v.fixed_run, v.aws_region })
    assert.are.same({ "*" }, v.allowed_origin)
    assert.is_nil(v.athena_default_db)
    assert.is_nil(v.bronze_prefix_s3)
  end)

  for _, name in ipairs { "AWS_REGION", "ALLOWED_ORIGIN", "SERVICE_NAME", "ORCHESTRATOR_FN", "DDB_TABLE", "RESOURCE_KEY",
    "COOLDOWN_SECONDS",
    "BRONZE_PREFIX_S3", "SILVER_PREFIX_S3", "GOLD_PREFIX_S3", "PRESIGN_TTL_SECONDS", "MAX_DIRS_PER_LAYER", "MAX_FILES_PER_DIR", "ATHENA_WG",
    "ATHENA_OUTPUT", "ATHENA_CATALOG", "ATHENA_DEFAULT_DB", "DMS_TASK_ARN", "ATHENA_RUNNER_FUNCTION_ARN", "EVENTBUS_NAME", "FIXED_RUN" } do
    it("know the contract's " .. name, function()
      local found
      for _, s in ipairs(settings.list) do if s.name == name then found = s end end
      assert.is_table(found)
    end)
  end

  for _, s in ipairs(settings.list) do
    it(s.name .. " is explained and its default is valid", function()
      assert.matches("^%u.*%.$", s.meaning)
      assert.is_true(s.profile == "all" or s.profile == "local" or s.profile == "aws")
      if s.default ~= nil then assert.is_table(read { [s.name] = tostring(s.default), SEWING_TOKEN = ("t"):rep(20),
        SEWING_JWT_ISSUER = "x" }) end
    end)
  end

  it("have names of their own in code", function()
    local seen = {}
    for _, s in ipairs(settings.list) do
      assert.is_nil(seen[settings.key(s.name)])
      seen[settings.key(s.name)] = true
    end
  end)

  it("report all problems at once, by name", function()
    assert.are.same({ "COOLDOWN_SECONDS", "MAX_FILES_PER_DIR", "SEWING_PORT", "SEWING_LOG_LEVEL" }, (problems {
      COOLDOWN_SECONDS = "soon", MAX_FILES_PER_DIR = "0", SEWING_PORT = "99999", SEWING_LOG_LEVEL = "loud" }))
  end)

  for name, wrong in pairs { COOLDOWN_SECONDS = "1.5", PRESIGN_TTL_SECONDS = "-1", MAX_DIRS_PER_LAYER = "1e3", SEWING_RELOAD = "maybe",
    SEWING_MIN_LIVE_RATIO = "1.1", SEWING_ENGINE_MEMORY = "much", SEWING_MAX_BODY_BYTES = "1", SEWING_PUBLIC_URL = "lake",
      SEWING_AUTH = "tokn",
    SEWING_QUERY_WAIT_SECONDS = ".", GOLD_PREFIX_S3 = "http://x/", SEWING_TOKEN = "short" } do
    it(("refuse %s=%s"):format(name, wrong), function() assert.are.same({ name }, (problems { [name] = wrong })) end)
  end

  it("that something needs are named with their meaning", function()
    local values = assert(settings.read(function() end))
    local none, err = settings.check(values, { "DDB_TABLE", "RESOURCE_KEY", "ORCHESTRATOR_FN" })
    assert.is_nil(none)
    assert.are.equal("DDB_TABLE is not set (table of the cooldown lock); ORCHESTRATOR_FN is not set (function that POST /run invokes)", err.message)
  end)

  it("suggest the nearest word", function() assert.matches("did you mean 'token'", select(2, problems { SEWING_AUTH = "tokn" }), 1,
    true) end)

  it("read sizes", function()
    for given, expected in pairs { ["64MB"] = 64 << 20, ["2 GiB"] = 2 << 30, ["1073741824"] = 1 << 30 } do
      assert.are.equal(expected, read { SEWING_ENGINE_MEMORY = given }.engine_memory)
    end
  end)

  it("take an empty value for an absent one", function() assert.are.equal(30, read { COOLDOWN_SECONDS = "" }.cooldown_seconds) end)

  it("keep an empty value where it means something", function()
    assert.are.equal("", read { SERVICE_NAME = "" }.service_name)
    assert.are.same({}, read { ALLOWED_ORIGIN = "" }.allowed_origin)
  end)

  it("read lists", function() assert.are.same({ "http://a", "http://b" },
    read { ALLOWED_ORIGIN = "http://a, http://b," }.allowed_origin) end)

  it("want a token for authentication by token", function()
    assert.are.same({ "SEWING_TOKEN" }, (problems { SEWING_AUTH = "token" }))
    assert.is_table(read { SEWING_AUTH = "token", SEWING_TOKEN_FILE = "x" })
  end)

  it("want keys, issuer and audience for authentication by jwt", function()
    assert.are.same({ "SEWING_JWT_JWKS", "SEWING_JWT_ISSUER", "SEWING_JWT_AUDIENCE" }, (problems { SEWING_AUTH = "jwt" }))
  end)

  it("do not take keys over plain http from elsewhere", function()
    local env = { SEWING_AUTH = "jwt", SEWING_JWT_ISSUER = "i", SEWING_JWT_AUDIENCE = "a", SEWING_JWT_JWKS = "http://example.org/keys" }
    assert.are.same({ "SEWING_JWT_JWKS" }, (problems(env)))
    env.SEWING_JWT_JWKS = "http://127.0.0.1:9/keys"
    assert.is_table(read(env))
  end)

  it("hide secrets when described", function()
    local values = read { SEWING_TOKEN = "very-secret-token-1" }
    for _, line in ipairs(settings.describe(values)) do assert.is_nil(line.value:find("very-secret", 1, true)) end
  end)

  it("say where a value comes from", function()
    for _, line in ipairs(settings.describe(read { COOLDOWN_SECONDS = "5" })) do
      assert.are.equal(line.name == "COOLDOWN_SECONDS" and "set" or "default", line.from)
    end
  end)

  describe("from a file", function()
    it("are lines of NAME=value", function()
      assert.are.same({ COOLDOWN_SECONDS = "5", SERVICE_NAME = "a b", ALLOWED_ORIGIN = "" },
        settings.parse_file("# a comment\n\nCOOLDOWN_SECONDS = 5\r\nSERVICE_NAME=\"a b\"\nALLOWED_ORIGIN="))
    end)
    it("must have known names", function()
      local values, err = settings.parse_file("COOLDOWN_SECOND=5\nnonsense")
      assert.is_nil(values)
      assert.matches("did you mean 'COOLDOWN_SECONDS'", err.message, 1, true)
      assert.matches("line 2", err.message, 1, true)
    end)
  end)
end)
