-- CBOR items and what they mean, and texts that are none.
local cbor = require "aws.cbor"
local crypto = require "sm.crypto"
local files = require "sm.files"
local json = require "sm.json"
local ordered = require "aws.generate.ordered_json"
local vectors = require "conformance.support.vectors"

local read = {} -- by the kind of an expectation: what decode must give

local function wanted(expectation)
  local kind, value = next(expectation)
  return read[kind](value)
end

local function digits(value) return value end
local function bits(format, size)
  return function(value)
    local packed = string.pack(">I" .. size, value)
    return { float = (string.unpack(format, packed)) }
  end
end

read.uint, read.negint = digits, digits
read.bool = function(value) return value end
read.null = function() return json.null end
read.undefined = read.null
read.string = function(value) return value end
read.bytestring = function(value) return string.char(table.unpack(value)) end
read.float32, read.float64 = bits(">f", 4), bits(">d", 8)
read.tag = function(value) return { tag = value.id, value = wanted(value.value) } end
read.list = function(value)
  local out = json.array {}
  for i, item in ipairs(value) do out[i] = wanted(item) end
  return out
end
read.map = function(value)
  local out = {}
  for key, item in pairs(value) do out[key] = wanted(item) end
  return out
end

-- Numbers as text, so that 64-bit ones are compared digit by digit.
local function shown(value)
  if type(value) == "table" then
    if value.float then return shown(value.float) end
    local out = {}
    for key, item in pairs(value) do out[key] = shown(item) end
    return out
  end
  if math.type(value) == "float" then return ("%a"):format(value) end
  if type(value) == "number" then return ("%d"):format(value) end
  return value
end

-- Integers of the file beyond 64 bits are read as text.
local function quote_big(text)
  return (text:gsub('("u?n?e?g?i?n?t?i?d?": )(%-?%d+)', function(name, number)
    return math.type(tonumber(number)) == "integer" and name .. number or name .. '"' .. number .. '"'
  end))
end

local function floats_of(text)
  return (text:gsub('("float64": )(%d+)', function(name, number)
    return math.type(tonumber(number)) == "integer" and name .. number or name .. ("%d"):format(
      math.tointeger(tonumber(number:sub(1, -2))) * 10 + tonumber(number:sub(-1)))
  end))
end

local function judge(case)
  local bytes = assert(crypto.unhex(case.input))
  local value, message = cbor.decode(bytes, { exact = true, tags = true })
  if case.error then return value == nil and message ~= nil, "it was read" end
  if value == nil then return false, message end
  local why = vectors.difference({ shown(wanted(case.expect)) }, { shown(value) })
  return why == nil, why
end

return {
  name = "cbor",
  run = function(dir, report)
    for _, file in ipairs(vectors.names(dir .. "/cbor", "%.json$")) do
      local text = floats_of(quote_big(files.read(dir .. "/cbor/" .. file)))
      for _, case in ipairs(assert(ordered.decode(text))) do
        local ok, good, why = pcall(judge, case)
        report(file .. " " .. case.description, ok and good, ok and why or good)
      end
    end
  end,
}
