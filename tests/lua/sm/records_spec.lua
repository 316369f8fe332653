-- Files of sorted records: what is there is found.
local files = require "sm.files"
local records = require "sm.records"

describe("sm.records", function()
  local dir
  setup(function() dir = assert(files.temp_dir()) end)
  teardown(function() files.remove_tree(dir) end)

  local function open(text)
    assert(files.write(dir .. "/records", text))
    return assert(records.open(dir .. "/records"))
  end

  it("finds values by key", function()
    local r <close> = open("a\t1\nshape.B\t{\"x\":\"\\t\"}\nshape.C\t\n")
    assert.are.equal("1", r:get("a"))
    assert.are.equal('{"x":"\\t"}', r:get("shape.B"))
    assert.are.equal("", r:get("shape.C"))
    assert.is_nil(r:get("shape"))
    assert.is_nil(r:get("b"))
  end)

  it("lists the keys that start with a prefix", function()
    local r <close> = open("a\t1\nop.x\t2\nop.y\t3\nshape.x\t4\n")
    assert.are.same({ "x", "y" }, r:keys("op."))
    assert.are.same({ "a", "op.x", "op.y", "shape.x" }, r:keys())
    assert.are.same({}, r:keys("z"))
  end)

  it("an empty file has none", function()
    local r <close> = open("")
    assert.is_nil(r:get("a"))
    assert.are.same({}, r:keys())
  end)

  it("says why a file cannot be read", function()
    local none, message, code = records.open(dir .. "/none")
    assert.is_nil(none)
    assert.matches("none", message)
    assert.are.equal("not_found", code)
  end)

  it("a closed one is refused, closing twice is fine", function()
    local r = open("a\t1\n")
    r:close()
    r:close()
    assert.has_error(function() r:get("a") end, "calling 'get' on bad self (the records are closed)")
  end)
end)
