---@meta sm.crypto
-- Hashes, encodings, randomness, signatures. Bytes are strings. Only sha256_file waits.

---@class sm.crypto
local crypto = {}

---For checksums that others ask for, never for security.
---@param data string
---@return string digest 16 bytes
function crypto.md5(data) end

---For checksums that others ask for, never for security.
---@param data string
---@return string digest 20 bytes
function crypto.sha1(data) end

---@param data string
---@return string digest 32 bytes
function crypto.sha256(data) end

---@param data string
---@return string digest 64 bytes
function crypto.sha512(data) end

---@param key string
---@param data string
---@return string mac 32 bytes
function crypto.hmac_sha256(key, data) end

---Reads the file piece by piece.
---@param path string
---@return string? digest 32 bytes
---@return string? message
---@return string? code
function crypto.sha256_file(path) end

---@param data string
---@return string lower-case digits
function crypto.hex(data) end

---@param text string digits of either case
---@return string? data
---@return string? message
---@return string? code "invalid"
function crypto.unhex(text) end

---@param data string
---@return string text with padding
function crypto.base64(data) end

---Strict: padding, no blanks, no stray bits.
---@param text string
---@return string? data
---@return string? message
---@return string? code "invalid"
function crypto.unbase64(text) end

---@param data string
---@return string text for URLs, without padding
function crypto.base64url(data) end

---Strict: no padding, no stray bits.
---@param text string
---@return string? data
---@return string? message
---@return string? code "invalid"
function crypto.unbase64url(text) end

---@param data string
---@return integer crc 0 to 2^32 - 1
function crypto.crc32(data) end

---Bytes fit for keys.
---@param n integer up to 1 MiB
---@return string data
function crypto.random(n) end

---Fresh randomness from the system, after the process was restored from a snapshot.
function crypto.reseed() end

---A random UUID (version 4).
---@return string
function crypto.uuid() end

---Compares in a time that does not tell where the strings differ.
---@param a string
---@param b string
---@return boolean
function crypto.equal(a, b) end

---@param alg "RS256"|"ES256"
---@param jwk table n and e, or x and y, as base64url
---@param data string
---@param signature string raw bytes; for ES256 r || s
---@return true? ok
---@return string? message
---@return string? code "refused": does not fit; "invalid": the key
function crypto.verify(alg, jwk, data, signature) end

---@param alg "ES256"
---@param pem string a private key of P-256
---@param data string
---@return string? signature r || s
---@return table|string jwk the public key: kty, crv, x, y; or the message, without the key's text
---@return string? code "invalid": the key
function crypto.sign(alg, pem, data) end

return crypto
