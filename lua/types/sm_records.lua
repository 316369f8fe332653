---@meta sm.records
-- Files of sorted lines `key<TAB>value`, searched where they lie: opening one costs nothing, a lookup reads a few blocks.

---@class sm.records
local records = {}

---@param path string
---@return sm.records.Records? records
---@return string? message
---@return string? code
function records.open(path) end

---@class sm.records.Records
local Records = {}

---Nil alone when there is no such key.
---@param key string
---@return string? value
---@return string? message
---@return string? code
function Records:get(key) end

---The keys that start with the prefix, without it, sorted.
---@param prefix? string
---@return string[]? keys
---@return string? message
---@return string? code
function Records:keys(prefix) end

---Harmless twice.
function Records:close() end

return records
