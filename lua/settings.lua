-- Every setting of the program: one list with name, type, unit, default, meaning and who uses it.
-- Read once at start; all problems are reported together, by name. `sewing doctor` prints the list with its values.
--
-- A value is looked for on the command line, then in the environment, then in the file named by --config (lines
-- NAME=value), then here. An empty value counts as absent, except where `keep_empty` says that the contract gives the
-- empty text a meaning of its own.
-- In code a setting is its name in lower case without the prefix SEWING_: settings.cooldown_seconds, settings.data.
local errors = require "lib.errors"
local shape = require "lib.shape"
local suggest = require "lib.suggest"
local text = require "lib.text"

local M = {}

---@class Setting
---@field name string
---@field type string        text | date | integer | number | boolean | enum | list | bytes
---@field unit string?
---@field default any        nil: unset
---@field meaning string
---@field profile string     "all", "local" or "aws"
---@field secret boolean?    never printed
---@field keep_empty boolean?
---@field min number?
---@field max number?
---@field values string[]?

M.list = {
  -- The contract's names.
  { name = "AWS_REGION", type = "text", default = "us-west-1", profile = "aws", meaning = "Region of the AWS services." },
  { name = "ALLOWED_ORIGIN", type = "list", default = "*", profile = "all", keep_empty = true,
    meaning = "Browser origins that may call, separated by commas; * or an empty value for any." },
  { name = "SERVICE_NAME", type = "text", default = "sewingmachine", profile = "all", keep_empty = true,
    meaning = "Name that /health answers with; an empty value is echoed as it is." },
  { name = "ORCHESTRATOR_FN", type = "text", profile = "aws", meaning = "Function that POST /run invokes." },
  { name = "DDB_TABLE", type = "text", profile = "aws", meaning = "Table of the cooldown lock." },
  { name = "RESOURCE_KEY", type = "text", default = "full-load", profile = "all", meaning = "Key of the refresh lock." },
  { name = "COOLDOWN_SECONDS", type = "integer", unit = "s", default = 30, min = 0, max = 86400, profile = "all",
    meaning = "Shortest time between two starts of POST /run." },
  { name = "BRONZE_PREFIX_S3", type = "text", profile = "aws", keep_empty = true,
    meaning = "Bronze layer as s3://bucket/prefix/, may hold {run}; empty: the layer is not listed." },
  { name = "SILVER_PREFIX_S3", type = "text", profile = "aws", keep_empty = true,
    meaning = "Silver layer as s3://bucket/prefix/; empty: it is not listed." },
  { name = "GOLD_PREFIX_S3", type = "text", profile = "aws", keep_empty = true,
    meaning = "Gold layer as s3://bucket/prefix/; empty: it is not listed." },
  { name = "PRESIGN_TTL_SECONDS", type = "integer", unit = "s", default = 900, min = 1, max = 604800, profile = "all",
    meaning = "Life of download URLs." },
  { name = "MAX_DIRS_PER_LAYER", type = "integer", default = 25, min = 1, max = 1000, profile = "all",
    meaning = "Folders listed for each layer." },
  { name = "MAX_FILES_PER_DIR", type = "integer", default = 50, min = 1, max = 10000, profile = "all",
    meaning = "Files listed for each folder." },
  { name = "ATHENA_WG", type = "text", default = "primary", profile = "aws", meaning = "Athena workgroup." },
  { name = "ATHENA_OUTPUT", type = "text", profile = "aws", meaning = "Location of query results, s3://." },
  { name = "ATHENA_CATALOG", type = "text", default = "AwsDataCatalog", profile = "all",
    meaning = "Catalog name that statements may write before a database." },
  { name = "ATHENA_DEFAULT_DB", type = "text", profile = "all", meaning = "Database of a query that names none." },
  { name = "DMS_TASK_ARN", type = "text", profile = "aws", meaning = "Replication task that loads bronze." },
  { name = "ATHENA_RUNNER_FUNCTION_ARN", type = "text", profile = "aws", meaning = "Target of the load-ended rule." },
  { name = "EVENTBUS_NAME", type = "text", default = "default", profile = "all", meaning = "Bus of the load-ended event." },
  { name = "FIXED_RUN", type = "date", default = "2025-08-13", profile = "all",
    meaning = "Run date of a background start that names none, YYYY-MM-DD." },

  -- Where things are.
  { name = "SEWING_PROFILE", type = "enum", values = { "local", "aws" }, default = "local", profile = "all",
    meaning = "What commands on this machine work on: a data folder here, or the services of AWS." },
  { name = "SEWING_STATE_TABLE", type = "text", profile = "aws",
    meaning = "Table of jobs, queries and loads; unset: the name of DDB_TABLE with -state behind it." },
  { name = "SEWING_LAKE_S3", type = "text", profile = "aws",
    meaning = "Prefix s3://bucket/ of tables that belong to no layer; unset: the bucket of the gold, silver or bronze layer." },
  { name = "SEWING_DATA", type = "text", default = "data", profile = "local", meaning = "Folder of the lake and its state." },
  { name = "SEWING_SOURCE", type = "text", profile = "local",
    meaning = "Folder of source tables (CSV, JSON, NDJSON, Parquet, SQLite); unset: the sample in the data folder." },
  { name = "SEWING_HOST", type = "text", default = "127.0.0.1", profile = "local", meaning = "Address to listen on." },
  { name = "SEWING_PORT", type = "integer", default = 8080, min = 0, max = 65535, profile = "local",
    meaning = "Port to listen on; 0 lets the system choose." },
  { name = "SEWING_PUBLIC_URL", type = "text", profile = "local",
    meaning = "Address that callers use, when a proxy stands in front; download URLs start with it." },
  { name = "SEWING_DUCKDB", type = "text", profile = "local", meaning = "DuckDB's shared library; unset: where the wrapper put it." },

  -- A Trino cluster instead of the embedded engine (docs/trino.md).
  { name = "SEWING_ENGINE", type = "enum", values = { "duckdb", "trino" }, default = "duckdb", profile = "local",
    meaning = "What runs statements: DuckDB in this process, or a Trino cluster." },
  { name = "SEWING_TRINO_URL", type = "text", profile = "local", meaning = "The cluster, as http://host:port or https://host:port." },
  { name = "SEWING_TRINO_USER", type = "text", default = "sewing", profile = "local", meaning = "User that statements run as." },
  { name = "SEWING_TRINO_PASSWORD_FILE", type = "text", profile = "local", meaning = "File with that user's password; https only." },
  { name = "SEWING_TRINO_TOKEN_FILE", type = "text", profile = "local", meaning = "File with a bearer token (JWT, OAuth 2) instead; https only." },
  { name = "SEWING_TRINO_CA_FILE", type = "text", profile = "local",
    meaning = "PEM bundle that the cluster's certificate is checked with; unset: the system's." },
  { name = "SEWING_TRINO_CATALOG", type = "text", default = "lake", profile = "local", meaning = "Iceberg catalog of the cluster that holds the lake." },
  { name = "SEWING_TRINO_HIVE_CATALOG", type = "text", default = "hive", profile = "local",
    meaning = "Hive catalog on the same metastore, for the Parquet folders of bronze." },
  { name = "SEWING_TRINO_LOCATION", type = "text", profile = "local",
    meaning = "Where new tables go, s3://bucket/prefix; unset: where the cluster's catalog puts them." },
  { name = "SEWING_TRINO_SHARED", type = "text", profile = "local",
    meaning = "The folder <data>/lake as the cluster names it; unset: file:// and its path." },

  -- Who may call.
  { name = "SEWING_AUTH", type = "enum", values = { "none", "token", "jwt" }, default = "none", profile = "local",
    meaning = "How callers prove who they are; none is accepted on a loopback address only." },
  { name = "SEWING_TOKEN", type = "text", secret = true, profile = "local", meaning = "The bearer token of --auth token." },
  { name = "SEWING_TOKEN_FILE", type = "text", profile = "local", meaning = "File with bearer tokens, one a line." },
  { name = "SEWING_JWT_JWKS", type = "text", profile = "local", meaning = "Key set of --auth jwt: a file or an https:// URL." },
  { name = "SEWING_JWT_ISSUER", type = "text", profile = "local", meaning = "Issuer that tokens must name." },
  { name = "SEWING_JWT_AUDIENCE", type = "list", profile = "local",
    meaning = "Audiences of which a token must name one (claim aud, or client_id when there is no aud)." },
  { name = "SEWING_JWT_SKEW_SECONDS", type = "integer", unit = "s", default = 60, min = 0, max = 600, profile = "local",
    meaning = "Clock difference allowed for exp, nbf and iat." },
  { name = "SEWING_HEALTH_OPEN", type = "boolean", default = false, profile = "local",
    meaning = "Answer /health without a token while authentication is on." },

  -- In front of the functions.
  { name = "SEWING_BASE_PATH", type = "text", profile = "aws",
    meaning = "Path under which a gateway serves the API, as /lake, where the event does not say it (load balancers)." },
  { name = "SEWING_INVOKE_MODE", type = "enum", values = { "buffered", "response_stream" }, default = "buffered", profile = "aws",
    meaning = "How the function URL or REST API in front reads answers; response_stream lifts their limit of 6 MB." },

  -- Limits.
  { name = "SEWING_MAX_BODY_BYTES", type = "bytes", unit = "bytes", default = 8 << 20, min = 1024, max = 1 << 30, profile = "all",
    meaning = "Largest request body." },
  { name = "SEWING_REQUEST_SECONDS", type = "integer", unit = "s", default = 60, min = 1, max = 86400, profile = "local",
    meaning = "Longest work for one request; downloads and event streams are not cut." },
  { name = "SEWING_REQUEST_MEMORY", type = "bytes", unit = "bytes", default = 256 << 20, min = 1 << 20, max = 1 << 40, profile = "local",
    meaning = "Most memory that the script of one request may hold." },
  { name = "SEWING_MAX_CONNECTIONS", type = "integer", default = 1000, min = 1, max = 100000, profile = "local",
    meaning = "Connections served at a time." },
  { name = "SEWING_QUERY_WAIT_SECONDS", type = "number", unit = "s", default = 25, min = 0, max = 3600, profile = "all",
    meaning = "How long POST /query waits before it answers 202 with the id." },
  { name = "SEWING_QUERY_MAX_BYTES", type = "bytes", unit = "bytes", default = 10 << 30, min = 1 << 20, max = 1 << 50, profile = "local",
    meaning = "Largest result that a query may leave for paging." },
  { name = "SEWING_QUERY_MAX_ROWS", type = "integer", default = 100000000, min = 1, max = 1 << 50, profile = "local",
    meaning = "Most rows that a query may leave for paging." },
  { name = "SEWING_QUERY_MAX_SCAN", type = "bytes", unit = "bytes", min = 1, max = 1 << 60, profile = "local",
    meaning = "Most bytes of table files that a query may read; unset: any." },
  { name = "SEWING_QUERY_PARALLEL", type = "integer", default = 4, min = 1, max = 64, profile = "local",
    meaning = "Statements that run at a time; the others wait in the order they came." },
  { name = "SEWING_ENGINE_MEMORY", type = "bytes", unit = "bytes", default = 1 << 30, min = 64 << 20, max = 1 << 50, profile = "local",
    meaning = "Memory of the query engine before it spills to disk." },
  { name = "SEWING_ENGINE_THREADS", type = "integer", default = 0, min = 0, max = 1024, profile = "local",
    meaning = "Threads of the query engine; 0: one for each processor." },

  -- The pipeline.
  { name = "SEWING_LEASE_SECONDS", type = "integer", unit = "s", default = 60, min = 5, max = 3600, profile = "all",
    meaning = "Life of the refresh lock without a sign from its job." },
  { name = "SEWING_MIN_LIVE_RATIO", type = "number", default = 0.5, min = 0, max = 1, profile = "all",
    meaning = "A load with fewer rows than this part of the live rows is refused; 0 accepts any load that is not empty." },
  { name = "SEWING_KEEP_VERSIONS", type = "integer", default = 3, min = 1, max = 100, profile = "all",
    meaning = "Versions of a table kept for undo and time travel." },

  -- Manners.
  { name = "SEWING_LOG_LEVEL", type = "enum", values = { "debug", "info", "warn", "error" }, default = "info", profile = "all",
    meaning = "Least important record that is logged." },
  { name = "SEWING_ACCESS_LOG", type = "boolean", default = true, profile = "local", meaning = "One log record for each request." },
  { name = "SEWING_RELOAD", type = "boolean", default = true, profile = "local",
    meaning = "Read a changed use case or SQL file again at the next request." },
  { name = "SEWING_DRAIN_SECONDS", type = "number", unit = "s", default = 10, min = 0, max = 600, profile = "local",
    meaning = "Time given to open requests when the server is asked to stop." },
}

-- The key of a setting in code.
---@param name string
---@return string
function M.key(name)
  return (name:gsub("^SEWING_", ""):lower())
end

local multipliers = { [""] = 1, b = 1, k = 1 << 10, kb = 1 << 10, kib = 1 << 10, m = 1 << 20, mb = 1 << 20, mib = 1 << 20,
  g = 1 << 30, gb = 1 << 30, gib = 1 << 30, t = 1 << 40, tb = 1 << 40, tib = 1 << 40 }

local function in_range(s, n, what)
  if (s.min and n < s.min) or (s.max and n > s.max) then
    return nil, ("must be %s from %s to %s, not %s"):format(what, s.min, s.max, n)
  end
  return n
end

local readers = {}

function readers.text(_, value) return value end

function readers.date(_, value)
  if shape.is_date(value) then return value end
  return nil, "must be a calendar day written YYYY-MM-DD, not '" .. text.cut(value, 60) .. "'"
end

function readers.list(_, value) return text.list(value) end

function readers.integer(s, value)
  local n = value:find("^%s*[-+]?%d+%s*$") and math.tointeger(tonumber(value))
  if not n then return nil, "must be a whole number, not '" .. text.cut(value, 60) .. "'" end
  return in_range(s, n, "a whole number")
end

function readers.number(s, value)
  local n = value:find("^%s*[-+]?%d*%.?%d*%s*$") and tonumber(value)
  if not n then return nil, "must be a number, not '" .. text.cut(value, 60) .. "'" end
  return in_range(s, n, "a number")
end

function readers.bytes(s, value)
  local digits, unit = value:lower():match("^%s*(%d+)%s*(%a*)%s*$")
  local factor = digits and multipliers[unit]
  if not factor or #digits > 15 then return nil, "must be a size such as 512MB, not '" .. text.cut(value, 60) .. "'" end
  return in_range(s, math.tointeger(tonumber(digits)) * factor, "a size in bytes")
end

local truth = { ["true"] = true, ["1"] = true, yes = true, on = true, ["false"] = false, ["0"] = false, no = false, off = false }

function readers.boolean(_, value)
  local b = truth[value:lower()]
  if b == nil then return nil, "must be true or false, not '" .. text.cut(value, 60) .. "'" end
  return b
end

function readers.enum(s, value)
  for _, allowed in ipairs(s.values) do
    if allowed == value:lower() then return allowed end
  end
  return nil, ("must be one of %s, not '%s'%s"):format(table.concat(s.values, ", "), text.cut(value, 60), suggest.hint(value, s.values))
end

local function default_of(s)
  if s.type == "list" and s.default then return text.list(s.default) end
  return s.default
end

-- Rules over several settings.
local function cross_checks(values, problems)
  local function problem(name, message) problems[#problems + 1] = { name = name, message = message } end
  if values.auth == "token" and not values.token and not values.token_file then
    problem("SEWING_TOKEN", "is needed (or SEWING_TOKEN_FILE) with authentication by token")
  end
  if values.token and #values.token < 16 then problem("SEWING_TOKEN", "must have at least 16 characters") end
  if values.auth == "jwt" then
    for _, name in ipairs { "SEWING_JWT_JWKS", "SEWING_JWT_ISSUER", "SEWING_JWT_AUDIENCE" } do
      local value = values[M.key(name)]
      if not value or #value == 0 then problem(name, "is needed with authentication by jwt") end
    end
    local jwks = values.jwt_jwks
    if jwks and jwks:find("^%a+://") and not jwks:find("^https://") and not jwks:find("^http://127%.0%.0%.1[:/]")
      and not jwks:find("^http://localhost[:/]") then
      problem("SEWING_JWT_JWKS", "must be a file or an https:// URL")
    end
  end
  if values.engine == "trino" and not values.trino_url then problem("SEWING_TRINO_URL", "is needed with SEWING_ENGINE=trino") end
  if values.base_path and not values.base_path:find("^/[^?#]*[^/?#]$") then problem("SEWING_BASE_PATH", "must be like /lake") end
  if values.public_url and not values.public_url:find("^https?://[^/]+/?$") then
    problem("SEWING_PUBLIC_URL", "must be like https://lake.example.org")
  end
  local output = values.athena_output
  if output and not output:find("^s3://[^/]+") then problem("ATHENA_OUTPUT", "must be like s3://bucket/prefix/") end
  for _, layer in ipairs { "BRONZE", "SILVER", "GOLD" } do
    local prefix = values[layer:lower() .. "_prefix_s3"]
    if prefix and prefix ~= "" and not prefix:find("^s3://[^/]+") then
      problem(layer .. "_PREFIX_S3", "must be like s3://bucket/prefix/")
    end
  end
end

local function refuse(problems)
  if #problems == 0 then return true end
  local lines = {}
  for i, problem in ipairs(problems) do lines[i] = problem.name .. " " .. problem.message end
  return nil, errors.new("BadSetting", table.concat(lines, "; "), { problems = problems })
end

-- " (table of the cooldown lock)": who meets a name for the first time learns what it is for.
local function meaning_of(name)
  for _, s in ipairs(M.list) do
    if s.name == name then return (" (%s)"):format(s.meaning:gsub("%.$", ""):gsub("^%u%l", string.lower)) end
  end
  return ""
end

-- Whether settings that something cannot do without are there; all that are missing, by name.
---@param values table
---@param names string[]
---@return boolean? ok, Error? err
function M.check(values, names)
  local problems = {}
  for _, name in ipairs(names) do
    local value = values[M.key(name)]
    if value == nil or value == "" then problems[#problems + 1] = { name = name, message = "is not set" .. meaning_of(name) } end
  end
  return refuse(problems)
end

-- Reads every setting. `lookup(name)` gives the text of a setting, or nil.
---@param lookup fun(name: string): string?
---@return table? settings   key -> value, and `sources`: key -> true when it was set
---@return Error? err        BadSetting, details.problems = {{name, message}}
function M.read(lookup)
  local values, given, problems = {}, {}, {}
  for _, s in ipairs(M.list) do
    local key, raw = M.key(s.name), lookup(s.name)
    if raw == nil or (raw == "" and not s.keep_empty) then
      values[key] = default_of(s)
    else
      local value, why = readers[s.type](s, raw)
      if value == nil then problems[#problems + 1] = { name = s.name, message = why } end
      values[key], given[key] = value, true
    end
  end
  cross_checks(values, problems)
  local ok, err = refuse(problems)
  if not ok then return nil, err end
  values.given = given
  return values
end

-- Reads the text of a settings file: lines NAME=value, # comments, optional quotes.
---@param source string
---@return table<string, string>? values
---@return Error?
function M.parse_file(source)
  local names, known = {}, {}
  for i, s in ipairs(M.list) do names[i], known[s.name] = s.name, true end
  local values, problems, number = {}, {}, 0
  for line in (source .. "\n"):gmatch("(.-)\r?\n") do
    number = number + 1
    local content = text.trim(line)
    if content ~= "" and content:sub(1, 1) ~= "#" then
      local name, value = content:match("^([%w_]+)%s*=%s*(.*)$")
      if not name then
        problems[#problems + 1] = ("line %d is not NAME=value"):format(number)
      elseif not known[name] then
        problems[#problems + 1] = ("line %d: there is no setting %s%s"):format(number, name, suggest.hint(name, names, 3))
      else
        values[name] = value:match('^"(.*)"$') or value:match("^'(.*)'$") or value
      end
    end
  end
  if #problems > 0 then return nil, errors.new("BadSetting", table.concat(problems, "; ")) end
  return values
end

-- What `doctor` prints: name, value as text (secrets hidden), source and meaning.
---@param values table
---@return table[]
function M.describe(values)
  local out = {}
  for i, s in ipairs(M.list) do
    local value = values[M.key(s.name)]
    local shown = value == nil and "" or type(value) == "table" and table.concat(value, ",") or tostring(value)
    if s.secret and value then shown = "(hidden)" end
    out[i] = { name = s.name, value = shown, unit = s.unit, from = values.given and values.given[M.key(s.name)] and "set" or "default",
      profile = s.profile, meaning = s.meaning }
  end
  return out
end

return M
