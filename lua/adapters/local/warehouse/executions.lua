-- The record of every statement: what, whose, in which state, how it ended. Kept in SQLite, so it outlives the process.
local crypto = require "sm.crypto"
local errors = require "lib.errors"
local json = require "lib.json"

local M = {}

local SCHEMA = [[
CREATE TABLE IF NOT EXISTS query_executions (
  id TEXT PRIMARY KEY,
  caller TEXT NOT NULL,
  purpose TEXT NOT NULL,
  token TEXT,
  token_hash TEXT,
  job_id TEXT,
  kind TEXT NOT NULL,
  sql TEXT NOT NULL,
  state TEXT NOT NULL,
  submitted_at REAL NOT NULL,
  started_at REAL,
  finished_at REAL,
  execution_ms INTEGER,
  scanned_bytes INTEGER,
  rows INTEGER,
  bytes INTEGER,
  columns TEXT,
  first TEXT,
  error TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS query_executions_token ON query_executions (caller, token) WHERE token IS NOT NULL;
CREATE INDEX IF NOT EXISTS query_executions_time ON query_executions (submitted_at);
CREATE TABLE IF NOT EXISTS warehouse_secret (id INTEGER PRIMARY KEY CHECK (id = 1), value BLOB NOT NULL);
]]

local Executions = {}
Executions.__index = Executions

local function checked(result, message, code)
  if result == nil and message then return nil, errors.from(message, code, "query state") end
  return result
end

---@param db table  sm.sqlite connection to the state
---@return table|nil executions, Error? err
function M.open(db)
  local ok, err = checked(db:script(SCHEMA))
  if not ok then return nil, err end
  local self = setmetatable({ db = db }, Executions)
  db:exec("INSERT OR IGNORE INTO warehouse_secret VALUES (1, ?)", crypto.hex(crypto.random(32)))
  local row
  row, err = checked(db:row("SELECT value FROM warehouse_secret"))
  if not row then return nil, err end
  self.secret = row.value
  return self
end

-- Statements that a dead process was running. Called once at start, before anything runs.
function Executions:fail_interrupted(now)
  local err = assert(json.encode { code = "ServiceUnavailable", message = "the engine was restarted while this ran: start it again",
    details = { retryable = true } })
  return checked(self.db:exec(
    "UPDATE query_executions SET state = 'FAILED', finished_at = ?, error = ? WHERE state IN ('QUEUED', 'RUNNING')", now, err))
end

local function decode(row)
  if not row then return nil end
  for _, key in ipairs { "columns", "first", "error" } do row[key] = row[key] and json.decode(row[key]) or nil end
  return row
end

---@return table|nil row
function Executions:get(id) return decode(self.db:row("SELECT * FROM query_executions WHERE id = ?", id)) end

function Executions:by_token(caller, token)
  return decode(self.db:row("SELECT * FROM query_executions WHERE caller = ? AND token = ?", caller, token))
end

-- What must be equal for a repeated token to mean the same statement.
function M.token_hash(request)
  local parts = { request.sql, request.database or "" }
  for _, parameter in ipairs(request.parameters or {}) do parts[#parts + 1] = parameter end
  return crypto.hex(crypto.sha256(table.concat(parts, "\0")))
end

---@param execution table
---@return boolean|nil inserted, Error? err   false when the caller's token is taken
function Executions:insert(execution)
  local changes, err = checked(self.db:exec([[
    INSERT INTO query_executions (id, caller, purpose, token, token_hash, job_id, kind, sql, state, submitted_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'QUEUED', ?) ON CONFLICT DO NOTHING]],
    execution.id, execution.caller, execution.purpose, execution.token, execution.token_hash, execution.job_id, execution.kind,
      execution.sql,
    execution.submitted_at))
  if not changes then return nil, err end
  return changes == 1
end

-- A statement whose process died is started again under its id.
function Executions:requeue(id, now)
  return checked(self.db:exec([[
    UPDATE query_executions SET state = 'QUEUED', submitted_at = ?, started_at = NULL, finished_at = NULL, error = NULL
    WHERE id = ? AND state = 'FAILED']], now, id))
end

function Executions:started(id, now)
  return checked(self.db:exec("UPDATE query_executions SET state = 'RUNNING', started_at = ? WHERE id = ?", now, id))
end

function Executions:finished(e)
  local err = e.error and { code = e.error.code, message = e.error.message, details = e.error.details }
  return checked(self.db:exec([[
    UPDATE query_executions SET state = ?, finished_at = ?, execution_ms = ?, scanned_bytes = ?, rows = ?, bytes = ?, columns = ?,
      first = ?, error = ? WHERE id = ?]],
    e.state, e.finished_at, e.stats.execution_ms, e.stats.scanned_bytes, e.stats.rows, e.stats.bytes, e.columns
      and assert(json.encode(json.list(e.columns))),
    e.first and assert(json.encode(json.list(e.first))), err and (json.encode(err) or json.encode { code = err.code,
      message = err.message }), e.id))
end

-- Ids of the executions that ended before a time, and their removal.
function Executions:ended_before(at)
  local ids = {}
  for i, row in ipairs(self.db:rows("SELECT id FROM query_executions WHERE finished_at IS NOT NULL AND finished_at < ?", at)
    or {}) do ids[i] = row.id end
  return ids
end

function Executions:remove(id) return checked(self.db:exec("DELETE FROM query_executions WHERE id = ?", id)) end

---@param id string
---@param offset integer
---@return string
function Executions:page_token(id, offset)
  local text = tostring(offset)
  local mark = crypto.hmac_sha256(self.secret, id .. ":" .. text):sub(1, 12)
  return crypto.base64url(text .. ":" .. mark)
end

---@return integer|nil offset
function Executions:page_offset(id, token)
  local plain = crypto.unbase64url(token)
  local text, mark = (plain or ""):match("^(%d+):(.+)$")
  if not text or #text > 18 then return nil end
  if not crypto.equal(mark, crypto.hmac_sha256(self.secret, id .. ":" .. text):sub(1, 12)) then return nil end
  return math.tointeger(tonumber(text))
end

return M
