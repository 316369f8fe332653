-- The sample source: residents and visits with the dirt that real sources have. The same numbers give the same rows.
-- The engine writes the files, so ten million visits are a matter of seconds.
local errors = require "lib.errors"
local files = require "sm.files"

local M = {}

M.DEFAULTS = { residents = 2000, visits = 20000, seed = 1 }

-- r(i, k): a number from 0 to 999,999 that depends on row, purpose and seed alone.
local COMMON <const> = [[
WITH names AS (SELECT
  ['Ada','Grace','Zoë','José','Łukasz','Søren','Mei','Fatima','Olga','Kwame','Anna','李','Noor','Björn','Íris','Max','Ruth','Tomás','Yuki','Amélie'] AS first_names,
  ['Lovelace','Hopper','O''Brien','García','Nowak','Ng','Müller','Haddad','Ivanova','Mensah','Smith','王','van der Berg','Åkesson','Jónsdóttir','"Quote"','Okafor','Silva','Tanaka','Dubois'] AS last_names,
  ['checkup','fever','vaccination','fall','headache','follow-up, late','"urgent"','x-ray','Blutdruck','suivi médical'] AS reasons
)]]

local function r(k, seed) return ("CAST(hash(i, %d, %d) %% 1000000 AS BIGINT)"):format(k, seed) end

local function residents_sql(o)
  local s = o.seed
  local function row(id, first, last, dob, updated, from)
    return ("SELECT i, %s AS resident_id, %s AS first_name, %s AS last_name, %s AS dob, %s AS updated_at FROM %s, names"):format(id, first, last, dob, updated, from)
  end
  local first = ("first_names[1 + %s %% 20]"):format(r(1, s))
  local last = ("last_names[1 + %s %% 20]"):format(r(2, s))
  local dob = ("CAST(DATE '1930-01-01' + CAST(%s %% 31000 AS INTEGER) AS VARCHAR)"):format(r(3, s))
  local updated = ("strftime(TIMESTAMP '2025-07-01 00:00:00' + to_seconds(%s * 2), '%%Y-%%m-%%d %%H:%%M:%%S')"):format(r(4, s))
  local all = ("range(1, %d) t(i)"):format(o.residents + 1)
  local main = row("CAST(i AS VARCHAR)",
    ("CASE WHEN i %% 89 = 0 THEN NULL WHEN i %% 17 = 0 THEN '  ' || %s || ' ' ELSE %s END"):format(first, first),
    ("CASE WHEN i %% 97 = 0 THEN NULL WHEN i %% 23 = 0 THEN %s || '  ' ELSE %s END"):format(last, last),
    ("CASE WHEN i %% 211 = 0 THEN '1987-02-30' WHEN i %% 223 = 0 THEN 'unknown' WHEN i %% 61 = 0 THEN NULL ELSE %s END"):format(dob),
    ("CASE WHEN i %% 401 = 0 THEN NULL ELSE %s END"):format(updated), all)
  -- An older version of every 50th resident, under another name; and rows without a key.
  local older = row("CAST(i AS VARCHAR)", first, "'Formerly'", dob, "'2025-06-30 12:00:00'", all .. " WHERE i % 50 = 0")
  local blank = row("CASE WHEN i % 2 = 0 THEN '  ' ELSE NULL END", first, last, dob, updated, all .. " WHERE i % 701 = 0")
  older, blank = older:gsub("(FROM range%b() t%(i%)) (WHERE .-), names$", "%1, names %2"), blank:gsub("(FROM range%b() t%(i%)) (WHERE .-), names$", "%1, names %2")
  return ("%s SELECT * EXCLUDE (i) FROM (%s UNION ALL %s UNION ALL %s)"):format(COMMON, main, older, blank)
end

local function visits_sql(o)
  local s = o.seed
  local function row(id, resident, at, cents, updated, where)
    return ([[SELECT i, %s AS visit_id, %s AS resident_id, %s AS visit_ts, reasons[1 + %s %% 10] AS reason, %s AS charge_cents,
      %s AS updated_at FROM range(1, %d) t(i), names%s]]):format(id, resident, at, r(13, s), cents, updated, o.visits + 1, where or "")
  end
  local resident = ("CASE WHEN i %% 101 = 0 THEN %d + i %% 7 + 1 ELSE 1 + (%s * 1000000 + %s) %% %d END"):format(o.residents, r(11, s), r(16, s), o.residents)
  local at = ("strftime(TIMESTAMP '2023-08-01 08:00:00' + to_seconds(%s * 63), '%%Y-%%m-%%d %%H:%%M:%%S')"):format(r(12, s))
  local cents = ("CAST(500 + %s %% 95000 AS VARCHAR)"):format(r(14, s))
  local updated = ("strftime(TIMESTAMP '2025-07-01 00:00:00' + to_seconds(%s * 2), '%%Y-%%m-%%d %%H:%%M:%%S')"):format(r(15, s))
  local main = row("CAST(i AS VARCHAR)", ("CAST(%s AS VARCHAR)"):format(resident),
    ("CASE WHEN i %% 251 = 0 THEN '2024-13-45 10:00:00' WHEN i %% 37 = 0 THEN replace(%s, ' ', 'T') ELSE %s END"):format(at, at),
    ("CASE WHEN i %% 307 = 0 THEN '12,50' WHEN i %% 311 = 0 THEN 'n/a' WHEN i %% 131 = 0 THEN NULL WHEN i %% 41 = 0 THEN ' ' || %s || ' ' ELSE %s END"):format(cents, cents),
    updated)
  local older = row("CAST(i AS VARCHAR)", ("CAST(%s AS VARCHAR)"):format(resident), at, "'1'", "'2025-06-30 12:00:00'", " WHERE i % 40 = 0")
  local blank = row("NULL", "'1'", at, cents, updated, " WHERE i % 503 = 0")
  return ("%s SELECT * EXCLUDE (i) FROM (%s UNION ALL %s UNION ALL %s)"):format(COMMON, main, older, blank)
end

local function check(options)
  for _, name in ipairs { "residents", "visits", "seed" } do
    local n = math.tointeger(options[name])
    if not n or n < 0 or (n < 1 and name ~= "seed") then
      return nil, errors.new("BadParam", ("%s must be a whole number of at least %d"):format(name, name == "seed" and 0 or 1))
    end
  end
  return true
end

--- Writes dbo_resident.csv and dbo_visit.csv.
---@param con table       connection of the engine: exec(sql) -> rows | nil, err
---@param options table   {out, residents?, visits?, seed?}
---@return table|nil counts {residents, visits}   rows written, duplicates and rows without key included
---@return Error?
function M.generate(con, options)
  local o = { out = options.out }
  for name, default in pairs(M.DEFAULTS) do o[name] = options[name] or default end
  local ok, err = check(o)
  if not ok then return nil, err end
  local made, message, code = files.mkdir(o.out)
  if not made then return nil, errors.from(message, code, "sample folder") end
  local counts = {}
  for _, part in ipairs { { "residents", "dbo_resident", residents_sql(o) }, { "visits", "dbo_visit", visits_sql(o) } } do
    local final = o.out .. "/" .. part[2] .. ".csv"
    local fresh = final .. ".part"
    local rows, problem = con:exec(("COPY (%s) TO '%s' (FORMAT csv, HEADER true)"):format(part[3], (fresh:gsub("'", "''"))))
    if not rows then return nil, errors.is(problem) and problem or errors.new("ExternalServiceError", "sample: " .. tostring(problem)) end
    made, message, code = files.rename(fresh, final)
    if not made then return nil, errors.from(message, code, "sample") end
    counts[part[1]] = rows
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
