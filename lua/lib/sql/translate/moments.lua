-- Moments that are known from the text alone: TIMESTAMP '...' literals, CURRENT_TIMESTAMP, and intervals added to them.
-- Time travel needs them before any query runs.

local M = {}

local function days_from_civil(year, month, day)
  if month <= 2 then year = year - 1 end
  local era = year // 400
  local year_of_era = year - era * 400
  local day_of_year = (153 * (month + (month > 2 and -3 or 9)) + 2) // 5 + day - 1
  return era * 146097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719468
end

local function zone_minutes(zone)
  if zone == "" or zone == "UTC" or zone == "Z" then return 0 end
  local sign, hours, minutes = zone:match("^([+-])(%d%d?):?(%d?%d?)$")
  if not sign then return nil end
  return (sign == "-" and -1 or 1) * (tonumber(hours) * 60 + (tonumber(minutes) or 0))
end

local function literal(text)
  local year, month, day, rest = text:match("^%s*(%d%d%d%d)%-(%d%d?)%-(%d%d?)%s*(.-)%s*$")
  if not year then return nil end
  local hour, minute, second, zone = rest:match("^(%d%d?):(%d%d?):?([%d.]*)%s*(.-)$")
  if not hour then hour, minute, second, zone = 0, 0, 0, rest end
  local shift = zone_minutes(zone)
  if not shift then return nil end
  local days = days_from_civil(tonumber(year), tonumber(month), tonumber(day))
  local seconds = tonumber(hour) * 3600 + (tonumber(minute) - shift) * 60 + (tonumber(second) or 0)
  return days * 86400000 + math.floor(seconds * 1000)
end

local unit_ms = { day = 86400000, hour = 3600000, minute = 60000, second = 1000 }

local function interval(node)
  if node.kind ~= "interval" or node.to or not unit_ms[node.from] then return nil end
  local amount = tonumber(node.value)
  return amount and math.floor(amount * unit_ms[node.from] * node.sign)
end

---@param node table   an expression
---@param now number?  epoch seconds
---@return integer? milliseconds
function M.milliseconds(node, now)
  if node.kind == "typed_literal" and (node.type_name == "timestamp" or node.type_name == "date") then return literal(node.value) end
  local is_now = node.kind == "current" and node.name:find("timestamp") or (node.kind == "call" and node.name[1].name == "now")
  if is_now then return now and math.floor(now * 1000) end
  if node.kind == "at_time_zone" then return M.milliseconds(node.operand, now) end
  if node.kind ~= "arithmetic" or (node.op ~= "+" and node.op ~= "-") then return nil end
  local base, shift = M.milliseconds(node.left, now), interval(node.right)
  if not base or not shift then return nil end
  return node.op == "+" and base + shift or base - shift
end

return M
