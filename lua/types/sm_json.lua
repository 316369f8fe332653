---@meta sm.json
-- JSON: lua-cjson with our patches. Whole numbers that fit 64 bits are integers, others floats; both read back as they
-- were (2.0 stays 2.0). Decoded lists carry a mark, so that [] stays []; an unmarked empty table is {}.

---@class sm.json
local json = {}

---RFC 8259 and UTF-8, nothing more. Of equal keys the last counts.
---@param text string
---@param options? {max_depth?: integer} default 512 levels
---@return any value null is json.null
---@return string? message with byte, line and column
function json.decode(text, options) end

---A table with a first item, or marked, is a list; gaps and mixed keys are refused. Metatables other than the mark are not looked at.
---@param value any
---@param options? {sorted?: boolean, pretty?: boolean, max_depth?: integer} keys in the order of their bytes; indented by two
---@return string? text
---@return string? message with the path of the value
function json.encode(value, options) end

---Marks a table as a list: [] when empty. Without a table: a new one.
---@generic T : table
---@param t? T
---@return T
function json.array(t) end

---Whether encode writes it as a list.
---@param value any
---@return boolean
function json.is_array(value) end

---A value that encode writes as it is; nobody checks that it is JSON.
---@param text string
---@return userdata raw
function json.raw(text) end

---Stands for null; truthy, equal only to itself.
---@type lightuserdata
json.null = nil

return json
