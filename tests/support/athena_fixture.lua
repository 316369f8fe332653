-- The AWS warehouse over an Athena that runs statements on the embedded engine: tests/support/athena_server.lua.
local aws = require "aws_fixture"
local fixture = require "lake_fixture"
local json = require "sm.json"

local M = {}

local shared -- one api and state table for all specs of a file

local function resources()
  if not shared then
    local plain = aws.api()
    shared = { api = plain, state = aws.state_table(plain) }
  end
  return shared
end

---@param options table?  as of lake_fixture; before: of athena_server
function M.open(options)
  options = options or {}
  local under, have = fixture.open(options), resources()
  local bucket = aws.bucket(have.api)
  local athena = require("athena_server").start(under.warehouse, { api = have.api, bucket = bucket, before = options.before })
  local api = aws.api { athena = athena.url }
  local warehouse = require("adapters.aws.warehouse").new { api = api, clock = require("adapters.local.clock").new(),
    table_name = have.state, workgroup = "primary", output = ("s3://%s/results/"):format(bucket), catalog = "AwsDataCatalog", first_look_seconds = 0.01 }
  local f = { warehouse = warehouse, catalog = under.catalog, under = under, athena = athena, api = api, state = have.state, bucket = bucket }
  function f.run(sql, database) return assert(warehouse.run { sql = sql, database = database or "d", caller = "spec" }) end
  function f.rows(sql, database)
    local done = f.run(sql, database)
    local page = assert(warehouse.results(done.id, { max_rows = 1000 }))
    local rows = {}
    for i, text in ipairs(page.rows_text) do rows[i] = assert(json.decode(text)) end
    return rows, page
  end
  function f.value(sql, database) return f.rows(sql, database)[1][1] end
  function f.close()
    athena:stop()
    under.close()
  end
  return f
end

return M
