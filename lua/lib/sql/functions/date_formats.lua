-- Date formats of MySQL (date_format, date_parse) and Joda (format_datetime, parse_datetime) as the engine's strftime and
-- strptime formats. Output formats may need expressions, so they are lists of {format=} and {sql=} parts.

local M = {}

-- MySQL letter -> strftime text, or a table with an expression
local mysql = {
  a = "%a", b = "%b", c = "%-m", d = "%d", e = "%-d", f = "%f", H = "%H", h = "%I", I = "%I", i = "%M", j = "%j", k = "%-H",
  l = "%-I", M = "%B", m = "%m", p = "%p", r = "%I:%M:%S %p", S = "%S", s = "%S", T = "%H:%M:%S", v = "%V", W = "%A", x = "%G",
  Y = "%Y", y = "%y", ["%"] = "%%",
}

local function mysql_parts(text, refused)
  local out, i = {}, 1
  while i <= #text do
    local c = text:sub(i, i)
    if c == "%" then
      local letter = text:sub(i + 1, i + 1)
      local format = mysql[letter]
      if refused[letter] or ("DUuVwX"):find(letter, 1, true) and letter ~= "" then return nil, "%" .. letter .. " in a date format" end
      out[#out + 1] = format or letter
      i = i + 2
    else
      out[#out + 1] = c
      i = i + 1
    end
  end
  return table.concat(out)
end

---@return table? parts, string? problem
function M.mysql_output(text)
  local format, problem = mysql_parts(text, {})
  if not format then return nil, problem end
  return format == "" and {} or { { format = format } }
end

---@return string? format, string? problem
function M.mysql_input(text)
  return mysql_parts(text, { v = true, x = true })
end

-- Joda letter -> by count of letters
local function number(plain, padded)
  return function(count) return count == 1 and plain or count == 2 and padded or nil end
end

local function year(count) return count == 2 and "%y" or "%Y" end
local function short_long(short, long)
  return function(count) return count <= 3 and short or long end
end

local joda = {
  y = year, Y = year, x = function(count) return count == 4 and "%G" or nil end,
  M = function(count) return ({ "%-m", "%m", "%b" })[count] or "%B" end,
  d = number("%-d", "%d"), H = number("%-H", "%H"), h = number("%-I", "%I"), m = number("%-M", "%M"), s = number("%-S", "%S"),
  a = function() return "%p" end, E = short_long("%a", "%A"), D = function(count) return count == 3 and "%j" or "%-j" end,
  w = function(count) return count == 2 and "%V" or nil end, e = function() return "%u" end,
}

-- Walks a Joda pattern: on_letters(letter, count), on_text(text).
local function joda_walk(text, on_letters, on_text)
  local i = 1
  while i <= #text do
    local c = text:sub(i, i)
    if c == "'" then
      if text:sub(i + 1, i + 1) == "'" then
        on_text("'")
        i = i + 2
      else
        local close = text:find("'", i + 1, true)
        if not close then return "an unterminated quote in a date format" end
        on_text(text:sub(i + 1, close - 1))
        i = close + 1
      end
    elseif c:find("%a") then
      local stop = i
      while text:sub(stop + 1, stop + 1) == c do stop = stop + 1 end
      local problem = on_letters(c, stop - i + 1)
      if problem then return problem end
      i = stop + 1
    else
      on_text(c)
      i = i + 1
    end
  end
end

local function escape_percent(text) return (text:gsub("%%", "%%%%")) end

-- Fractions of a second: S tenths, SSS milliseconds, more are zeros behind the microseconds.
local function fraction(count)
  if count == 3 then return "%g" end
  if count == 6 then return "%f" end
  return nil, ("left(strftime($1, '%%n'), %d)"):format(math.min(count, 9))
end

---@param zone string?  of the value, for Z and z
---@return table? parts, string? problem
function M.joda_output(text, zone)
  local parts, current = {}, {}
  local function flush()
    if #current > 0 then parts[#parts + 1] = { format = table.concat(current) } end
    current = {}
  end
  local problem = joda_walk(text, function(letter, count)
    local format, sql
    if letter == "S" then
      format, sql = fraction(count)
    elseif letter == "Z" or letter == "z" then
      local name = zone or "UTC"
      if letter == "Z" and count < 3 then
        name = name == "UTC" and "+00:00" or name
        if not name:find("^[+-]") then return "the offset of a named zone in a date format" end
        if count == 1 then name = name:gsub(":", "") end
      end
      format = escape_percent(name)
    else
      format = joda[letter] and joda[letter](count)
    end
    if format then
      current[#current + 1] = format
    elseif sql then
      flush()
      parts[#parts + 1] = { sql = sql }
    else
      return ("'%s' in a date format"):format(letter:rep(count))
    end
  end, function(plain) current[#current + 1] = escape_percent(plain) end)
  if problem then return nil, problem end
  flush()
  return parts
end

---@return string? format, string? problem
function M.joda_input(text)
  local out = {}
  local problem = joda_walk(text, function(letter, count)
    local format
    if letter == "S" then
      format = count == 3 and "%g" or count <= 6 and "%f" or "%n"
    elseif letter == "Z" then
      format = "%z"
    elseif letter == "z" then
      format = "%Z"
    else
      format = joda[letter] and joda[letter](count)
    end
    if not format or letter == "w" or letter == "x" or letter == "e" then return ("'%s' in a date format"):format(letter:rep(count)) end
    out[#out + 1] = format
  end, function(plain) out[#out + 1] = escape_percent(plain) end)
  if problem then return nil, problem end
  return table.concat(out)
end

return M
