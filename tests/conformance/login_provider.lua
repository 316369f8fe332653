-- Credentials of `aws login`: token files, and their renewal.
local chain = require "aws.credentials.chain"
local json = require "sm.json"
local machine = require "conformance.support.machine"
local time = require "sm.time"
local vectors = require "conformance.support.vectors"

local FOLDER <const> = "/home/.aws/login/cache/"

local function texts_of(case)
  local texts = { ["/home/.aws/config"] = case.configContents }
  for name, content in pairs(case.cacheContents or {}) do
    texts[FOLDER .. name] = type(content) == "string" and content or json.encode(content)
  end
  return texts
end

-- A renewed end of life tells which moment the case plays at.
local function moment_of(case)
  local call = (case.mockApiCalls or {})[1]
  local output = call and call.response and (call.response.tokenOutput or call.response)
  if output and output.expiresIn then
    for _, outcome in ipairs(case.outcomes) do
      if outcome.expiresAt then return time.parse_iso(outcome.expiresAt) - output.expiresIn end
    end
  end
  return time.parse_iso("2026-01-01T00:00:00Z")
end

-- The service of a case: it takes the requests listed, each with a proof of possession.
local function service_of(case, state)
  return function(request)
    state.calls = state.calls + 1
    local call = (case.mockApiCalls or {})[state.calls]
    if not call then return nil, "no such call is expected", "io" end
    local wanted = call.request and (call.request.tokenInput or call.request)
    state.why = state.why or wanted and vectors.difference(wanted, json.decode(request.body), "request")
    if not (request.headers.dpop or ""):find("^[%w_-]+%.[%w_-]+%.[%w_-]+$") then state.why = state.why or "no proof of possession" end
    local output = call.response and (call.response.tokenOutput or call.response) or { error = "invalid" }
    return { status = call.responseCode or 200, version = "1.1", headers = { ["content-type"] = "application/json" }, body = json.encode(output) }
  end
end

local check = {}

function check.error(_, _, found) return found == nil, "a failure was expected" end

function check.credentials(outcome, _, found, err)
  if not found then return false, tostring(err) end
  local why = vectors.difference({ outcome.accessKeyId, outcome.secretAccessKey, outcome.sessionToken, outcome.accountId, time.parse_iso(outcome.expiresAt) },
    { found.access_key, found.secret_key, found.session_token, found.account_id, found.expires_at }, "credentials")
  return why == nil, why
end

-- The files that must be there afterwards, wherever in the outcome they are listed.
function check.cacheContents(outcome, texts)
  for name, content in pairs(outcome) do
    local why
    if name:find("%.json$") then
      why = vectors.difference(content, json.decode(texts[FOLDER .. name] or "null"), name)
    elseif type(content) == "table" then
      why = select(2, check.cacheContents(content, texts))
    end
    if why then return false, why end
  end
  return true
end

local function run_case(case)
  local texts = texts_of(case)
  local world, state = machine.world({ HOME = "/home", AWS_PROFILE = case.configContents:match("%[profile ([^%]]+)%]"), AWS_REGION = "us-east-1" },
    texts), { calls = 0 }
  local now = moment_of(case)
  world.now = function() return now end
  world.http = service_of(case, state)
  local found, err = chain.profile { world = world }
  for _, outcome in ipairs(case.outcomes) do
    local run = check[outcome.result]
    if not run then return false, "an outcome of an unknown kind: " .. tostring(outcome.result) end
    local ok, why = run(outcome, texts, found, err)
    if not ok then return false, why end
  end
  return state.why == nil, state.why
end

return { name = "login_provider", run = function(folder, report)
  for i, case in ipairs(vectors.read_json(folder .. "/credentials/login-provider-test-cases.json") or {}) do
    report(("#%d %s"):format(i, case.documentation), run_case(case))
  end
end }
