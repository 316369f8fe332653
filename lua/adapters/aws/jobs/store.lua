-- How jobs lie in DynamoDB, and the calls that read and write them. One table, hash key `pk`, sort key `sk`:
--
--   pk            sk                   what
--   job#ID        job                  a job with its steps; `version` grows with every write and guards it
--   job#ID        event#000000000001   a change, numbered without gaps
--   key#DIGEST    key                  owner and idempotency key -> job
--   jobs          000000000001         the list: number -> job and state
--   open          000000000001         jobs that are not over
--   counter       jobs                 the last number given
--   query#ID      query                who started a query (adapters.aws.queries); removed by the TTL attribute expiresAt
--
-- A job is small (a few kilobytes), so it is read in one piece and written in one piece; what belongs to a change is one
-- transaction.
local crypto = require "sm.crypto"
local errors = require "lib.errors"
local failures = require "adapters.aws.failures"
local items = require "adapters.aws.items"
local json = require "lib.json"

local M = {}

local BATCH <const> = 100         -- keys of one BatchGetItem
local LAST <const> = 999999999999 -- number of twelve digits, by which the sort keys are in order
M.LAST = LAST

local Store = {}
Store.__index = Store

local function padded(n) return ("%012d"):format(n) end

local function key_of_job(id) return { pk = { S = "job#" .. id }, sk = { S = "job" } } end

local function key_of_request(owner, key)
  return { pk = { S = "key#" .. crypto.hex(crypto.sha256(#owner .. ":" .. owner .. key)) }, sk = { S = "key" } }
end

local function with(key, fields)
  local item = { pk = key.pk, sk = key.sk }
  for name, value in pairs(items.item(fields)) do item[name] = value end
  return item
end

function Store:call(operation, params, context)
  params.TableName = params.TableName or self.table_name
  local output, failure = self.api:call("dynamodb", operation, params)
  if output then return output end
  return nil, failures.error(failure, context), failure
end

-- Reading ----------------------------------------------------------------------------------------------------------

-- The record of a job as it was stored.
---@return table|nil record, Error?
function Store:read(id)
  local output, err = self:call("get_item", { Key = key_of_job(id), ConsistentRead = true }, "read a refresh")
  if not output then return nil, err end
  if output.Item then return items.read(output.Item) end
  return nil, errors.new("NotFound", ("there is no refresh '%s' (GET /runs lists them)"):format(tostring(id):sub(1, 60)))
end

---@return table|nil {job_id, request_hash}, Error?
function Store:by_key(owner, key)
  local output, err = self:call("get_item", { Key = key_of_request(owner, key), ConsistentRead = true }, "read an idempotency key")
  if not output then return nil, err end
  return output.Item and items.read(output.Item)
end

-- Calls visit(record) for the items of one partition until it gives true or there are no more.
function Store:each(params, context, visit)
  params.ConsistentRead = true
  while true do
    local output, err = self:call("query", params, context)
    if not output then return nil, err end
    for _, item in ipairs(output.Items or {}) do
      if visit(items.read(item)) then return true end
    end
    if not output.LastEvaluatedKey or not next(output.LastEvaluatedKey) then return true end
    params.ExclusiveStartKey = output.LastEvaluatedKey
  end
end

local function range(pk, from, to)
  return { KeyConditionExpression = "pk = :pk AND sk BETWEEN :from AND :to",
    ExpressionAttributeValues = { [":pk"] = { S = pk }, [":from"] = { S = from }, [":to"] = { S = to } } }
end

--- Up to `limit` entries of the list, the newest first.
---@return table[]|nil entries {sequence, job_id, state}, Error?
function Store:entries(before, state, limit)
  local params = range("jobs", padded(0), padded(before and before - 1 or LAST))
  params.ScanIndexForward = false
  if state then
    params.FilterExpression, params.ExpressionAttributeNames = "#state = :state", { ["#state"] = "state" }
    params.ExpressionAttributeValues[":state"] = { S = state }
  else
    params.Limit = limit
  end
  local list = {}
  local ok, err = self:each(params, "list refreshes", function(entry)
    list[#list + 1] = entry
    return #list >= limit
  end)
  return ok and list, err
end

---@return table[]|nil entries, Error?
function Store:open_entries()
  local list = {}
  local ok, err = self:each(range("open", padded(0), padded(LAST)), "list refreshes", function(entry) list[#list + 1] = entry end)
  return ok and list, err
end

---@return table[]|nil events, Error?
function Store:events(id, after, limit)
  local params = range("job#" .. id, "event#" .. padded(after + 1), "event#" .. padded(LAST))
  params.Limit = math.min(limit, 1000)
  local list = {}
  local ok, err = self:each(params, "read events", function(event)
    list[#list + 1] = { seq = event.seq, at = event.at, type = event.type, data = event.data }
    return #list >= limit
  end)
  return ok and list, err
end

local function read_batch(self, ids, found)
  local keys = {}
  for i, id in ipairs(ids) do keys[i] = key_of_job(id) end
  local wanted = { [self.table_name] = { Keys = keys, ConsistentRead = true } }
  repeat
    local output, failure = self.api:call("dynamodb", "batch_get_item", { RequestItems = wanted })
    if not output then return nil, failures.error(failure, "read refreshes") end
    for _, item in ipairs((output.Responses or {})[self.table_name] or {}) do
      local record = items.read(item)
      found[record.id] = record
    end
    wanted = output.UnprocessedKeys
  until not wanted or not next(wanted)
  return true
end

--- The jobs of list entries, in their order; one that is gone is left out.
---@return table[]|nil records, Error?
function Store:records(entries)
  local found, ids = {}, {}
  for i, entry in ipairs(entries) do
    ids[#ids + 1] = entry.job_id
    if #ids == BATCH or i == #entries then
      local ok, err = read_batch(self, ids, found)
      if not ok then return nil, err end
      ids = {}
    end
  end
  local list = {}
  for _, entry in ipairs(entries) do list[#list + 1] = found[entry.job_id] end
  return list
end

-- Writing ----------------------------------------------------------------------------------------------------------

local function put(item, condition, values)
  return { Put = { Item = item, ConditionExpression = condition, ExpressionAttributeValues = values } }
end

local function put_job(record, known_version)
  local item = with(key_of_job(record.id), record)
  if not known_version then return put(item, "attribute_not_exists(pk)") end
  return put(item, "version = :known", { [":known"] = items.value(known_version) })
end

local function put_event(record, event)
  return put(with({ pk = { S = "job#" .. record.id }, sk = { S = "event#" .. padded(event.seq) } }, event), "attribute_not_exists(pk)")
end

local function list_changes(writes, record, was_open)
  local sk = { S = padded(record.sequence) }
  writes[#writes + 1] = put(with({ pk = { S = "jobs" }, sk = sk },
    { sequence = record.sequence, job_id = record.id, state = record.state }))
  local is_open = record.state == "QUEUED" or record.state == "RUNNING"
  if is_open and not was_open then
    writes[#writes + 1] = put(with({ pk = { S = "open" }, sk = sk }, { sequence = record.sequence, job_id = record.id }))
  elseif was_open and not is_open then
    writes[#writes + 1] = { Delete = { Key = { pk = { S = "open" }, sk = sk } } }
  end
end

-- "lost" when somebody else was faster: read again and decide again.
local function transact(self, writes)
  for _, write in ipairs(writes) do
    local _, body = next(write)
    body.TableName = self.table_name
  end
  local output, failure = self.api:call("dynamodb", "transact_write_items", { TransactItems = json.list(writes) })
  if output then return true end
  if failure.code == "TransactionCanceledException" or failure.code == "TransactionInProgressException" then
    for _, reason in ipairs(failure.members and failure.members.CancellationReasons or {}) do
      if reason.Code == "ValidationError" then return nil, failures.error(failure, "write a refresh") end
    end
    return false
  end
  return nil, failures.error(failure, "write a refresh")
end

--- A new job with its first event. true | false: the id or the key is taken | nil, Error
function Store:insert(record, event, key)
  local writes = { put_job(record), put_event(record, event) }
  list_changes(writes, record, false)
  if key then
    writes[#writes + 1] = put(with(key_of_request(record.owner, key), { job_id = record.id, request_hash = record.request_hash }),
      "attribute_not_exists(pk)")
  end
  return transact(self, writes)
end

--- The next version of a job with its events. true | false: it has changed meanwhile | nil, Error
function Store:replace(record, before, events)
  local writes = { put_job(record, before.version) }
  for _, event in ipairs(events) do writes[#writes + 1] = put_event(record, event) end
  if record.state ~= before.state then list_changes(writes, record, before.state == "QUEUED" or before.state == "RUNNING") end
  return transact(self, writes)
end

--- The next number of the list.
---@return integer|nil, Error?
function Store:next_sequence()
  local output, err = self:call("update_item", { Key = { pk = { S = "counter" }, sk = { S = "jobs" } },
    UpdateExpression = "ADD #n :one", ExpressionAttributeNames = { ["#n"] = "n" }, ExpressionAttributeValues = { [":one"] = { N = "1" } },
    ReturnValues = "UPDATED_NEW" }, "number a refresh")
  return output and items.read(output.Attributes).n, err
end

---@param api table
---@param table_name string
---@return table store
function M.new(api, table_name) return setmetatable({ api = api, table_name = table_name }, Store) end

return M
