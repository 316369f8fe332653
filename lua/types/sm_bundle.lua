---@meta sm.bundle
-- Files below lua/, wherever they are: on the disk, inside the program (the release carries its Lua as bytecode), or in a
-- layer. A file under the root wins when it differs from the bundled one. Names are relative to lua/; absolute paths below
-- the root's lua/ mean the same, others the file itself. Nothing here waits on the loop: the files are small and read once.

---@class sm.bundle
local bundle = {}

---The root's lua/, where files on the disk are; it need not exist.
---@type string
bundle.folder = nil

---Files inside the program; 0 when it reads all from the disk.
---@type integer
bundle.count = nil

---What a Lua file is compiled to. Text from the disk, bytecode from inside the program only.
---@param name string
---@param environment table?  instead of the globals
---@return function? chunk
---@return string? message
---@return string? code  "not_found", "invalid" (does not compile)
function bundle.load(name, environment) end

---@param name string
---@return string? text
---@return string? message
---@return string? code  "not_found", "closed" (only its bytecode is here), "io"
function bundle.read(name) end

---@param name string
---@return boolean
function bundle.exists(name) end

---For what is opened by its path: the root's file, else a layer's.
---@param name string
---@return string? path  on the disk
function bundle.find(name) end

---@param folder string
---@return table<string, boolean> names  of the files in it, without those of folders inside
function bundle.list(folder) end

return bundle
