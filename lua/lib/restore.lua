-- What must be made anew when the process continues from a snapshot: keys, random state, connections, learned times.
-- Who holds such a thing registers once; the runtime calls them all after a restore, before the first event.
local M = {}

local hooks = {}

---@param fn fun() must not wait for the network: it forgets, and what is needed is fetched at its next use
function M.on(fn) hooks[#hooks + 1] = fn end

---Calls every hook, also after one of them failed.
---@return boolean ok
---@return any err  of the first that failed
function M.run()
  local ok, first = true, nil
  for _, hook in ipairs(hooks) do
    local fine, err = pcall(hook)
    if not fine and ok then ok, first = false, err end
  end
  return ok, first
end

return M
