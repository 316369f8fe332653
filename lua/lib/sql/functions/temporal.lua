-- Functions on dates, times and intervals.

local code = require("lib.sql.translate.code")
local formats = require("lib.sql.functions.date_formats")
local macros = require("lib.sql.macros")
local registry = require("lib.sql.functions.registry")
local types = require("lib.sql.types")

local new = code.new

macros.add {
  { "from_unixtime(x)", "make_timestamp(CAST(round(x * 1000) AS BIGINT) * 1000)" },
  { "date_of_text(s)", "CAST(s AS DATE)" },
}

-- A moment as the engine's local timestamp, date or time.
local function local_value(self, piece)
  return self:local_timestamp(piece)
end

-- year(x), month(x), ... : `template` reads from a local value
local function part(name, letters, template)
  local entry = { name, letters, "bigint", function(self, args)
    return code.fill("CAST(" .. template .. " AS BIGINT)", { local_value(self, args[1]) })
  end }
  return entry
end

local date_parts = {
  year = "year($1)", quarter = "quarter($1)", month = "month($1)", week = "week($1)", day = "day($1)", day_of_week = "isodow($1)",
  day_of_year = "dayofyear($1)", year_of_week = "isoyear($1)",
}
local time_parts = {
  hour = "hour($1)", minute = "minute($1)", second = "second($1)", millisecond = "millisecond($1) % 1000",
}
local others = { dow = "day_of_week", doy = "day_of_year", yow = "year_of_week", week_of_year = "week", day_of_month = "day" }

for name, template in pairs(date_parts) do registry.scalars { part(name, "d", template) } end
for name, template in pairs(time_parts) do registry.scalars { part(name, "u", template) } end
registry.alias("scalar", others)

-- parts of intervals
for name, template in pairs {
  day = "epoch_ms($1) // 86400000", hour = "(epoch_ms($1) // 3600000) % 24", minute = "(epoch_ms($1) // 60000) % 60",
  second = "(epoch_ms($1) // 1000) % 60", millisecond = "epoch_ms($1) % 1000", year = "trino.months_of($1) // 12",
  month = "trino.months_of($1) % 12",
} do registry.scalars { { name, "v", "bigint", "CAST(" .. template .. " AS BIGINT)" } } end

for _, names in ipairs { date_parts, time_parts, others } do
  for name in pairs(names) do registry.scalar[name].is_date_part = true end
end

local function offset_part(template)
  return function(self, args, node)
    local t = args[1].type
    if t.name ~= "timestamp with time zone" then self:mismatch(node.pos, "a timestamp with time zone is expected") end
    local shift = new(nil, nil, "CAST(epoch(", self:local_timestamp(args[1]), " - (", args[1], " AT TIME ZONE 'UTC')) AS BIGINT)")
    return code.fill(template, { shift })
  end
end
registry.scalars {
  { "timezone_hour", "d", "bigint", offset_part("($1 // 3600)") },
  { "timezone_minute", "d", "bigint", offset_part("(($1 // 60) % 60)") },
}
registry.scalar.timezone_hour.is_date_part, registry.scalar.timezone_minute.is_date_part = true, true

-- Units --------------------------------------------------------------------------------------------------------------

local units = { millisecond = 1, second = 2, minute = 3, hour = 4, day = 5, week = 6, month = 7, quarter = 8, year = 9 }
local date_units = { day = true, week = true, month = true, quarter = true, year = true }
local unit_intervals = {
  millisecond = "to_milliseconds($1)", second = "to_seconds($1)", minute = "to_minutes($1)", hour = "to_hours($1)",
    day = "to_days(CAST($1 AS INTEGER))",
  week = "to_days(CAST(7 * $1 AS INTEGER))", month = "to_months(CAST($1 AS INTEGER))", quarter = "to_months(CAST(3 * $1 AS INTEGER))",
  year = "to_years(CAST($1 AS INTEGER))",
}

local function unit_of(self, node, t)
  local argument = node.args[1]
  if argument.kind ~= "string" then self:unsupported(argument.pos, "a unit that is not a text literal") end
  local unit = argument.value:lower()
  local fits = units[unit] and (t.name ~= "date" or date_units[unit]) and (not t.name:find("^time%f[%z ]") or not date_units[unit])
  if not fits then
    self:fault(argument.pos, "INVALID_FUNCTION_ARGUMENT", ("'%s' is not a valid %s field"):format(argument.value, t.name))
  end
  return unit
end

-- A result of the engine back in the type of the argument.
local function back(piece, t, pos)
  if t.name == "date" then return new(pos, t, "CAST(", piece, " AS DATE)") end
  if t.name == "time" then return new(pos, t, "CAST(", piece, " AS TIME)") end
  return new(pos, t, piece)
end

-- A local timestamp back to an instant when the argument was one.
local function back_to_zone(self, piece, t, pos)
  if t.name ~= "timestamp with time zone" then return back(piece, t, pos) end
  return new(pos, t, table.unpack(self.instant(piece, t.zone or "UTC")))
end

local function date_trunc(self, args, node)
  local t = args[2].type
  local unit = unit_of(self, node, t)
  local value = self:local_timestamp(args[2])
  if t.name == "time" then
    return back(code.fill(("date_trunc('%s', DATE '2000-01-01' + $1)"):format(unit), { value }), t, node.pos)
  end
  return back_to_zone(self, code.fill(("date_trunc('%s', $1)"):format(unit), { value }), t, node.pos)
end

local function date_add(self, args, node)
  local t = args[3].type
  local unit = unit_of(self, node, t)
  local value = date_units[unit] and self:local_timestamp(args[3]) or args[3]
  local sum = new(nil, nil, "(", value, " + ", code.fill(unit_intervals[unit], { args[2] }), ")")
  if not date_units[unit] then return back(sum, t, node.pos) end
  return back_to_zone(self, sum, t, node.pos)
end

-- Whole units between two moments.
local function date_diff(self, args, node)
  local t = types.common(args[2].type, args[3].type)
  if not t then self:mismatch(node.pos, "date_diff needs two values of one type") end
  local unit = unit_of(self, node, t)
  local a, b = self:local_timestamp(self:coerce(args[2], t)), self:local_timestamp(self:coerce(args[3], t))
  if t.name == "time" then
    a, b = new(nil, nil, "(DATE '2000-01-01' + ", a, ")"), new(nil, nil, "(DATE '2000-01-01' + ", b, ")")
  end
  if unit == "day" and t.name == "date" then return new(node.pos, types.bigint, "CAST((", b, " - ", a, ") AS BIGINT)") end
  return code.fill(("date_sub('%s', $1, $2)"):format(unit), { a, b })
end

local function to_date(self, args, node) return self:cast(args[1], types.date, node.pos, self.in_try) end

-- Text <-> moment in MySQL's and Joda's formats --------------------------------------------------------------------------

local function literal_format(self, node, index, convert)
  local argument = node.args[index]
  if argument.kind ~= "string" then return nil end
  local format, problem = convert(argument.value)
  if not format then self:unsupported(argument.pos, problem) end
  return format
end

local function as_timestamp(self, piece)
  if piece.type.name == "date" or piece.type.name == "any" then return new(piece.pos, types.timestamp(3), "CAST(", piece,
    " AS TIMESTAMP)") end
  return self:local_timestamp(piece)
end

-- A format of several parts: plain strftime texts and expressions on $1.
local function formatted(value, parts)
  local pieces = {}
  for i, p in ipairs(parts) do
    pieces[i] = p.sql and code.fill(p.sql, { value }) or new(nil, nil, "strftime(", value, ", ", code.quote_text(p.format), ")")
  end
  if #pieces == 0 then return new(nil, nil, "CASE WHEN ", value, " IS NOT NULL THEN '' END") end
  return new(nil, nil, "(", code.join(pieces, " || "), ")")
end

local function date_format(self, args, node)
  local parts = literal_format(self, node, 2, formats.mysql_output)
  if not parts then return code.fill("trino_date_format($1, $2)", { as_timestamp(self, args[1]), args[2] }) end
  return formatted(as_timestamp(self, args[1]), parts)
end

local function format_datetime(self, args, node)
  local parts = literal_format(self, node, 2, function(text) return formats.joda_output(text, args[1].type.zone) end)
  if not parts then return code.fill("trino_format_datetime($1, $2)", { as_timestamp(self, args[1]), args[2] }) end
  return formatted(as_timestamp(self, args[1]), parts)
end

local function parsed(self, text, format)
  return new(nil, nil, self.in_try and "try_strptime(" or "strptime(", text, ", ", code.quote_text(format), ")")
end

local function date_parse(self, args, node)
  local format = literal_format(self, node, 2, formats.mysql_input)
  if not format then return code.fill("trino_date_parse($1, $2)", args) end
  return parsed(self, args[1], format)
end

local function parse_datetime(self, args, node)
  local has_zone = false
  local format = literal_format(self, node, 2, function(text)
    local converted, problem = formats.joda_input(text)
    has_zone = converted and converted:find("%%[zZ]") ~= nil
    return converted, problem
  end)
  if not format then return code.fill("trino_parse_datetime($1, $2)", args) end
  local moment = parsed(self, args[1], format)
  return has_zone and moment or new(nil, nil, "(", moment, " AT TIME ZONE 'UTC')")
end

local utc_3 = types.timestamp_tz(3, "UTC")
local function always(t) return function() return t end end

local function from_unixtime(self, args, node)
  local local_sql = code.fill("trino.from_unixtime(CAST($1 AS DOUBLE))", { args[1] })
  if #args == 1 then return new(node.pos, utc_3, "(", local_sql, " AT TIME ZONE 'UTC')") end
  if node.args[2].kind ~= "string" then self:unsupported(node.args[2].pos, "a time zone that is not a text literal") end
  return self:at_zone(new(node.pos, utc_3, "(", local_sql, " AT TIME ZONE 'UTC')"), node.args[2].value, node.pos)
end

local function zone_shift(keep_local)
  return function(self, args, node)
    if node.args[2].kind ~= "string" then self:unsupported(node.args[2].pos, "a time zone that is not a text literal") end
    local zone = node.args[2].value
    if keep_local and args[1].type.name == "timestamp" then
      local name = self.zone_name(zone) or self:fault(node.pos, "INVALID_FUNCTION_ARGUMENT", ("'%s' is not a valid time zone"):format(zone))
      return new(node.pos, types.timestamp_tz(args[1].type.precision, name), table.unpack(self.instant(args[1], name)))
    end
    return self:at_zone(args[1], zone, node.pos)
  end
end

local function to_iso8601(self, args)
  local t = args[1].type
  if t.name == "date" then return code.fill("CAST($1 AS VARCHAR)", args) end
  local zone = ""
  if t.name == "timestamp with time zone" then
    zone = (t.zone == nil or t.zone == "UTC") and " || 'Z'" or t.zone:find("^[+-]") and " || '" .. t.zone .. "'" or nil
    if not zone then self:unsupported(args[1].pos, "to_iso8601 in the zone " .. t.zone) end
  end
  return new(nil, nil, "(replace(", self:cast(self:local_timestamp(args[1]), types.varchar), ", ' ', 'T')", zone, ")")
end

registry.scalars {
  { "date", "x", "date", to_date },
  { "date_trunc", "su", "=2", date_trunc },
  { "date_add", "siu", "=3", date_add },
  { "date_diff", "suu", "bigint", date_diff },
  { "date_format", "ds", "varchar", date_format },
  { "date_parse", "ss", "timestamp(3)", date_parse },
  { "format_datetime", "ds", "varchar", format_datetime },
  { "parse_datetime", "ss", always(utc_3), parse_datetime },
  { "from_unixtime", "ns?", always(utc_3), from_unixtime },
  { "from_unixtime_nanos", "i", always(types.timestamp_tz(9, "UTC")), "(make_timestamp($1 // 1000) AT TIME ZONE 'UTC')" },
  { "to_unixtime", "d", "double", function(self, args)
    return code.fill("(epoch_us($1) / 1000000.0e0)", { args[1].type.name == "date" and as_timestamp(self, args[1]) or args[1] })
  end },
  { "at_timezone", "ds", "=1", zone_shift(false) },
  { "with_timezone", "ds", "=1", zone_shift(true) },
  { "current_timezone", "", "varchar", "'UTC'" },
  { "now", "", always(utc_3), "(trino.now() AT TIME ZONE 'UTC')" },
  { "last_day_of_month", "d", "date", function(self, args) return code.fill("last_day($1)", { self:local_timestamp(args[1]) }) end },
  { "to_milliseconds", "v", "bigint", "CAST(epoch_ms($1) AS BIGINT)" },
  { "to_iso8601", "d", "varchar", to_iso8601 },
  { "from_iso8601_date", "s", "date", "CAST($1 AS DATE)", try = "TRY_CAST($1 AS DATE)" },
  { "from_iso8601_timestamp", "s", always(utc_3), "CAST($1 AS TIMESTAMPTZ)", try = "TRY_CAST($1 AS TIMESTAMPTZ)" },
}
