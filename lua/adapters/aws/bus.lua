-- Port bus on EventBridge: a subscription is a rule of its name with one target, the function that runs the use case.
-- The target gets a constant input, never the event: what has happened is asked from the service that told of it.
-- The function's policy allows every rule of our names once and for all; nothing is granted while the program runs.
local errors = require "lib.errors"
local failures = require "adapters.aws.failures"
local functions = require "adapters.aws.functions"
local json = require "lib.json"

local M = {}

local PREFIX <const> = "sewingmachine-"
local LONGEST_NAME <const> = 64

local function must_be_gone(failure) return failures.is_missing(failure) end

-- EventBridge allows 64 characters.
local function rule_name(name)
  if #name <= LONGEST_NAME then return name end
  local crypto = require "sm.crypto"
  return name:sub(1, LONGEST_NAME - 17) .. "-" .. crypto.hex(crypto.sha256(name)):sub(1, 16)
end

-- The first entry that a batch call refused, as an error.
local function refused_entry(entries, what)
  local entry = entries and entries[1] or {}
  return errors.new("ExternalServiceError", ("%s: %s %s"):format(what, entry.ErrorCode or "refused", entry.ErrorMessage or ""))
end

---@param options {api: table, bus_name: string, targets: table<string, string?>, source: string?}  targets: use case -> ARN
---@return table bus  port bus
function M.new(options)
  local api, bus_name = options.api, options.bus_name
  local bus = {}

  local function call(operation, params, context)
    params.EventBusName = bus_name
    local output, failure = api:call("events", operation, params)
    if output then return output end
    return nil, failures.error(failure, context), failure
  end

  local function put_target(rule, target)
    local arn = options.targets[target.target]
    if not arn or arn == "" then
      return nil, errors.new("BadSetting", ("no setting names the function that runs '%s'"):format(target.target))
    end
    local input = assert(json.encode(functions.public(target.input or {})))
    local output, err = call("put_targets", { Rule = rule, Targets = json.list { { Id = target.target, Arn = arn, Input = input } } },
      "set the target of " .. rule)
    if not output then return nil, err end
    if (output.FailedEntryCount or 0) > 0 then return nil, refused_entry(output.FailedEntries, "set the target of " .. rule) end
    return true
  end

  -- A rule without its target would be a subscription that nobody hears: it goes again.
  function bus.subscribe(name, pattern, target)
    local rule = rule_name(name)
    local output, err = call("put_rule", { Name = rule, EventPattern = assert(json.encode(pattern)), State = "ENABLED",
      Description = "One-off: the end of a load starts " .. target.target }, "make the rule " .. rule)
    if not output then return nil, err end
    local ok
    ok, err = put_target(rule, target)
    if ok then return true end
    bus.unsubscribe(name)
    return nil, err
  end

  local function target_ids(rule)
    local output, err, failure = call("list_targets_by_rule", { Rule = rule }, "read the targets of " .. rule)
    if not output then return failure and must_be_gone(failure) and {} or nil, err end
    local ids = {}
    for i, target in ipairs(output.Targets or {}) do ids[i] = target.Id end
    return ids
  end

  function bus.unsubscribe(name)
    local rule = rule_name(name)
    local ids, err = target_ids(rule)
    if not ids then return nil, err end
    local output, failure
    if #ids > 0 then
      output, err, failure = call("remove_targets", { Rule = rule, Ids = json.list(ids), Force = true }, "clear the rule " .. rule)
      if not output and not must_be_gone(failure) then return nil, err end
    end
    output, err, failure = call("delete_rule", { Name = rule, Force = true }, "remove the rule " .. rule)
    if not output and not must_be_gone(failure) then return nil, err end
    return true
  end

  function bus.publish(event)
    local output, failure = api:call("events", "put_events", { Entries = json.list { { EventBusName = bus_name, Source = event.source,
      DetailType = event["detail-type"], Resources = event.resources and json.list(event.resources) or nil,
      Detail = assert(json.encode(event.detail or {})) } } })
    if not output then return nil, failures.error(failure, "publish an event") end
    if (output.FailedEntryCount or 0) > 0 then return nil, refused_entry(output.Entries, "publish an event") end
    return 1
  end

  function bus.list()
    local names, token = {}, nil
    repeat
      local output, err = call("list_rules", { NamePrefix = options.prefix or PREFIX, NextToken = token }, "list rules")
      if not output then return nil, err end
      for _, rule in ipairs(output.Rules or {}) do names[#names + 1] = rule.Name end
      token = output.NextToken
    until not token or token == ""
    table.sort(names)
    return names
  end

  return bus
end

return M
