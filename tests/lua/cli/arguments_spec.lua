-- What a command line means, and how a wrong one is refused.
local arguments = require "cli.arguments"

local options = { { name = "output", short = "o", value = "FORMAT", choices = { "table", "json" }, meaning = "" },
  { name = "max-rows", value = "N", meaning = "" }, { name = "quiet", short = "q", meaning = "" } }

local function parse(...) return arguments.parse({ ... }, options) end

local function refused(...)
  local parsed, err = parse(...)
  assert.is_nil(parsed)
  assert.are.equal("Usage", err.code)
  return err.message
end

describe("cli.arguments", function()
  it("reads options in all their forms", function()
    for _, form in ipairs { { "--output", "json" }, { "--output=json" }, { "-o", "json" } } do
      assert.are.same({ output = "json" }, arguments.parse(form, options))
    end
  end)
  it("reads flags", function() assert.are.same({ quiet = true, "x" }, parse("-q", "x")) end)
  it("keeps positional arguments in order", function() assert.are.same({ "a", "b", output = "json" }, parse("a", "-o", "json", "b")) end)
  it("takes what follows -- as it is", function() assert.are.same({ "--output", "-q" }, parse("--", "--output", "-q")) end)
  it("takes - and negative numbers for values", function() assert.are.same({ "-", "-5" }, parse("-", "-5")) end)
  it("keeps an empty value", function() assert.are.equal("", parse("--max-rows=")["max-rows"]) end)
  it("keeps equals signs of the value", function() assert.are.equal("a=b", parse("--max-rows=a=b")["max-rows"]) end)
  it("suggests the nearest option", function() assert.matches("did you mean '--output'", refused("--ouput", "json"), 1, true) end)
  it("wants a value", function() assert.matches("needs a value", refused("--output"), 1, true) end)
  it("refuses a value for a flag", function() assert.matches("takes no value", refused("--quiet=yes"), 1, true) end)
  it("checks choices", function() assert.matches("did you mean 'json'", refused("--output", "jsn"), 1, true) end)
  it("reads numbers", function()
    assert.are.equal(5, arguments.number({ x = "5" }, "x"))
    assert.is_nil(arguments.number({}, "x"))
    for _, wrong in ipairs { "five", "-1", "nan", "inf", "" } do
      local n, err = arguments.number({ x = wrong }, "x")
      assert.is_nil(n)
      assert.are.equal("Usage", err.code)
    end
  end)
end)
