-- The sample source: residents and visits with the dirt that real sources have. The same numbers give the same rows.
-- The engine writes the files (lua/sql/sample/), so ten million visits are a matter of seconds.
local errors = require "lib.errors"
local files = require "sm.files"
local quote = require "lib.sql.quote"

local M = {}

M.DEFAULTS = { residents = 2000, visits = 20000, seed = 1 }

local FILES <const> = {
  { name = "dbo_resident", statement = "residents", takes = { "residents", "seed" } },
  { name = "dbo_visit", statement = "visits", takes = { "residents", "visits", "seed" } },
}

local function statements()
  local folder = package.searchpath("ports", package.path):gsub("ports%.lua$", "sql/sample")
  return require("adapters.local.statements").new(folder, false)
end

local function check(options)
  for name in pairs(M.DEFAULTS) do
    local n = math.tointeger(options[name])
    if not n or n < (name == "seed" and 0 or 1) then
      return nil, errors.new("BadParam", ("%s must be a whole number of at least %d"):format(name, name == "seed" and 0 or 1))
    end
  end
  return true
end

-- One file, which appears whole or not at all; gives its rows.
local function write_file(con, render, options, file)
  local values = {}
  for _, name in ipairs(file.takes) do values[name] = options[name] end
  local select, err = render(file.statement, values)
  if not select then return nil, err end
  local final = ("%s/%s.csv"):format(options.out, file.name)
  local fresh = final .. ".part"
  local rows, problem = con:exec(("COPY (%s) TO %s (FORMAT csv, HEADER true)"):format(select, quote.text(fresh)))
  if not rows then return nil, errors.is(problem) and problem or errors.new("ExternalServiceError", "sample: " .. tostring(problem)) end
  local moved, message, code = files.rename(fresh, final)
  if not moved then return nil, errors.from(message, code, "sample") end
  return rows
end

--- Writes dbo_resident.csv and dbo_visit.csv.
---@param con table       connection of the engine: exec(sql) -> rows | nil, err
---@param options table   {out, residents?, visits?, seed?}
---@return table|nil counts {residents, visits}   rows written, older versions and rows without key included
---@return Error?
function M.generate(con, options)
  local all = { out = options.out }
  for name, default in pairs(M.DEFAULTS) do all[name] = options[name] or default end
  local ok, err = check(all)
  if not ok then return nil, err end
  local made, message, code = files.mkdir(all.out)
  if not made then return nil, errors.from(message, code, "sample folder") end
  local counts, render = {}, statements().render
  for _, file in ipairs(FILES) do
    counts[file.statement], err = write_file(con, render, all, file)
    if not counts[file.statement] then return nil, err end
  end
  return counts
end

--- The sample in a folder, made when it is not there.
---@param con table
---@param folder string
---@return string|nil folder, Error?
function M.ensure(con, folder)
  if files.exists(folder .. "/dbo_visit.csv") and files.exists(folder .. "/dbo_resident.csv") then return folder end
  local counts, err = M.generate(con, { out = folder })
  return counts and folder, err
end

return M
