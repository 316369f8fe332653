-- Which CORS headers an answer carries. Made once per origin and method line, so a request only looks them up.
local M = {}

local Cors = {}
Cors.__index = Cors

local BASE_HEADERS <const> = "Content-Type,Authorization"
local EXPOSED <const> = "Content-Disposition,Content-Range,ETag,Location,Retry-After,X-Request-Id"
local MAX_AGE_SECONDS <const> = "600"

---@param allowed string[]  origins; empty or holding "*" means any
---@return table cors
function M.new(allowed)
  local any = #allowed == 0
  local listed = {}
  for _, origin in ipairs(allowed) do
    if origin == "*" then any = true end
    listed[origin] = true
  end
  return setmetatable({ any = any, listed = listed, cache = {} }, Cors)
end

local function make(self, origin, methods, extra)
  local headers = {
    ["Access-Control-Allow-Headers"] = BASE_HEADERS .. (extra and "," .. extra or ""),
    ["Access-Control-Allow-Methods"] = methods,
    ["Access-Control-Expose-Headers"] = EXPOSED,
  }
  if self.any then
    headers["Access-Control-Allow-Origin"] = "*"
    return headers
  end
  headers["Vary"] = "Origin"
  if origin then
    headers["Access-Control-Allow-Origin"] = origin
    return headers
  end
  -- A stranger, or no browser: nothing that lets a page read the answer.
  return { ["Vary"] = "Origin" }
end

-- The headers for one answer; shared tables, not to be changed.
---@param origin string?   the request's Origin
---@param methods string   "OPTIONS,POST"; "OPTIONS" for an unknown path
---@param extra string?    request headers of the route beside the usual ones
---@return table<string, string>
function Cors:headers(origin, methods, extra)
  local known = not self.any and origin and self.listed[origin] and origin or nil
  local key = known or ""
  local by_origin = self.cache[key]
  if not by_origin then
    by_origin = {}
    self.cache[key] = by_origin
  end
  local name = extra and methods .. ";" .. extra or methods
  local headers = by_origin[name]
  if not headers then
    headers = make(self, known, methods, extra)
    by_origin[name] = headers
  end
  return headers
end

-- The headers of a preflight answer, a fresh table.
---@param origin string?
---@param methods string
---@param extra string?
---@return table<string, string>
function Cors:preflight(origin, methods, extra)
  local out = {}
  for name, value in pairs(self:headers(origin, methods, extra)) do out[name] = value end
  if out["Access-Control-Allow-Origin"] then out["Access-Control-Max-Age"] = MAX_AGE_SECONDS end
  return out
end

return M
