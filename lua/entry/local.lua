-- Requests of the local server (sm.server) -> the API, and back: request id, base URL, access log.
local log = require "lib.log"

local M = {}

local MAX_ID <const> = 128
local MAX_HOSTS <const> = 100

-- A request id from outside is kept when it is short and harmless in a log line and a header.
local function usable(id)
  return #id <= MAX_ID and not id:find("[^%w%-_.:/+=]") and id ~= ""
end

-- Ids of our own: a random part for the process, and a counter.
---@param prefix string
---@return fun(): string
function M.request_ids(prefix)
  local count = 0
  return function()
    count = count + 1
    return ("%s-%06x"):format(prefix, count)
  end
end

-- http://host from the Host header; the configured address when the header is absent or odd.
local function base_urls(options)
  if options.public_url then
    local fixed = options.public_url:gsub("/$", "")
    return function() return fixed end
  end
  local known, count = {}, 0
  return function(host)
    local url = host and known[host]
    if url then return url end
    if not host or host == "" or #host > 255 or host:find("[^%w%-.:%[%]]") then return options.fallback_url() end
    url = "http://" .. host
    if count < MAX_HOSTS then known[host], count = url, count + 1 end
    return url
  end
end

local function logged(request, answer, started, now)
  local body = answer.body
  local path, id = request.path, request.request_id
  if type(body) ~= "function" then
    local bytes = 0
    if type(body) == "string" then bytes = #body elseif body then bytes = body.length end
    if request.method == "HEAD" then bytes = 0 end
    log.access(request.method, path, answer.status, now() - started, bytes, id)
    return
  end
  answer.body = function(write)
    local bytes = 0
    local function counted(chunk)
      local ok, why = write(chunk)
      if ok then bytes = bytes + #chunk end
      return ok, why
    end
    local _ <close> = setmetatable({}, { __close = function()
      log.access(request.method, path, answer.status, now() - started, bytes, id)
    end })
    body(counted)
  end
end

local CLIENT_LEFT <const> = 499 -- the customary number in logs for "nobody was there any more to answer"

-- A request that was cancelled because its client left gets its line in the log too. What raised is logged by on_failure,
-- which is called right after this: so look again a turn later.
local function log_when_gone(options, request, started)
  options.later(function()
    if request.failed then return end
    log.access(request.method, request.path, CLIENT_LEFT, options.now() - started, 0, request.request_id)
  end)
end

local UPPER <const> = { GET = "GET", POST = "POST", DELETE = "DELETE", HEAD = "HEAD", OPTIONS = "OPTIONS", PUT = "PUT", PATCH = "PATCH" }

---@class LocalOptions
---@field api table
---@field new_id fun(): string
---@field now fun(): number           monotonic seconds
---@field public_url string?
---@field fallback_url fun(): string  used without a Host header
---@field access_log boolean
---@field context (fun(): table?)?    log context of the running task
---@field later (fun(fn: function))?   runs fn after this turn; without it nothing is logged for clients that leave

-- The two functions sm.server.listen wants.
---@param options LocalOptions
---@return fun(req: table): table on_request
---@return fun(req: table, err: any): table on_failure
function M.new(options)
  local api, now, new_id = options.api, options.now, options.new_id
  local base_url, access_log, context = base_urls(options), options.access_log, options.context

  local Guard = { __close = function(request)
    if not request.answered and options.later then log_when_gone(options, request, request.started) end
  end }

  local function normalised(req, started)
    local headers = req.headers
    local id = headers["x-request-id"]
    if not id or not usable(id) then id = new_id() end
    local method = req.method
    local request = { method = UPPER[method] or method:upper(), path = req.path, query = req.query, headers = headers, body = req.body,
      request_id = id, base_url = base_url(headers.host), started = started, answered = false }
    req.normalised = request
    local shared = context and context()
    if shared then shared.request_id = id end
    return request
  end

  local function on_request(req)
    local started = now()
    local request = normalised(req, started)
    if not access_log then return api:handle(request) end
    local guarded <close> = setmetatable(request, Guard)
    local answer = api:handle(guarded)
    request.answered = true
    logged(request, answer, started, now)
    return answer
  end

  local function on_failure(req, err)
    local request = req.normalised or normalised(req)
    request.failed = true
    local answer = api:failure(request, err)
    if access_log then log.access(request.method, request.path, answer.status, 0, #answer.body, request.request_id) end
    return answer
  end

  return on_request, on_failure
end

return M
