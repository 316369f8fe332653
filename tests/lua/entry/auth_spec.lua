-- Who may call: tokens, signed tokens, and calls from this machine.
local auth = require "entry.auth"

local crypto = { sha256 = function(s) return ("%-32s"):format("h" .. s):sub(1, 32) end, equal = function(a, b) return a == b end }

local function ask(authenticate, header) return authenticate { headers = { authorization = header } } end

describe("entry.auth", function()
  describe("by token", function()
    local authenticate = auth.by_token({ "first-token-000001", "second-token-00002" }, crypto)
    it("knows its tokens, each with a caller of its own", function()
      local a, b = ask(authenticate, "Bearer first-token-000001"), ask(authenticate, "bearer second-token-00002")
      assert.is_string(a)
      assert.is_string(b)
      assert.are_not.equal(a, b)
      assert.are.equal(a, ask(authenticate, "BEARER   first-token-000001 "))
      assert.is_nil(a:find("first-token", 1, true))
    end)
    for _, header in ipairs { "Bearer wrong", "Basic Zmlyc3Q=", "Bearer", "Bearer ", "first-token-000001",
      "Bearer first-token-000001, Bearer x", "Bearer a b" } do
      it("refuses '" .. header .. "'", function()
        local caller, err = ask(authenticate, header)
        assert.is_nil(caller)
        assert.are.equal("Unauthorized", err.code)
        assert.is_nil(err.message:find("first-token-000001", 1, true))
      end)
    end
    it("refuses a missing header", function() assert.are.equal("Unauthorized", select(2, ask(authenticate, nil)).code) end)
  end)

  describe("by jwt", function()
    it("takes the subject for the caller", function()
      local authenticate = auth.by_jwt { verify = function(_, token) return token == "t" and { sub = "user-1" } end }
      assert.are.equal("user-1", ask(authenticate, "Bearer t"))
    end)
  end)

  for host, expected in pairs { ["127.0.0.1"] = true, ["127.5.6.7"] = true, localhost = true, LOCALHOST = true, ["::1"] = true,
    ["[::1]"] = true,
    ["::ffff:127.0.0.1"] = true, ["0.0.0.0"] = false, ["::"] = false, ["192.168.1.5"] = false, ["127.0.0.1.evil.org"] = false,
      ["1270.0.0.1"] = false,
    ["127.0.0.999"] = false, [""] = false, ["lake.local"] = false, ["localhost.evil"] = false } do
    it(("'%s' is %sloopback"):format(host, expected and "" or "not "), function() assert.are.equal(expected, auth.is_loopback(host)) end)
  end

  describe("binding", function()
    it("without authentication is for this machine only", function()
      assert.is_true(auth.check_binding { auth = "none", host = "127.0.0.1" })
      local ok, err = auth.check_binding { auth = "none", host = "0.0.0.0" }
      assert.is_nil(ok)
      assert.are.equal("Forbidden", err.code)
      assert.are.equal(4, require("cli.exit_codes").of(err.code))
      assert.matches("--auth token", err.message, 1, true)
    end)
    it("with authentication may be for all", function()
      assert.is_true(auth.check_binding { auth = "token", host = "0.0.0.0" })
      assert.is_true(auth.check_binding { auth = "jwt", host = "::" })
    end)
  end)

  describe("token files", function()
    it("hold one token a line", function()
      assert.are.same({ "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb" }, auth.tokens_of("# people\naaaaaaaaaaaaaaaa\r\n\n bbbbbbbbbbbbbbbb \n"))
    end)
    for name, source in pairs { ["short ones"] = "abc", ["none"] = "# nothing\n", ["spaces"] = "aaaaaaaaaaaaaaaa bbb" } do
      it("must not hold " .. name, function() assert.are.equal("BadSetting", select(2, auth.tokens_of(source)).code) end)
    end
  end)

  describe("from settings", function()
    it("asks nobody with none", function() assert.are.equal("local", ask(auth.from_settings({ auth = "none" }, {}), nil)) end)
    it("reads tokens from setting and file", function()
      local authenticate = auth.from_settings({ auth = "token", token = "setting-token-0001", token_file = "f" },
        { crypto = crypto, read_file = function() return "filefilefilefile\n" end })
      assert.is_string(ask(authenticate, "Bearer setting-token-0001"))
      assert.is_string(ask(authenticate, "Bearer filefilefilefile"))
    end)
    it("says when the file cannot be read", function()
      local authenticate, err = auth.from_settings({ auth = "token", token_file = "f" }, { crypto = crypto,
        read_file = function() return nil, "gone" end })
      assert.is_nil(authenticate)
      assert.are.equal("BadSetting", err.code)
    end)
  end)
end)
