---@meta sm.process
-- Programs of the machine's shell.

---@class sm.process
local process = {}

---@class sm.process.Result
---@field code integer     exit code; 128 + signal when a signal ended it
---@field signal integer?
---@field stdout string
---@field stderr string    its first 4 KiB

---Runs `/bin/sh -c command` without input; only the calling task waits, outside of tasks the call blocks. The program and its
---children are killed when the time is up, when it prints too much, and when the task ends.
---@param command string
---@param options? { timeout: number?, max_bytes: integer?, env: table<string, string>? } seconds, default 60; default 1 MiB; variables besides our own
---@return sm.process.Result? result
---@return string? message
---@return string? code "timeout", "limit", "io", "no_memory"
function process.run(command, options) end

return process
