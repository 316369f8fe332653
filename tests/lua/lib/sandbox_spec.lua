-- What a use-case file can reach, and what it cannot.
local files = require "sm.files"
local sandbox = require "lib.sandbox"

local function excerpt_of(text) local _, err = sandbox.compile(text, "usecases/x.lua") return err end

describe("sandbox", function()
  it("runs a script and gives what it returns", function()
    assert.equal(3, sandbox.compile("return math.floor(3.5)", "usecases/x.lua"))
  end)

  it("names file, line and the lines around a syntax error", function()
    local err = excerpt_of("local a = 1\nlocal b = = 2\nreturn a")
    assert.equal("usecases/x.lua", err.source)
    assert.equal(2, err.line)
    assert.equal("     1 | local a = 1\n>    2 | local b = = 2\n     3 | return a", err.excerpt)
  end)

  it("names file and line of an error while loading", function()
    local err = excerpt_of("local a\n\nreturn a.b")
    assert.equal(3, err.line)
    assert.matches("usecases/x.lua:3: attempt to index a nil value", err.message, 1, true)
  end)

  it("refuses a global that is not on the list, by name", function()
    assert.matches("no global 'io'", excerpt_of("return io.open").message, 1, true)
    assert.matches("make no globals ('x')", excerpt_of("x = 1").message, 1, true)
  end)

  it("stops a file that never finishes loading", function()
    assert.equal("time", excerpt_of("while true do end").limit)
  end)

  it("refuses bytecode", function()
    assert.matches("binary chunk", excerpt_of("\27Lua").message, 1, true)
  end)

  it("shows modules that can be walked and not written", function()
    local view = sandbox.view { list = { 1, 2, 3 }, f = function() return "f" end }
    local sum = 0
    for _, v in ipairs(view.list) do sum = sum + v end
    for _, v in pairs(view.list) do sum = sum + v end
    assert.equal(12, sum)
    assert.equal(3, #view.list)
    assert.equal("f", view.f())
    assert.has_error(function() view.list[1] = 2 end)
    assert.has_error(function() setmetatable(view, nil) end)
  end)

  it("hides metatables of others and keeps those of the script", function()
    assert.is_true(sandbox.compile([[
      local mine = { __index = { a = 1 } }
      local t = setmetatable({}, mine)
      return getmetatable(t) == mine and t.a == 1 and getmetatable(require("lib.errors").new("NotFound", "x")) == nil
    ]], "x"))
  end)

  it("reads a changed file again and keeps the old version when the new one is broken", function()
    local path = os.tmpname()
    files.write(path, "return 1")
    local value, err, fresh = sandbox.load(path)
    assert.same({ 1, nil, true }, { value, err, fresh })
    assert.is_false(select(3, sandbox.load(path)))
    files.write(path, "return 22")
    assert.equal(22, (sandbox.load(path)))
    files.write(path, "\nreturn = 3")
    value, err = sandbox.load(path)
    assert.equal(22, value)
    assert.equal(2, err.line)
    files.remove(path)
  end)
end)
