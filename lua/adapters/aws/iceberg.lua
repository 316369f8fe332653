-- The metadata file of an Iceberg table on S3: what a version holds, and which versions came before it.
local errors = require "lib.errors"
local failures = require "adapters.aws.failures"
local json = require "lib.json"
local s3_uri = require "adapters.aws.s3_uri"

local M = {}

local function text_of(body)
  if type(body) ~= "function" then return body end
  local parts = {}
  while true do
    local piece, message = body(1 << 20)
    if message then return nil, message end
    if not piece or piece == "" then return table.concat(parts) end
    parts[#parts + 1] = piece
  end
end

--- Reads a metadata file.
---@param api table
---@param location string   s3://bucket/.../v2.metadata.json
---@return table|nil metadata, Error?
function M.read(api, location)
  local bucket, key = s3_uri.split(location)
  if not bucket then return nil, key end
  local output, failure = api:call("s3", "get_object", { Bucket = bucket, Key = key })
  if not output then return nil, failures.error(failure, "read the table's metadata " .. location) end
  local text, message = text_of(output.Body)
  local value = text and json.decode(text)
  if type(value) == "table" then return value end
  local why = message and ": " .. message or ""
  return nil, errors.new("ExternalServiceError", ("the table's metadata %s cannot be read%s"):format(location, why))
end

---@param metadata table
---@return table|nil snapshot
function M.current(metadata)
  local id = metadata["current-snapshot-id"]
  for _, snapshot in ipairs(metadata.snapshots or {}) do
    if snapshot["snapshot-id"] == id then return snapshot end
  end
end

--- Rows and bytes of the current version, as the writer has counted them.
---@param metadata table
---@return {rows: integer?, bytes: integer?, snapshot_id: string?, at: number?}
function M.counts(metadata)
  local snapshot = M.current(metadata)
  if not snapshot then return { rows = 0, bytes = 0 } end
  local summary = snapshot.summary or {}
  return { rows = math.tointeger(tonumber(summary["total-records"])), bytes = math.tointeger(tonumber(summary["total-files-size"])),
    snapshot_id = ("%d"):format(snapshot["snapshot-id"]), at = (snapshot["timestamp-ms"] or 0) / 1000 }
end

--- Versions in one file, newest first: those that were current, as far as they are kept.
---@param metadata table
---@return {version: string, at: number, rows: integer?}[]
function M.versions(metadata)
  local by_id, list = {}, {}
  for _, snapshot in ipairs(metadata.snapshots or {}) do by_id[snapshot["snapshot-id"]] = snapshot end
  local log = metadata["snapshot-log"] or {}
  for i = #log, 1, -1 do
    local snapshot = by_id[log[i]["snapshot-id"]]
    if snapshot then
      list[#list + 1] = { version = ("%d"):format(snapshot["snapshot-id"]), at = log[i]["timestamp-ms"] / 1000,
        rows = math.tointeger(tonumber((snapshot.summary or {})["total-records"])) }
    end
  end
  return list
end

--- The file before this one, as it says itself.
---@param metadata table
---@return string|nil location
function M.file_before(metadata)
  local log = metadata["metadata-log"] or {}
  return log[#log] and log[#log]["metadata-file"]
end

return M
