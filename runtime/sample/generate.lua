-- Writes a sample source folder: sewing run runtime/sample/generate.lua -- [--residents N] [--visits N] [--seed S] [--out DIR]
-- The same numbers give the same files, byte for byte.
local duckdb = require "sm.duckdb"
local sample = require "adapters.local.sample"

local options = { out = "sample" }
local arguments = { ... }
local i = 1
while i <= #arguments do
  local name, value = arguments[i]:match("^%-%-(%a+)=?(.*)$")
  if not name or not (name == "out" or sample.DEFAULTS[name]) then
    error("unknown argument " .. arguments[i] .. " (there are --residents, --visits, --seed, --out)", 0)
  end
  if value == "" then
    i = i + 1
    value = arguments[i] or error("--" .. name .. " needs a value", 0)
  end
  options[name] = name == "out" and value or math.tointeger(tonumber(value)) or error("--" .. name .. " needs a whole number", 0)
  i = i + 1
end

local db <close> = assert(duckdb.open { memory_limit = "2GB" })
local con <close> = assert(db:connect())
local counts = assert(sample.generate(con, options))
io.stderr:write(("%s: %d resident rows, %d visit rows\n"):format(options.out, counts.residents, counts.visits))
