-- Commits without end until it is killed: `sewing --lua crash_writer.lua DATA`. Every commit adds ten rows or changes all.
package.path = "tests/support/?.lua;" .. package.path
local data = ...
local change = require "adapters.local.iceberg.change"
local fixture = require "lake_fixture"
local maintain = require "adapters.local.iceberg.maintain"

local f = fixture.open { data = data }
local con = assert(f.lake.engine:connect())
local round = 0
while true do
  round = round + 1
  local table_ = assert(f.lake.store:load("d", "t"))
  if round % 3 == 0 then
    assert(change.update(f.lake.store, con, table_, { set = { { column = "v", sql = "v + 1" } } }))
  else
    assert(change.insert(f.lake.store, con, table_, { source_sql = "SELECT i, 0 FROM range(10) AS r(i)" }))
  end
  if round % 10 == 0 then assert(maintain.vacuum(f.lake.store, "d", "t", { max_age_seconds = 0, min_snapshots = 3 })) end
end
