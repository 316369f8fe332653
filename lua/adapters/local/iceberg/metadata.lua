-- Table metadata, format version 2: plain tables in, plain tables out, nothing changed in place. The caller gives
-- time, ids and locations, so every function here is pure.
local errors = require "lib.errors"
local json = require "lib.json"

local M = {}

local list = json.list
local MAX_METADATA_LOG = 100

local function copy(t)
  local out = {}
  for key, value in pairs(t) do out[key] = value end
  return out
end

local function copy_list(t)
  local out = {}
  for i, value in ipairs(t or {}) do out[i] = value end
  return list(out)
end

---@param options {uuid: string, location: string, fields: table[], last_column_id: integer, properties: table?, now_ms: integer}
---@return table metadata
function M.new(options)
  local properties = { ["write.parquet.compression-codec"] = "zstd" }
  for key, value in pairs(options.properties or {}) do properties[key] = value end
  return {
    ["format-version"] = 2,
    ["table-uuid"] = options.uuid,
    location = options.location,
    ["last-sequence-number"] = 0,
    ["last-updated-ms"] = options.now_ms,
    ["last-column-id"] = options.last_column_id,
    schemas = list { { type = "struct", ["schema-id"] = 0, fields = list(options.fields) } },
    ["current-schema-id"] = 0,
    ["partition-specs"] = list { { ["spec-id"] = 0, fields = list() } },
    ["default-spec-id"] = 0,
    ["last-partition-id"] = 999,
    ["sort-orders"] = list { { ["order-id"] = 0, fields = list() } },
    ["default-sort-order-id"] = 0,
    properties = properties,
    ["current-snapshot-id"] = -1,
    snapshots = list(),
    ["snapshot-log"] = list(),
    ["metadata-log"] = list(),
    refs = {},
    statistics = list(),
    ["partition-statistics"] = list(),
  }
end

local function damaged(why) return errors.new("ExternalServiceError", "table metadata: " .. why) end

-- What no reader can do without; nil when all of it is there.
local function missing(meta)
  if type(meta.location) ~= "string" then return "it has no location" end
  for _, key in ipairs { "snapshots", "snapshot-log", "metadata-log", "schemas", "refs", "properties" } do
    if meta[key] ~= nil and type(meta[key]) ~= "table" then return key .. " is of the wrong kind" end
  end
  for _, schema in ipairs(meta.schemas or {}) do
    if type(schema.fields) == "table" and schema["schema-id"] == meta["current-schema-id"] then return nil end
  end
  return ("schema %s is not in it"):format(tostring(meta["current-schema-id"]))
end

-- Metadata written by others -> the shape the rest of the code relies on; version 1 and 3 tables are refused.
---@param meta table
---@return table|nil metadata, Error? err
function M.check(meta)
  if type(meta) ~= "table" then return nil, damaged("it is no object") end
  if meta["format-version"] ~= 2 then
    return nil, errors.new("NotSupported",
      ("Iceberg format version %s cannot be read here (version 2 can)"):format(tostring(meta["format-version"])))
  end
  local out = copy(meta)
  for key, value in pairs(out) do
    if value == json.null then out[key] = nil end
  end
  local problem = missing(out)
  if problem then return nil, damaged(problem) end
  for _, key in ipairs { "snapshots", "snapshot-log", "metadata-log", "statistics",
    "partition-statistics" } do out[key] = copy_list(out[key]) end
  local snapshots = list()
  for i, snapshot in ipairs(out.snapshots) do
    local s = copy(snapshot)
    for key, value in pairs(s) do
      if value == json.null then s[key] = nil end
    end
    snapshots[i] = s
  end
  out.snapshots = snapshots
  out.refs, out.properties = out.refs or {}, out.properties or {}
  for _, spec in ipairs(out["partition-specs"] or {}) do
    if #spec.fields > 0 then out.partitioned = true end
  end
  return out
end

---@param meta table
---@param id integer?  default: the current schema
---@return table schema
function M.schema(meta, id)
  id = id or meta["current-schema-id"]
  for _, schema in ipairs(meta.schemas) do
    if schema["schema-id"] == id then return schema end
  end
  error(("table metadata names schema %s and does not hold it"):format(tostring(id)), 0)
end

---@param meta table
---@param id integer
---@return table?
function M.snapshot(meta, id)
  for _, snapshot in ipairs(meta.snapshots) do
    if snapshot["snapshot-id"] == id then return snapshot end
  end
end

---@param meta table
---@return table?
function M.current(meta)
  local id = meta["current-snapshot-id"]
  return id and id ~= -1 and M.snapshot(meta, id) or nil
end

-- The snapshot that was current at a time.
---@param meta table
---@param at_ms integer
---@return table?
function M.snapshot_at(meta, at_ms)
  local found
  for _, entry in ipairs(meta["snapshot-log"]) do
    if entry["timestamp-ms"] <= at_ms then found = entry["snapshot-id"] end
  end
  return found and M.snapshot(meta, found)
end

-- Every new metadata file remembers the one before it.
local function follow(meta, now_ms, previous_location)
  local out = copy(meta)
  if previous_location then
    local log = copy_list(meta["metadata-log"])
    log[#log + 1] = { ["timestamp-ms"] = meta["last-updated-ms"], ["metadata-file"] = previous_location }
    while #log > MAX_METADATA_LOG do table.remove(log, 1) end
    out["metadata-log"] = log
  end
  -- The log must not run backwards when the clock does.
  out["last-updated-ms"] = math.max(now_ms, meta["last-updated-ms"])
  out.partitioned = nil
  return out
end
M.follow = follow

local function point_main(out, snapshot_id)
  local refs = copy(out.refs)
  refs.main = { ["snapshot-id"] = snapshot_id, type = "branch" }
  out.refs = refs
  out["current-snapshot-id"] = snapshot_id
  local log = copy_list(out["snapshot-log"])
  log[#log + 1] = { ["timestamp-ms"] = out["last-updated-ms"], ["snapshot-id"] = snapshot_id }
  out["snapshot-log"] = log
end

---@param meta table
---@param snapshot {id: integer, manifest_list: string, summary: table}
---@param now_ms integer
---@param previous_location string?
---@return table metadata
function M.add_snapshot(meta, snapshot, now_ms, previous_location)
  local out = follow(meta, now_ms, previous_location)
  local sequence = meta["last-sequence-number"] + 1
  local parent = M.current(meta)
  local snapshots = copy_list(meta.snapshots)
  snapshots[#snapshots + 1] = {
    ["snapshot-id"] = snapshot.id,
    ["parent-snapshot-id"] = parent and parent["snapshot-id"] or nil,
    ["sequence-number"] = sequence,
    ["timestamp-ms"] = out["last-updated-ms"],
    ["manifest-list"] = snapshot.manifest_list,
    summary = snapshot.summary,
    ["schema-id"] = meta["current-schema-id"],
  }
  out.snapshots = snapshots
  out["last-sequence-number"] = sequence
  point_main(out, snapshot.id)
  return out
end

-- Makes an older snapshot the current one. Nothing is removed: going back can be undone in the same way.
---@param meta table
---@param snapshot_id integer
---@param now_ms integer
---@param previous_location string?
---@return table metadata
function M.roll_back(meta, snapshot_id, now_ms, previous_location)
  local out = follow(meta, now_ms, previous_location)
  point_main(out, snapshot_id)
  return out
end

-- Keeps the current snapshot and its younger ones: at least min_keep of them, and all younger than max_age_ms.
---@param meta table
---@param rule {min_keep: integer, max_age_ms: integer, now_ms: integer, pinned: table<integer, boolean>?}
---@return table|nil metadata, integer[] expired   nil when nothing expires
function M.expire(meta, rule, previous_location)
  local keep, referenced = {}, {}
  for _, ref in pairs(meta.refs) do referenced[ref["snapshot-id"]] = true end
  local current = M.current(meta)
  local at, kept = current, 0
  while at do
    if kept < rule.min_keep or rule.now_ms - at["timestamp-ms"] < rule.max_age_ms then keep[at["snapshot-id"]] = true end
    kept = kept + 1
    at = at["parent-snapshot-id"] and M.snapshot(meta, at["parent-snapshot-id"])
  end
  local snapshots, expired = list(), {}
  for _, snapshot in ipairs(meta.snapshots) do
    local id = snapshot["snapshot-id"]
    if keep[id] or referenced[id] or (rule.pinned and rule.pinned[id]) or rule.now_ms - snapshot["timestamp-ms"] < rule.max_age_ms then
      snapshots[#snapshots + 1] = snapshot
    else
      expired[#expired + 1] = id
      keep[id] = nil
    end
  end
  if #expired == 0 then return nil, expired end
  local out = follow(meta, rule.now_ms, previous_location)
  out.snapshots = snapshots
  local gone, log = {}, list()
  for _, id in ipairs(expired) do gone[id] = true end
  for _, entry in ipairs(meta["snapshot-log"]) do
    -- History before an expired snapshot would claim states that are gone.
    if gone[entry["snapshot-id"]] then log = list() else log[#log + 1] = entry end
  end
  out["snapshot-log"] = log
  return out, expired
end

-- A table with another current schema. `change` gets a fresh copy of the fields and the next free id, and returns nil, err
-- to refuse.
---@param meta table
---@param change fun(fields: table[], next_id: fun(): integer): boolean|nil, Error?
---@param now_ms integer
---@param previous_location string?
---@return table|nil metadata, Error? err
function M.evolve(meta, change, now_ms, previous_location)
  local last = meta["last-column-id"]
  local function next_id()
    last = last + 1
    return last
  end
  local fields = list()
  for i, f in ipairs(M.schema(meta).fields) do fields[i] = copy(f) end
  local ok, err = change(fields, next_id)
  if not ok then return nil, err end
  local out, highest = follow(meta, now_ms, previous_location), 0
  for _, schema in ipairs(meta.schemas) do highest = math.max(highest, schema["schema-id"]) end
  local schemas = copy_list(meta.schemas)
  schemas[#schemas + 1] = { type = "struct", ["schema-id"] = highest + 1, fields = fields }
  out.schemas, out["current-schema-id"], out["last-column-id"] = schemas, highest + 1, last
  return out
end

-- The same table with another schema altogether (a replaced table keeps its history).
function M.replace_schema(meta, fields, last_column_id)
  local out, highest = copy(meta), 0
  for _, schema in ipairs(meta.schemas) do highest = math.max(highest, schema["schema-id"]) end
  local schemas = copy_list(meta.schemas)
  schemas[#schemas + 1] = { type = "struct", ["schema-id"] = highest + 1, fields = list(fields) }
  out.schemas, out["current-schema-id"], out["last-column-id"] = schemas, highest + 1, last_column_id
  return out
end

local function position(fields, name)
  for i, f in ipairs(fields) do
    if f.name:lower() == name:lower() then return i end
  end
end

---@param name string
---@param kind fun(next_id: fun(): integer): table|string|nil, Error?
function M.add_column(name, kind, doc)
  return function(fields, next_id)
    if position(fields, name) then return nil, errors.new("Conflict", ("column '%s' exists already"):format(name)) end
    local id = next_id()
    local found, err = kind(next_id)
    if not found then return nil, err end
    fields[#fields + 1] = { id = id, name = name, required = false, type = found, doc = doc }
    return true
  end
end

function M.drop_column(name)
  return function(fields)
    local at = position(fields, name)
    if not at then return nil, errors.new("NotFound", ("there is no column '%s'"):format(name)) end
    if #fields == 1 then return nil, errors.new("NotSupported", "a table keeps at least one column") end
    table.remove(fields, at)
    return true
  end
end

function M.rename_column(name, new_name)
  return function(fields)
    local at = position(fields, name)
    if not at then return nil, errors.new("NotFound", ("there is no column '%s'"):format(name)) end
    local other = position(fields, new_name)
    if other and other ~= at then return nil, errors.new("Conflict", ("column '%s' exists already"):format(new_name)) end
    fields[at].name = new_name
    return true
  end
end

-- Iceberg widens int to long, float to double, and decimals to more digits of the same scale.
function M.change_type(name, kind)
  return function(fields, next_id)
    local at = position(fields, name)
    if not at then return nil, errors.new("NotFound", ("there is no column '%s'"):format(name)) end
    local new, err = kind(next_id)
    if not new then return nil, err end
    local old = fields[at].type
    local ok = old == new or (old == "int" and new == "long") or (old == "float" and new == "double")
    if not ok and type(old) == "string" and type(new) == "string" then
      local p1, s1 = old:match("^decimal%((%d+),%s*(%d+)%)$")
      local p2, s2 = new:match("^decimal%((%d+),%s*(%d+)%)$")
      ok = p1 and p2 and s1 == s2 and tonumber(p2) >= tonumber(p1)
    end
    if not ok then return nil, errors.new("NotSupported", ("column '%s' cannot be changed to that type"):format(name)) end
    fields[at].type = new
    return true
  end
end

return M
