-- A machine made of a case: its variables, files, clock, and recorded HTTP traffic that is played back in order.
local files = require "sm.files"
local json = require "sm.json"
local vectors = require "conformance.support.vectors"

local M = {}

-- The moment at which the recorded cases are played: credentials of those years are fresh then.
M.THEN = 1234567890

---@param env table<string, string>
---@param texts table<string, string>?  path -> content
---@return aws.World
function M.world(env, texts)
  texts = texts or {}
  return {
    env = function(name) return env[name] end,
    read_file = function(path)
      if texts[path] then return texts[path] end
      return nil, "No such file or directory", "not_found"
    end,
    write_file = function(path, text)
      texts[path] = text
      return true
    end,
    http = function() return nil, "no traffic is recorded", "io" end,
    now = function() return M.THEN end,
    sleep = function() end,
    random = function() return 0 end,
    run = function(command, timeout) return require("aws.credentials.process").run(command, timeout) end,
  }
end

-- ---- recorded traffic ----

local function data_of(data)
  if type(data) ~= "table" then return "" end
  if data.Base64 then return (assert(require("sm.crypto").unbase64(data.Base64))) end
  return data.Utf8 or ""
end

local function join_headers(headers)
  local out = {}
  for name, values in pairs(headers or {}) do out[name:lower()] = type(values) == "table" and table.concat(values, ", ") or values end
  return out
end

local function add_event(exchange, action)
  if action.Request then
    exchange.method, exchange.uri = action.Request.request.method, action.Request.request.uri
  elseif action.Response then
    local answer = action.Response.response
    if answer.Ok then
      exchange.answer = { status = answer.Ok.status, version = "1.1", body = "", headers = join_headers(answer.Ok.headers) }
    else
      exchange.broken = json.encode(answer.Err) or "broken"
    end
  elseif action.Data and action.Data.direction == "Response" and exchange.answer then
    exchange.answer.body = exchange.answer.body .. data_of(action.Data.data)
  end
end

---The exchanges of an http-traffic.json, in the order of their requests.
---@param recorded table
---@return table[]
function M.exchanges(recorded)
  local list, by_id = {}, {}
  for _, event in ipairs(recorded.events or {}) do
    local exchange = by_id[event.connection_id]
    if not exchange then
      exchange = {}
      by_id[event.connection_id] = exchange
      list[#list + 1] = exchange
    end
    add_event(exchange, event.action)
  end
  return list
end

-- An URL with its query in one order and a path in any case.
local function plain(url)
  local place, query = url:match("^([^?]*)%??(.*)$")
  if not place:find("^%a+://[^/]*/") then place = place .. "/" end
  local pairs_of = {}
  for pair in query:gmatch("[^&]+") do pairs_of[#pairs_of + 1] = pair end
  table.sort(pairs_of)
  return place .. "?" .. table.concat(pairs_of, "&")
end

---Makes the world answer with the recorded exchanges.
---@param world aws.World
---@param exchanges table[]
---@return table state  used: how many; wrong: the first request that was another one
function M.play(world, exchanges)
  local state = { used = 0 }
  world.http = function(request)
    local exchange = exchanges[state.used + 1]
    if not exchange then return nil, "no more traffic is recorded", "io" end
    state.used = state.used + 1
    local method = request.method or "GET"
    if method ~= exchange.method or plain(request.url) ~= plain(exchange.uri) then
      state.wrong = state.wrong or ("request %d: expected %s %s, got %s %s"):format(state.used, exchange.method, exchange.uri, method, request.url)
      return nil, "another request was recorded", "io"
    end
    if not exchange.answer then return nil, exchange.broken or "no answer was recorded", "io" end
    return exchange.answer
  end
  return state
end

-- ---- case folders ----

local function read_tree(folder)
  local texts = {}
  for _, entry in ipairs(files.walk(folder) or {}) do texts["/" .. entry.name] = assert(files.read(folder .. "/" .. entry.name)) end
  return texts
end

---Runs every case below a folder: env.json, fs/, http-traffic.json, test-case.json.
---@param folder string
---@param report function
---@param load fun(world: aws.World): table?, table?   what the case asks for
---@param check fun(expected: table, found: table?, failure: table?): boolean, string?
function M.run_cases(folder, report, load, check)
  for _, name in ipairs(vectors.names(folder)) do
    local at = folder .. "/" .. name
    local case = vectors.read_json(at .. "/test-case.json")
    if case then
      local world = M.world(vectors.read_json(at .. "/env.json") or {}, read_tree(at .. "/fs"))
      local exchanges = M.exchanges(vectors.read_json(at .. "/http-traffic.json") or {})
      local state = M.play(world, exchanges)
      local found, err = load(world)
      local ok, why = check(case.result, found, err)
      if ok and case.result.Ok and state.used ~= #exchanges then
        ok, why = false, ("%d of %d recorded requests were made"):format(state.used, #exchanges)
      end
      report(name, ok and not state.wrong, state.wrong or why)
    end
  end
end

-- ---- failures ----

-- Words of the SDK that published the cases -> our code. Other words are its own: any refusal does.
local CODES <const> = {
  { "was not enabled", { NoCredentials = true } },
  { "could not parse profile file", { InvalidProfileFile = true } },
  { "will resolve an access token", { TokenOnly = true } },
  { "InvalidIdentityToken", { InvalidIdentityToken = true, InvalidIdentityTokenException = true } },
  { "No such file or directory", { TokenMissing = true, InvalidSetting = true } },
  { "`role_arn` was missing", { InvalidProfile = true, InvalidSetting = true } },
}

---Whether a failure is of the kind that is expected. Its words must hold no secret of the case.
---@param words string
---@param err table?
---@return boolean ok
---@return string? why
function M.is_expected(words, err)
  local failure = require "aws.failure"
  if not failure.is(err) then return false, "a failure was expected, got " .. tostring(err) end
  for _, rule in ipairs(CODES) do
    if words:find(rule[1], 1, true) then
      return rule[2][err.code] == true, ("expected %q, got %s"):format(words, tostring(err))
    end
  end
  return true
end

---@param expected table  access_key_id, secret_access_key, ...
---@param found aws.Credentials?
---@param err table?
---@return boolean ok
---@return string? why
function M.same_credentials(expected, found, err)
  if expected.Ok then
    if not found then return false, tostring(err) end
    local why = vectors.difference(expected.Ok, { access_key_id = found.access_key, secret_access_key = found.secret_key,
      session_token = found.session_token, account_id = found.account_id, expiry = found.expires_at }, "credentials")
    return why == nil, why
  end
  if found then return false, "a failure was expected, got " .. tostring(found) end
  return M.is_expected(expected.ErrorContains or "", err)
end

return M
