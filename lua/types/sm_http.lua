---@meta sm.http
-- luacheck: no max line length
-- Requests to other servers: HTTP/1.1, HTTP/2 over TLS 1.2 or newer. The task that asks waits; cancelling it aborts the
-- request. Connections are kept alive. Proxies come from the usual environment variables. Nothing is tried again.

---@class sm.http
local http = {}

---@param options sm.http.Options unknown names raise
---@return sm.http.Answer? answer
---@return string? message never has user names, passwords or query strings of the URL
---@return string? code "timeout", "limit" (max_bytes, max_redirects), "refused" (certificate), "invalid", "io", "closed", "no_memory"
---@return boolean? unsent true: nothing of the request has left this machine
function http.request(options) end

---@class sm.http.Options
---@field url string http:// or https://
---@field method string? default "GET"
---@field headers table<string, string|integer>? lengths and transfer coding are set by the body
---@field body (string|fun(): string?)? a function is called until it gives nil; with a content-length header it is sent with that length, else chunked
---@field timeout number? seconds for everything, default 60; 0: none
---@field connect_timeout number? seconds, default 10
---@field read_timeout number? seconds without a byte that moves, while it is the server's turn; default 0: none
---@field max_bytes integer? of the answer's body; default 16 MiB, with stream none
---@field stream boolean? the answer comes when its header is there; read gives the body
---@field ca_file string? PEM bundle instead of the system's
---@field ca "amazon"|nil the roots of AWS, which are compiled in, instead of the system's bundle: for AWS's own endpoints
---@field insecure boolean? does not check certificates
---@field fresh boolean? on a connection of its own: a pooled one may be dead, and then the request is sent once more by itself
---@field direct boolean? no proxy, whatever the environment says: for what only this machine can reach
---@field http "1.1"|"2"|nil default: HTTP/2 when TLS negotiates it; "2" without TLS is spoken at once
---@field max_redirects integer? default 0: a redirect is an answer like any other

---@class sm.http.Answer
---@field status integer
---@field headers table<string, string> lower-case names, repeated ones joined by ", "
---@field version string "1.1", "2"
---@field body string? nil with stream
---@field read (fun(max: integer?): string?, string?, string?)? with stream: a piece | nil at the end | nil, message, code; waits
---@field close (fun())? with stream: aborts what is left

---The C half, one exchange at a time; lua/sm/http.lua is made of it.
---@class sm.http_core
local core = {}

---Does ahead of time what the first TLS connection needs. Blocks, 1 to 2 ms.
---@return boolean? ok
---@return string? message
---@return string? code
function core.warm() end

---Like http.request, for bodies that are strings.
---@param options sm.http.Options
---@return sm.http.Answer? answer
---@return string? message
---@return string? code
function core.request(options) end

---Starts a request whose body comes by exchange:write. Does not wait.
---@param options sm.http.Options
---@return sm.http.Exchange? exchange
---@return string? message
---@return string? code
function core.start(options) end

---@class sm.http.Exchange
local Exchange = {}

---Waits while much is queued.
---@param chunk string
---@return true? taken
---@return string? message
---@return string? code "closed": the server has ended the exchange, see wait
function Exchange:write(chunk) end

---Ends the request's body.
function Exchange:finish() end

---Waits for the answer, with stream for its header.
---@return sm.http.Answer? answer
---@return string? message
---@return string? code
---@return boolean? unsent
function Exchange:wait() end

---Aborts it if it still runs.
function Exchange:close() end

return http
