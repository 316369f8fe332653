-- Every field of every event in turn is something else than it should be: an answer or an error, never a fault of ours.
local events = require "lambda_events"
local json = require "lib.json"
local log = require "lib.log"

local others = { json.null, 7, -1.5, true, "x", "%zz", {}, json.list { 1 }, json.list { {} }, { a = { b = json.null } } }

local samples = {
  rest = events.rest("GET", "/runs/a", { queryStringParameters = { state = "x" }, multiValueQueryStringParameters = { state = { "x", "y" } } }),
  post = events.rest("POST", "/run", { body = '{"run":"2025-08-13"}' }),
  console = events.rest_console("GET", "/health"),
  http_api = events.http_api("GET", "/runs", "state=a", { cookies = json.list { "a=1" }, routeKey = "ANY /{proxy+}", pathParameters = { proxy = "runs" } }),
  url = events.function_url("POST", "/query", "", { body = '{"sql":"x"}' }),
  alb = events.alb("GET", "/runs", { state = "a" }), alb_many = events.alb_many("GET", "/runs", { state = { "a" } }),
  sqs = events.sqs { { n = 1 } }, fifo = events.fifo { { "a", { n = 1 } }, { "a", { n = 13 } } }, kinesis = events.kinesis { { n = 1 } },
  dynamodb = events.dynamodb { { n = { N = "1" }, deep = { M = { list = { L = { { S = "x" } } }, set = { NS = { "1", "2" } } } } } }, kafka = events.kafka { { n = 1 } },
  sns = events.sns { n = 1 }, s3 = events.s3 { "a" }, bus = events.bus("app", "x", { n = 1 }), schedule = events.schedule(),
  states = { Execution = { Id = "e", Input = { n = 1 } }, State = { Name = "s" }, StateMachine = { Id = "m" } },
}

local function copy(value)
  if type(value) ~= "table" then return value end
  local out = setmetatable({}, getmetatable(value))
  for key, item in pairs(value) do out[key] = copy(item) end
  return out
end

-- Calls change(event, key, parent) for a fresh copy for each place in the event.
local function each_place(sample, change)
  local paths = {}
  local function walk(value, path)
    for key, item in pairs(value) do
      local here = table.move(path, 1, #path, 1, {})
      here[#here + 1] = key
      paths[#paths + 1] = here
      if type(item) == "table" then walk(item, here) end
    end
  end
  walk(sample, {})
  for _, path in ipairs(paths) do
    local event = copy(sample)
    local parent = event
    for i = 1, #path - 1 do parent = parent[path[i]] end
    change(event, parent, path[#path], table.concat(path, "."))
  end
end

describe("malformed events", function()
  setup(function() log.configure { write = function() end } end)
  teardown(function() log.configure { write = require("sm.log").write } end)

  for name, sample in pairs(samples) do
    it(name, function()
      for _, handler_name in ipairs { "api", "lakehouse/take", "lakehouse/run", "lakehouse/listen" } do
        local built = events.house { SEWING_INVOKE_MODE = name == "url" and "response_stream" or nil }
        local handler = assert(require("entry.lambda.handlers").find(handler_name, "/nowhere", built))
        local function try(event, what)
          local ok, value, err = pcall(handler.run, event, events.context)
          if not ok then error(("%s with %s: %s"):format(handler_name, what, tostring(type(value) == "table" and value.traceback or value)), 0) end
          if value == nil then return assert(require("lib.errors").is(err), what) end
          if require("entry.lambda.stream").is(value) then return assert(require("entry.lambda.stream").prelude(value)) end
          assert(json.encode(value))
        end
        for _, other in ipairs(others) do
          each_place(sample, function(event, parent, key, what)
            parent[key] = copy(other)
            try(event, what .. " = " .. tostring(other))
          end)
        end
        each_place(sample, function(event, parent, key, what)
          parent[key] = nil
          try(event, "no " .. what)
        end)
      end
    end)
  end
end)
