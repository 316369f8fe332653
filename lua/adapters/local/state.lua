-- state.sqlite: what this machine must remember across restarts besides the lake itself.
-- One connection; its transactions queue, so a check and the write that follows it are one act.
local errors = require "lib.errors"
local files = require "sm.files"
local sqlite = require "sm.sqlite"

local M = {}

local SCHEMA <const> = [[
CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS locks (
  key TEXT PRIMARY KEY, owner TEXT NOT NULL, fence INTEGER NOT NULL, token TEXT,
  expires_at REAL NOT NULL, allow_after REAL NOT NULL, released INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS jobs (
  id TEXT PRIMARY KEY, sequence INTEGER NOT NULL UNIQUE, run TEXT NOT NULL, owner TEXT NOT NULL, state TEXT NOT NULL,
  created_at REAL NOT NULL, updated_at REAL NOT NULL, started_at REAL, finished_at REAL,
  error TEXT, lease TEXT, task TEXT, cancel_requested INTEGER NOT NULL DEFAULT 0, fence INTEGER NOT NULL DEFAULT 0,
  idempotency_key TEXT, request_hash TEXT);
CREATE UNIQUE INDEX IF NOT EXISTS jobs_key ON jobs (owner, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS jobs_state ON jobs (state);
CREATE TABLE IF NOT EXISTS steps (
  job_id TEXT NOT NULL REFERENCES jobs (id), position INTEGER NOT NULL, name TEXT NOT NULL, layer TEXT NOT NULL,
  kind TEXT NOT NULL, after TEXT NOT NULL, state TEXT NOT NULL, attempt INTEGER NOT NULL DEFAULT 0,
  started_at REAL, finished_at REAL, rows INTEGER, error TEXT, warnings TEXT,
  PRIMARY KEY (job_id, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
  job_id TEXT NOT NULL REFERENCES jobs (id), seq INTEGER NOT NULL, at REAL NOT NULL, type TEXT NOT NULL, data TEXT NOT NULL,
  PRIMARY KEY (job_id, seq)) WITHOUT ROWID;
]]

--- Opens the state, making it when it is new.
---@param path string
---@return table|nil db, Error?
function M.open(path)
  -- It holds the key that signs addresses: made by us, for the owner only, before SQLite would make it for everybody.
  if not files.exists(path) then files.write_atomic(path, "", "private") end
  local db, message, code = sqlite.open(path, { busy_ms = 5000 })
  if not db then return nil, errors.from(message, code, "open " .. path) end
  local ok
  ok, message, code = db:script(SCHEMA)
  if not ok then return nil, errors.from(message, code, "prepare " .. path) end
  return db
end

--- A failure of the state as an error; a value that is one already stays.
---@return Error
function M.failure(message, code, context)
  if errors.is(message) then return message end
  return errors.from(message, code, context)
end

--- A secret that is made on first use and then stays.
---@param db table
---@param name string
---@param make fun(): string
---@return string|nil, Error?
function M.secret(db, name, make)
  local changed, message, code = db:exec("INSERT OR IGNORE INTO secrets (name, value) VALUES (?, ?)", name, make())
  if not changed then return nil, M.failure(message, code, "keep a secret") end
  local row
  row, message, code = db:row("SELECT value FROM secrets WHERE name = ?", name)
  if not row then return nil, M.failure(message, code, "read a secret") end
  return row.value
end

return M
