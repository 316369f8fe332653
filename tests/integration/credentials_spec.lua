-- Sources of credentials on the real machine: a program that prints keys, and endpoints over real HTTP.
local credentials = require "aws.credentials"
local files = require "sm.files"
local server_module = require "sm.server"
local task = require "sm.task"
local time = require "sm.time"
local worlds = require "aws.world"

-- The machine itself, with other variables.
local function real(env)
  local world = {}
  for name, value in pairs(worlds.default()) do world[name] = value end
  world.env = function(name) return env[name] end
  return world
end

describe("credentials on the machine:", function()
  local folder
  setup(function() folder = assert(files.temp_dir()) end)
  teardown(function() files.remove_tree(folder) end)

  local function with_config(text, env)
    env = env or {}
    env.AWS_CONFIG_FILE, env.AWS_SHARED_CREDENTIALS_FILE, env.AWS_EC2_METADATA_DISABLED = folder .. "/config", folder .. "/none", "true"
    assert(files.write(folder .. "/config", text))
    return real(env)
  end

  it("a program prints them", function()
    local found = assert(credentials.provider({}, with_config([[
[default]
credential_process = printf '{"Version":1,"AccessKeyId":"%s","SecretAccessKey":"S"}' "AK"
]])):get())
    assert.are.same({ "AK", "S" }, { found.access_key, found.secret_key })
  end)

  it("a program that fails is told by its own words, and by nothing it printed for us", function()
    local none, err = credentials.provider({}, with_config("[default]\ncredential_process = echo hidden; echo no ticket >&2; exit 5\n")):get()
    assert.is_nil(none)
    assert.matches("profile default: it ended with code 5: no ticket", err.message, 1, true)
    assert.is_nil(tostring(err):find("hidden"))
  end)

  describe("endpoints:", function()
    local server, url, seen

    local KEYS <const> = '{"Code":"Success","AccessKeyId":"AK","SecretAccessKey":"S","Token":"T","Expiration":"2100-01-01T00:00:00Z"}'
    local paths = {
      ["GET /creds"] = KEYS, ["PUT /latest/api/token"] = "TOKEN", ["GET /latest/meta-data/iam/security-credentials/"] = "role",
      ["GET /latest/meta-data/iam/security-credentials/role"] = KEYS,
    }

    setup(function()
      server = assert(server_module.listen { host = "127.0.0.1", on_request = function(request)
        seen[#seen + 1] = { headers = request.headers }
        if request.path:find("^/slow") then task.sleep(30) end
        local body = paths[request.method .. " " .. request.path]
        return { status = body and 200 or 404, body = body or "" }
      end })
      url = "http://127.0.0.1:" .. server.port
    end)
    before_each(function() seen = {} end)
    teardown(function() server.stop(0) end)

    it("that of a container", function()
      assert(files.write(folder .. "/token", "Bearer abc\n"))
      local found = assert(credentials.provider({}, real { AWS_CONTAINER_CREDENTIALS_FULL_URI = url .. "/creds",
        AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE = folder .. "/token", HOME = folder }):get())
      assert.are.same({ "AK", "T", 4102444800 }, { found.access_key, found.session_token, found.expires_at })
      assert.are.equal("Bearer abc", seen[1].headers.authorization)
    end)

    it("that of an instance", function()
      local found = assert(credentials.provider({}, real { AWS_EC2_METADATA_SERVICE_ENDPOINT = url, HOME = folder }):get())
      assert.are.equal("AK", found.access_key)
      assert.are.same({ "21600", "TOKEN", "TOKEN" }, { seen[1].headers["x-aws-ec2-metadata-token-ttl-seconds"],
        seen[2].headers["x-aws-ec2-metadata-token"], seen[3].headers["x-aws-ec2-metadata-token"] })
    end)

    it("one that does not answer is given up soon", function()
      local started = time.monotonic()
      local none, err = credentials.provider({}, real { AWS_EC2_METADATA_SERVICE_ENDPOINT = url .. "/slow", HOME = folder,
        AWS_METADATA_SERVICE_TIMEOUT = "0.1" }):get()
      assert.is_nil(none)
      assert.are.equal("NoCredentials", err.code)
      assert.is_true(time.monotonic() - started < 10)
    end)
  end)
end)
