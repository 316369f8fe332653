-- Times as AWS writes them: epoch seconds, ISO 8601 ("date-time") and the date of HTTP headers.
--
-- A time is a number: seconds since 1970 in UTC, an integer when whole. Where a double is too coarse for microseconds (the
-- far past and future) `parse_parts` and `format_parts` keep whole seconds and nanoseconds apart.
local M = {}

local floor, tointeger = math.floor, math.tointeger
local parse_iso = require("sm.time").parse_iso

---@alias aws.TimestampFormat "unixtimestamp"|"iso8601"|"rfc822"

-- The names that models and Smithy use, in lower case.
local FORMATS <const> = {
  unixtimestamp = "unixtimestamp", ["epoch-seconds"] = "unixtimestamp", iso8601 = "iso8601", ["date-time"] = "iso8601",
  rfc822 = "rfc822", ["http-date"] = "rfc822",
}
local DAYS <const> = { [0] = "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }
local MONTHS <const> = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }
local MONTH_NUMBER <const> = {}
for number, name in ipairs(MONTHS) do MONTH_NUMBER[name:lower()] = number end

local MIN_SECONDS <const>, MAX_SECONDS <const> = -62135596800, 253402300799 -- the years 1 to 9999

-- Proleptic Gregorian calendar, counted in eras of 400 years that begin on 1 March.
local function days_from_civil(year, month, day)
  if month <= 2 then year = year - 1 end
  local era = year // 400
  local year_of_era = year - era * 400
  local day_of_year = (153 * (month + (month > 2 and -3 or 9)) + 2) // 5 + day - 1
  return era * 146097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719468
end

local function civil_from_days(days)
  days = days + 719468
  local era = days // 146097
  local day_of_era = days - era * 146097
  local year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
  local day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
  local shifted = (5 * day_of_year + 2) // 153
  local month = shifted + (shifted < 10 and 3 or -9)
  return year_of_era + era * 400 + (month <= 2 and 1 or 0), month, day_of_year - (153 * shifted + 2) // 5 + 1
end

local MONTH_DAYS <const> = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }
local function days_in(year, month)
  local leap = month == 2 and year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
  return MONTH_DAYS[month] + (leap and 1 or 0)
end

-- ".000234": up to microseconds, cut; no trailing zeros.
local function fraction_text(nanos)
  local micros = nanos // 1000
  if micros == 0 then return "" end
  return "." .. (("%06d"):format(micros):gsub("0+$", ""))
end

local function clock(seconds)
  local days = seconds // 86400
  local rest = seconds - days * 86400
  return days, rest // 3600, rest // 60 % 60, rest % 60
end

local WRITERS <const> = {
  unixtimestamp = function(seconds, nanos) return ("%d"):format(seconds) .. fraction_text(nanos) end,
  iso8601 = function(seconds, nanos)
    local days, hour, minute, second = clock(seconds)
    local year, month, day = civil_from_days(days)
    return ("%04d-%02d-%02dT%02d:%02d:%02d%sZ"):format(year, month, day, hour, minute, second, fraction_text(nanos))
  end,
  rfc822 = function(seconds)
    local days, hour, minute, second = clock(seconds)
    local year, month, day = civil_from_days(days)
    return ("%s, %02d %s %04d %02d:%02d:%02d GMT"):format(DAYS[(days + 4) % 7], day, MONTHS[month], year, hour, minute, second)
  end,
}

---@param name string  as models and Smithy write it, in any case
---@return aws.TimestampFormat?
function M.format_name(name) return FORMATS[name:lower()] end

-- Epoch seconds are written as they stand: seconds, then the digits of nanos; the other formats know the years 1 to 9999.
---@param seconds integer
---@param nanos integer  0 to 999999999
---@param format string
---@return string? text
---@return string? message
function M.format_parts(seconds, nanos, format)
  local kind = M.format_name(format)
  if not kind then return nil, "unknown time format '" .. format .. "'" end
  if kind ~= "unixtimestamp" and (seconds < MIN_SECONDS or seconds > MAX_SECONDS) then
    return nil, "a time outside the years 1 to 9999"
  end
  return WRITERS[kind](seconds, nanos)
end

-- Whole seconds (rounded down) and nanoseconds of a number, exact to the microsecond.
local function split(value)
  local whole = tointeger(value)
  if whole then return whole, 0 end
  local seconds = floor(value)
  local micros = floor((value - seconds) * 1e6 + 0.5)
  if micros >= 1000000 then seconds, micros = seconds + 1, 0 end
  return seconds, tointeger(micros) * 1000
end

local function join(seconds, nanos)
  if nanos == 0 then return seconds end
  -- Rounded once: the sum as a whole number of microseconds fits a double for every year near ours.
  return (seconds * 1000000 + nanos // 1000) / 1e6
end

-- Seconds of the clock of parts that may be out of range.
local function assemble(year, month, day, hour, minute, second, zone)
  if month < 1 or month > 12 or day < 1 or day > days_in(year, month) then return nil end
  if hour > 23 or minute > 59 or second > 60 then return nil end
  return days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone
end

local function nanos_of(digits)
  if digits == "" then return 0 end
  return tointeger(tonumber((digits .. "000000000"):sub(1, 9)))
end

-- "Z", "", "+01:00", "-0130", "+02": seconds east of UTC.
local function zone_of(text)
  if text == "" or text == "Z" or text == "z" then return 0 end
  local sign, hour, minute = text:match "^([+-])(%d%d):?(%d*)$"
  if not sign or #minute ~= 0 and #minute ~= 2 then return nil end
  local seconds = tointeger(tonumber(hour)) * 3600 + (tointeger(tonumber(minute)) or 0) * 60
  return sign == "-" and -seconds or seconds
end

local function whole(...)
  local out = table.pack(...)
  for i = 1, out.n do out[i] = tointeger(tonumber(out[i])) end
  return table.unpack(out, 1, out.n)
end

local READERS <const> = {
  unixtimestamp = function(text)
    local sign, digits, rest = text:match "^([+-]?)(%d+)(.*)$"
    if not digits then return nil end
    local seconds = math.tointeger(tonumber(digits))
    if not seconds then return nil end
    if sign == "-" then seconds = -seconds end
    if rest == "" then return seconds, 0 end
    local fraction = rest:match "^%.(%d*)$"
    if fraction then return seconds, nanos_of(fraction) end
    local number = tonumber(text) -- 1.5E9
    if number and number == number and number > -1e15 and number < 1e15 then return split(number) end
    return nil
  end,
  iso8601 = function(text)
    local year, month, day, rest = text:match "^(%d%d%d%d)%-?(%d%d)%-?(%d%d)(.*)$"
    if not year then return nil end
    year, month, day = whole(year, month, day)
    if rest == "" then return assemble(year, month, day, 0, 0, 0, 0), 0 end
    local hour, minute, tail = rest:match "^[Tt ](%d%d):?(%d%d)(.*)$"
    if not hour then return nil end
    local second, fraction, zone = tail:match "^:?(%d%d)%.?(%d*)(.*)$"
    if not second then second, fraction, zone = "0", "", tail end
    hour, minute, second = whole(hour, minute, second)
    local offset = zone_of(zone)
    return offset and assemble(year, month, day, hour, minute, second, offset), nanos_of(fraction)
  end,
  rfc822 = function(text)
    local day, month, year, hour, minute, second, fraction, zone =
      text:match "^%a*,? *(%d%d?)[ -](%a%a%a)[ -](%d+) (%d%d?):(%d%d):?(%d*)%.?(%d*) *(.*)$"
    month = month and MONTH_NUMBER[month:lower()]
    if not month or #year > 4 or #second > 2 then return nil end
    if zone == "GMT" or zone == "UTC" or zone == "UT" then zone = "Z" end
    local offset = zone_of(zone)
    if not offset then return nil end
    day, year, hour, minute, second = whole(day, year, hour, minute, second == "" and "0" or second)
    if year < 70 and #text:match "%a%a%a[ -](%d+)" == 2 then year = year + 2000 end
    return assemble(year, month, day, hour, minute, second, offset), nanos_of(fraction)
  end,
}

---@param text string
---@param format string
---@return integer? seconds
---@return integer|string nanos  or why not
function M.parse_parts(text, format)
  local kind = M.format_name(format)
  if not kind then return nil, "unknown time format '" .. format .. "'" end
  local seconds, nanos = READERS[kind](text)
  if not seconds then return nil, ("\"%s\" is no time in the format %s"):format(text:sub(1, 40), kind) end
  return seconds, nanos
end

-- Neither NaN nor infinity, nor what would overflow on its way through microseconds.
local function of_number(value)
  if value > -1e15 and value < 1e15 then return tointeger(value) or value end
  return nil, "a number that is no time"
end

-- A time of an answer, or of a caller's parameter: a number, or a text in the named format or in any other.
---@param value string|number
---@param format string?
---@return number? seconds
---@return string? message
function M.parse(value, format)
  if type(value) == "number" then return of_number(value) end
  local first = FORMATS[format] or FORMATS[(format or "iso8601"):lower()] or "iso8601"
  if first == "iso8601" then
    -- What services write is read in C.
    local seconds = parse_iso(value)
    if seconds then return tointeger(seconds) or seconds end
  end
  local text = value:match "^%s*(.-)%s*$"
  if first == "unixtimestamp" then
    -- -1.5 is a second and a half before 1970: here the text is a number, not parts.
    local number = text:find "^[+-]?%d+%.?%d*[eE]?[+-]?%d*$" and tonumber(text)
    if number then return of_number(number) end
  end
  for _, kind in ipairs { first, "iso8601", "rfc822" } do
    local seconds, nanos = READERS[kind](text)
    if seconds then return join(seconds, nanos) end
  end
  local number = text:find "^[+-]?%d+%.?%d*$" and tonumber(text)
  if number then return of_number(number) end
  return nil, ("\"%s\" is no time"):format(text:sub(1, 40))
end

-- Epoch seconds for JSON and CBOR: a number, exact to the microsecond.
---@param value number
---@return number
function M.epoch(value) return join(split(value)) end

---@param value number
---@param format string
---@return string? text
---@return string? message
function M.format(value, format)
  local seconds, nanos = split(value)
  if seconds < 0 and nanos > 0 and FORMATS[format:lower()] == "unixtimestamp" then
    -- Before 1970 the parts do not read as a number: -2 s + 0.5 s is -1.5.
    return "-" .. M.format_parts(-seconds - 1, 1000000000 - nanos, format)
  end
  return M.format_parts(seconds, nanos, format)
end

return M
