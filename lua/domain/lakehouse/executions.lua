-- Rules about running queries: whose they are, how long to wait, what an end means, how a page looks.
local errors = require "lib.errors"
local json = require "lib.json"

local M = {}

local OVER <const> = { SUCCEEDED = true, FAILED = true, CANCELLED = true }

M.content_types = { csv = "text/csv; charset=utf-8", ndjson = "application/x-ndjson", parquet = "application/vnd.apache.parquet" }

---@param execution table
---@return boolean
function M.is_over(execution) return OVER[execution.state] == true end

local function unknown(id) return errors.new("NotFound", ("there is no query '%s' of yours"):format(id)) end

--- An execution that belongs to the caller. Somebody else's looks the same as one that never was.
---@return table|nil, Error?
function M.owned(ports, id, caller)
  local execution, err = ports.warehouse.get(id)
  if not execution then return nil, err.code == "NotFound" and unknown(id) or err end
  if execution.caller ~= caller then return nil, unknown(id) end
  return execution
end

--- Waits for the end of a query. When the one who waits for a query it began goes away, the query is stopped:
--- nobody knows its id.
---@param ports table
---@param id string
---@param seconds number
---@param stop_when_left boolean
---@return table|nil, Error?
function M.wait(ports, id, seconds, stop_when_left)
  local answered = not stop_when_left
  local _ <close> = setmetatable({}, { __close = function()
    if not answered then ports.warehouse.cancel(id) end
  end })
  local execution, err = ports.warehouse.wait(id, seconds)
  answered = answered or execution ~= nil
  return execution, err
end

--- The error of a query that ended badly.
---@param execution table
---@return Error
function M.failure(execution)
  if execution.state == "CANCELLED" then return errors.new("QueryCancelled", "the query was cancelled") end
  local err = execution.error or {}
  local code = errors.codes[err.code or ""] and err.code or "QueryFailed"
  return errors.new(code, err.message or "the query failed", err.details)
end

---@param execution table
---@return table
function M.stats(execution)
  local stats = execution.stats or {}
  return { scanned_bytes = stats.scanned_bytes, execution_time_ms = stats.execution_ms }
end

-- What rows take in an answer that is quoted once more on its way.
local function bytes_of(rows_text)
  local bytes = 0
  for _, row in ipairs(rows_text) do
    local _, escaped = row:gsub('["\\]', "")
    bytes = bytes + #row + escaped + 1
  end
  return bytes
end

--- A page as callers see it. Rows are JSON already and stay untouched. A page that does not get through is refused with the id
--- of the query, so that smaller ones can be read.
---@param execution table
---@param page table
---@param max_bytes integer?  of the answer
---@return table|nil, Error?
function M.page(execution, page, max_bytes)
  local bytes = max_bytes and bytes_of(page.rows_text) or 0
  if max_bytes and bytes > max_bytes then
    return nil, errors.new("PayloadTooLarge", ("a page of %d rows takes %d bytes, and at most %d get through here: read the rows of "
      .. "queryExecutionId with a smaller maxRows"):format(#page.rows_text, bytes, max_bytes),
      { query_execution_id = execution.id, max_bytes = max_bytes })
  end
  return {
    columns = json.list(page.columns), column_types = json.list(page.column_types),
    rows = json.raw("[" .. table.concat(page.rows_text, ",") .. "]"),
    stats = M.stats(execution), query_execution_id = execution.id, next_page_token = page.next_token or json.null,
  }
end

return M
