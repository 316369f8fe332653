-- Reads what a botocore folder knows about a service: description, endpoint rules, paginators, waiters, each with the
-- corrections that the package carries for it ("sdk-extras").
local files = require "sm.files"
local inflate = require "aws.generate.inflate"
local ordered = require "aws.generate.ordered_json"

local M = {}

local function read_json(path)
  local text = files.read(path .. ".json")
  if not text then
    text = files.read(path .. ".json.gz")
    if not text then return nil end
    local content, message = inflate.gunzip(text)
    if not content then error(path .. ".json.gz: " .. message, 0) end
    text = content
  end
  local value, message = ordered.decode(text)
  if value == nil then error(path .. ".json: " .. message, 0) end
  return value
end

-- Puts the values of extra into base, table by table.
local function merge(base, extra)
  local keys = ordered.keys(base)
  local present = {}
  for _, key in ipairs(keys) do present[key] = true end
  for _, key in ipairs(ordered.keys(extra)) do
    local value = extra[key]
    if type(base[key]) == "table" and type(value) == "table" then
      merge(base[key], value)
    else
      base[key] = value
      if not present[key] then keys[#keys + 1] = key end
    end
  end
  ordered.order(base, keys)
end

local function read_with_extras(folder, name)
  local value = read_json(folder .. "/" .. name)
  local extras = value and read_json(folder .. "/" .. name .. ".sdk-extras")
  if extras and extras.merge then merge(value, extras.merge) end
  return value
end

-- The newest API version of a service: folders are named by date.
local function newest(folder)
  local found
  for _, entry in ipairs(files.list(folder) or {}) do
    if entry.type == "dir" and files.exists(folder .. "/" .. entry.name .. "/service-2.json") == true or
      files.exists(folder .. "/" .. entry.name .. "/service-2.json.gz") == true then
      if not found or entry.name > found then found = entry.name end
    end
  end
  return found and folder .. "/" .. found
end

---@param root string  the folder of the botocore package
---@param service string
---@return table? parts  service, rules, paginators, waiters
function M.read(root, service)
  local folder = newest(root .. "/data/" .. service)
  if not folder then return nil end
  return {
    service = read_with_extras(folder, "service-2"),
    rules = read_with_extras(folder, "endpoint-rule-set-1"),
    paginators = read_with_extras(folder, "paginators-1"),
    waiters = read_with_extras(folder, "waiters-2"),
  }
end

---@param root string
---@return table
function M.partitions(root) return read_json(root .. "/data/partitions") end

---@param root string
---@return string[] names
function M.services(root)
  local out = {}
  for _, entry in ipairs(files.list(root .. "/data") or {}) do
    if entry.type == "dir" then out[#out + 1] = entry.name end
  end
  return out
end

---@param root string
---@return string? version
function M.version(root)
  local source = files.read(root .. "/__init__.py")
  return source and source:match("\n__version__ = '([%w%.]+)'") or source and source:match('\n__version__ = "([%w%.]+)"')
end

-- The names of methods that the package lists because its rule does not give them.
---@param root string
---@return table<string, string> operation -> method
function M.method_names(root)
  local source = files.read(root .. "/__init__.py") or ""
  local out = {}
  for name, method in source:gmatch("%(%s*'(%w+)',%s*'_',?%s*%):%s*'([%w_]+)'") do out[name] = method end
  return out
end

return M
