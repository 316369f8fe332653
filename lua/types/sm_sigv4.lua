---@meta sm.sigv4
-- luacheck: no max line length
-- AWS Signature Version 4 and 4a. The caller gives time and keys; nothing waits, nothing is kept but derived keys.

---@class sm.sigv4
local sigv4 = {}

---@param options sm.sigv4.Options
---@return table<string, string>? headers to add: authorization, x-amz-date, and those the options ask for
---@return string signature or message
---@return sm.sigv4.Debug|string|nil debug or code
function sigv4.sign(options) end

---@param options sm.sigv4.Options with expires
---@return string? query the whole query, signature last
---@return sm.sigv4.Debug|string|nil debug or message
---@return string? code "invalid": a time out of range
function sigv4.presign(options) end

---The signature of the next chunk of a body ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"); the last chunk is empty.
---@param chain sm.sigv4.Chain
---@param bytes string
---@return string? signature
function sigv4.chunk(chain, bytes) end

---The signature of the trailing headers after the last chunk.
---@param chain sm.sigv4.Chain
---@param text string "name:value\n" for each
---@return string? signature
function sigv4.trailer(chain, text) end

---Everything but A-Z a-z 0-9 - . _ ~ as %XX, in upper case.
---@param text string
---@param keep_slash boolean?
---@return string
function sigv4.encode(text, keep_slash) end

---"name=value&...", encoded, in the given order; no "=" without a value.
---@param pairs table[] { name, value }
---@return string
function sigv4.query(pairs) end

---@param text string
---@return string digits 64, lower case
function sigv4.sha256_hex(text) end

---@class sm.sigv4.Options
---@field method string
---@field path string? as it is sent: encoded once; default "/"
---@field query table[]? raw { name, value }
---@field headers table<string, string|string[]>? as they are sent, with host
---@field body string? hashed when there is no payload_hash; default ""
---@field payload_hash string? a hash, or "UNSIGNED-PAYLOAD", "STREAMING-..."
---@field access_key string
---@field secret_key string
---@field session_token string?
---@field region string with v4a the region set
---@field service string the signing name
---@field time number seconds since 1970
---@field expires number? of a presigned query, 1 to 604800 seconds
---@field double_encode boolean? default true; false for S3
---@field normalize boolean? of the path; default as double_encode
---@field omit_session_token boolean? sent, but not signed
---@field sign_hash boolean? adds x-amz-content-sha256 (S3)
---@field v4a boolean?
---@field debug boolean?

---@class sm.sigv4.Chain
---@field access_key string
---@field secret_key string
---@field region string
---@field service string
---@field time number
---@field signature string the one before: of the request, then of each chunk

---@class sm.sigv4.Debug
---@field canonical string
---@field string_to_sign string
---@field signature string

return sigv4
