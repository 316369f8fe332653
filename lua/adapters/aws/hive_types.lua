-- Types as Glue spells them (Hive) and as Trino and the rest of this program do.
local M = {}

local TO_TRINO <const> = { int = "integer", string = "varchar", binary = "varbinary", float = "real", smallint = "smallint",
  tinyint = "tinyint", bigint = "bigint", boolean = "boolean", double = "double", date = "date", time = "time(6)",
  timestamptz = "timestamp(6) with time zone", uuid = "uuid" }
local TO_HIVE <const> = { integer = "int", varchar = "string", varbinary = "binary", real = "float", ["timestamp(3)"] = "timestamp",
  ["timestamp(6)"] = "timestamp" }

-- The parts of "a,b<c,d>" at the outermost commas.
local function parts_of(text)
  local parts, depth, from = {}, 0, 1
  for at, c in text:gmatch("()([<>(),])") do
    if c == "<" or c == "(" then depth = depth + 1
    elseif c == ">" or c == ")" then depth = depth - 1
    elseif depth == 0 then
      parts[#parts + 1] = text:sub(from, at - 1)
      from = at + 1
    end
  end
  parts[#parts + 1] = text:sub(from)
  return parts
end

local nested = {}

function nested.array(inner, iceberg) return "array(" .. M.to_trino(inner, iceberg) .. ")" end

function nested.map(inner, iceberg)
  local parts = parts_of(inner)
  return ("map(%s, %s)"):format(M.to_trino(parts[1], iceberg), M.to_trino(parts[2] or "string", iceberg))
end

function nested.struct(inner, iceberg)
  local fields = {}
  for i, part in ipairs(parts_of(inner)) do
    local name, kind = part:match("^%s*([^:]+):(.*)$")
    fields[i] = ("%s %s"):format(name or "field", M.to_trino(kind or part, iceberg))
  end
  return "row(" .. table.concat(fields, ", ") .. ")"
end

--- "array<string>" -> "array(varchar)"
---@param hive string
---@param iceberg boolean?  timestamps of Iceberg have microseconds
---@return string
function M.to_trino(hive, iceberg)
  local text = hive:gsub("^%s+", ""):gsub("%s+$", "")
  local lower = text:lower()
  local outer, inner = text:match("^(%a+)%s*<(.*)>$")
  if outer and nested[outer:lower()] then return nested[outer:lower()](inner, iceberg) end
  if lower == "timestamp" then return iceberg and "timestamp(6)" or "timestamp(3)" end
  return TO_TRINO[lower] or lower
end

--- "timestamp(6)" -> "timestamp"; what has the same name stays.
---@param trino string
---@return string
function M.to_hive(trino)
  local lower = trino:lower():gsub("^%s+", ""):gsub("%s+$", "")
  return TO_HIVE[lower] or (lower:gsub("%s*,%s*", ","))
end

return M
