-- "Did you mean": which of the known words is close to a wrong one.
local suggest = require "lib.suggest"

describe("lib.suggest", function()
  local commands = { "serve", "run", "runs", "query", "schemas", "doctor", "version" }

  for typed, expected in pairs {
    sevre = "serve", serv = "serve", qurey = "query", Query = "query", shemas = "schemas", docter = "doctor", verison = "version",
  } do
    it("takes " .. typed .. " for " .. expected, function() assert.are.equal(expected, suggest.nearest(typed, commands)) end)
  end

  it("suggests nothing for something else", function()
    assert.is_nil(suggest.nearest("banana", commands))
    assert.is_nil(suggest.nearest("", commands))
    assert.is_nil(suggest.nearest("x", {}))
    assert.is_nil(suggest.nearest(("x"):rep(1000), commands))
  end)

  it("prefers the nearer name", function()
    assert.are.equal("runs", suggest.nearest("runs", commands))
    assert.are.equal("run", suggest.nearest("rn", commands))
  end)

  it("counts swapped letters as one edit", function()
    assert.are.equal(1, suggest.distance("ab", "ba"))
    assert.are.equal(3, suggest.distance("kitten", "sitting"))
    assert.are.equal(3, suggest.distance("", "abc"))
  end)

  it("writes the hint", function()
    assert.are.equal(" (did you mean 'query'?)", suggest.hint("qery", commands))
    assert.are.equal("", suggest.hint("banana", commands))
  end)
end)
