---@meta sm.server
-- luacheck: no max line length
-- The local HTTP/1.1 server. Each request is a task; when the client leaves (or only closes its sending side while the
-- task waits), its task is cancelled. Refusals of the
-- host itself (400, 408, 413, 431, 501) are JSON: {"error":{"code","message"}}.

---@class sm.server
local server = {}

---Starts listening. Does not wait.
---@param options sm.server.Options unknown names raise
---@return sm.server.Server? server
---@return string? message
---@return string? code "conflict": the port is taken; "refused": not permitted; "not_found": no such host
function server.listen(options) end

---@class sm.server.Options
---@field host string? address or name, default "127.0.0.1"
---@field port integer? default 0: any free one
---@field on_request fun(req: sm.server.Request): sm.server.Answer
---@field on_failure (fun(req: sm.server.Request, err: table): sm.server.Answer)? called when on_request raised, gave something that cannot be sent, or met a limit; its answer is ignored when one was under way. Has 5 seconds. Without it: a plain 500
---@field max_header_bytes integer? default 16 KiB; beyond it 431
---@field max_body_bytes integer? default 8 MiB; beyond it 413, or code "limit" from req:read
---@field header_timeout number? seconds from accept or request line to the end of the header, default 10; then 408
---@field idle_timeout number? seconds between requests, and without progress of a body or an answer, default 60
---@field deadline number? seconds for each request's task, default none
---@field memory integer? bytes for each request's task, default none
---@field max_connections integer? default 1024; further ones wait in the backlog
---@field stream_bodies boolean? on_request is called before the body, which req:read gives

---@class sm.server.Server
---@field host string
---@field port integer the one that is bound
---@field stop fun(drain_seconds: number?): true accepts no more, closes idle connections, lets requests finish for drain_seconds (0), cancels the rest; waits until all is closed
---@field connections fun(): integer open connections

---Headers, header_list, peer, id and read are made when first asked for, and only until the request has ended.
---@class sm.server.Request
---@field method string
---@field path string raw, undecoded
---@field query string? raw; nil without "?"
---@field version string "1.1" or "1.0"
---@field headers table<string, string> lower-case names, repeated ones joined by ", "
---@field header_list string[][] {{name, value}, ...} as sent
---@field body string? whole; nil with stream_bodies
---@field peer string address of the client
---@field id string unique in this server
local Request = {}

---With stream_bodies. Waits.
---@param max integer? bytes, default 64 KiB
---@return string? piece nil at the end
---@return string? message
---@return string? code "closed": the client left; "limit": more than max_body_bytes
function Request:read(max) end

---Lengths, transfer coding and keep-alive are the host's. A string or integer with CR, LF, NUL or another control
---character in a header, or a status outside 200..599, is an error of the handler and never sent.
---@class sm.server.Answer
---@field status integer? default 200
---@field headers table<string, string|integer|(string|integer)[]>?
---@field body (string|string[]|sm.server.FileBody|fun(write: fun(chunk: string): true?, string?, string?))? a function streams: write(chunk) waits for slow readers and gives nil, "closed", "closed" when the client left
---@field deadline number? of a streamed body: seconds from here on instead of the request's deadline; 0: none
---@field after fun(complete: boolean)? runs as a task when the last byte is out (true) or the connection was lost

---@class sm.server.FileBody
---@field file string path
---@field offset integer? bytes, default 0
---@field length integer? bytes, default to the end

return server
