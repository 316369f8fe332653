-- The generator: its readers, and that the committed models are what it makes.
local crypto = require "sm.crypto"
local files = require "sm.files"
local inflate = require "aws.generate.inflate"
local model = require "aws.model"
local ordered = require "aws.generate.ordered_json"
local records = require "aws.generate.records"

describe("aws.generate.inflate", function()
  it("reads stored and compressed blocks", function()
    for packed, expected in pairs {
      ["H4sIAAAAAAAEAwEGAPn/c3RvcmVkC/lDVgYAAAA="] = "stored",
      ["H4sIAAAAAAACA0vLrEhNUUhDkACB5omIEQAAAA=="] = "fixed fixed fixed",
      ["H4sIAAAAAAACA8tIzcnJV8hAJ3UUcvNTUnO4MiiSBgBtc1H+XQAAAA=="] = ("hello hello hello hello, model\n"):rep(3),
    } do
      assert.are.equal(expected, inflate.gunzip(crypto.unbase64(packed)))
    end
  end)

  it("says what is wrong with the data", function()
    for _, bytes in ipairs { "", "no gzip", "\31\139\8\0\0\0\0\0\0\0", "\31\139\8\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\0" } do
      local content, message = inflate.gunzip(bytes)
      assert.is_nil(content)
      assert.is_string(message)
    end
  end)
end)

describe("aws.generate.ordered_json", function()
  it("keeps the order of keys", function()
    local value = ordered.decode('{"z": 1, "a": {"y": [1, 2.5, -3e2], "b": null}, "z": true}')
    assert.are.same({ "z", "a" }, ordered.keys(value))
    assert.are.same({ "y", "b" }, ordered.keys(value.a))
    assert.is_true(value.z)
    assert.are.same({ 1, 2.5, -300.0 }, value.a.y)
    assert.are.equal("integer", math.type(value.a.y[1]))
  end)

  it("reads escapes", function()
    assert.are.equal("a\"\\/\b\f\n\r\té€😹", ordered.decode([["a\"\\\/\b\f\n\r\t\u00e9\u20ac\ud83d\ude39"]]))
  end)

  it("refuses what is no JSON", function()
    for _, text in ipairs { "", "{", "[1,", '{"a"}', '{"a":1,}', '"\\x"', "1 2", "tru", '"open', "[1 2]" } do
      local value, message = ordered.decode(text)
      assert.is_nil(value)
      assert.is_string(message, text)
    end
  end)
end)

-- The botocore package that ./sewing test has installed.
local function botocore()
  local python = files.env("SM_TEST_PYTHON")
  local root = python and python:match("^(.*)/bin/python[^/]*$")
  for _, entry in ipairs(root and files.list(root .. "/lib") or {}) do
    local folder = root .. "/lib/" .. entry.name .. "/site-packages/botocore"
    if files.exists(folder .. "/data") == true then return folder end
  end
end

describe("the committed models", function()
  local root = botocore()
  if not root then
    pending("botocore is not installed here (./sewing test installs it)")
    return
  end
  for _, service in ipairs(model.services()) do
    it(service .. " is what the generator makes", function()
      local committed = assert(files.read("lua/aws/models/" .. service .. ".txt"))
      assert.is_true(#committed < 1024 * 1024)
      assert.is_true(assert(records.of_service(root, service)) == committed, "run ./sewing aws-model update")
    end)
  end
  it("partitions are what the generator makes", function()
    local text = require("aws.generate.partitions").of_botocore(root)
    assert.is_true(files.read("lua/aws/models/_partitions.txt") == text, "run ./sewing aws-model update")
  end)
end)
