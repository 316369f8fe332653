---@meta sm.files
-- The file system. Calls that touch the disk let only the calling task wait; outside a task they block.
-- Codes: "not_found", "exists", "refused" (permission), "conflict" (busy, not empty, locked), "invalid", "limit", "io".

---@class sm.files
local files = {}

---@class sm.files.Info
---@field type "file"|"dir"|"link"|"other"
---@field size integer bytes
---@field mtime number seconds since 1970

---@class sm.files.Entry : sm.files.Info
---@field name string

---The whole content.
---@param path string
---@param max_bytes? integer default 1 GiB; a larger file is "limit"
---@return string? content
---@return string? message
---@return string? code
function files.read(path, max_bytes) end

---Replaces the content; not crash safe.
---@param path string
---@param data string
---@return true? ok
---@return string? message
---@return string? code
function files.write(path, data) end

---Replaces the content: old or new after a crash, never a part, and durable on return.
---@param path string
---@param data string
---@param who? "shared"|"private" default "shared"; a private file is for its owner only
---@return true? ok
---@return string? message
---@return string? code
function files.write_atomic(path, data, who) end

---Adds at the end; makes the file when missing.
---@param path string
---@param data string
---@return true? ok
---@return string? message
---@return string? code
function files.append(path, data) end

---@param path string
---@param mode? "r"|"w"|"a"|"rw" default "r"; "rw" keeps the content and makes the file when missing
---@return sm.files.File? file
---@return string? message
---@return string? code
function files.open(path, mode) end

---Entries of one folder, sorted by name; links are not followed.
---@param dir string
---@return sm.files.Entry[]? entries
---@return string? message
---@return string? code
function files.list(dir) end

---Every file below, sorted by path; names are paths below dir. Links to files count as files, links to folders are not followed.
---@param dir string
---@return sm.files.Entry[]? files
---@return string? message
---@return string? code
function files.walk(dir) end

---Follows links.
---@param path string
---@return sm.files.Info? info
---@return string? message
---@return string? code
function files.stat(path) end

---Two integers that change when the file does. Does not wait: for files of the program itself.
---@param path string
---@return integer? mtime_ns
---@return integer|string size bytes, or the message
---@return string? code
function files.stamp(path) end

---@param path string
---@return boolean? there
---@return string? message when the way there may not be looked at
---@return string? code
function files.exists(path) end

---Makes the folder and its parents; one that is there is fine. A private one that is made now is for its owner only.
---@param path string
---@param sharing? "shared"|"private"
---@return true? ok
---@return string? message
---@return string? code
function files.mkdir(path, sharing) end

---Removes a file, a link or an empty folder.
---@param path string
---@return true? ok
---@return string? message
---@return string? code
function files.remove(path) end

---Removes a folder and all below it; true when there is none.
---@param path string
---@return true? ok
---@return string? message
---@return string? code
function files.remove_tree(path) end

---Atomic inside one file system; replaces a file at "to".
---@param from string
---@param to string
---@return true? ok
---@return string? message
---@return string? code
function files.rename(from, to) end

---"to" appears whole or not at all.
---@param from string
---@param to string
---@return true? ok
---@return string? message
---@return string? code
function files.copy(from, to) end

---A second name for the same file.
---@param from string
---@param to string
---@return true? ok
---@return string? message
---@return string? code
function files.link(from, to) end

---Makes renames and new names in the folder durable.
---@param dir string
---@return true? ok
---@return string? message
---@return string? code
function files.sync_dir(dir) end

---The absolute path without links.
---@param path string
---@return string? path
---@return string? message
---@return string? code
function files.realpath(path) end

---Does not wait for the holder: "conflict" names its process. Ends with close, collection, or the process.
---@param path string
---@return sm.files.Lock? lock
---@return string? message
---@return string? code
function files.lock(path) end

---A new folder of its own; the caller removes it.
---@return string? path
---@return string? message
---@return string? code
function files.temp_dir() end

---@return string? path
---@return string? message
---@return string? code
function files.cwd() end

---@param name string
---@return string? value
function files.env(name) end

---@class sm.files.File
local File = {}

---Up to n bytes, less only at the end; nil alone at the end.
---@param n integer
---@return string? data
---@return string? message
---@return string? code
function File:read(n) end

---Up to n bytes from offset, less only at the end; nil alone at the end.
---@param offset integer
---@param n integer
---@return string? data
---@return string? message
---@return string? code
function File:pread(offset, n) end

---All of it, at the file's position.
---@param data string
---@return true? ok
---@return string? message
---@return string? code
function File:write(data) end

---The content is durable on return.
---@return true? ok
---@return string? message
---@return string? code
function File:sync() end

---@return integer? bytes
---@return string? message
---@return string? code
function File:size() end

---Harmless twice. Also `local f <close> = ...`.
---@return true
function File:close() end

---@class sm.files.Lock
local Lock = {}

---Gives the lock back; harmless twice.
---@return true
function Lock:close() end

return files
