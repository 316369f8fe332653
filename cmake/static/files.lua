-- Which files of lua/ a function on AWS needs: everything, but for what is named here.
-- As a program: files.lua ROOT WHAT prints them, sorted, as paths below lua/; WHAT is bundle, scripts or models.
local M = {}

-- Folders (with a closing /) and files that only a developer's or an operator's machine uses.
M.left_out = {
  "cli/",               -- the program sewing
  "adapters/local/", "boot/local_profile.lua", -- DuckDB, SQLite, the disk
  "entry/local.lua", "entry/files.lua", -- HTTP served by ourselves
  "lib/sql/translate/", "lib/sql/translate.lua", "lib/sql/functions/", "lib/sql/macros.lua", "lib/sql/printer.lua", -- DuckDB's dialect
  "lib/sql/engine_error.lua", "lib/sql/linemode.lua",
  "aws/generate/",      -- makes models
  "adapters/trino/",    -- without AWS
  "types/",             -- for editors
}
-- Of those, what needs no such machine.
M.kept = { "adapters/local/clock.lua", "adapters/local/ids.lua", "adapters/local/statements.lua", "adapters/local/tasks.lua" }
M.models = "aws/models/"

-- What an operator reads and edits, and so goes into a package as files. (Any other file may be put there as well: it wins
-- over the one in the program.)
M.scripts = { "usecases/", "domain/", "sql/", "routes.lua", "settings.lua" }

local function starts_with(text, start) return text:sub(1, #start) == start end

local function is_under(name, rules)
  for _, rule in ipairs(rules) do
    if name == rule or (rule:sub(-1) == "/" and starts_with(name, rule)) then return true end
  end
  return false
end

---@param name string  below lua/
---@param what string  "bundle": inside the program; "scripts": files of the package; "models"
function M.is_in(name, what)
  if what == "models" then return starts_with(name, M.models) end
  if not (name:find("%.lua$") or name:find("^sql/.*%.sql$")) or is_under(name, M.left_out) and not is_under(name, M.kept) then
    return false
  end
  return what == "bundle" or is_under(name, M.scripts)
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
