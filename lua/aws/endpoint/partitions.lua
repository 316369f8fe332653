-- Partitions: from a region's name to the ends of its hosts and what it offers. Regions we do not know are told by pattern.
local json = require "sm.json"

local M = {}

-- The few regular expressions that partitions use, as Lua patterns: one for each alternative of the group.
local function as_pattern(expression)
  local out = expression:gsub("\\([wd%-])", { w = "[%w_]", d = "%d", ["-"] = "%-" })
  return out
end

---@param regex string  "^(us|eu)\\-\\w+\\-\\d+$"
---@return string[]
function M.patterns(regex)
  local before, group, after = regex:match("^([^(]*)%(([^()]*)%)(.*)$")
  if not group then return { as_pattern(regex) } end
  local out = {}
  for alternative in (group .. "|"):gmatch("([^|]*)|") do
    for _, rest in ipairs(M.patterns(after)) do out[#out + 1] = as_pattern(before .. alternative) .. rest end
  end
  return out
end

---What rules see of a partition.
---@param partition table  of partitions.json
---@return table
function M.outputs(partition)
  local out = {}
  for name, value in pairs(partition.outputs) do out[name] = value end
  out.name = partition.id
  return out
end

local function matches(region, patterns)
  for _, pattern in ipairs(patterns) do
    if region:find(pattern) then return true end
  end
  return false
end

local function with_region(outputs, override)
  if type(override) ~= "table" then return outputs end
  local out = {}
  for name, value in pairs(outputs) do out[name] = override[name] == nil and value or override[name] end
  return out
end

---From the text of partitions.json, decoded; for rule sets that bring their own.
---@param given table
---@return fun(region: string?): table lookup  the partition of a region; the first one when nothing fits
function M.from_json(given)
  local list = {}
  for i, partition in ipairs(given.partitions) do
    list[i] = { outputs = M.outputs(partition), regions = partition.regions or {}, patterns = M.patterns(partition.regionRegex) }
  end
  return function(region)
    for _, partition in ipairs(list) do
      if region and partition.regions[region] then return with_region(partition.outputs, partition.regions[region]) end
    end
    for _, partition in ipairs(list) do
      if region and matches(region, partition.patterns) then return partition.outputs end
    end
    return list[1].outputs
  end
end

local function read_file()
  local path = package.searchpath("aws/models/_partitions", (package.path:gsub("%?%.lua", "?.txt")), "")
  if not path then error("lua/aws/models/_partitions.txt is missing", 0) end
  return assert(require("sm.records").open(path))
end

local function by_pattern(records, region)
  for _, item in ipairs(json.decode(records:get("patterns"))) do
    if region and matches(region, item.patterns) then return item.name end
  end
  return "aws"
end

local KNOWN_MAX <const> = 100
local records
local known, count = {}, 0

---The partition of a region, from the shipped list.
---@param region string?
---@return table outputs  name, dnsSuffix, dualStackDnsSuffix, supportsFIPS, supportsDualStack, implicitGlobalRegion
function M.of(region)
  local outputs = known[region or ""]
  if outputs then return outputs end
  records = records or read_file()
  local name = region and records:get("region." .. region)
  name = name and json.decode(name) or by_pattern(records, region)
  outputs = json.decode(records:get("partition." .. name))
  if count >= KNOWN_MAX then known, count = {}, 0 end
  known[region or ""], count = outputs, count + 1
  return outputs
end

return M
