---@meta sm.duckdb
-- The embedded engine. Queries run on the thread of their connection: the calling task waits, the loop goes on.
-- Cancelling a task interrupts its query. Outside a task the calls block.

---@class sm.duckdb
local duckdb = {}

---Opens the engine's library (15 ms, once per process). Without a path: $SM_DUCKDB_LIB, lib/ near the program, the loader.
---@param path? string
---@return {version: string, path: string}? info
---@return string? message "engine unavailable: ..."
---@return string? code "not_found"
function duckdb.load(path) end

---The process may grow by at most so many bytes from now on; what goes beyond is an error of the statement that wanted it.
---@param bytes integer
---@return boolean? ok
---@return string? message
---@return string? code
function duckdb.cap_memory(bytes) end

---Opens the only database of the process, in memory.
---@param options? {threads?: integer, memory_limit?: string, temp_directory?: string, config?: table<string, any>}
---@return sm.duckdb.Database? database
---@return string? message
---@return string? code "exists" while another is open; "not_found" without the library
function duckdb.open(options) end

---@class sm.duckdb.Database
local Database = {}

---A connection with a thread of its own. Does not wait.
---@return sm.duckdb.Connection? connection
---@return string? message
---@return string? code
function Database:connect() end

---Adds the native functions of the Trino dialect (names begin with trino_).
---@return boolean? ok
---@return string? message
---@return string? code
function Database:register_functions() end

---From now on: files below these directories only, no extension, no SET. For the life of the database.
---@param options {directories: string[]}
---@return boolean? ok
---@return string? message
---@return string? code
function Database:lock_down(options) end

---Cancels what runs, closes every connection, waits for the engine's threads.
---@return boolean? ok
---@return string? message
---@return string? code "conflict" while another call of the database is under way
function Database:close() end

---@class sm.duckdb.Column
---@field name string
---@field type string DuckDB's text, e.g. "DECIMAL(12,2)"
---@field trino_type string e.g. "decimal(12,2)", "timestamp(6)", "array(bigint)"
---@field athena_type string as in Athena's ColumnInfo, e.g. "float" for REAL
---@field precision integer
---@field scale integer

---@class sm.duckdb.Result
---@field columns sm.duckdb.Column[]
---@field rows any[][] lists with n; NULL is nil; exact: decimals, HUGEINT, dates and times are text; BLOBs are bytes
---@field changed integer rows a DML statement changed

---@class sm.duckdb.ErrorDetails
---@field kind string "Parser", "Binder", "Catalog", "Conversion", "Invalid Input", ...
---@field offset? integer bytes from the start of the statement
---@field line? integer from 1
---@field column? integer from 1, in characters

---@class sm.duckdb.Connection
local Connection = {}

---One statement, its whole (small) result as Lua values; 200,000 rows at most.
---Parameters: boolean, number, string, nil or json.null; n when there are nils.
---@param sql string
---@param params? any[]
---@return sm.duckdb.Result? result
---@return string? message
---@return string? code "engine", "refused", "limit", "cancelled", "invalid", "conflict" (an open cursor), "closed"
---@return sm.duckdb.ErrorDetails? details
function Connection:query(sql, params) end

---One statement whose rows nobody wants.
---@param sql string
---@param params? any[]
---@return integer? changed
---@return string? message
---@return string? code
---@return sm.duckdb.ErrorDetails? details
function Connection:exec(sql, params) end

---Several trusted statements, stopping at the first failure.
---@param sql string
---@return boolean? ok
---@return string? message
---@return string? code
---@return sm.duckdb.ErrorDetails? details
function Connection:exec_script(sql) end

---One statement whose rows are made while they are rendered, in flat memory.
---@param sql string
---@param params? any[]
---@return sm.duckdb.Cursor? cursor
---@return string? message
---@return string? code
---@return sm.duckdb.ErrorDetails? details
function Connection:stream(sql, params) end

---From any task: the call under way, those queued behind it and an open cursor end with code "cancelled".
function Connection:cancel() end

---@return {percent: number, rows: integer, total: integer}? progress
function Connection:progress() end

---Cancels what runs; does not wait.
function Connection:close() end

---@class sm.duckdb.Cursor
local Cursor = {}

---@return sm.duckdb.Column[]
function Cursor:columns() end

---Text that comes before the rows: the names for "csv", "" for the others.
---@param format "rows"|"ndjson"|"csv"
---@return string? header
---@return string? message
---@return string? code
function Cursor:header(format) end

---The next whole rows in at most max_bytes (1 MiB); nil alone at the end.
---@param format "rows"|"ndjson"|"csv"
---@param max_bytes? integer
---@return string? text
---@return integer|string|nil rows_or_message
---@return string? code
---@return sm.duckdb.ErrorDetails? details
function Cursor:render(format, max_bytes) end

---Ends the query; harmless twice.
function Cursor:close() end

return duckdb
