-- What the engine must be told once: the dialect's helpers as macros in the schema `trino`. Users cannot name them;
-- only translated statements do.

local M = {}

local divide_rounded = "CASE WHEN (n < 0) = (d < 0) THEN (2 * abs(n) + abs(d)) // (2 * abs(d)) ELSE -((2 * abs(n) + abs(d)) // (2 * "
  .. "abs(d))) END"

-- name(parameters) -> body
local list = {
  { "now()", "date_trunc('millisecond', current_timestamp AT TIME ZONE 'UTC')" },

  -- numbers
  { "divide(a, b)", "CASE WHEN b = 0 THEN error('Division by zero') ELSE a // b END" },
  { "modulo(a, b)", "CASE WHEN b = 0 THEN error('Division by zero') ELSE a % b END" },
  -- the engine gives NULL for x / 0.0 when its integer division is on
  { "float_divide(a, b)", "CASE WHEN b = 0 THEN a * CAST('Infinity' AS FLOAT) ELSE a / b END" },
  { "divide_rounded(n, d)", "CASE WHEN d = 0 THEN error('Division by zero') ELSE " .. divide_rounded .. " END" },
  { "divide_rounded_or_null(n, d)", "CASE WHEN d = 0 THEN NULL ELSE " .. divide_rounded .. " END" },
  -- 12.5 -> 1.25E1: the engine's shortest digits in Java's scientific notation
  { "shortest(x)", "CAST(abs(x) AS VARCHAR)" },
  { "digits(m)", "ltrim(replace(m, '.', ''), '0')" },
  { "point(m)", "CASE WHEN contains(m, '.') THEN strpos(m, '.') - 1 ELSE length(m) END" },
  { "scientific(m, e)", "CASE WHEN trino.digits(m) = '' THEN '0.0E0' ELSE left(trino.digits(m), 1) || '.' || CASE WHEN "
    .. "rtrim(substr(trino.digits(m), 2), '0') = '' THEN '0' ELSE rtrim(substr(trino.digits(m), 2), '0') END || 'E' || CAST(e + "
    .. "trino.point(m) - 1 - (length(replace(m, '.', '')) - length(trino.digits(m))) AS VARCHAR) END" },
  { "double_text(x)", "CASE WHEN isnan(x) THEN 'NaN' WHEN isinf(x) THEN CASE WHEN x < 0 THEN '-Infinity' ELSE 'Infinity' END "
    .. "WHEN x IS NULL THEN NULL ELSE CASE WHEN signbit(x) THEN '-' ELSE '' END || trino.scientific(split_part(trino.shortest(x), 'e', 1), "
    .. "coalesce(TRY_CAST(nullif(split_part(trino.shortest(x), 'e', 2), '') AS INTEGER), 0)) END" },

  -- text
  { "fit(s, n)", "CASE WHEN length(s) > n THEN error('Value ' || s || ' cannot be represented as varchar(' || n || ')') ELSE s END" },
  { "fit_or_null(s, n)", "CASE WHEN length(s) > n THEN NULL ELSE s END" },
  { "day_interval_text(i)", "(CASE WHEN epoch(i) < 0 THEN '-' ELSE '' END || CAST(CAST(abs(epoch_ms(i)) // 86400000 AS BIGINT) AS "
    .. "VARCHAR) || "
    .. "strftime(make_timestamp(CAST(abs(epoch_ms(i)) % 86400000 AS BIGINT) * 1000), ' %H:%M:%S.%g'))" },
  { "months_of(i)", "CAST(date_part('year', i) * 12 + date_part('month', i) AS BIGINT)" },
  { "year_interval_text(i)", "(CASE WHEN trino.months_of(i) < 0 THEN '-' ELSE '' END || CAST(abs(trino.months_of(i)) // 12 AS "
    .. "VARCHAR) || '-' || "
    .. "CAST(abs(trino.months_of(i)) % 12 AS VARCHAR))" },

  -- collections
  { "subscript(a, i)", "CASE WHEN i = 0 THEN error('SQL array indices start at 1') WHEN i < 0 THEN error('Array subscript is "
    .. "negative: ' || i) "
    .. "WHEN i > len(a) THEN error('Array subscript must be less than or equal to array length: ' || i || ' > ' || len(a)) "
    .. "ELSE list_extract(a, i) END" },
  { "map_subscript(m, k)", "CASE WHEN m IS NULL THEN NULL WHEN NOT map_contains(m, k) THEN error('Key not present in map: ' || "
    .. "CAST(k AS VARCHAR)) "
    .. "ELSE m[k] END" },
}

-- Texts that CAST takes in Trino. The engine takes more ('1.5' as integer, '2020/01/01' as date), so they are checked.
local day = [[\s*[+-]?\d{4,}-\d{1,2}-\d{1,2}]]
local clock = [[\d{1,2}:\d{1,2}(:\d{1,2}(\.\d+)?)?]]
local forms = {
  whole = [[\s*[+-]?\d+\s*]],
  float = [[\s*[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|Infinity|NaN)\s*]],
  date = day .. [[\s*]],
  timestamp = day .. "( " .. clock .. [[)?\s*]],
  timestamp_tz = day .. "( " .. clock .. [[)?\s*([+-]\d{1,2}:?\d{0,2}|[A-Za-z][A-Za-z0-9_/+-]*)?\s*]],
  time = [[\s*]] .. clock .. [[\s*]],
  boolean = [[(?i)\s*(true|false|t|f|1|0)\s*]],
}

for name, pattern in pairs(forms) do
  local test = ("regexp_full_match(s, '%s')"):format(pattern)
  -- the usual spelling costs no regular expression
  if name == "timestamp" then test = "(s LIKE '____-__-__ __:__:__' OR " .. test .. ")" end
  list[#list + 1] = { name .. "_form(s, t)",
    ("CASE WHEN s IS NULL OR %s THEN s ELSE error('Cannot cast ''' || s || ''' to ' || t) END"):format(test) }
  list[#list + 1] = { name .. "_form_or_null(s)", ("CASE WHEN %s THEN s END"):format(test) }
end

-- Adds macros of other files (functions/) to the list.
function M.add(more)
  for _, macro in ipairs(more) do list[#list + 1] = macro end
end

local copies_of = {}

local function parameters_of(heading)
  local found = {}
  for name in (heading:match("%((.*)%)") or ""):gmatch("[%a_][%w_]*") do found[name] = 0 end
  return found
end

local function count_copies(macro)
  local counts, inner = parameters_of(macro[1]), 1
  for word in macro[2]:gmatch("[%a_][%w_]*") do
    if counts[word] then counts[word] = counts[word] + 1 end
  end
  for name in macro[2]:gmatch("trino%.([%w_]+)%(") do inner = math.max(inner, M.copies(name)) end
  local most = 1
  for _, count in pairs(counts) do most = math.max(most, count) end
  return most * inner
end

-- How often the engine writes an argument out when it replaces the macro by its body: at least 1, never too few.
---@param name string
---@return integer
function M.copies(name)
  if not copies_of[name] then
    copies_of[name] = 1
    for _, macro in ipairs(list) do
      if macro[1]:match("^[%w_]+") == name then copies_of[name] = count_copies(macro) end
    end
  end
  return copies_of[name]
end

-- Statements for a fresh engine, in order.
---@return string[]
function M.statements()
  local statements = { "CREATE SCHEMA IF NOT EXISTS trino" }
  for _, macro in ipairs(list) do
    statements[#statements + 1] = ("CREATE OR REPLACE MACRO trino.%s AS %s"):format(macro[1], macro[2])
  end
  return statements
end

return M
