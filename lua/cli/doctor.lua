-- doctor: is everything there that the lake needs? Each line is ok, a warning, or a failure with what to do.
local config = require "cli.config"
local errors = require "lib.errors"
local exit_codes = require "cli.exit_codes"
local output = require "cli.output"
local settings_list = require "settings"

local M = {}

local function ok(check, detail) return { check = check, state = "ok", detail = detail } end
local function warn(check, detail) return { check = check, state = "warn", detail = detail } end
local function fail(check, detail) return { check = check, state = "fail", detail = detail } end

local checks = {}

function checks.data(settings, files)
  if not files.exists(settings.data) then return ok("data folder", settings.data .. ", made at the first start") end
  local probe = settings.data .. "/.doctor"
  local written, why = files.write(probe, "x")
  if not written then return fail("data folder", ("%s cannot be written: %s"):format(settings.data, why)) end
  files.remove(probe)
  return ok("data folder", files.realpath(settings.data) or settings.data)
end

function checks.source(settings, files)
  if not settings.source then return ok("source folder", "the sample; another with --source DIR") end
  local stat = files.stat(settings.source)
  if not stat then return fail("source folder", settings.source .. " is not there") end
  local count = #(files.list(settings.source) or {})
  if count == 0 then return warn("source folder", settings.source .. " is empty") end
  return ok("source folder", ("%s, %d entries"):format(settings.source, count))
end

function checks.engine(settings)
  local loaded, message = require("sm.duckdb").load(settings.duckdb)
  if not loaded then return fail("engine", tostring(message)) end
  return ok("engine", ("DuckDB %s, %s"):format(loaded.version, loaded.path))
end

function checks.authentication(settings)
  local allowed, err = require("entry.auth").check_binding(settings)
  if not allowed then return fail("authentication", err.message) end
  return ok("authentication", settings.auth == "none" and "none: only this machine may call" or settings.auth)
end

function checks.server(settings, files, console)
  local found = require("cli.client").serve_file(files, settings.data)
  if not found then return ok("server", "none is running on this data folder") end
  local answer = require("sm.http").request { method = "GET", url = found.url .. "/health", timeout = 2, connect_timeout = 2,
    headers = { authorization = "Bearer " .. (console.env("SEWING_TOKEN") or found.token or "none") } }
  if not answer then return warn("server", found.url .. " was started here and does not answer") end
  return ok("server", ("%s answers %d"):format(found.url, answer.status))
end

function checks.libraries()
  local names = {}
  for name, version in pairs(require "sm.libs") do names[#names + 1] = name .. " " .. tostring(version) end
  table.sort(names)
  return ok("libraries", table.concat(names, ", "))
end

function checks.needed(settings) return require("cli.doctor_aws").needed(settings) end
function checks.account(settings) return require("cli.doctor_aws").account(settings) end
function checks.services(settings) return require("cli.doctor_aws").services(settings) end

local ORDER <const> = {
  ["local"] = { "libraries", "data", "source", "engine", "authentication", "server" },
  aws = { "libraries", "authentication", "server", "needed", "account", "services" },
}
local COLOURS <const> = { ok = "green", warn = "yellow", fail = "red" }

local function print_settings(console, parsed, settings)
  local records = {}
  for i, line in ipairs(settings_list.describe(settings)) do
    records[i] = { name = line.name, value = line.value, unit = line.unit, from = line.from, meaning = line.meaning }
  end
  output.print(console, parsed.output, { "name", "value", "unit", "from", "meaning" }, records)
  return exit_codes.OK
end

-- A check that raises is a failed check, not the end of the others.
local function run_check(name, settings, files, console)
  local good, result = pcall(checks[name], settings, files, console)
  if good then return result end
  local message = type(result) == "table" and tostring(result.message) or tostring(result)
  return fail(name, message:match("^[^\n]*"))
end

---@param console table
---@param parsed table
---@return integer?
---@return Error?
function M.run(console, parsed)
  local settings, err = config.read(console, parsed)
  if not settings then
    for _, problem in ipairs(errors.is(err) and err.details and err.details.problems or {}) do
      console.err(("  %s %s\n"):format(problem.name, problem.message))
    end
    return nil, err
  end
  if parsed.settings then return print_settings(console, parsed, settings) end
  local files = require "sm.files"
  local records, failed = {}, false
  for _, name in ipairs(ORDER[settings.profile] or ORDER["local"]) do
    local found = run_check(name, settings, files, console)
    for _, record in ipairs(found.check and { found } or found) do -- a check gives one line, or several
      records[#records + 1], failed = record, failed or record.state == "fail"
    end
  end
  if (parsed.output or "table") ~= "table" then
    output.print(console, parsed.output, { "check", "state", "detail" }, records)
  else
    for _, record in ipairs(records) do
      local state = record.state == "ok" and "ok  " or record.state
      console.out(("%s  %-15s %s\n"):format(console.out_is_terminal and console.paint(state, COLOURS[record.state]) or state,
        record.check, record.detail))
    end
  end
  return failed and exit_codes.FAILED or exit_codes.OK
end

return M
