-- Events of an EventBridge bus, and of schedules: those of rules and those of EventBridge Scheduler look alike.
-- A rule with a constant Input sends that instead, and it arrives as a direct call.
local fields = require "entry.lambda.fields"

local M = {}

local function is_scheduled(event) return event["detail-type"] == "Scheduled Event" end

-- A schedule means the day it was due; it says so itself, so that a late or repeated delivery means no other day.
local function add_day(input, event, use_case)
  local run = use_case.input and use_case.input.field_shapes and use_case.input.field_shapes.run
  local day = fields.text(event.time) and event.time:match("^%d%d%d%d%-%d%d%-%d%d")
  if run and run.kind == "date" and input.run == nil then input.run = day end
  return input
end

---@param event table
---@param use_case table
---@return table[] calls
function M.calls(event, use_case)
  local detail = require("entry.lambda.events").unwrapped(event.detail)
  local input = {}
  if use_case.input and use_case.input.field_shapes and use_case.input.field_shapes.event then
    input.event = event
  elseif type(detail) == "table" then
    for name, value in pairs(detail) do input[name] = value end
  end
  if is_scheduled(event) then add_day(input, event, use_case) end
  return { { input = input, id = fields.text(event.id), caller = is_scheduled(event) and "schedule" or event.source } }
end

return M
