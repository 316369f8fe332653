-- The SQL files of a system. A file that changed on disk is read again, so that an edit shows with the next use.
local errors = require "lib.errors"
local template = require "lib.sql_template"
local bundle = require "sm.bundle"
local files = require "sm.files"

local M = {}

---@param folder string    lua/sql/<system>
---@param reload boolean
---@return table statements  port statements
function M.new(folder, reload)
  local cache = {}

  local function find(name)
    local known = cache[name]
    if known and not reload then return known.template end
    if not name:find("^[a-z_][a-z0-9_]*$") then return nil, errors.new("BadSetting", ("'%s' is no name of an SQL file"):format(name)) end
    local path = folder .. "/" .. name .. ".sql"
    local stat = { mtime = 0, size = 0 }
    if reload then
      local message, code
      stat, message, code = files.stat(path)
      if not stat then return nil, errors.from(message, code, "SQL file " .. name) end
      if known and known.mtime == stat.mtime and known.size == stat.size then return known.template end
    end
    local source, message, code = bundle.read(path)
    if not source then return nil, errors.from(message, code, "SQL file " .. name) end
    local parsed, err = template.parse(name, source)
    if not parsed then return nil, err end
    cache[name] = { template = parsed, mtime = stat.mtime, size = stat.size }
    return parsed
  end

  local statements = {}

  function statements.render(name, values, options)
    local parsed, err = find(name)
    if not parsed then return nil, err end
    if options and options.offered then
      local declared = {}
      for key in pairs(parsed.params) do declared[key] = values[key] end
      values = declared
    end
    return template.render(parsed, values)
  end

  function statements.check()
    local faults = {}
    for file in pairs(bundle.list(folder)) do
      local name = file:match("^(.*)%.sql$")
      if name then
        local ok, err = find(name)
        if not ok then faults[#faults + 1] = err.message end
      end
    end
    table.sort(faults)
    if #faults > 0 then return nil, errors.new("BadSetting", table.concat(faults, "; "), { problems = faults }) end
    return true
  end

  return statements
end

return M
