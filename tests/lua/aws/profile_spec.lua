-- The configuration files: syntax, places, joining.
local profile = require "aws.profile"

local function parse(text, kind) return profile.parse(text, kind or "config", "the-file") end

local function refused(text, pattern, kind)
  local set, err = parse(text, kind)
  assert.is_nil(set)
  assert.are.equal("config", err.kind)
  assert.matches(pattern, err.message)
end

describe("aws.profile:", function()
  it("reads profiles, sessions and services", function()
    local set = assert(parse(
      "[default]\nregion=eu-west-1\n[profile dev]\nA = 1\n[sso-session s]\nsso_region = x\n[services v]\ns3 =\n  endpoint_url = http://a\n"))
    assert.are.same({ default = { region = "eu-west-1" }, dev = { a = "1" } }, set.profiles)
    assert.are.same({ s = { sso_region = "x" } }, set.sso_sessions)
    assert.are.same({ endpoint_url = "http://a" }, profile.nested(set.services.v.s3))
  end)

  it("takes names in quotes, and leaves sections that are not its own", function()
    local set = assert(parse('[profile "my own"]\na=1\n[profile "x" "y"]\nb=2\n[plugins]\nc=3\n[profile d!]\ne=4\n'))
    assert.are.same({ ["my own"] = { a = "1" } }, set.profiles)
  end)

  it("in the credentials file names stand alone", function()
    local set = assert(parse("[dev]\na=1\n[profile x]\nb=2\n[sso-session y]\nc=3\n", "credentials"))
    assert.are.same({ dev = { a = "1" } }, set.profiles)
    assert.are.same({}, set.sso_sessions)
  end)

  it("takes lines of other systems: byte order mark, CR LF, no last line end", function()
    local set = assert(parse("\xEF\xBB\xBF[default]\r\nregion = a\r\ns3 =\r\n  x = y\r\n\r\nz = w"))
    assert.are.same({ region = "a", s3 = "\nx = y", z = "w" }, set.profiles.default)
  end)

  it("takes comments at any column, and none out of a value", function()
    local set = assert(parse("  # first\n[default]\n ; second\ns3 =\n  a = b\n  # third\n  c = d\nurl = http://x/#y\n"))
    assert.are.same({ s3 = "\na = b\nc = d", url = "http://x/#y" }, set.profiles.default)
  end)

  it("leaves a property with an impossible name, with its continuation", function()
    local set = assert(parse("[default]\nin valid = 1\n more\nvalid = 2\n"))
    assert.are.same({ valid = "2" }, set.profiles.default)
  end)

  it("refuses with file and line", function()
    refused("a = 1", "the%-file, line 1: ")
    refused("[default]\n\n= b", "the%-file, line 3: .*name")
    refused("[default]\nkey : b", "line 2: .*'='")
    refused("[profile a\nb=c", "line 1: .*'%]'")
    refused("[profile a] b", "line 1: .*'%]'")
    refused("[profile a]\ns3 =\n x = 1\n  = 2\n", "line 4: .*Sub%-property")
    refused("[profile a]\n\0b = 1", "line 2: .*NUL")
  end)

  it("survives any bytes", function()
    math.randomseed(7)
    for _ = 1, 300 do
      local bytes = {}
      for i = 1, 400 do bytes[i] = string.char(math.random(0, 255)) end
      local set, err = parse(table.concat(bytes))
      assert.is_true(set ~= nil or err.message:find("the%-file, line %d+") ~= nil)
    end
  end)

  local function world(env, files)
    return { env = function(name) return env[name] end, read_file = function(path)
      if files[path] == false then return nil, "permission denied", "refused" end
      if files[path] then return files[path] end
      return nil, "no such file", "not_found"
    end }
  end

  it("joins both files; the credentials file wins", function()
    local set = assert(profile.load(world({ HOME = "/h" },
      { ["/h/.aws/config"] = "[profile a]\nx=1\ny=2\n", ["/h/.aws/credentials"] = "[a]\ny=3\n" })))
    assert.are.same({ x = "1", y = "3" }, set.profiles.a)
    assert.are.same({ "/h/.aws/config", "/h/.aws/credentials" }, set.files)
  end)

  it("a file that is not there is empty, one that may not be read is a failure", function()
    assert.are.same({}, assert(profile.load(world({ HOME = "/h" }, {}))).profiles)
    local set, err = profile.load(world({ AWS_CONFIG_FILE = "~/c", HOME = "/h" }, { ["/h/c"] = false }))
    assert.is_nil(set)
    assert.matches("^/h/c: permission denied", err.message)
  end)
end)
