-- The client protocol of Trino, against a server that is played here: every request is seen, every answer chosen.
local client_module = require "adapters.trino.client"
local crypto = require "sm.crypto"
local json = require "lib.json"

local URL <const> = "https://trino.example:8443"

-- A cluster that answers from a script: a list of answers, or functions of the request.
local function cluster(script, options)
  local seen, at, slept, now = {}, 0, {}, 0
  local settings = { url = URL, user = "ann", catalog = "lake", retry_seconds = 30, now = function() return now end,
    sleep = function(seconds)
      slept[#slept + 1] = seconds
      now = now + seconds
    end,
    http = function(request)
      at = at + 1
      seen[at] = request
      local answer = script[at] or error("an unexpected request: " .. request.method .. " " .. request.url)
      if type(answer) == "function" then return answer(request) end
      if answer.lost then return nil, "connection reset", answer.lost end
      return { status = answer.status or 200, headers = answer.headers or {}, body = type(answer.body) == "table" and json.encode(answer.body)
        or answer.body or "" }
    end }
  for name, value in pairs(options or {}) do settings[name] = value end
  return assert(client_module.new(settings)), seen, slept
end

local function answer(fields)
  fields.id, fields.stats = "q1", fields.stats or { state = "RUNNING" }
  return { body = fields }
end

local COLUMNS <const> = { { name = "a", type = "bigint", typeSignature = { rawType = "bigint", arguments = {} } } }

describe("a Trino client", function()
  it("posts the statement and follows the answers to the last row", function()
    local c, seen = cluster { answer { nextUri = URL .. "/v1/statement/queued/q1/1" }, answer { nextUri = URL .. "/v1/statement/executing/q1/2",
      columns = COLUMNS, data = { { 1 }, { 2 } } }, answer { columns = COLUMNS, data = { { 3 } } } }
    local result = assert(c:run("SELECT 1", { schema = "gold" }))
    assert.are.same({ { 1 }, { 2 }, { 3 } }, { { result.rows[1][1] }, { result.rows[2][1] }, { result.rows[3][1] } })
    assert.are.same({ "POST", "SELECT 1" }, { seen[1].method, seen[1].body })
    local headers = seen[1].headers
    assert.are.same({ "ann", "lake", "gold", "UTC", "PARAMETRIC_DATETIME", "json" }, { headers["x-trino-user"], headers["x-trino-catalog"],
      headers["x-trino-schema"], headers["x-trino-time-zone"], headers["x-trino-client-capabilities"], headers["x-trino-query-data-encoding"] })
    assert.are.equal(URL .. "/v1/statement/executing/q1/2", seen[3].url)
  end)

  it("gives parameters as literals of EXECUTE IMMEDIATE", function()
    local c, seen = cluster { answer {} }
    assert(c:run("SELECT 'it''s', ?", { parameters = { "1", "'x'" } }))
    assert.are.equal("EXECUTE IMMEDIATE 'SELECT ''it''''s'', ?' USING 1, 'x'", seen[1].body)
  end)

  it("asks again after 429, 502, 503, 504 and a lost connection, as long as nothing is done twice", function()
    local c, _, slept = cluster { { status = 503, headers = { ["retry-after"] = "3" } }, answer { nextUri = URL .. "/v1/x/2" }, { status = 502 },
      { lost = "closed" }, { status = 504 }, { status = 429 }, answer { columns = COLUMNS, data = { { 7 } } } }
    assert.are.equal(7, assert(c:run "SELECT 7").rows[1][1])
    assert.are.equal(3, slept[1])
    assert.are.equal(5, #slept)
  end)

  it("does not post a statement again whose connection was lost: it may have started", function()
    local c, seen = cluster { { lost = "closed" } }
    local _, err = c:run "INSERT INTO t SELECT 1"
    assert.are.equal("EngineUnavailable", err.code)
    assert.are.equal(1, #seen)
  end)

  it("gives up when the cluster stays away, and says which", function()
    local script = {}
    for i = 1, 100 do script[i] = { status = 503, body = "starting" } end
    local c = cluster(script)
    local _, err = c:run "SELECT 1"
    assert.are.equal("EngineUnavailable", err.code)
    assert.matches("trino.example:8443 answered 503: starting", err.message)
  end)

  it("tells a wrong password from everything else, and never shows it", function()
    local c, seen = cluster({ { status = 401, body = "Unauthorized" } }, { password = "hush-hush" })
    local _, err = c:run "SELECT 1"
    assert.matches("SEWING_TRINO_PASSWORD_FILE", err.message)
    assert.is_nil(tostring(err):find("hush", 1, true))
    assert.are.equal("Basic " .. crypto.base64 "ann:hush-hush", seen[1].headers.authorization)
  end)

  it("sends passwords and tokens over https only", function()
    for _, secret in ipairs { "password", "token" } do
      local _, err = client_module.new { url = "http://trino:8080", user = "ann", catalog = "lake", [secret] = "x" }
      assert.matches("https", err.message)
    end
    local _, err = client_module.new { url = "https://ann:x@trino", user = "ann", catalog = "lake" }
    assert.are.equal("BadSetting", err.code)
  end)

  it("does not follow a server to another address", function()
    local c, seen = cluster({ answer { nextUri = "https://evil.example/v1/statement/2" } }, { token = "secret" })
    local _, err = c:run "SELECT 1"
    assert.matches("another address", err.message)
    assert.are.equal(1, #seen)
  end)

  it("reads spooled results: inline and fetched segments, acknowledged, without our credentials elsewhere", function()
    local store = "https://store.example/segment/1"
    local c, seen = cluster({ answer { columns = COLUMNS, data = { encoding = "json", segments = {
      { type = "inline", data = crypto.base64 "[[1],[2]]", metadata = { rowsCount = 2 } },
      { type = "spooled", uri = store, ackUri = URL .. "/v1/spooled/ack/1", headers = { ["X-Key"] = { "k" } }, metadata = { rowsCount = 1 } },
    } } }, { body = "[[3]]" }, { body = "" } }, { token = "secret" })
    local rows = assert(c:run "SELECT a FROM t").rows
    assert.are.same({ 1, 2, 3 }, { rows[1][1], rows[2][1], rows[3][1] })
    assert.are.same({ store, "k" }, { seen[2].url, seen[2].headers["x-key"] })
    assert.is_nil(seen[2].headers.authorization)
    assert.are.equal(URL .. "/v1/spooled/ack/1", seen[3].url)
  end)

  it("refuses an encoding that was not asked for, and a broken segment", function()
    local c = cluster { answer { columns = COLUMNS, data = { encoding = "json+zstd", segments = {} } } }
    assert.matches("json%+zstd", select(2, c:run "SELECT 1").message)
    c = cluster { answer { columns = COLUMNS, data = { encoding = "json", segments = { { type = "inline", data = "###" } } } } }
    assert.matches("cannot be read", select(2, c:run "SELECT 1").message)
  end)

  it("stops a statement on the server", function()
    local c, seen = cluster { answer { nextUri = URL .. "/v1/statement/executing/q1/2" }, { status = 204 } }
    local statement = assert(c:submit "SELECT 1")
    statement:cancel()
    assert.are.same({ "DELETE", URL .. "/v1/statement/executing/q1/2" }, { seen[2].method, seen[2].url })
    assert.are.equal("QueryCancelled", select(2, statement:next()).code)
    statement:cancel()
    assert.are.equal(2, #seen)
  end)

  it("puts the server's errors into ours", function()
    local cases = {
      { { errorName = "SYNTAX_ERROR", errorType = "USER_ERROR", message = "line 1:8: mismatched input 'x'", errorLocation = { lineNumber = 1,
        columnNumber = 8 } }, "SyntaxError", "^line 1:8: mismatched" },
      { { errorName = "COLUMN_NOT_FOUND", errorType = "USER_ERROR", message = "Column 'x' cannot be resolved", errorLocation = { lineNumber = 2,
        columnNumber = 3 } }, "QueryFailed", "^COLUMN_NOT_FOUND: line 2:3: Column" },
      { { errorName = "EXCEEDED_GLOBAL_MEMORY_LIMIT", errorType = "INSUFFICIENT_RESOURCES", message = "too much" }, "LimitExceeded", "too much" },
      { { errorName = "QUERY_QUEUE_FULL", errorType = "INSUFFICIENT_RESOURCES", message = "full" }, "EngineUnavailable", "full" },
      { { errorName = "PERMISSION_DENIED", errorType = "USER_ERROR", message = "Access Denied" }, "Forbidden", "Access Denied" },
      { { errorName = "USER_CANCELED", errorType = "USER_ERROR", message = "Query was canceled" }, "QueryCancelled", "canceled" },
      { { errorName = "HIVE_METASTORE_ERROR", errorType = "EXTERNAL", message = "metastore is away" }, "ExternalServiceError", "away" },
      { { errorName = "GENERIC_INTERNAL_ERROR", errorType = "INTERNAL_ERROR", message = "bug" }, "ExternalServiceError", "bug" },
    }
    for _, case in ipairs(cases) do
      local c = cluster { answer { error = case[1] } }
      local _, err = c:run "SELECT 1"
      assert.are.equal(case[2], err.code)
      assert.matches(case[3], err.message)
    end
  end)

  it("does not take a web page for a cluster", function()
    local c = cluster { { body = "<html>" } }
    assert.matches("did not answer as a Trino cluster does", select(2, c:run "SELECT 1").message)
  end)
end)
