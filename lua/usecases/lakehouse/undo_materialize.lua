-- Puts a table back to its version before the last change.
--
-- What you may change here: the answer. How many versions are kept is a setting; tables of the refresh are refused,
-- because the next refresh would build on rows nobody expects.
local errors = require "lib.errors"
local shape = require "lib.shape"
local tables = require "domain.lakehouse.tables"

local M = {}

M.name = "undo_materialize"
M.summary = "Take back the last change of a materialised table."
M.ports = { "catalog", "table_store" }
M.input = shape.object {
  target = shape.object({
    db = shape.string { doc = "database" },
    table = shape.string { doc = "table" },
  }, { optional = true, doc = "required" }),
}

function M.run(ports, input, ctx)
  local found, err = tables.find_target(ports, ctx.pipeline, input.target)
  if err then return nil, err end
  local name = tables.full_name(input.target)
  if not found then return nil, errors.new("NotFound", "there is no table " .. name) end
  local undone
  undone, err = ports.table_store.undo(input.target.db, input.target.table)
  if not undone then return nil, err end
  return { status = "ok", table = name, version = tostring(undone.version), rows = undone.rows }
end

return M
