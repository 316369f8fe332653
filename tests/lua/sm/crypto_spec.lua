-- sm.crypto: published vectors first.
local crypto, files, task = require "sm.crypto", require "sm.files", require "sm.task"
local hex, unhex = crypto.hex, crypto.unhex

describe("sm.crypto hashes", function()
  it("gives the digests of RFC 1321, FIPS 180 and the empty text", function()
    assert.are.equal("900150983cd24fb0d6963f7d28e17f72", hex(crypto.md5 "abc"))
    assert.are.equal("a9993e364706816aba3e25717850c26c9cd0d89d", hex(crypto.sha1 "abc"))
    assert.are.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", hex(crypto.sha256 "abc"))
    assert.are.equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", hex(crypto.sha256 ""))
    assert.are.equal("ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
      .. "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f", hex(crypto.sha512 "abc"))
  end)

  it("gives the MACs of RFC 4231", function()
    local cases = {
      { ("\x0b"):rep(20), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
      { "Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
      { ("\xaa"):rep(131), "Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
    }
    for _, case in ipairs(cases) do assert.are.equal(case[3], hex(crypto.hmac_sha256(case[1], case[2]))) end
    assert.are.equal("b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad", hex(crypto.hmac_sha256("", "")))
  end)

  it("gives the check value of CRC-32, in pieces of any length", function()
    assert.are.equal(0xcbf43926, crypto.crc32 "123456789")
    assert.are.equal(0, crypto.crc32 "")
    assert.are.equal(0x190a55ad, crypto.crc32(("\0"):rep(32)))
    assert.are.equal(0x414fa339, crypto.crc32 "The quick brown fox jumps over the lazy dog")
  end)

  it("hashes files without reading them whole, and says what is missing", function()
    local dir = assert(files.temp_dir())
    local data = ("0123456789"):rep(20000)
    assert(files.write(dir .. "/f", data))
    assert.are.equal(crypto.sha256(data), crypto.sha256_file(dir .. "/f"))
    assert.are.equal("not_found", select(3, crypto.sha256_file(dir .. "/g")))
    assert.are.equal("invalid", select(3, crypto.sha256_file(dir)))
    assert(files.remove_tree(dir))
  end)
end)

describe("sm.crypto encodings", function()
  it("follows RFC 4648", function()
    local cases = { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==", fooba = "Zm9vYmE=", foobar = "Zm9vYmFy" }
    for plain, coded in pairs(cases) do
      assert.are.equal(coded, crypto.base64(plain))
      assert.are.equal(plain, crypto.unbase64(coded))
      local url = coded:gsub("=", "")
      assert.are.equal(url, crypto.base64url(plain))
      assert.are.equal(plain, crypto.unbase64url(url))
    end
    assert.are.equal("+/+/", crypto.base64 "\xfb\xff\xbf")
    assert.are.equal("-_-_", crypto.base64url "\xfb\xff\xbf")
  end)

  it("decodes exactly what encoding gives", function()
    for _, text in ipairs { "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm 9v", "Zm9v\n", "Zm9v====", "=",
      "====", "Z===", "-_-_", "Zm9v\0AAA", "Zg==Zg==" } do
      local value, message, code = crypto.unbase64(text)
      assert.is_nil(value, text)
      assert.matches("base64", message)
      assert.are.equal("invalid", code)
    end
    for _, text in ipairs { "Zg==", "Z", "Zh", "+/+/", "Zm9v=" } do assert.is_nil(crypto.unbase64url(text), text) end
    assert.is_nil(unhex "abc")
    assert.matches("byte 3", select(2, unhex "00g0"))
    assert.are.equal("\xAB\xcd", unhex "aBCd")
  end)

  it("round-trips every byte at every length", function()
    local all = {}
    for i = 0, 255 do all[#all + 1] = string.char(i) end
    all = table.concat(all)
    for n = 0, 256 do
      local part = all:sub(1, n)
      assert.are.equal(part, crypto.unbase64(crypto.base64(part)))
      assert.are.equal(part, crypto.unbase64url(crypto.base64url(part)))
      assert.are.equal(part, unhex(hex(part)))
    end
  end)
end)

describe("sm.crypto randomness", function()
  it("makes UUIDs of version 4 that differ", function()
    local seen = {}
    for _ = 1, 200 do
      local id = crypto.uuid()
      assert.matches("^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$", id)
      assert.is_nil(seen[id])
      seen[id] = true
    end
    assert.are.equal(0, #crypto.random(0))
    assert.are.equal(5000, #crypto.random(5000))
    assert.are_not.equal(crypto.random(16), crypto.random(16))
    assert.has_error(function() crypto.random(-1) end)
  end)

  it("compares without telling where", function()
    assert.is_true(crypto.equal("secret", "secret"))
    assert.is_false(crypto.equal("secret", "secreT"))
    assert.is_false(crypto.equal("secret", "secrets"))
    assert.is_true(crypto.equal("", ""))
  end)
end)

describe("sm.crypto verify", function()
  -- RFC 7515, appendix A.2 and A.3: the same claims signed with RSA and with P-256
  local claims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
  local rsa = {
    kty = "RSA", e = "AQAB",
    n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs"
      .. "D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdV"
      .. "MTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
  }
  local rsa_signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUA"
    .. "r7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jz"
    .. "DwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
  local ec = {
    kty = "EC", crv = "P-256",
    x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
  }
  local ec_signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
  local cases = {
    { "RS256", rsa, "eyJhbGciOiJSUzI1NiJ9." .. claims, assert(crypto.unbase64url(rsa_signature)) },
    { "ES256", ec, "eyJhbGciOiJFUzI1NiJ9." .. claims, assert(crypto.unbase64url(ec_signature)) },
  }

  it("accepts the signatures of RFC 7515", function()
    for _, case in ipairs(cases) do assert.is_true(crypto.verify(table.unpack(case))) end
  end)

  it("refuses another text, another key, and any changed byte", function()
    for _, case in ipairs(cases) do
      local alg, key, data, signature = table.unpack(case)
      assert.are.equal("refused", select(3, crypto.verify(alg, key, data .. "x", signature)))
      for _, at in ipairs { 1, 20, #signature } do
        local changed = signature:sub(1, at - 1) .. string.char(signature:byte(at) ~ 1) .. signature:sub(at + 1)
        assert.are.equal("refused", select(3, crypto.verify(alg, key, data, changed)))
      end
      for _, other in ipairs { "", signature:sub(2), signature .. "\0", ("\0"):rep(#signature), ("\xff"):rep(#signature) } do
        assert.are.equal("refused", select(3, crypto.verify(alg, key, data, other)))
      end
    end
  end)

  it("says what is wrong with a key", function()
    local function verdict(alg, key)
      local value, message, code = crypto.verify(alg, key, "x", ("\1"):rep(64))
      assert.is_nil(value)
      return code, message
    end
    assert.are.equal("invalid", (verdict("RS256", ec)))
    assert.are.equal("invalid", (verdict("ES256", rsa)))
    assert.matches('no "n"', select(2, verdict("RS256", { e = "AQAB" })))
    assert.matches("base64", select(2, verdict("RS256", { n = "!!!!", e = "AQAB" })))
    assert.matches("2048 bits", select(2, verdict("RS256", { n = rsa.n:sub(1, 100), e = "AQAB" })))
    assert.matches("2048 bits", select(2, verdict("RS256", { n = rsa.n, e = "AQ" }))) -- exponent 1: anything would verify
    assert.are.equal("invalid", (verdict("RS256", { n = ("A"):rep(20000), e = "AQAB" })))
    assert.matches("no point", select(2, verdict("ES256", { x = ec.x, y = ec.x })))
    assert.matches("32 bytes", select(2, verdict("ES256", { x = "AAAA", y = ec.y })))
    assert.are.equal("invalid", (verdict("ES256", { x = 5, y = ec.y })))
    assert.has_error(function() crypto.verify("none", rsa, "x", "") end)
    assert.has_error(function() crypto.verify("HS256", rsa, "x", "") end)
  end)
end)

describe("sm.crypto sign", function()
  local keys = { [[
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEINTH4porFH/oXFVUfg8kgBfg5rOKpCTCLKorO1MphGCpoAoGCCqGSM49
AwEHoUQDQgAEELeLK+2cGq6G+kFRD9ykgNNwKKnjH8Ptcs1UfUxVZb8Hrl6ceuUo
rtdO0p8UjoqStv3xXxf3H//QWd4bLK13+g==
-----END EC PRIVATE KEY-----
]], [[
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg1MfimisUf+hcVVR+
DySAF+Dms4qkJMIsqis7UymEYKmhRANCAAQQt4sr7Zwarob6QVEP3KSA03AoqeMf
w+1yzVR9TFVlvweuXpx65Siu107SnxSOipK2/fFfF/cf/9BZ3hssrXf6
-----END PRIVATE KEY-----
]] }
  local other_curve = [[
-----BEGIN EC PRIVATE KEY-----
MIGkAgEBBDAOWEr3syzO2m/21qQLkxAX8CKCE3mqq5cwsa+yziqlJIPhJgaDUC+U
EWe5htIcm2agBwYFK4EEACKhZANiAATylsX78F/YxY3JHYH63RUtDkup1EnNOJb8
7OumNua/k0Q0L953t15gAk55C8kGm4GrSKNhjh+ttUed4hH4vvmIiP4c59s9LCkf
IcZZ7mrwU/LJRv7PcHFxVjdMwuxRMOk=
-----END EC PRIVATE KEY-----
]]

  it("signs what verify accepts, with either form of PEM", function()
    local publics = {}
    for i, pem in ipairs(keys) do
      local signature, jwk = crypto.sign("ES256", pem, "data")
      assert.are.equal(64, #signature)
      assert.is_true(crypto.verify("ES256", jwk, "data", signature))
      assert.is_nil((crypto.verify("ES256", jwk, "date", signature)))
      publics[i] = jwk
    end
    assert.are.same(publics[1], publics[2])
  end)

  it("refuses what is no such key, without its text", function()
    for _, pem in ipairs { "", "SECRET", other_curve, (keys[1]:gsub("M", "A", 3)) } do
      local signature, message, code = crypto.sign("ES256", pem, "data")
      assert.are.same({ nil, "invalid" }, { signature, code })
      assert.matches("P%-256 in PEM", message)
      assert.is_nil(message:find("SECRET"))
    end
    assert.has_error(function() crypto.sign("RS256", keys[1], "data") end)
  end)
end)

describe("sm.crypto in tasks", function()
  it("hashes many files at once", function()
    local dir = assert(files.temp_dir())
    local jobs = {}
    for i = 1, 20 do
      assert(files.write(dir .. "/" .. i, tostring(i)))
      jobs[i] = function() return crypto.sha256_file(dir .. "/" .. i) == crypto.sha256(tostring(i)) end
    end
    local results = assert(task.parallel(jobs))
    for i = 1, 20 do assert.is_true(results[i]) end
    assert(files.remove_tree(dir))
  end)
end)
