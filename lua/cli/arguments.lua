-- Reads a command line by a command's declared options. Knows --name value, --name=value, -x value, flags, and "--".
local errors = require "lib.errors"
local suggest = require "lib.suggest"

local M = {}

---@class Option
---@field name string       long name without dashes
---@field short string?     one letter
---@field value string?     what the value is called in the help; absent: a flag
---@field choices string[]?
---@field meaning string

local function index_of(options)
  local by_name, names = {}, {}
  for _, option in ipairs(options) do
    by_name["--" .. option.name] = option
    names[#names + 1] = "--" .. option.name
    if option.short then by_name["-" .. option.short] = option end
  end
  return by_name, names
end

local function usage(message)
  return nil, errors.new("Usage", message)
end

local function check_choice(option, value)
  if not option.choices then return true end
  for _, choice in ipairs(option.choices) do
    if choice == value then return true end
  end
  return usage(("--%s is one of %s, not '%s'%s"):format(option.name, table.concat(option.choices, ", "), value,
    suggest.hint(value, option.choices)))
end

-- The value of one option: what follows the equals sign, or the next argument. Returns value, arguments used.
local function value_of(option, attached, following)
  if not option.value then
    if attached then return usage("--" .. option.name .. " takes no value") end
    return true, 0
  end
  local value = attached or following
  if value == nil then return usage(("--%s needs a value: --%s %s"):format(option.name, option.name, option.value)) end
  local ok, err = check_choice(option, value)
  if not ok then return nil, err end
  return value, attached and 0 or 1
end

-- An argument as an option and the value attached to it; nil when it is not an option.
local function split(argument)
  if argument == "-" or argument:sub(1, 1) ~= "-" or argument:find("^%-%d") then return nil end
  local name, attached = argument:match("^(%-%-[^=]+)=(.*)$")
  return name or argument, attached
end

---@param arguments string[]
---@param options Option[]
---@return table? parsed   options by name, positional arguments as 1..n
---@return Error?
function M.parse(arguments, options)
  local by_name, names = index_of(options)
  local out, i, only_positional = {}, 1, false
  while i <= #arguments do
    local argument = arguments[i]
    local name, attached = nil, nil
    if not only_positional then name, attached = split(argument) end
    if argument == "--" and not only_positional then
      only_positional = true
    elseif not name then
      out[#out + 1] = argument
    else
      local option = by_name[name]
      if not option then return usage(("there is no option %s%s"):format(name, suggest.hint(name, names))) end
      local value, used = value_of(option, attached, arguments[i + 1])
      if value == nil then return nil, used end
      out[option.name] = value
      i = i + used
    end
    i = i + 1
  end
  return out
end

-- A positive number of an option; nil, nil when it is absent.
---@param parsed table
---@param name string
---@return number?
---@return Error?
function M.number(parsed, name)
  local given = parsed[name]
  if given == nil then return nil end
  local n = tonumber(given)
  if not n or n ~= n or n < 0 or n == math.huge then return usage(("--%s needs a number, not '%s'"):format(name, given)) end
  return n
end

return M
