-- The engine of the warehouse port in this process: DuckDB over the lake's Iceberg tables.
local crypto = require "sm.crypto"
local errors = require "lib.errors"
local files = require "sm.files"
local results = require "adapters.local.warehouse.results"
local runner = require "adapters.local.warehouse.run"
local types = require "adapters.local.iceberg.types"

local M = {}

local EXPORT_CHUNK <const> = 1 << 20

local Engine = {}
Engine.__index = Engine

function Engine.parse(_, text, purpose) return runner.parse(text, purpose) end

function Engine:execute(request, tree, class, held, path)
  local run = runner.prepare(self.lake, request, tree, class, held)
  local resolver <close> = run.resolver
  local done, err = runner.execute(run, path)
  held.scanned_bytes = resolver.bytes
  return done, err
end

function Engine.interrupt(_, held)
  if held.con then held.con:cancel() end
end

function Engine.release(_, held)
  if held.con then held.con:close() end
  if held.resolver then held.resolver:close() end
end

-- Export ----------------------------------------------------------------------------------------------------------------

-- A whole result as text straight from the engine: it works only as fast as the reader takes.
local function text_reader(run, format)
  local cursor, err = runner.open_query(run)
  if not cursor then return nil, err end
  local header = format == "csv" and cursor:header("csv") or nil
  return function()
    if header and header ~= "" then
      local text = header
      header = nil
      return text
    end
    local text, problem = cursor:render(format, EXPORT_CHUNK)
    if text then return text end
    cursor:close()
    return nil, problem
  end
end

-- Parquet has its index at the end, so it is made whole in a file that is gone once it is open for reading.
local function parquet_reader(self, run)
  local query, err = runner.translated(run)
  if not query then return nil, err end
  local con
  con, err = run.connection()
  if not con then return nil, err end
  local path = ("%s/tmp/%s.parquet"):format(self.lake.data, crypto.uuid())
  local ok
  ok, err = con:exec(("COPY (%s) TO %s (FORMAT parquet, COMPRESSION zstd)"):format(query.sql, types.literal(path)))
  if not ok then
    files.remove(path)
    return nil, err
  end
  local file, message, code = files.open(path, "r")
  files.remove(path)
  if not file then return nil, errors.from(message, code, "export") end
  return function()
    local text, problem, status = file:read(EXPORT_CHUNK)
    if text and #text > 0 then return text end
    file:close()
    return nil, problem and errors.from(problem, status, "export") or nil
  end
end

local function listing_reader(self, run, format)
  local path = results.path(self.lake.data .. "/results", crypto.uuid())
  local done, err = runner.execute(run, path)
  if not done then return nil, err end
  local text = files.read(path) or ""
  files.remove(path)
  if format == "parquet" then return nil, errors.new("NotSupported",
    "the answer of SHOW, DESCRIBE and EXPLAIN cannot be had as Parquet") end
  return runner.listing_text(text, done.columns, format)
end

function Engine:reader(request, tree, class, held)
  local run = runner.prepare(self.lake, request, tree, class, held)
  held.resolver = run.resolver
  if tree.kind ~= "query" then return listing_reader(self, run, request.format) end
  if request.format == "parquet" then return parquet_reader(self, run) end
  return text_reader(run, request.format)
end

---@param lake Lake
---@return table engine
function M.new(lake) return setmetatable({ lake = lake }, Engine) end

return M
