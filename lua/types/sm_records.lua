---@meta sm.records
-- Files of sorted lines `key<TAB>value`, read whole and searched in place. Nothing is parsed ahead.

---@class sm.records
local records = {}

---Blocks for the time of reading the file.
---@param path string
---@return sm.records.Records? records
---@return string? message
---@return string? code
function records.open(path) end

---@class sm.records.Records
local Records = {}

---@param key string
---@return string? value
function Records:get(key) end

---The keys that start with the prefix, without it, sorted.
---@param prefix? string
---@return string[]
function Records:keys(prefix) end

---Gives the memory back; harmless twice.
function Records:close() end

return records
