-- Events inside this process: who subscribed gets every event that fits, as a call of a function, at least once.
-- Subscriptions live as long as the process; what must survive it is in the job (see boot's recovery).

local M = {}

-- A pattern names fields; each wants one of a list of values, or holds a pattern again. A list in the event fits when one of its
-- entries does.
local function fits(pattern, value)
  if type(pattern) ~= "table" then return false end
  if #pattern > 0 then
    for _, wanted in ipairs(pattern) do
      if wanted == value then return true end
      for _, one in ipairs(type(value) == "table" and value or {}) do
        if wanted == one then return true end
      end
    end
    return false
  end
  if type(value) ~= "table" then return false end
  for name, inner in pairs(pattern) do
    if not fits(inner, value[name]) then return false end
  end
  return true
end

---@param functions table  port functions
---@return table bus       port bus
function M.new(functions)
  local subscriptions = {}
  local bus = {}

  function bus.subscribe(name, pattern, target)
    subscriptions[name] = { pattern = pattern, target = target }
    return true
  end

  function bus.unsubscribe(name)
    subscriptions[name] = nil
    return true
  end

  function bus.publish(event)
    local due = {}
    for _, one in pairs(subscriptions) do
      if fits(one.pattern, event) then due[#due + 1] = one.target end
    end
    for _, target in ipairs(due) do
      local input = { event = event }
      for key, value in pairs(target.input or {}) do input[key] = value end
      local ok, err = functions.invoke_async(target.target, input)
      if not ok then return nil, err end
    end
    return #due
  end

  function bus.list()
    local names = {}
    for name in pairs(subscriptions) do names[#names + 1] = name end
    table.sort(names)
    return names
  end

  return bus
end

return M
