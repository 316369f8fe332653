-- Looks at queries that are being waited for. Looks that fall into the same moment become one call, so that twenty waits ask
-- Athena no more often than one.
local failures = require "adapters.aws.failures"
local task = require "sm.task"
local time = require "sm.time"

local M = {}

local MOST_IDS <const> = 50             -- of one BatchGetQueryExecution
local GATHER_SECONDS <const> = 0.005
local TICK_SECONDS <const> = 0.25       -- later looks happen at its multiples, so that they meet
local FIRST_SECONDS <const>, LONGEST_SECONDS <const>, GROWTH <const> = 0.1, 2, 1.5
local SLOW_DOWN <const> = 2             -- after an answer that we ask too often

local Poller = {}
Poller.__index = Poller

local function get_one(self, id)
  local output, failure = self.api:call("athena", "get_query_execution", { QueryExecutionId = id })
  if not output then return { [id] = { failure = failure } } end
  return { [id] = { execution = output.QueryExecution } }
end

-- Many at a time. A role, or a stand-in for Athena, that knows only the call for one is asked one by one from then on.
local function get_many(self, ids)
  local output, failure, found = nil, nil, {}
  if not self.one_by_one then output, failure = self.api:call("athena", "batch_get_query_execution", { QueryExecutionIds = ids }) end
  if failure and failure.kind == "service" then self.one_by_one, failure = true, nil end
  for _, execution in ipairs(output and output.QueryExecutions or {}) do found[execution.QueryExecutionId] = { execution = execution } end
  for _, id in ipairs(ids) do
    -- one that the batch does not have tells why when it is asked for alone
    found[id] = found[id] or (failure and { failure = failure }) or get_one(self, id)[id]
  end
  return found
end

local function hand_out(waiting, found)
  for id, queues in pairs(waiting) do
    for _, queue in ipairs(queues) do queue:push(found[id]) end
  end
end

-- Asks for all that have gathered; a task of its own, so that it does not end with the one who happened to be first.
local function flush(self)
  task.sleep(GATHER_SECONDS)
  local waiting, ids = self.waiting, {}
  self.waiting, self.gathering = {}, false
  for id in pairs(waiting) do ids[#ids + 1] = id end
  for from = 1, #ids, MOST_IDS do
    local part, some = {}, {}
    for i = from, math.min(from + MOST_IDS - 1, #ids) do
      part[#part + 1] = ids[i]
      some[ids[i]] = waiting[ids[i]]
    end
    hand_out(some, #part == 1 and get_one(self, part[1]) or get_many(self, part))
  end
end

--- The execution as Athena has it now.
---@param id string
---@return table|nil execution, aws.Failure?
function Poller:look(id)
  local queue = task.queue()
  local queues = self.waiting[id] or {}
  self.waiting[id] = queues
  queues[#queues + 1] = queue
  if not self.gathering then
    self.gathering = true
    task.spawn(function()
      local ok, err = pcall(flush, self)
      if not ok then self.waiting, self.gathering = {}, false error(err, 0) end
    end)
  end
  local answer = queue:pop(task.remaining())
  if not answer then return nil, failures.error(require("lib.errors").new("Timeout", "no word of the query in time")) end
  return answer.execution, answer.failure
end

-- The rest of a pause up to the next common tick.
local function to_tick(self, seconds)
  local at = time.monotonic() + seconds - self.phase
  return seconds + (TICK_SECONDS - at % TICK_SECONDS)
end

--- Looks again and again until the query is over or the time is up; gives the last look.
---@param id string
---@param seconds number
---@param is_over fun(execution: table): boolean
---@return table|nil execution, aws.Failure|Error?
function Poller:wait(id, seconds, is_over)
  local ends, pause = time.monotonic() + seconds, self.first
  while true do
    local execution, failure = self:look(id)
    if not execution and not failures.is_throttled(failure) then return nil, failure end
    local left = ends - time.monotonic()
    if execution and (is_over(execution) or left <= 0) then return execution end
    if not execution and left <= 0 then return nil, failure end
    local next_look = failure and SLOW_DOWN or pause < TICK_SECONDS and pause or to_tick(self, pause - TICK_SECONDS)
    task.sleep(math.min(left, next_look))
    pause = math.min(LONGEST_SECONDS, pause * GROWTH)
  end
end

---@param api table
---@param first number?  seconds from the first look to the second
---@return table poller
function M.new(api, first)
  -- every process has another phase, so that processes do not meet
  local phase = require("sm.crypto").random(1):byte() / 256 * TICK_SECONDS
  return setmetatable({ api = api, waiting = {}, phase = phase, first = first or FIRST_SECONDS }, Poller)
end

return M
