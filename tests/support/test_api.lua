-- An Api over a handful of use cases that need nothing, for the specs of lua/entry.
local api = require "entry.api"
local errors = require "lib.errors"
local json = require "lib.json"
local shape = require "lib.shape"

local M = {}

M.routes = {
  { method = "GET", pattern = "/health", use_case = "health", auth = "health", status = 200, answer = "Well." },
  { method = "POST", pattern = "/run", use_case = "run", status = 202, location = "/runs/{job_id}",
    headers = { ["idempotency-key"] = "idempotency_key" }, answer = "Started." },
  { method = "GET", pattern = "/runs/{job_id}", use_case = "one", status = 200, answer = "One." },
  { method = "GET", pattern = "/list", use_case = "list", status = 200, etag = true, answer = "All." },
  { method = "POST", pattern = "/items", use_case = "create", status = 201, answer = "Made." },
  { method = "POST", pattern = "/query", use_case = "query", status = 200, location = "/query/{query_execution_id}",
    accept = { ["application/json"] = "json", ["text/csv"] = "csv" }, answer = "Rows." },
  { method = "GET", pattern = "/events", use_case = "events", status = 200, produces = "text/event-stream",
    headers = { ["last-event-id"] = "after" }, answer = "Events." },
  { method = "GET", pattern = "/files/{path...}", built_in = "download", auth = "signature", status = 200,
    produces = "application/octet-stream", answer = "A file." },
  { method = "GET", pattern = "/fault", use_case = "fault", status = 200, answer = "Never." },
  { method = "GET", pattern = "/broken", use_case = "broken", status = 200, answer = "Never." },
}

local use_cases = {}

use_cases.health = { name = "health", summary = "Says that it lives.", input = shape.object { deep = shape.boolean { default = false } },
  ports = {}, run = function(_, input) return { status = "ok", was_deep = input.deep } end }

use_cases.run = { name = "run", summary = "Starts.", ports = { "lock" },
  input = shape.object { run = shape.date { optional = true }, idempotency_key = shape.string { optional = true, max = 64 } },
  run = function(ports, input, ctx)
    if input.run == "2000-01-01" then
      return nil, errors.new("CooldownActive", "Full load recently triggered.", { retry_after_seconds = 12.2, run = input.run,
        layers = { ttl_seconds = 900 } })
    end
    return { status = "accepted", run = input.run or "today", job_id = "j1", caller_id = ctx.caller, key = input.idempotency_key,
      lock = ports.lock }
  end }

use_cases.one = { name = "one", summary = "Shows one.", input = shape.object { job_id = shape.string { max = 36 } }, ports = {},
  run = function(_, input)
    if input.job_id == "none" then return nil, errors.new("NotFound", "no job 'none' (GET /runs lists them)") end
    return { job_id = input.job_id }
  end }

use_cases.list = { name = "list", summary = "Lists.", input = shape.object { limit = shape.integer { min = 1, max = 100, default = 10 } },
  ports = {},
  output = shape.object { item_list = shape.list(shape.object { last_seen = shape.string { nullable = true } }),
    next_token = shape.string { nullable = true } },
  run = function(_, input)
    local items = {}
    if input.limit == 2 then items = { { last_seen = "a" }, {} } end
    return { item_list = items, some_limit = input.limit, free_form = json.verbatim { a_b = 1 } }
  end }

use_cases.create = { name = "create", summary = "Makes.", ports = {}, input = shape.object { title = shape.string { min = 1, max = 255 },
  description = shape.string { max = 2000 }, price = shape.integer { min = 1, max = 10000000 } }, run = function(_,
    input) return input end }

use_cases.query = { name = "query", summary = "Reads.", ports = {}, input = shape.object { sql = shape.string { blank_is_absent = true },
  max_rows = shape.integer { min = 1, max = 1000, default = 500, clamp = true, coerce = true, falsy_is_absent = true },
  format = shape.enum({ "json", "csv" }, { default = "json" }) },
  run = function(_, input)
    if input.sql == "slow" then return { query_execution_id = "q1", state = "RUNNING" }, "accepted" end
    if input.format == "csv" then
      local parts, i = { "a,b\n", "1,2\n" }, 0
      return { content_type = "text/csv", file_name = "résumé.csv", stream = function()
        i = i + 1
        if input.sql == "wrong" then return nil, errors.new("SyntaxError", "line 1:1: no") end
        if input.sql == "breaks" and i == 2 then return nil, errors.new("QueryFailed", "half way") end
        return parts[i]
      end }
    end
    return { columns = { "a" }, rows_text = { '["1"]', "[null]" }, max_rows = input.max_rows }
  end }

use_cases.events = { name = "events", summary = "Tells.", ports = {}, input = shape.object { after = shape.integer { default = 0,
  min = 0 } },
  run = function(_, input)
    local step = 0
    return { events = function()
      step = step + 1
      if step == 1 then return { { id = input.after + 1, event = "step", data = { step_name = "x" } } } end
      if step == 2 then return {} end
    end }
  end }

use_cases.fault = { name = "fault", summary = "Fails.", ports = {}, run = function() error("secret detail of ours") end }

-- Options override those of the Api; the answers come from :call.
---@param options table?
function M.new(options)
  local all = {
    routes = M.routes, allowed_origin = { "*" }, max_body_bytes = 1000, health_open = false,
    use_case = function(name)
      if name == "broken" then return nil, errors.new("ServiceUnavailable", "usecases/broken.lua:3: syntax error") end
      return use_cases[name]
    end,
    ports_of = function(use_case) return use_case.ports[1] == "lock" and { lock = "the lock" } or {} end,
    authenticate = function() return "caller-1" end,
    sha256 = function(s) return ("%032d"):format(#s) end,
    built_in = { download = function(_, _, params)
      if params.path == "forbidden" then return nil, errors.new("Forbidden", "the URL has expired") end
      return { file = "/lake/" .. params.path, size = 1000, etag = '"v1"', file_name = "part-0.parquet" }
    end },
  }
  for key, value in pairs(options or {}) do all[key] = value end
  return api.new(all)
end

-- Sends a request; the body may be a table.
function M.send(an_api, method, path, options)
  options = options or {}
  local body = options.body
  if type(body) == "table" then body = json.encode(body) end
  local query
  path, query = path:match("^([^?]*)%??(.*)$")
  local answer = an_api:call { method = method, path = path, query = query ~= "" and query or nil, headers = options.headers or {},
    body = body,
    request_id = "r-1", base_url = "http://127.0.0.1:8080" }
  local decoded = type(answer.body) == "string" and answer.body ~= "" and json.decode(answer.body) or nil
  return answer, decoded
end

return M
