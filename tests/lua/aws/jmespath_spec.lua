-- What paginators, waiters and endpoint parameters ask of JMESPath; the whole language is in the conformance suite.
local jmespath = require "aws.jmespath"
local json = require "sm.json"

describe("aws.jmespath", function()
  local page = {
    NextMarker = "", Contents = { { Key = "a", Size = 1 }, { Key = "b", Size = 2 } },
    Table = { TableStatus = "ACTIVE" }, RequestItems = { t2 = { {} }, t1 = { {} } },
    TransactItems = { { Put = { TableName = "x" } }, { Get = { TableName = "y" } } },
  }

  for expression, expected in pairs {
    ["NextMarker || Contents[-1].Key"] = "b",
    ["Contents[*].Key"] = { "a", "b" },
    ["Table.TableStatus"] = "ACTIVE",
    ["keys(RequestItems)"] = { "t1", "t2" },
    ["TransactItems[*].[Put.TableName, Get.TableName][]"] = { "x", "y" },
    ["TransactItems[*].Get.TableName"] = { "y" },
    ["length(Contents)"] = 2,
    ["Contents[?Size > `1`].Key | [0]"] = "b",
    ["sort_by(Contents, &Size)[-1].Key"] = "b",
    ["Contents[].{k: Key}"] = { { k = "a" }, { k = "b" } },
    ["!Missing"] = true,
    ["Contents[::-1].Key"] = { "b", "a" },
    ["to_string(Contents[0].Size)"] = "1",
    ["reverse('é€')"] = "€é",
  } do
    it(expression, function()
      local found, kind, message = jmespath.search(expression, page)
      assert.is_nil(kind and message)
      assert.are.same(expected, found)
    end)
  end

  it("nothing is nil", function()
    assert.is_nil((jmespath.search("Missing.Thing[0]", page)))
    assert.is_nil((jmespath.search("a", nil)))
    assert.is_nil((jmespath.search("a", { a = json.null })))
  end)

  it("says what is wrong", function()
    for expression, expected in pairs { ["foo["] = "syntax", ["nope(a)"] = "unknown-function", ["abs('x')"] = "invalid-type",
      ["abs()"] = "invalid-arity", ["Contents[::0]"] = "invalid-value", [""] = "syntax", ["'"] = "syntax", ["a.b.`1`"] = "syntax" } do
      local found, kind, message = jmespath.search(expression, page)
      assert.is_nil(found)
      assert.are.equal(expected, kind)
      assert.is_string(message)
    end
  end)

  it("deep nesting is refused, not fatal", function()
    local _, kind = jmespath.search(("("):rep(100000) .. "a", page)
    assert.are.equal("syntax", kind)
    _, kind = jmespath.search(("[a,"):rep(5000), page)
    assert.are.equal("syntax", kind)
  end)

  it("survives any bytes", function()
    local seed = 7
    for _ = 1, 2000 do
      local bytes = {}
      for i = 1, 12 do
        seed = (seed * 1103515245 + 12345) & 0x7fffffff
        bytes[i] = (".*[]{}()&|!<>=?:,@`'\"\\ab-19 \200\0"):sub(seed % 32 + 1, seed % 32 + 1)
      end
      jmespath.search(table.concat(bytes), page)
    end
  end)
end)
