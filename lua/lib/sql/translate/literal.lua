-- Typed literals and what stands for the moment: DATE '...', TIMESTAMP '... zone', INTERVAL, CURRENT_DATE, AT TIME ZONE.

local Translator = require("lib.sql.translate.translator")
local code = require("lib.sql.translate.code")
local types = require("lib.sql.types")
local type_parser = require("lib.sql.parse.type")

local new = code.new
local rules = Translator.expression_rules

local month_days = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function is_date(year, month, day)
  if month < 1 or month > 12 or day < 1 then return false end
  local leap = month == 2 and year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
  return day <= month_days[month] + (leap and 1 or 0)
end

local function invalid(self, node, name)
  self:fault(node.pos, "INVALID_LITERAL", ("'%s' is not a valid %s literal"):format(node.value, name))
end

-- "y-m-d" of a text as three numbers
local function date_parts(text)
  local year, month, day = text:match("^%s*([+-]?%d%d?%d?%d?%d?%d?)%-(%d%d?)%-(%d%d?)$")
  if not year then return nil end
  year, month, day = tonumber(year), tonumber(month), tonumber(day)
  return is_date(year, month, day) and ("%04d-%02d-%02d"):format(year, month, day) or nil
end

-- "h:m[:s[.f]]" -> normalised text, digits of the fraction
local function time_parts(text)
  local hour, minute, rest = text:match("^(%d%d?):(%d%d?)(.*)$")
  if not hour then return nil end
  local second, fraction = rest:match("^:(%d%d?)%.?(%d*)$")
  if rest ~= "" and not second then return nil end
  second, fraction = second or "0", fraction or ""
  if tonumber(hour) > 23 or tonumber(minute) > 59 or tonumber(second) > 59 then return nil end
  local shown = ("%02d:%02d:%02d"):format(tonumber(hour), tonumber(minute), tonumber(second))
  return fraction == "" and shown or shown .. "." .. fraction, #fraction
end

-- "+07:00", "UTC", "America/New_York" -> the name the engine takes, or nil
local function zone_name(text)
  local sign, hours, minutes = text:match("^([+-])(%d%d?):?(%d?%d?)$")
  if sign then
    if minutes == "" then minutes = "00" end
    return tonumber(hours) <= 14 and tonumber(minutes) < 60 and ("%s%02d:%02d"):format(sign, tonumber(hours), tonumber(minutes)) or nil
  end
  if text:find("^[%a][%w_/+-]*$") then
    if text == "Z" or text:upper() == "UTC" then return "UTC" end
    return text
  end
  return nil
end
Translator.zone_name = zone_name

-- Minutes east of UTC for "+07:30", else nil.
local function offset_minutes(zone)
  local sign, hours, minutes = zone:match("^([+-])(%d%d):(%d%d)$")
  if not sign then return nil end
  return (sign == "-" and -1 or 1) * (tonumber(hours) * 60 + tonumber(minutes))
end

-- A local timestamp in a named zone, as an instant.
local function instant(local_sql, zone)
  local minutes = offset_minutes(zone)
  if minutes then return { "((", local_sql, (" - to_minutes(%d)) AT TIME ZONE 'UTC')"):format(minutes) } end
  return { "(", local_sql, " AT TIME ZONE ", code.quote_text(zone), ")" }
end
Translator.instant = instant

-- A timestamp with time zone as the local time of its zone.
function Translator:local_timestamp(piece) -- luacheck: no self
  if piece.type.name ~= "timestamp with time zone" then return piece end
  local zone = piece.type.zone or "UTC"
  local minutes = offset_minutes(zone)
  local t = types.timestamp(piece.type.precision)
  if minutes then return new(piece.pos, t, "((", piece, (" AT TIME ZONE 'UTC') + to_minutes(%d))"):format(minutes)) end
  return new(piece.pos, t, "(", piece, " AT TIME ZONE ", code.quote_text(zone), ")")
end

local typed = {}

function typed.date(self, node)
  local text = date_parts(node.value) or invalid(self, node, "DATE")
  return new(node.pos, types.date, "DATE '" .. text .. "'")
end

function typed.timestamp(self, node)
  local day, rest = node.value:match("^%s*(%S+)%s*(.-)%s*$")
  local date = day and date_parts(day) or invalid(self, node, "TIMESTAMP")
  local clock, zone = rest:match("^([%d:.]+)%s*(.*)$")
  if not clock then clock, zone = "", rest end
  local shown, digits = "00:00:00", 0
  if clock ~= "" then
    shown, digits = time_parts(clock)
    if not shown then invalid(self, node, "TIMESTAMP") end
  end
  if digits > 9 then self:unsupported(node.pos, "a timestamp with more than 9 digits of fraction") end
  local sql = (digits > 6 and "TIMESTAMP_NS '%s %s'" or "TIMESTAMP '%s %s'"):format(date, shown)
  if zone == "" then return new(node.pos, types.timestamp(digits), sql) end
  local name = zone_name(zone) or invalid(self, node, "TIMESTAMP")
  local t = types.timestamp_tz(digits, name)
  return new(node.pos, t, table.unpack(instant(sql, name)))
end

function typed.time(self, node)
  local clock, zone = node.value:match("^%s*([%d:.]+)%s*(.-)%s*$")
  local shown, digits = time_parts(clock or "")
  if not shown then invalid(self, node, "TIME") end
  if zone ~= "" then
    if not offset_minutes(zone_name(zone) or "") then invalid(self, node, "TIME") end
    return new(node.pos, types.time_tz(digits), ("CAST('%s%s' AS TIMETZ)"):format(shown, zone_name(zone)))
  end
  return new(node.pos, types.time(digits), "TIME '" .. shown .. "'")
end

function typed.decimal(self, node)
  local sign, whole, fraction = node.value:match("^%s*([+-]?)(%d*)%.?(%d*)%s*$")
  if not whole or whole .. fraction == "" then invalid(self, node, "DECIMAL") end
  whole = whole:gsub("^0+", "")
  local precision = math.max(1, #whole + #fraction)
  if precision > 38 then invalid(self, node, "DECIMAL") end
  local t = types.decimal(precision, #fraction)
  return new(node.pos, t, ("CAST('%s%s.%s' AS %s)"):format(sign, whole == "" and "0" or whole, fraction, types.engine(t)))
end
typed.numeric = typed.decimal

function typed.json(_, node)
  return new(node.pos, types.json, "CAST(", code.quote_text(node.value), " AS JSON)")
end

function typed.char(self, node)
  local piece = self:literal_text(node.pos, node.value)
  piece.type = types.char(piece.type.length)
  return piece
end

function typed.varchar(self, node) return self:literal_text(node.pos, node.value) end

function rules.typed_literal(self, node)
  local name = node.type_name
  if typed[name] then return typed[name](self, node) end
  local t = type_parser.parse(name)
  if not t or t.name == "row" or t.name == "unknown" or t.name == "hyperloglog" then
    self:fault(node.pos, "INVALID_LITERAL", ("Unknown type: %s"):format(name))
  end
  return self:cast(self:literal_text(node.pos, node.value), t, node.pos)
end

-- INTERVAL '1 02:03:04.5' DAY TO SECOND: every unit in months or milliseconds -------------------------------------------

local unit_months = { year = 12, month = 1 }
local unit_ms = { day = 86400000, hour = 3600000, minute = 60000, second = 1000 }
local unit_order = { "year", "month", "day", "hour", "minute", "second" }
local unit_index = {}
for i, name in ipairs(unit_order) do unit_index[name] = i end

local MAX_INTERVAL_MS <const> = math.maxinteger // 1000 -- the engine counts microseconds

function rules.interval(self, node)
  local from, to = node.from, node.to or node.from
  local text, sign = node.value, node.sign
  if text:sub(1, 1) == "-" then sign, text = -sign, text:sub(2) elseif text:sub(1, 1) == "+" then text = text:sub(2) end
  local numbers = {}
  for number in text:gmatch("[%d.]+") do numbers[#numbers + 1] = tonumber(number) or invalid(self, node, "INTERVAL") end
  local count = unit_index[to] - unit_index[from] + 1
  if count < 1 or #numbers ~= count or text:find("[^%d%.:%- ]") then invalid(self, node, "INTERVAL") end
  local months, ms = 0, 0
  for i, number in ipairs(numbers) do
    local unit = unit_order[unit_index[from] + i - 1]
    if unit_months[unit] then months = months + number * unit_months[unit] else ms = ms + number * unit_ms[unit] end
  end
  if unit_months[from] then
    if not unit_months[to] then invalid(self, node, "INTERVAL") end
    months = math.tointeger(months)
    if not months or months > 0x7FFFFFFF then invalid(self, node, "INTERVAL") end
    return new(node.pos, types.interval_year, ("to_months(%d)"):format(sign * months))
  end
  ms = math.tointeger(ms // 1)
  if not ms or ms > MAX_INTERVAL_MS then invalid(self, node, "INTERVAL") end
  if ms % unit_ms.day == 0 then return new(node.pos, types.interval_day, ("to_days(%d)"):format(sign * (ms // unit_ms.day))) end
  local piece = new(node.pos, types.interval_day, ("to_milliseconds(%d)"):format(sign * ms))
  piece.has_time = true
  return piece
end

-- The moment and the session ---------------------------------------------------------------------------------------

function rules.current(self, node)
  local name = node.name
  if name == "current_date" then return new(node.pos, types.date, "CAST(trino.now() AS DATE)") end
  local precision = node.precision or 3
  if name == "current_timestamp" then
    return new(node.pos, types.timestamp_tz(precision, "UTC"), "(trino.now() AT TIME ZONE 'UTC')")
  end
  if name == "localtimestamp" then return new(node.pos, types.timestamp(precision), "trino.now()") end
  if name == "localtime" then return new(node.pos, types.time(precision), "CAST(trino.now() AS TIME)") end
  if name == "current_user" then return self:literal_text(node.pos, self.ctx.user or "sewing") end
  if name == "current_schema" then return self:literal_text(node.pos, self.ctx.database or "default") end
  if name == "current_catalog" then return self:literal_text(node.pos, "awsdatacatalog") end
  self:unsupported(node.pos, name:upper())
end

function rules.at_time_zone(self, node, scope)
  local piece = self:expr(node.operand, scope)
  if node.zone.kind ~= "string" then
    if node.zone.kind == "interval" then
      local interval = node.zone
      if interval.from == "hour" and not interval.to and tonumber(interval.value) then
        return self:at_zone(piece, ("%s%02d:00"):format((interval.sign < 0 or interval.value:find("^-")) and "-" or "+",
          math.abs(tonumber(interval.value))), node.pos)
      end
    end
    self:unsupported(node.pos, "AT TIME ZONE with anything but a text literal")
  end
  return self:at_zone(piece, node.zone.value, node.pos)
end

-- The same instant, shown in another zone.
function Translator:at_zone(piece, zone, pos)
  local name = zone_name(zone) or self:fault(pos, "INVALID_FUNCTION_ARGUMENT", ("'%s' is not a valid time zone"):format(zone))
  if piece.type.name == "timestamp" then
    piece = new(pos, types.timestamp_tz(piece.type.precision), "(", piece, " AT TIME ZONE 'UTC')")
  elseif piece.type.name ~= "timestamp with time zone" then
    self:mismatch(pos, ("Type of value must be a time or timestamp with or without time zone (actual %s)"):format(types.text(piece.type)))
  end
  return new(pos, types.timestamp_tz(piece.type.precision, name), piece)
end

return Translator
