-- Loads use-case files, gives each only the globals on the list, and reads them again when they change on disk, so that
-- an edit shows with the next request. A file that does not load keeps its last good version answering and is reported.
local bundle = require "sm.bundle"
local errors = require "lib.errors"
local files = require "sm.files"
local sandbox = require "lib.sandbox"
local task = require "sm.task"
local time = require "sm.time"

local M = {}

local LOOK_PAUSE_SECONDS <const> = 0.002   -- between looks at one file: an edit shows at once, a flood of requests costs little
local DOMAIN_PAUSE_SECONDS <const> = 0.05  -- between looks at all of lua/domain

local function check_form(use_case, name)
  if type(use_case) ~= "table" or type(use_case.run) ~= "function" then
    return nil, ("usecases/%s.lua must return a table with a function `run`"):format(name)
  end
  if type(use_case.ports) ~= "table" then return nil, ("usecases/%s.lua declares no `ports`"):format(name) end
  return true
end

-- One file as a use case, or why not, with file and line.
local function load_file(path, name)
  local use_case, wrong = sandbox.run(path)
  if wrong then return nil, wrong.message .. (wrong.excerpt and "\n" .. wrong.excerpt or "") end
  local sound, problem = check_form(use_case, name)
  return sound and use_case or nil, problem
end

---@class UseCases
---@field find fun(name: string): table|nil, Error?
---@field names fun(): string[]

---@param options {folder: string, domain: string, reload: boolean, adapt: function, on_reload: function?}
---  adapt(use_case) -> use case as it is given out; on_reload(name, err?) is told what was read again or could not be
---@return UseCases
function M.new(options)
  local loaded, domain_stamp, domain_looked = {}, nil, 0

  local function tell(name, err)
    if options.on_reload then options.on_reload(name, err) end
  end

  local function forget_domain()
    for module in pairs(package.loaded) do
      if type(module) == "string" and module:find("^domain%.") then package.loaded[module] = nil end
    end
    for _, entry in pairs(loaded) do entry.stamp = nil end
  end

  -- Rules shared by use cases: a change there means reading every use case again.
  local function look_at_domain(now)
    if now - domain_looked < DOMAIN_PAUSE_SECONDS then return end
    domain_looked = now
    local parts = {}
    for _, file in ipairs(files.walk(options.domain) or {}) do parts[#parts + 1] = ("%s:%s:%s"):format(file.name, file.size, file.mtime) end
    local stamp = table.concat(parts, "\n")
    if domain_stamp and stamp ~= domain_stamp then
      forget_domain()
      tell("domain")
    end
    domain_stamp = stamp
  end

  -- Where nothing is read again, the file need not be on the disk.
  local function stamp_of(path)
    if not options.reload and bundle.exists(path) then return 0 end
    local changed_ns, size, code = files.stamp(path)
    if not changed_ns then return nil, size, code end
    return changed_ns * 31 + size
  end

  local function read(entry, name, stamp)
    local use_case, problem = load_file(entry.path, name)
    if entry.adapted and (entry.stamp ~= stamp) then tell(name, not use_case and problem or nil) end
    entry.stamp, entry.problem = stamp, problem
    if use_case then entry.adapted = options.adapt(use_case) end
  end

  local function answer(entry, name)
    if entry.adapted then return entry.adapted end
    return nil, errors.new("ServiceUnavailable", ("use case '%s' does not load: %s"):format(name, tostring(entry.problem)))
  end

  local function names()
    local list = {}
    for file in pairs(bundle.list(options.folder)) do list[#list + 1] = file:match("^([a-z_][a-z0-9_]*)%.lua$") end
    table.sort(list)
    return list
  end

  local function no_such(name)
    local hint = require("lib.suggest").hint(name, names())
    return nil, errors.new("NotFound", ("there is no use case '%s'%s"):format(name, hint))
  end

  local first_time = task.mutex() -- who comes while a file is read for the first time waits for it

  local function read_first(name)
    if loaded[name] then return answer(loaded[name], name) end
    if not name:find("^[a-z_][a-z0-9_]*$") then return no_such(name) end
    if options.reload then look_at_domain(time.monotonic()) end
    local path = options.folder .. "/" .. name .. ".lua"
    local stamp, message, code = stamp_of(path)
    if not stamp then
      if code == "not_found" then return no_such(name) end
      return nil, errors.from(message, code, path)
    end
    local entry = { path = path, looked = time.monotonic() }
    read(entry, name, stamp)
    loaded[name] = entry
    return answer(entry, name)
  end

  local function look_again(entry, name, now)
    entry.looked = now
    look_at_domain(now)
    local stamp = stamp_of(entry.path)
    if stamp and stamp ~= entry.stamp then read(entry, name, stamp) end
    return answer(entry, name)
  end

  local function find(name)
    local entry = loaded[name]
    local now = time.monotonic()
    if entry and (not options.reload or now - entry.looked < LOOK_PAUSE_SECONDS) then return answer(entry, name) end
    if entry then return look_again(entry, name, now) end
    return first_time:with(read_first, name)
  end

  return { find = find, names = names }
end

return M
