-- Several records in one event: each is a call of its own, and what the service is told of those that failed.
local errors = require "lib.errors"
local json = require "lib.json"
local log = require "lib.log"

local M = {}

local LAST_SECOND <const> = 1 -- a record that has less time than this is not begun

-- One call whose faults are its own.
local function attempt(call, perform)
  local ok, result, err = xpcall(perform, function(fault)
    if type(fault) == "table" then return fault end
    return { message = tostring(fault), traceback = debug.traceback(tostring(fault), 2) }
  end, call)
  if ok and (result ~= nil or err == nil) then return true end
  return false, ok and err or result
end

local function report(item, fault)
  local fault_table = type(fault) == "table" and fault or { message = tostring(fault) }
  log.error("record_failed", { item = item, code = fault_table.code, message = fault_table.message, traceback = fault_table.traceback })
end

local function perform_all(one, perform)
  for _, call in ipairs(one.calls) do
    local ok, fault = attempt(call, perform)
    if not ok then return fault end
  end
end

local function out_of_time(context)
  local left = context.remaining and context.remaining()
  return left ~= nil and left < LAST_SECOND
end

-- Runs the items in order; those behind a failure that they must not overtake, and those without time, are not begun.
---@param items table[]   { item, group?, calls }
---@param partial string? "each" | "first"; nil: the first failure is everybody's
---@return table[] failed  { item, fault }
local function run(items, partial, perform, context)
  local failed, stopped = {}, {}
  for _, one in ipairs(items) do
    local fault
    if one.group and stopped[one.group] then
      fault = stopped[one.group]
    elseif out_of_time(context) then
      fault = errors.new("Timeout", "not begun: the invocation's time is nearly over")
    else
      fault = perform_all(one, perform)
      if fault then report(one.item, fault) end
    end
    if fault then
      failed[#failed + 1] = { item = one.item, fault = fault }
      if one.group then stopped[one.group] = fault end
      if partial ~= "each" then return failed end
    end
  end
  return failed
end

---@param items table[]
---@param partial string?
---@param perform fun(call: table): any, Error?
---@param context table
---@return table? value     { batchItemFailures }, null for services that read no answer
---@return any? fault
function M.run(items, partial, perform, context)
  local failed = run(items, partial, perform, context)
  if not partial then
    if failed[1] then return nil, failed[1].fault end
    return json.null
  end
  local list = {}
  for i, one in ipairs(failed) do
    -- Without its name a failure cannot be told from success: then the whole batch fails.
    if type(one.item) ~= "string" then return nil, one.fault end
    list[i] = { itemIdentifier = one.item }
  end
  return { batchItemFailures = json.list(list) }
end

return M
