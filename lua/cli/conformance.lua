-- conformance: runs the vectors that SDK teams publish against our AWS bindings. The suites are files of
-- tests/conformance; each reads its part of the vector folder and reports every case.
local errors = require "lib.errors"
local exit_codes = require "cli.exit_codes"
local files = require "sm.files"
local suggest = require "lib.suggest"

local M = {}

-- The repository: where the program finds its Lua files, without /lua.
local function repository()
  return (package.path:match("([^;]*)/lua/%?%.lua") or ".")
end

local function default_folder()
  return files.env("SEWING_CONFORMANCE") or repository() .. "/../shared/aws-conformance"
end

-- Suites and what they share are required as conformance.NAME.
local function suite_names(root)
  local tests = root .. "/tests/?.lua"
  if not package.path:find(tests, 1, true) then package.path = package.path .. ";" .. tests end
  local names = {}
  for _, entry in ipairs(files.list(root .. "/tests/conformance") or {}) do
    local name = entry.name:match("^([%w_]+)%.lua$")
    if name and name ~= "exceptions" then names[#names + 1] = name end
  end
  return names
end

-- Runs one suite. A suite that raises has failed as a whole.
local function run_suite(suite, folder, listed)
  local result = { name = suite.name, passed = 0, total = 0, failed = {}, listed = {}, mended = {} }
  local function report(case, ok, why)
    result.total = result.total + 1
    local reason = listed[case]
    if ok then
      result.passed = result.passed + 1
      if reason then result.mended[#result.mended + 1] = case end
    elseif reason then
      result.listed[#result.listed + 1] = { case = case, why = reason }
    else
      result.failed[#result.failed + 1] = { case = case, why = tostring(why or "") }
    end
  end
  local ok, message = xpcall(suite.run, debug.traceback, folder, report)
  if not ok then report("the suite itself", false, message) end
  return result
end

---Runs the suites (all, or those named) on the vectors in folder.
---@param folder string
---@param only string[]?
---@param on_result function?  called with each suite's result
---@return table[]? results  name, passed, total, failed, listed, mended
---@return Error?
function M.run_all(folder, only, on_result)
  if files.exists(folder) ~= true then
    return nil, errors.new("NotFound", ("no folder of conformance vectors at %s; name the one you have: "
      .. "sewing conformance DIR"):format(folder))
  end
  local names = suite_names(repository())
  local exceptions = require "conformance.exceptions"
  local results = {}
  for _, name in ipairs(only and #only > 0 and only or names) do
    if not files.exists(("%s/tests/conformance/%s.lua"):format(repository(), name)) then
      return nil, errors.new("Usage", ("there is no suite '%s'%s"):format(name, suggest.hint(name, names)))
    end
    local suite = require("conformance." .. name)
    results[#results + 1] = run_suite(suite, folder, exceptions[suite.name] or {})
    if on_result then on_result(results[#results]) end
  end
  return results
end

local function tell(console, result, verbose)
  local extra = #result.listed > 0 and (" (%d listed as exceptions)"):format(#result.listed) or ""
  console.out(("%s %d/%d%s\n"):format(result.name, result.passed, result.total, extra))
  if not verbose then return end
  for _, failure in ipairs(result.failed) do console.out(("  FAILED %s: %s\n"):format(failure.case, failure.why)) end
  for _, item in ipairs(result.listed) do console.out(("  listed %s: %s\n"):format(item.case, item.why)) end
  for _, case in ipairs(result.mended) do console.out(("  passes, though listed: %s\n"):format(case)) end
end

---@param console table
---@param parsed table
---@return integer?
---@return Error?
function M.run(console, parsed)
  local only = {}
  for name in (parsed.suite or ""):gmatch("[^,%s]+") do only[#only + 1] = name end
  local failed = false
  local results, err = M.run_all(parsed[1] or default_folder(), only, function(result)
    tell(console, result, parsed.verbose)
    failed = failed or #result.failed > 0
  end)
  if not results then return nil, err end
  return failed and exit_codes.FAILED or exit_codes.OK
end

M.default_folder = default_folder

return M
