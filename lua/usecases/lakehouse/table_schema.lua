-- Describes one table: columns, partitions, where it lies, how large it is; some of its rows when asked.
--
-- What you may change here: how many sample rows are given.
local json = require "lib.json"
local shape = require "lib.shape"

local M = {}

local SAMPLE_ROWS <const> = 20

M.name = "table_schema"
M.summary = "One table: columns, partitions, location, counts, sample rows."
M.ports = { "catalog", "clock" }
M.input = shape.object {
  database = shape.string { doc = "database" },
  table = shape.string { doc = "table" },
  sample = shape.boolean { default = false, doc = "with rows" },
}

local function shown(columns)
  local list = {}
  for i, column in ipairs(columns or {}) do
    list[i] = { name = column.name, type = column.type, comment = column.comment, transform = column.transform }
  end
  return json.list(list)
end

local function time(ports, t) return type(t) == "number" and ports.clock.iso(t) or t end

function M.run(ports, input)
  local found, err = ports.catalog.table(input.database, input.table)
  if not found then return nil, err end
  local answer = {
    database = input.database, name = input.table, type = found.type, columns = shown(found.columns),
    partition_keys = shown(found.partition_keys), location = found.location, row_count = found.row_count,
    byte_count = found.byte_count, snapshot_id = found.snapshot_id and tostring(found.snapshot_id),
    created_at = time(ports, found.created_at), updated_at = time(ports, found.updated_at),
    properties = json.verbatim(found.properties or {}),
  }
  if not input.sample then return answer end
  local sample
  sample, err = ports.catalog.sample(input.database, input.table, SAMPLE_ROWS)
  if not sample then return nil, err end
  answer.sample = { columns = json.list(sample.columns), column_types = json.list(sample.column_types),
    rows = json.raw("[" .. table.concat(sample.rows_text, ",") .. "]") }
  return answer
end

return M
