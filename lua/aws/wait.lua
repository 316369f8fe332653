-- Waiters: polls an operation until its answer says that something is there, gone, or will never be.
local failure = require "aws.failure"
local jmespath = require "aws.jmespath"
local task = require "sm.task"

local M = {}

-- Time that the last poll before a deadline needs.
local LAST_POLL <const> = 0.5

-- ---- acceptors ----

local function any_of(list, expected)
  if type(list) ~= "table" then return false end
  for _, value in ipairs(list) do
    if value == expected then return true end
  end
  return false
end

local function all_of(list, expected)
  if type(list) ~= "table" or #list == 0 then return false end
  for _, value in ipairs(list) do
    if value ~= expected then return false end
  end
  return true
end

-- An answer is { output } or { failure }, with the status of the HTTP answer.
local MATCHERS <const> = {
  path = function(acceptor, answer)
    return answer.output ~= nil and jmespath.search(acceptor.argument, answer.output) == acceptor.expected
  end,
  pathAll = function(acceptor, answer)
    return answer.output ~= nil and all_of(jmespath.search(acceptor.argument, answer.output), acceptor.expected)
  end,
  pathAny = function(acceptor, answer)
    return answer.output ~= nil and any_of(jmespath.search(acceptor.argument, answer.output), acceptor.expected)
  end,
  status = function(acceptor, answer) return answer.status == acceptor.expected end,
  error = function(acceptor, answer)
    if type(acceptor.expected) == "boolean" then return (answer.failure ~= nil) == acceptor.expected end
    return answer.failure ~= nil and answer.failure.code == acceptor.expected
  end,
}

-- The first acceptor that fits the answer.
local function accept(acceptors, answer)
  for _, acceptor in ipairs(acceptors) do
    local matches = MATCHERS[acceptor.matcher]
    if matches and matches(acceptor, answer) then return acceptor end
  end
end

local function explain(acceptor)
  if acceptor.argument then return ("%s is %s"):format(acceptor.argument, tostring(acceptor.expected)) end
  return ("%s %s"):format(acceptor.matcher, tostring(acceptor.expected))
end

-- ---- polling ----

local function refuse(client, definition, kind, code, message)
  return nil, failure.at(failure.new { kind = kind, code = code, message = message }, client.service, definition.operation)
end

local function from_service(err) return err.kind == "service" or err.kind == "throttle" end

local function poll(client, definition, params, options)
  local output, err, response = client:call(definition.operation, params, { timeout = options.timeout, region = options.region })
  if not output and not from_service(err) then return nil, err end
  return { output = output, failure = err, status = response and response.status or err and err.status or output and 200 }
end

-- Seconds until this must have ended.
local function time_left(ends)
  local left = task.remaining() or math.huge
  if ends then left = math.min(left, ends - require("sm.time").monotonic()) end
  return left
end

local function pause(client, name, definition, delay, ends)
  local left = time_left(ends) - LAST_POLL
  if left <= 0 then
    return refuse(client, definition, "timeout", "WaiterTimeout", ("%s has not come before the deadline"):format(name))
  end
  task.sleep(math.min(delay, left))
  return true
end

local function check(client, name, definition)
  if definition then return definition end
  local hint = require("lib.suggest").hint(name, client.model:waiters())
  return failure.refuse("validation", "UnknownWaiter", ("%s has no waiter '%s'%s"):format(client.service, name, hint))
end

-- What one answer means: true, or nil to go on, or false and the failure.
local function judge(client, name, definition, answer)
  local acceptor = accept(definition.acceptors, answer)
  if not acceptor then
    if answer.failure then return false, answer.failure end
    return nil
  end
  if acceptor.state == "success" then return true end
  if acceptor.state ~= "failure" then return nil end
  if answer.failure then return false, answer.failure end
  local _, err = refuse(client, definition, "service", "WaiterFailed", ("%s will not come: %s"):format(name, explain(acceptor)))
  err.status = answer.status
  return false, err
end

---@param client aws.Client
---@param name string
---@param params table
---@param options { delay: number?, max_attempts: integer?, timeout: number?, region: string? }
---@return table? output  of the last poll; empty when that was an error that the waiter wants
---@return aws.Failure?
function M.run(client, name, params, options)
  local definition, err = check(client, name, client.model:waiter(name))
  if not definition then return nil, err end
  local ends = options.timeout and require("sm.time").monotonic() + options.timeout
  local attempts = options.max_attempts or definition.max_attempts
  for attempt = 1, attempts do
    local answer
    answer, err = poll(client, definition, params, options)
    if not answer then return nil, err end
    local done
    done, err = judge(client, name, definition, answer)
    if done then return answer.output or {} end
    if done == false then return nil, err end
    if attempt < attempts then
      done, err = pause(client, name, definition, options.delay or definition.delay, ends)
      if not done then return nil, err end
    end
  end
  return refuse(client, definition, "timeout", "WaiterTimeout", ("%s has not come in %d polls"):format(name, attempts))
end

return M
