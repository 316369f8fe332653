-- The loader of use cases: allow-list, faults, and edits that show at once. Runs in the host.
local ok, files = pcall(require, "sm.files")

describe("use cases", function()
  if not ok then return pending "needs the host" end
  local folder, told, cases
  local GOOD <const> = 'return { name = "x", ports = {}, run = function() return { value = %d } end }'

  local function write(name, source) assert(files.write(folder .. "/usecases/" .. name .. ".lua", source)) end

  before_each(function()
    folder, told = assert(files.temp_dir()), {}
    assert(files.mkdir(folder .. "/usecases"))
    assert(files.mkdir(folder .. "/domain"))
    cases = require("use_cases").new { folder = folder .. "/usecases", domain = folder .. "/domain", reload = true,
      adapt = function(use_case) return use_case end, on_reload = function(name, err) told[#told + 1] = name .. (err
          and " failed" or "") end }
  end)
  after_each(function() files.remove_tree(folder) end)

  -- The pause between looks at one file is 2 ms; a loop on the clock passes it without sleeping.
  local function after_a_moment()
    local time = require "sm.time"
    local till = time.monotonic() + 0.005
    while time.monotonic() < till do end
  end

  it("are loaded with their first use", function()
    write("one", GOOD:format(1))
    assert.equal(1, cases.find("one").run().value)
    assert.same({ "one" }, cases.names())
  end)

  it("that are not there are told with the nearest name", function()
    write("query_status", GOOD:format(1))
    local none, err = cases.find "query_statu"
    assert.is_nil(none)
    assert.equal("there is no use case 'query_statu' (did you mean 'query_status'?)", err.message)
    assert.equal("NotFound", err.code)
  end)

  it("show an edit with the next call", function()
    write("one", GOOD:format(1))
    cases.find("one")
    after_a_moment()
    write("one", GOOD:format(22))
    assert.equal(22, cases.find("one").run().value)
    assert.same({ "one" }, told)
  end)

  it("keep answering as before when an edit is faulty, and say so", function()
    write("one", GOOD:format(1))
    cases.find("one")
    after_a_moment()
    write("one", "return {{")
    assert.equal(1, cases.find("one").run().value)
    assert.same({ "one failed" }, told)
    after_a_moment()
    write("one", GOOD:format(333))
    assert.equal(333, cases.find("one").run().value)
  end)

  it("report file and line when they do not load", function()
    write("bad", "local x = 1\nlocal = 2")
    local none, err = cases.find("bad")
    assert.is_nil(none)
    assert.equal("ServiceUnavailable", err.code)
    assert.matches("bad%.lua:2:", err.message)
  end)

  for _, source in ipairs { "os.remove('x')", "io.open('x')", "load('return 1')", "require 'sm.files'",
      "debug.getinfo(1)", "x = 1", "print(1)",
    "return _G.os", "string.dump(function() end)", "collectgarbage()", "dofile('x')", "getmetatable('').__index.rep = nil" } do
    it("may not: " .. source, function()
      write("bad", source .. "\n" .. GOOD:format(1))
      if source:find("^return") then write("bad", "local v = " .. source:sub(8) .. "\n" .. GOOD:format(1)) end
      assert.is_nil((cases.find("bad")))
    end)
  end

  it("cannot change a library for others", function()
    write("one", "string.format = nil\n" .. GOOD:format(1))
    assert(cases.find("one"))
    assert.is_function(string.format)
  end)

  it("refuse bytecode", function()
    write("bad", string.dump and string.dump(load(GOOD:format(1))) or "\27Lua")
    assert.is_nil((cases.find("bad")))
  end)

  it("are not found by a path", function()
    for _, name in ipairs { "../boot", "a/b", "", "One", "none" } do assert.equal("NotFound", select(2, cases.find(name)).code) end
  end)

  it("must have a run and declare their ports", function()
    write("bad", "return { run = function() end }")
    assert.matches("declares no `ports`", select(2, cases.find("bad")).message)
  end)
end)
