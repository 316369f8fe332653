-- The query engine of this machine: DuckDB, opened by the first statement that needs it, in memory, fenced in the
-- lake's folders. Connections given out here fail with an Error (lib.errors) instead of a message and a code.
local duckdb = require "sm.duckdb"
local errors = require "lib.errors"
local sql = require "lib.sql"
local task = require "sm.task"

local M = {}

-- What the engine calls its failures -> our code. Everything else it says about a statement is the caller's SQL.
local kinds = {
  ["Out of Memory"] = "LimitExceeded", IO = "ExternalServiceError", Internal = "InternalError", Fatal = "InternalError",
  Interrupt = "QueryCancelled", Permission = "UnsafeSql",
}
local codes = {
  cancelled = "QueryCancelled", timeout = "Timeout", limit = "LimitExceeded", no_memory = "LimitExceeded", closed = "QueryCancelled",
  not_found = "EngineUnavailable",
}

---@param message string
---@param code string?     the status of the C module
---@param details table?   {kind, offset} of the engine
---@return Error
function M.error(message, code, details)
  local kind = type(details) == "table" and details.kind or message:match("^(%u[%a ]-) Error:")
  local found = kinds[kind or ""] or codes[code or ""] or (code == "engine" or code == "invalid") and "QueryFailed" or "InternalError"
  if kind == "Out of Memory" then
    message = message:gsub("%s*Possible solutions:.*", "") .. " (the engine may use SEWING_ENGINE_MEMORY bytes before it spills to disk)"
  end
  local position = type(details) == "table" and details.offset and details.offset + 1 or nil
  return errors.new(found, message, { engine_kind = kind, position = position, retryable = found == "ExternalServiceError" or nil })
end

local Cursor = {}
Cursor.__index = Cursor

-- format: "rows", "ndjson" or "csv" -> text, rows | nil (the end) | nil, Error
function Cursor:render(format, max_bytes)
  local text, rows, code, details = self.raw:render(format, max_bytes)
  if text then return text, rows end
  if rows then return nil, M.error(rows, code, details) end
  return nil
end

function Cursor:columns() return self.raw:columns() end
function Cursor:header(format) return self.raw:header(format) end
function Cursor:close() self.raw:close() end
Cursor.__close = Cursor.close

local Connection = {}
Connection.__index = Connection

local function checked(result, message, code, details)
  if result == nil then return nil, M.error(message, code, details) end
  return result
end

local function cancelled() return errors.new("QueryCancelled", "the statement was cancelled") end

---@return {columns: table[], rows: table[], changed: integer}|nil result, Error? err
function Connection:query(text, params)
  if self.cancelled then return nil, cancelled() end
  return checked(self.raw:query(text, params))
end

---@return integer|nil changed, Error? err
function Connection:exec(text, params)
  if self.cancelled then return nil, cancelled() end
  return checked(self.raw:exec(text, params))
end

---@return table|nil cursor, Error? err
function Connection:stream(text, params)
  if self.cancelled then return nil, cancelled() end
  local cursor, err = checked(self.raw:stream(text, params))
  if not cursor then return nil, err end
  return setmetatable({ raw = cursor }, Cursor)
end

-- Stops what runs, and everything that would follow on this connection.
function Connection:cancel()
  self.cancelled = true
  self.raw:cancel()
end
function Connection:progress() return self.raw:progress() end
function Connection:close() self.raw:close() end
Connection.__close = Connection.close

local Engine = {}
Engine.__index = Engine

---@param options {library: string?, threads: integer?, memory_bytes: integer, temp_dir: string, folders: string[]}
function M.new(options)
  return setmetatable({ options = options, opening = task.mutex() }, Engine)
end

local function unavailable(message)
  return nil, errors.new("EngineUnavailable", "engine unavailable: " .. tostring(message))
end

-- The dialect's macros, made once; nothing can be made after the engine is locked.
local function define_macros(db)
  local con, message, code = db:connect()
  if not con then return nil, message, code end
  local ok
  ok, message, code = con:exec_script(table.concat(sql.macros, ";\n"))
  con:close()
  return ok ~= nil, message, code
end

local UNCOUNTED_BYTES <const> = 2 << 30

local function open(self)
  local options = self.options
  local loaded, message = duckdb.load(options.library)
  if not loaded then return unavailable(message) end
  -- what single values take is outside of the engine's own count: room for them, and an end to it
  local capped, problem = duckdb.cap_memory(2 * options.memory_bytes + UNCOUNTED_BYTES)
  if not capped then return unavailable(problem) end
  local db
  db, message = duckdb.open {
    threads = options.threads and options.threads > 0 and options.threads or nil,
    memory_limit = ("%dB"):format(options.memory_bytes), temp_directory = options.temp_dir,
  }
  if not db then return unavailable(message) end
  local ok, code
  ok, message, code = db:register_functions()
  if ok then ok, message, code = define_macros(db) end
  if ok then ok, message, code = db:lock_down { directories = options.folders } end
  if not ok then
    db:close()
    return unavailable(("%s (%s)"):format(tostring(message), tostring(code)))
  end
  self.version = loaded.version
  return db
end

-- Statements that come together open it once, in a task of its own: whoever came first may be cancelled meanwhile, and
-- an engine that nobody holds could not be opened again in this process.
local function open_once(self)
  if self.db then return true end
  self.opener = self.opener or task.spawn(function()
    local db, err = open(self)
    self.db, self.opener = db, nil
    return db ~= nil, err
  end)
  return self.opener:join()
end

-- A connection for one statement or one piece of work; temporary tables end with it.
---@return table|nil connection, Error? err
function Engine:connect()
  if not self.db then
    local ok, err = self.opening:with(open_once, self)
    if not ok then return nil, err end
  end
  local raw, message, code = self.db:connect()
  if not raw then return nil, M.error(message, code) end
  return setmetatable({ raw = raw }, Connection)
end

function Engine:is_open() return self.db ~= nil end

function Engine:close()
  if self.db then self.db:close() end
  self.db = nil
end

return M
