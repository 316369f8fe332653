-- Integrity values; known answers of all sizes: tests/core/test_checksum.c and tests/conformance/checksums.lua.
local has, checksum = pcall(require, "sm.checksum")
if not has then
  pending("sm.checksum needs the host: build/dev/sewing --busted")
  return
end
local crypto = require "sm.crypto"

describe("sm.checksum", function()
  it("gives the published check values", function()
    for name, value in pairs { crc32 = "y/Q5Jg==", crc32c = "4waSgw==", crc64nvme = "rosUhgp5mIg=", sha1 = "98O8HYCOBHMq32eZZczDTKeuNEE=",
      sha256 = "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=", md5 = "JfnnlDI7RTiF9RgfG2JNCw==" } do
      assert.equal(value, checksum.base64(name, "123456789"), name)
      assert.equal(value, crypto.base64(checksum.of(name, "123456789")), name)
    end
    assert.equal(crypto.sha512 "x", checksum.of("sha512", "x"))
  end)

  it("takes texts one after the other", function()
    local state = checksum.new "crc64nvme"
    for piece in ("123456789"):gmatch "..?" do assert.equal(state, state:add(piece)) end
    assert.equal("ae8b14860a799888", crypto.hex(state:value()))
  end)

  it("gives its value once", function()
    local state = checksum.new "sha256"
    state:value()
    assert.has_error(function() state:value() end)
    assert.has_error(function() state:add "x" end)
  end)

  it("raises for what it does not know", function()
    assert.has_error(function() checksum.of("crc16", "x") end)
    assert.has_error(function() checksum.new() end)
    assert.has_error(function() checksum.of("crc32") end)
    assert.has_error(function() checksum.of("crc32", {}) end)
  end)
end)
