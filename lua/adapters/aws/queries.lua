-- Who started which query. Athena does not know our callers; an item for each query does, for as long as Athena keeps it.
local failures = require "adapters.aws.failures"
local items = require "adapters.aws.items"

local M = {}

local KEPT_SECONDS <const> = 45 * 86400 -- Athena's history
local MOST_KNOWN <const> = 1000

---@param options {api: table, table_name: string, clock: table}
---@return table queries
function M.new(options)
  local queries, known, count = {}, {}, 0

  local function key_of(id) return { pk = { S = "query#" .. id }, sk = { S = "query" } } end

  local function keep(id, record)
    if count >= MOST_KNOWN then known, count = {}, 0 end
    known[id], count = record, count + 1
    return record
  end

  function queries.remember(id, caller, purpose)
    local now = options.clock.now()
    local item = items.item { caller = caller, purpose = purpose, at = now, expiresAt = math.ceil(now) + KEPT_SECONDS }
    local key = key_of(id)
    item.pk, item.sk = key.pk, key.sk
    local output, failure = options.api:call("dynamodb", "put_item", { TableName = options.table_name, Item = item })
    if not output then return nil, failures.error(failure, "write the query down") end
    keep(id, { caller = caller, purpose = purpose })
    return true
  end

  --- {caller, purpose}, or nil when nobody of ours started it.
  function queries.find(id)
    if known[id] then return known[id] end
    local output, failure = options.api:call("dynamodb", "get_item", { TableName = options.table_name, Key = key_of(id),
      ConsistentRead = true })
    if not output then return nil, failures.error(failure, "read who started the query") end
    return output.Item and keep(id, items.read(output.Item)) or nil
  end

  return queries
end

return M
