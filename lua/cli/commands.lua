-- The one table of commands: help, completion and dispatch are made from it. `module` is loaded when the command runs.
local M = {}

local OUTPUT <const> = { name = "output", short = "o", value = "FORMAT", choices = { "table", "json", "ndjson", "csv" },
  meaning = "table (default on a terminal), json, ndjson or csv" }
local JSON_OR_TABLE <const> = { name = "output", short = "o", value = "FORMAT", choices = { "table", "json", "ndjson", "csv" },
  meaning = "table, json, ndjson or csv" }
local TIMEOUT <const> = { name = "timeout", value = "SECONDS", meaning = "give up after this long (exit code 5)" }

-- Every command knows these too.
M.common = {
  { name = "data", value = "DIR", meaning = "folder of the lake and its state (SEWING_DATA)" },
  { name = "config", value = "FILE", meaning = "settings file with lines NAME=value" },
  { name = "quiet", short = "q", meaning = "say nothing but results and errors" },
  { name = "help", short = "h", meaning = "this text" },
}

M.list = {
  { name = "serve", module = "cli.serve", summary = "Answer HTTP: refresh, query, materialize and list the lake.",
    usage = "serve [--port N] [--source DIR]",
    options = {
      { name = "host", value = "ADDRESS", meaning = "address to listen on (default 127.0.0.1)" },
      { name = "port", value = "N", meaning = "port to listen on (default 8080, 0: any free one)" },
      { name = "source", value = "DIR", meaning = "source tables: CSV, JSON, NDJSON, Parquet, SQLite" },
      { name = "auth", value = "HOW", choices = { "none", "token", "jwt" }, meaning = "none (loopback only), token or jwt" },
    },
    examples = { "sewing serve", "sewing serve --port 9000 --source ./exports" } },

  { name = "run", module = "cli.run", summary = "Run a Lua file with every module of the program.", usage = "run FILE.lua [ARGUMENT ...]",
    options = { TIMEOUT }, raw_after = 1, examples = { "sewing run report.lua", "sewing run report.lua 2025-08-13" } },

  { name = "invoke", module = "cli.invoke", summary = "Call one use case with an event, in this process.",
    usage = "invoke USECASE [--event FILE|-]",
    options = { { name = "event", value = "FILE", meaning = "JSON input of the use case; - reads it from standard input" }, TIMEOUT },
    examples = { "sewing invoke health", "echo '{\"limit\": 5}' | sewing invoke runs --event -" } },

  { name = "query", module = "cli.query", summary = "Ask the lake in SQL (reading statements only).", usage = "query SQL|-",
    options = {
      OUTPUT,
      { name = "database", short = "d", value = "NAME", meaning = "database of table names that have none" },
      { name = "max-rows", value = "N", meaning = "rows to print (table: 500, others: all)" },
      TIMEOUT,
    },
    examples = { "sewing query 'SELECT * FROM gold.dim_resident LIMIT 5'", "sewing query - --output csv < report.sql > report.csv" } },

  { name = "runs", module = "cli.runs", summary = "List, start, follow, cancel and retry refreshes.",
    usage = "runs [list | show ID | start | cancel ID | retry ID]", subcommands = { "list", "show", "start", "cancel", "retry" },
    options = {
      JSON_OR_TABLE,
      { name = "run", value = "DATE", meaning = "start: the day to refresh (default today, UTC)" },
      { name = "follow", short = "f", meaning = "start, retry, show: stay until the refresh has ended" },
      { name = "limit", value = "N", meaning = "list: how many" },
      TIMEOUT,
    },
    examples = { "sewing runs start --follow", "sewing runs show 3f6c0a52-6c1e-4a41-9b0a-5d3f1f0f8a11" } },

  { name = "schemas", module = "cli.schemas", summary = "List databases and tables, or the columns of one table.",
    usage = "schemas [DATABASE.TABLE]",
    options = { JSON_OR_TABLE, { name = "search", value = "TEXT", meaning = "only tables whose name holds the text" } },
    examples = { "sewing schemas", "sewing schemas gold.fact_visit" } },

  { name = "maintain", module = "cli.maintain", summary = "Run one changing statement, as the owner of a lake that no server holds.",
    usage = "maintain STATEMENT|-",
    options = { { name = "database", short = "d", value = "NAME", meaning = "database of table names that have none" }, TIMEOUT },
    examples = { "sewing maintain 'VACUUM gold.fact_visit'",
      "sewing maintain 'ALTER TABLE gold.dim_resident ADD COLUMNS (email varchar)'" } },

  { name = "doctor", module = "cli.doctor", summary = "Check what is needed, and show every setting.", usage = "doctor [--settings]",
    options = { JSON_OR_TABLE, { name = "settings", meaning = "list every setting with its value and meaning" } },
    examples = { "sewing doctor", "sewing doctor --settings" } },

  { name = "sql-translate", module = "cli.sql_translate", summary = "Translate a statement to what the engine gets.",
    usage = "sql-translate [STATEMENT]   (without: JSON lines with `sql` from standard input)", options = {},
    examples = { "sewing sql-translate \"SELECT date_diff('year', DATE '2000-06-15', DATE '2020-06-14')\"",
      "echo '{\"sql\": \"SELECT 1\"}' | sewing sql-translate" } },

  { name = "aws-model", module = "cli.aws_model", summary = "List the AWS services that scripts can call, add one, renew all.",
    usage = "aws-model [list | add SERVICE ... | update]", subcommands = { "list", "add", "update" },
    options = { { name = "botocore", value = "DIR", meaning = "folder of the botocore package; default: the pinned one, installed by pip" } },
    examples = { "sewing aws-model list", "sewing aws-model add ec2 iam" } },

  { name = "conformance", module = "cli.conformance", summary = "Run the AWS bindings against the vectors that SDK teams publish.",
    usage = "conformance [DIR]",
    options = {
      { name = "verbose", short = "v", meaning = "name every case that fails, and the listed exceptions" },
      { name = "suite", value = "NAMES", meaning = "only these suites, with commas" },
    },
    examples = { "sewing conformance", "sewing conformance ../vectors --verbose --suite endpoints,jmespath" } },

  { name = "explain", module = "cli.explain", summary = "Say what an error code means and what to do.", usage = "explain CODE",
    options = {}, examples = { "sewing explain UnsafeSql", "sewing explain CooldownActive" } },

  { name = "completion", module = "cli.completion", summary = "Print the completion script of a shell.", usage = "completion bash|zsh|fish",
    subcommands = { "bash", "zsh", "fish" }, options = {},
    examples = { "source <(sewing completion bash)", "sewing completion fish > ~/.config/fish/completions/sewing.fish" } },

  { name = "version", module = "cli.version", summary = "Print the version, and with --json what it is built from.",
    usage = "version [--json]",
    options = { { name = "json", meaning = "version, libraries and features as JSON" } }, examples = { "sewing version",
      "sewing version --json" } },

  { name = "help", module = "cli.help", summary = "Explain a command.", usage = "help [COMMAND]", options = {},
    examples = { "sewing help", "sewing help query" } },
}

M.by_name = {}
for _, command in ipairs(M.list) do M.by_name[command.name] = command end

---@return string[]
function M.names()
  local names = {}
  for i, command in ipairs(M.list) do names[i] = command.name end
  return names
end

-- The options of a command with the common ones.
---@param command table
---@return table[]
function M.options_of(command)
  local out = {}
  for _, option in ipairs(command.options) do out[#out + 1] = option end
  for _, option in ipairs(M.common) do out[#out + 1] = option end
  return out
end

return M
