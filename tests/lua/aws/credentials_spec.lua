-- The provider: who gives keys, and when they are replaced.
local credentials = require "aws.credentials"
local failure = require "aws.failure"
local task = require "sm.task"

local function env(values) return { env = function(name) return values[name] end, now = function() return 0 end } end

describe("aws.credentials:", function()
  it("explicit ones need nothing else", function()
    local c = assert(credentials.provider({ access_key = "AK", secret_key = "S" }, env {}):get())
    assert.are.same({ "AK", "S" }, { c.access_key, c.secret_key })
    c = assert(credentials.provider({ credentials = { access_key = "AK2", secret_key = "S", session_token = "T" } }, env {}):get())
    assert.are.same({ "AK2", "T" }, { c.access_key, c.session_token })
    local own = { get = function() return { access_key = "mine" } end }
    assert.are.equal(own, credentials.provider({ credentials = own }, env {}))
  end)

  it("the environment gives keys, token and account", function()
    local c = assert(credentials.provider({}, env { AWS_ACCESS_KEY_ID = "AK", AWS_SECRET_ACCESS_KEY = " S ",
      AWS_SESSION_TOKEN = "T", AWS_ACCOUNT_ID = "123456789012" }):get())
    assert.are.same({ "AK", "S", "T", "123456789012", "environment" },
      { c.access_key, c.secret_key, c.session_token, c.account_id, c.source })
  end)

  it("loads no other source when the environment has keys", function()
    local before = {}
    for name in pairs(package.loaded) do before[name] = true end
    assert(credentials.provider({}, env { AWS_ACCESS_KEY_ID = "AK", AWS_SECRET_ACCESS_KEY = "S" }):get())
    for name in pairs(package.loaded) do
      assert.is_true(before[name] or not name:find("^aws%.credentials%."), name)
    end
  end)

  it("shows neither secret nor token", function()
    local p = credentials.provider({ access_key = "AK", secret_key = "hidden1", session_token = "hidden2" }, env {})
    assert(p:get())
    assert.is_nil(tostring(p):find("hidden"))
    assert.is_nil(tostring(p:get()):find("hidden"))
    assert.matches("AK", tostring(p:get()), 1, true)
  end)

  describe("replaced in time:", function()
    local clock, calls, answer, provider

    before_each(function()
      clock, calls = 1000, 0
      answer = function() return { access_key = "AK" .. calls, secret_key = "S", expires_at = clock + 3600, source = "x" } end
      provider = credentials.new(function()
        calls = calls + 1
        return answer()
      end, { now = function() return clock end })
    end)

    local function fail() return failure.refuse("credentials", "Gone", "no answer") end

    it("not before a quarter of an hour before their end", function()
      assert(provider:get())
      clock = clock + 3600 - 901
      assert(provider:get())
      assert.are.equal(1, calls)
      clock = clock + 2
      assert.are.equal("AK2", assert(provider:get()).access_key)
    end)

    it("a failure keeps the old ones until their end, and is not repeated at every call", function()
      assert(provider:get())
      answer, clock = fail, clock + 3600 - 60
      for _ = 1, 5 do assert.are.equal("AK1", assert(provider:get()).access_key) end
      assert.are.equal(2, calls)
      clock = clock + 31
      assert.are.equal("AK1", assert(provider:get()).access_key)
      assert.are.equal(3, calls)
      clock = clock + 30
      local none, err = provider:get()
      assert.is_nil(none)
      assert.are.equal("Gone", err.code)
    end)

    it("one refresh at a time; who waits gets its outcome, also its failure", function()
      local good = answer
      answer = function()
        task.sleep(0.01)
        return good()
      end
      local get = function() return provider:get() end
      local got = assert(task.parallel { get, get, get })
      assert.are.equal(1, calls)
      for i = 1, 3 do assert.are.equal("AK1", got[i].access_key) end
      provider:forget()
      answer = function()
        task.sleep(0.01)
        return fail()
      end
      local count = 0
      local try = function()
        local c, err = provider:get()
        if not c and err.code == "Gone" then count = count + 1 end
        return true
      end
      assert(task.parallel { try, try, try })
      assert.are.same({ 2, 3 }, { calls, count })
    end)

    it("while one refreshes ahead of time, others use the old ones", function()
      assert(provider:get())
      clock = clock + 3600 - 700
      local good = answer
      answer = function()
        task.sleep(0.01)
        return good()
      end
      local got = assert(task.parallel { function() return provider:get() end, function() return provider:get() end })
      assert.are.same({ "AK2", "AK1", 2 }, { got[1].access_key, got[2].access_key, calls })
    end)

    it("refresh replaces those that were refused, once", function()
      local old = assert(provider:get())
      local new = assert(provider:refresh(old))
      assert.are.equal("AK2", new.access_key)
      assert.are.equal(new, provider:refresh(old))
      assert.are.equal(2, calls)
    end)
  end)

  it("a restore from a snapshot makes shared ones forget", function()
    local world = require "aws.world"
    local real, key = world.default().env, "AK1"
    local values = function(name)
      return ({ AWS_ACCESS_KEY_ID = key, AWS_SECRET_ACCESS_KEY = "S" })[name]
    end
    world.default().env = values
    finally(function() world.default().env = real end)
    local p = credentials.provider { profile = nil }
    p:forget()
    assert.are.equal("AK1", p:get().access_key)
    assert.are.equal(p, credentials.provider {})
    key = "AK2"
    assert.are.equal("AK1", p:get().access_key)
    assert.is_true(require("lib.restore").run())
    assert.are.equal("AK2", p:get().access_key)
    p:forget()
  end)
end)
