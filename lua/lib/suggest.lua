-- The nearest name to a mistyped one, for "did you mean ...".
local M = {}

local min = math.min

-- Edit distance with swapped neighbours counted as one; gives up (returns limit + 1) when it must exceed limit.
local function distance(a, b, limit)
  local la, lb = #a, #b
  if math.abs(la - lb) > limit then return limit + 1 end
  local before, previous = nil, {}
  for j = 0, lb do previous[j] = j end
  for i = 1, la do
    local current = { [0] = i }
    local best = i
    local ca = a:byte(i)
    for j = 1, lb do
      local cb = b:byte(j)
      local d = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (ca == cb and 0 or 1))
      if before and j > 1 and ca == b:byte(j - 1) and a:byte(i - 1) == cb then d = min(d, before[j - 2] + 1) end
      current[j] = d
      if d < best then best = d end
    end
    if best > limit then return limit + 1 end
    before, previous = previous, current
  end
  return previous[lb]
end

M.distance = function(a, b) return distance(a, b, math.max(#a, #b)) end

local MAX_LENGTH = 64

---@param name string
---@param candidates string[]
---@param limit integer?  edits allowed; default one for up to 5 letters, two for longer names
---@return string?
function M.nearest(name, candidates, limit)
  if #name == 0 or #name > MAX_LENGTH then return nil end
  limit = limit or (#name <= 5 and 1 or 2)
  local folded, best, best_distance = name:lower(), nil, limit + 1
  for _, candidate in ipairs(candidates) do
    local d = distance(folded, candidate:lower(), limit)
    if d < best_distance then best, best_distance = candidate, d end
  end
  return best
end

-- " (did you mean 'x'?)" or "".
---@param name string
---@param candidates string[]
---@param limit integer?
---@return string
function M.hint(name, candidates, limit)
  local found = M.nearest(name, candidates, limit)
  return found and (" (did you mean '" .. found .. "'?)") or ""
end

return M
