-- A normalised request in, an answer out: route, caller, input, use case, JSON. Knows neither sockets nor gateway events.
--
-- Request: { method, path (raw), query (raw or nil), headers (lower-case names), body?, request_id, base_url?, settings? }
-- Answer:  { status, headers, body }   body: text, nil, or what entry/stream and entry/files make of streams and files
local answer = require "entry.answer"
local cors = require "entry.cors"
local errors = require "lib.errors"
local excerpt = require "lib.excerpt"
local input = require "entry.input"
local log = require "lib.log"
local router = require "router"

local M = {}

local Api = {}
Api.__index = Api

local JSON <const> = "application/json"

-- What a use case may say about its result beside the result.
local OUTCOMES <const> = { accepted = 202, degraded = 503 }

---@class ApiOptions
---@field routes table[]
---@field use_case fun(name: string): table?, Error?   a loaded use case
---@field ports_of fun(use_case: table): table          the ports it declared
---@field authenticate fun(request: table): string?, Error?  -> caller id; nil: nobody has to prove anything
---@field version string?
---@field settings table?                               what use cases may read of the settings
---@field allowed_origin string[]
---@field max_body_bytes integer
---@field health_open boolean?
---@field built_in table<string, fun(api: table, request: table, params: table): table?, Error?>?
---@field set_deadline (fun(seconds: number))?          gives the running request more time
---@field read_source (fun(path: string): string?)?    a script's text, for the log
---@field sha256 fun(s: string): string?   for entity tags; without it there are none

---@param options ApiOptions
---@return table api
function M.new(options)
  local self = { router = router.new(options.routes), cors = cors.new(options.allowed_origin or {}), plans = setmetatable({},
    { __mode = "k" }),
    extra = {}, built_in = options.built_in or {} }
  for key, value in pairs(options) do self[key] = self[key] or value end
  for _, route in ipairs(options.routes) do
    local names = {}
    for name in pairs(route.headers or {}) do
      names[#names + 1] = (name:gsub("%f[%w]%l", string.upper))
    end
    table.sort(names)
    self.extra[route] = #names > 0 and table.concat(names, ",") or nil
  end
  return setmetatable(self, Api)
end

-- One constructor of all headers that an answer may start with: made at its full size, which a loop would not be.
local function with_headers(base, request_id, content_type)
  return {
    ["Content-Type"] = content_type, ["X-Request-Id"] = request_id, ["X-Content-Type-Options"] = "nosniff",
    ["Access-Control-Allow-Origin"] = base["Access-Control-Allow-Origin"], ["Vary"] = base["Vary"],
    ["Access-Control-Allow-Headers"] = base["Access-Control-Allow-Headers"],
    ["Access-Control-Allow-Methods"] = base["Access-Control-Allow-Methods"],
    ["Access-Control-Expose-Headers"] = base["Access-Control-Expose-Headers"],
  }
end

local function cors_of(self, request, route, node)
  return self.cors:headers(request.headers.origin, node and node.cors_methods or "OPTIONS", route and self.extra[route])
end

-- What a caller learns of a fault on our side: where the log has it, and nothing of our insides.
local function masked(request_id)
  local err = errors.new("InternalError", "Unexpected failure; the log has it under request id " .. tostring(request_id))
  err.shown = true -- it is logged, and may be shown
  return err
end

-- The answer for an error, CORS headers included: a browser must be able to read it.
---@param request table
---@param err Error
---@param route table?
---@param node table?
---@return table answer
function Api:refuse(request, err, route, node)
  if err.code == "InternalError" and not err.shown then
    log.error("unexpected_failure", { path = request.path, message = err.message, request_id = request.request_id, details = err.details })
    err = masked(request.request_id)
  end
  local status, body, extra = answer.of_error(err, request.request_id)
  local headers = with_headers(cors_of(self, request, route, node), request.request_id, JSON)
  for name, value in pairs(extra or {}) do headers[name] = value end
  if status == 405 then headers["Allow"] = node.allow end
  if status >= 500 and not err.shown then
    log.error("request_failed", { code = err.code, message = err.message, path = request.path, details = err.details })
  end
  return { status = status, headers = headers, body = body, code = err.code }
end

local problems = {
  path = function(request)
    return errors.new("NotFound", ("there is no route %s %s (GET /openapi.json lists them)"):format(request.method, request.path))
  end,
  method = function(request, node)
    return errors.new("MethodNotAllowed", ("%s does not take %s, but %s"):format(request.path, request.method, node.allow))
  end,
  escape = function(request)
    return errors.new("BadParam", "the path has a broken percent escape: " .. request.path)
  end,
}

local function preflight(self, request, node)
  local route = node.methods.POST and node.methods.POST.route
  local headers = self.cors:preflight(request.headers.origin, node.cors_methods, route and self.extra[route])
  headers["X-Request-Id"] = request.request_id
  return { status = 200, headers = headers, body = "" }
end

local function caller_of(self, request, route)
  local auth = route.auth
  if not self.authenticate or auth == "open" or auth == "signature" or (auth == "health" and self.health_open) then
    return "anonymous"
  end
  return self.authenticate(request)
end

-- What is worked out once for a use case on a route: where its input comes from, and its ports.
local function plan_of(self, route, use_case)
  local plans = self.plans[use_case]
  if not plans then
    plans = {}
    self.plans[use_case] = plans
  end
  local plan = plans[route]
  if not plan then
    plan = input.plan(route, use_case.input or require "lib.shape".empty)
    plan.ports = self.ports_of(use_case)
    plans[route] = plan
  end
  return plan
end

local function location_of(route, result)
  return (route.location:gsub("{([%w_]+)}", function(name) return tostring(result[name]) end))
end

-- 304 when the caller has this very text already.
local function matches(header, tag)
  for item in header:gmatch("[^,%s]+") do
    if item == "*" or item:gsub("^W/", "") == tag then return true end
  end
  return false
end

local function conditional(self, request, headers, body)
  local digest = self.sha256(body)
  local tag = '"' .. digest:sub(1, 12):gsub(".", function(c) return ("%02x"):format(c:byte()) end) .. '"'
  headers["ETag"] = tag
  headers["Cache-Control"] = "private, no-cache"
  local wanted = request.headers["if-none-match"]
  if wanted and matches(wanted, tag) then
    headers["Content-Type"] = nil
    return { status = 304, headers = headers }
  end
end

local function json_answer(self, request, route, node, result, outcome, shape)
  local body, err = answer.encode(result, shape)
  if not body then return self:refuse(request, err, route, node) end
  local headers = with_headers(cors_of(self, request, route, node), request.request_id, JSON)
  if route.etag and self.sha256 then
    local unchanged = conditional(self, request, headers, body)
    if unchanged then return unchanged end
  end
  local status = outcome and OUTCOMES[outcome] or route.status
  if status == 202 and route.location then headers["Location"] = location_of(route, result) end
  return { status = status, headers = headers, body = body }
end

local function special_answer(self, request, route, node, result)
  local headers = with_headers(cors_of(self, request, route, node), request.request_id, result.content_type)
  if result.events then return require("entry.stream").events(headers, result) end
  local made, err
  if result.stream then
    made, err = require("entry.stream").download(headers, result)
  else
    made, err = require("entry.files").answer(request, headers, result)
  end
  if made then return made end
  if not errors.is(err) then err = errors.new("InternalError", tostring(err)) end
  local refused = self:refuse(request, err, route, node)
  refused.headers["Content-Range"] = headers["Content-Range"]
  return refused
end

local function finish(self, request, route, node, result, outcome, shape)
  if result == nil then
    local err = outcome
    if not errors.is(err) then err = errors.new("InternalError", "the use case gave no result: " .. tostring(err)) end
    return self:refuse(request, err, route, node)
  end
  if type(result) == "table" and (result.events or result.stream or result.file) then
    return special_answer(self, request, route, node, result)
  end
  return json_answer(self, request, route, node, result, outcome, shape)
end

local function run_use_case(self, request, route, node, params, caller)
  if route.seconds and self.set_deadline then self.set_deadline(route.seconds) end
  local use_case, load_error = self.use_case(route.use_case)
  if not use_case then return self:refuse(request, load_error, route, node) end
  local plan = plan_of(self, route, use_case)
  local clean, err = input.gather(plan, route, request, params, self.max_body_bytes)
  if not clean then return self:refuse(request, err, route, node) end
  local ctx = { request_id = request.request_id, caller = caller, base_url = request.base_url, settings = request.settings or self.settings,
    version = self.version }
  local result, outcome = use_case.run(plan.ports, clean, ctx)
  return finish(self, request, route, node, result, outcome, use_case.output)
end

-- Answers a request. Raises only for faults of ours or of a use case: see `call` and `failure`.
---@param request table
---@return table answer
function Api:handle(request)
  local method = request.method
  if method == "OPTIONS" then
    local node = self.router:node(request.path)
    if node then return preflight(self, request, node) end
  end
  local route, params, problem, node = self.router:match(method, request.path)
  if not route then return self:refuse(request, problems[problem](request, node), nil, node) end
  local caller, refused = caller_of(self, request, route)
  if not caller then return self:refuse(request, refused, route, node) end
  if route.built_in then
    local result, outcome = self.built_in[route.built_in](self, request, params or {})
    return finish(self, request, route, node, result, outcome)
  end
  return run_use_case(self, request, route, node, params, caller)
end

local LIMITS <const> = { time = "Timeout" }

-- What a raised error means to the caller. Limits of the host have their code, all else is InternalError.
local function verdict(err, request_id)
  if errors.is(err) then return err end
  if type(err) == "table" and err.limit then
    local code = LIMITS[err.limit] or "LimitExceeded"
    return errors.new(code, ("stopped by the %s limit%s"):format(err.limit, err.value and " of " .. tostring(err.value) or ""))
  end
  return masked(request_id)
end

-- The answer when handling raised. Logs all there is; tells the caller nothing of our insides.
---@param request table
---@param err any   the host's error table { message, traceback, source, line, limit, value }, or any value
---@return table answer
function Api:failure(request, err)
  local record = { path = request.path, method = request.method, request_id = request.request_id }
  if type(err) == "table" then
    for _, name in ipairs { "message", "traceback", "source", "line", "limit", "value" } do record[name] = err[name] end
    local source = self.read_source and err.source and err.line and self.read_source(err.source)
    if source then record.excerpt = excerpt.of(source, err.line) end
  else
    record.message = tostring(err)
  end
  log.error("unexpected_failure", record)
  local node = self.router:node(request.path)
  local entry = node and node.methods[request.method]
  return self:refuse(request, verdict(err, request.request_id), entry and entry.route, node)
end

local function traced(err)
  if type(err) == "table" then return err end
  return { message = tostring(err), traceback = debug.traceback(tostring(err), 2) }
end

-- Like handle, but a raised error becomes an answer too.
---@param request table
---@return table answer
function Api:call(request)
  local ok, result = xpcall(self.handle, traced, self, request)
  if ok then return result end
  return self:failure(request, result)
end

return M
