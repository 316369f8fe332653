---@meta sm.libs
-- Versions of the libraries this program runs with.

---@class sm.libs
local libs = {}

---@type string
libs.lua = "5.4.4"
---@type string
libs["lua-cjson"] = "2.1.0, patched"
---@type string
libs.libcurl = "7.88.1"
---@type string
libs.libmicrohttpd = "0.9.75"
---@type string
libs.openssl = "3.0.22"
---@type string
libs.sqlite = "3.40.1"

return libs
