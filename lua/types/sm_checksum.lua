---@meta sm.checksum
-- Integrity values, as AWS requests and answers carry them.

---@alias sm.checksum.Name "crc32"|"crc32c"|"crc64nvme"|"md5"|"sha1"|"sha256"|"sha512"

---@class sm.checksum
local checksum = {}

---@param name sm.checksum.Name
---@param text string
---@return string bytes of a CRC: big endian
function checksum.of(name, text) end

---The value as it travels in headers.
---@param name sm.checksum.Name
---@param text string
---@return string
function checksum.base64(name, text) end

---A running value.
---@param name sm.checksum.Name
---@return sm.checksum.State
function checksum.new(name) end

---@class sm.checksum.State
local State = {}

---@param text string
---@return sm.checksum.State itself
function State:add(text) end

---Once, at the end.
---@return string bytes
function State:value() end

return checksum
