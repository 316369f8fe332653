-- Which files of lua/ a function on AWS needs: everything, but for what is named here.
-- As a program: files.lua ROOT WHAT prints them, sorted, as paths below lua/; WHAT is bundle, scripts or models.
local M = {}

-- Folders (with a closing /) and files that only a developer's or an operator's machine uses.
M.left_out = {
  "cli/",               -- the program sewing
  "adapters/local/",    -- DuckDB, SQLite, the disk
  "entry/local.lua", "entry/files.lua", -- HTTP served by ourselves
  "lib/sql/translate/", "lib/sql/translate.lua", -- into DuckDB's dialect
  "aws/generate/",      -- makes models
  "types/",             -- for editors
}
M.models = "aws/models/"

local function starts_with(text, start) return text:sub(1, #start) == start end

---@param name string  below lua/
---@return boolean
function M.is_left_out(name)
  for _, rule in ipairs(M.left_out) do
    if name == rule or (rule:sub(-1) == "/" and starts_with(name, rule)) then return true end
  end
  return false
end

---@param name string
---@param what string   "bundle": compiled into the program; "scripts": what an operator may edit; "models"
function M.is_in(name, what)
  if what == "models" then return starts_with(name, M.models) end
  return not starts_with(name, M.models) and not M.is_left_out(name) and name:find("%.lua$") ~= nil or name:find("^sql/.*%.sql$") ~= nil
end

---@param root string
---@param what string
---@return string[]
function M.list(root, what)
  local names = {}
  local pipe = assert(io.popen(("cd '%s/lua' && find . -type f"):format(root)))
  for line in pipe:lines() do
    local name = line:gsub("^%./", "")
    if M.is_in(name, what) then names[#names + 1] = name end
  end
  pipe:close()
  table.sort(names)
  return names
end

if arg and arg[0] and arg[0]:find("files%.lua$") and arg[1] then
  for _, name in ipairs(M.list(arg[1], arg[2] or "bundle")) do print(name) end
end

return M
