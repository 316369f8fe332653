-- The one list of what an event may be. Each entry says how it is known and which file beside this one reads it; the first
-- that fits is taken, and what nothing fits is a direct call.
--
-- kind "http": the file gives request(event) and answer(...); see entry/lambda/http
-- kind "calls": the file gives calls(event, use_case); see entry/lambda/use_case
-- kind "refused": `why` says what to do instead
local M = {}

local function is_table(value) return type(value) == "table" end

local function context_of(event)
  return is_table(event.requestContext) and event.requestContext or {}
end

-- Where the first record says it comes from; queues and streams write eventSource, topics EventSource.
local function source_of(event)
  local first = is_table(event.Records) and event.Records[1]
  return is_table(first) and (first.eventSource or first.EventSource) or nil
end

local function records_from(source)
  return function(event) return source_of(event) == source end
end

M.list = {
  { name = "authorizer", kind = "refused",
    why = "this function answers requests; it does not decide who may send them (it was called as a gateway's authorizer)",
    is = function(event) return (event.type == "REQUEST" or event.type == "TOKEN") and (event.methodArn or event.routeArn) ~= nil end },

  { name = "websocket", kind = "refused", is_http = true,
    why = "WebSocket APIs are not served: call over HTTP, and follow a refresh with GET /runs/{jobId}/events",
    is = function(event)
      local context = context_of(event)
      return type(context.connectionId) == "string" and (context.eventType == "CONNECT" or context.eventType == "MESSAGE"
        or context.eventType == "DISCONNECT")
    end },

  { name = "load balancer", kind = "http", file = "alb",
    is = function(event) return is_table(context_of(event).elb) and type(event.httpMethod) == "string" end },

  { name = "HTTP API or function URL", kind = "http", file = "http_api",
    is = function(event) return is_table(context_of(event).http) and event.version == "2.0" end },

  { name = "REST API", kind = "http", file = "rest",
    is = function(event) return type(event.httpMethod) == "string" end },

  { name = "empty batch", kind = "calls", file = "sqs",
    is = function(event) return is_table(event.Records) and #event.Records == 0 and next(event.Records) == nil end },
  { name = "SQS", kind = "calls", file = "sqs", is = records_from "aws:sqs" },
  { name = "Kinesis", kind = "calls", file = "kinesis", is = records_from "aws:kinesis" },
  { name = "DynamoDB stream", kind = "calls", file = "dynamodb", is = records_from "aws:dynamodb" },
  { name = "SNS", kind = "calls", file = "sns", is = records_from "aws:sns" },
  { name = "S3", kind = "calls", file = "s3",
    is = function(event) return source_of(event) == "aws:s3" or event.Event == "s3:TestEvent" end },
  { name = "Kafka", kind = "calls", file = "kafka",
    is = function(event)
      return (event.eventSource == "aws:kafka" or event.eventSource == "SelfManagedKafka") and is_table(event.records)
    end },

  { name = "EventBridge", kind = "calls", file = "bus",
    is = function(event) return type(event["detail-type"]) == "string" and type(event.source) == "string" end },

  { name = "Step Functions", kind = "calls", file = "step_functions",
    is = function(event)
      local named = is_table(event.StateMachine) or event.taskToken ~= nil or event.TaskToken ~= nil
      return named and require("entry.lambda.step_functions").is(event)
    end },
}

M.direct = { name = "direct call", kind = "calls", file = "direct" }

-- What a failed invocation leaves at its destination holds its event; whoever plays it again means that one.
local function is_left_over(event)
  return event.requestPayload ~= nil and context_of(event).functionArn ~= nil and context_of(event).condition ~= nil
end

-- The event inside of its wrapping: JSON text, a pipe's bare list of records, what a failed invocation left.
---@param event any
---@return any
function M.unwrapped(event)
  if type(event) == "string" and event:find("^%s*[%[{]") then
    local value = require("lib.json").decode(event)
    if value ~= nil then event = value end
  end
  if type(event) ~= "table" then return event end
  local first = event[1]
  if is_table(first) and (first.eventSource or first.EventSource) then return { Records = event } end
  if is_left_over(event) then return event.requestPayload end
  return event
end

---@param event any
---@return table entry  of the list
function M.recognise(event)
  if type(event) == "table" then
    for _, entry in ipairs(M.list) do
      if entry.is(event) then return entry end
    end
  end
  return M.direct
end

return M
