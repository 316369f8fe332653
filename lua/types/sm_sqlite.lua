---@meta sm.sqlite
-- SQLite files. A connection has a thread of its own: a statement lets only the calling task wait. A transaction belongs
-- to one task; calls of other tasks on the connection queue behind it (so a transaction must not wait for a task that
-- uses the same connection: hand that task the tx). Values: nil, boolean (0, 1), number, string, blob.
-- Codes: "exists" (a unique key is taken), "invalid" (another constraint, wrong number of values), "conflict" (another
-- process holds the file longer than busy_ms), "engine" (the SQL is wrong), "closed", "cancelled", "refused", "limit", "io".

---@class sm.sqlite
local sqlite = {}

---Opens (and makes) a file, in WAL mode with foreign keys on.
---@param path string
---busy_ms: default 5000. relaxed_sync: a power cut may lose the last commits, never the file.
---@param options? {readonly?: boolean, busy_ms?: integer, relaxed_sync?: boolean}
---@return sm.sqlite.Db? db
---@return string? message
---@return string? code
function sqlite.open(path, options) end

---A value to be stored as BLOB; plain strings are stored as TEXT.
---@param bytes string
---@return userdata blob
function sqlite.blob(bytes) end

---@class sm.sqlite.Db
local Db = {}

---Runs one statement. Values by position, or one table of named ones (:name).
---@param sql string
---@param ... any
---@return integer? changes
---@return integer|string last_id row id of the last insert, or the message
---@return string? code
function Db:exec(sql, ...) end

---@param sql string
---@param ... any
---@return table<string, any>[]? rows NULL is an absent field
---@return string? message
---@return string? code
function Db:rows(sql, ...) end

---The first row; nil alone when there is none.
---@param sql string
---@param ... any
---@return table<string, any>? row
---@return string? message
---@return string? code
function Db:row(sql, ...) end

---The rows of one SELECT without values, of one moment, a few at a time in flat memory. A connection has one reader:
---another one ends it (code "cancelled"). next gives nil alone at the end.
---@param sql string
---@return (fun(max_rows: integer): table<string, any>[]?, string?, string?)? next
---@return string? message
---@return string? code
function Db:reader(sql) end

---Several statements without values; stops at the first failure.
---@param sql string
---@return true? ok
---@return string? message
---@return string? code
function Db:script(sql) end

---BEGIN IMMEDIATE; commits, unless fn raises or returns nil, err: then everything is undone. Does not nest (raises).
---@param fn fun(tx: sm.sqlite.Tx, ...): ...
---@param ... any
---@return any first what fn returns; true instead of nothing
---@return any ... or nil, message, code
function Db:transaction(fn, ...) end

---Statements under way finish first; harmless twice.
---@return true
function Db:close() end

---@class sm.sqlite.Tx
local Tx = {}

---As Db:exec, inside the transaction.
---@param sql string
---@param ... any
---@return integer? changes
---@return integer|string last_id
---@return string? code
function Tx:exec(sql, ...) end

---As Db:rows, inside the transaction.
---@param sql string
---@param ... any
---@return table<string, any>[]? rows
---@return string? message
---@return string? code
function Tx:rows(sql, ...) end

---As Db:row, inside the transaction.
---@param sql string
---@param ... any
---@return table<string, any>? row
---@return string? message
---@return string? code
function Tx:row(sql, ...) end

---As Db:script, inside the transaction.
---@param sql string
---@return true? ok
---@return string? message
---@return string? code
function Tx:script(sql) end

---Raises: transactions do not nest.
function Tx:transaction() end

return sqlite
