---@meta sm.server
-- The local HTTP/1.1 server. Each request is a task; when its client leaves, the task is cancelled.

---@class sm.server
local server = {}

---@class sm.server.Request
---@field method string
---@field path string raw, not decoded
---@field query string? raw
---@field version string
---@field headers table<string, string> lower-case names; repeated ones joined by ", "
---@field header_list {[1]: string, [2]: string}[] in the order of their arrival
---@field body string? read whole before on_request, unless stream_bodies
---@field peer string
---@field id string

---@class sm.server.Response
---@field status integer
---@field headers? table<string, string|string[]>
---@field body? string|string[]|{file: string, offset?: integer, length?: integer}|fun(write: fun(chunk: string): true?, string?)

---@class sm.server.Options
---@field host? string
---@field port? integer 0: any free one
---@field on_request fun(request: sm.server.Request): sm.server.Response
---@field on_failure? fun(request: sm.server.Request, err: any): sm.server.Response
---@field max_header_bytes? integer default 16 KiB
---@field max_body_bytes? integer default 8 MiB
---@field header_timeout? number seconds, default 10
---@field idle_timeout? number seconds, default 60
---@field max_connections? integer default 1024
---@field deadline? number seconds that a request may take
---@field memory? integer bytes that a request may keep
---@field stream_bodies? boolean

---Opens the port and serves until stop. Does not wait.
---@param options sm.server.Options
---@return {host: string, port: integer, stop: fun(drain_seconds?: number): true, connections: fun(): integer}? server
---@return string? message
---@return string? code "conflict": the port is taken; "refused": not permitted; "not_found": no such host
function server.listen(options) end

return server
