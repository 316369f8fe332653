-- Loads use-case files: text only, with the globals on one list and nothing else, under limits of their own.
-- A script cannot alter what another script sees: libraries are copies, modules are read-only views, metatables that it
-- did not set itself are out of reach. Limits while it runs come from the task that calls it (see docs/limits.md).
local files = require "sm.files"
local task = require "sm.task"

local M = {}

-- Loading a file builds tables. One that takes longer, or more, is broken.
local LOAD_LIMITS <const> = { deadline = 1, memory = 64 << 20, name = "load" }
local EXCERPT_LINES <const> = 1 -- before and after the line in question

-- What a script sees, and why. What is not here: io, os, debug, package, load, dofile, loadfile (effects and code come in
-- as ports only), collectgarbage (the host decides), rawget and rawset (they pass by the views), print (use the log port).
local GLOBALS <const> = {
  "assert", "error", "pcall", "xpcall",     -- failure; the end of a task passes through pcall
  "ipairs", "next", "pairs", "select",      -- walking tables and arguments
  "tonumber", "tostring", "type",           -- values
  "rawequal", "rawlen",                     -- read only
  "_VERSION",
}
local LIBRARIES <const> = {
  string = {},                              -- string.dump is gone for everybody
  table = {},
  utf8 = {},
  coroutine = {},                           -- iterators; the host knows every coroutine that runs
  math = { random = true, randomseed = true }, -- chance is a port
}

-- ---- read-only views ----

local views = setmetatable({}, { __mode = "k" }) -- table -> its view

local function refuse_write(_, key) error(("modules are read-only: cannot set '%s'"):format(tostring(key)), 2) end

---A table that reads like t, all the way down, and cannot be written.
---@param t table
---@return table
function M.view(t)
  if views[t] then return views[t] end
  local function get(key)
    local value = t[key]
    return type(value) == "table" and M.view(value) or value
  end
  local function walk(_, key)
    local following = next(t, key)
    return following, get(following)
  end
  local meta = getmetatable(t)
  views[t] = setmetatable({}, {
    __index = function(_, key) return get(key) end, __newindex = refuse_write, __metatable = false,
    __len = function() return #t end,
    __pairs = function(self) return walk, self, nil end,
    __call = type(meta) == "table" and meta.__call and function(_, ...) return t(...) end or nil,
  })
  return views[t]
end

-- ---- the environment ----

local function checked_require(name)
  if type(name) ~= "string" or not (name:find("^domain%.[%w_.]+$") or name:find("^lib%.[%w_.]+$")) then
    error(("a use case may require domain.* and lib.*, not '%s'"):format(tostring(name)), 2)
  end
  if name == "lib.sandbox" or name == "lib.log" then error(("'%s' is not for use cases"):format(name), 2) end
  local module = require(name)
  return type(module) == "table" and M.view(module) or module
end

-- Metatables: those that the script set itself, never with __gc (a finalizer runs where no limit reaches it).
local function metatable_functions()
  local own = setmetatable({}, { __mode = "k" })
  local function get(value)
    local meta = getmetatable(value)
    if type(meta) == "table" and not own[meta] then return nil end
    return meta
  end
  local function set(t, meta)
    if type(t) ~= "table" then error(("bad argument #1 to 'setmetatable' (table expected, got %s)"):format(type(t)), 2) end
    if meta ~= nil and type(meta) ~= "table" then error("bad argument #2 to 'setmetatable' (nil or table expected)", 2) end
    if meta and rawget(meta, "__gc") ~= nil then error("use cases have no __gc; use a <close> variable", 2) end
    local before = getmetatable(t)
    if before ~= nil and not own[before] then error("cannot change a protected metatable", 2) end
    if meta then own[meta] = true end
    return setmetatable(t, meta)
  end
  return get, set
end

---A fresh environment for one script.
---@return table
function M.environment()
  local environment = { require = checked_require }
  for _, name in ipairs(GLOBALS) do environment[name] = _G[name] end
  for name, without in pairs(LIBRARIES) do
    environment[name] = {}
    for key, value in pairs(_G[name]) do
      if not without[key] then environment[name][key] = value end
    end
  end
  environment.getmetatable, environment.setmetatable = metatable_functions()
  return setmetatable(environment, {
    __index = function(_, name) error(("use cases have no global '%s'"):format(tostring(name)), 2) end,
    __newindex = function(_, name) error(("use cases make no globals ('%s'); write local"):format(tostring(name)), 2) end,
    __metatable = false,
  })
end

-- ---- errors ----

---The lines around one line, with numbers; the line itself is marked.
---@param text string
---@param line integer
---@return string|nil
function M.excerpt(text, line)
  local out, number = {}, 0
  for content in (text .. "\n"):gmatch("(.-)\r?\n") do
    number = number + 1
    if number > line + EXCERPT_LINES then break end
    if number >= line - EXCERPT_LINES then
      out[#out + 1] = ("%s %4d | %s"):format(number == line and ">" or " ", number, content)
    end
  end
  return out[1] and table.concat(out, "\n")
end

-- One form for what the compiler says and what a run raises.
local function describe(err, text, name)
  local known = type(err) == "table" and err or {}
  local message = known.message or tostring(err)
  local line = known.line or tonumber(message:match(":(%d+):"))
  return { code = known.code or "script", message = message, source = known.source or name, line = line, traceback = known.traceback,
    limit = known.limit, value = known.value, excerpt = line and M.excerpt(text, line) }
end

-- ---- loading ----

local function run_chunk(chunk)
  if task.id() then return task.spawn_with(LOAD_LIMITS, chunk):join() end
  local ok, value = pcall(chunk)
  if ok then return value end
  return nil, value
end

---Runs a script's text in a fresh environment: what it returns, or nil and { message, source, line, excerpt, ... }.
---@param text string
---@param name string as errors should call it
---@return any value, table? err
function M.compile(text, name)
  local chunk, message = load(text, "@" .. name, "t", M.environment())
  if not chunk then return nil, describe(message, text, name) end
  local value, err = run_chunk(chunk)
  if err ~= nil then return nil, describe(err, text, name) end
  return value
end

---The same for a file below lua/, which may be inside the program: then it is compiled already.
---@param path string
---@return any value, table? err
function M.run(path)
  local bundle = require "sm.bundle"
  local chunk, message = bundle.load(path, M.environment())
  if not chunk then return nil, describe(message, bundle.read(path) or "", path) end
  local value, err = run_chunk(chunk)
  if err ~= nil then return nil, describe(err, bundle.read(path) or "", path) end
  return value
end

local loaded = {} -- path -> { stamp, value, err }

---What the file returns; read again when its size or time changed. A new version that does not load leaves the old one
---answering: then both the old value and the error are returned.
---@param path string
---@return any value, table? err, boolean? fresh  fresh: the file was read by this call
function M.load(path)
  local stat, message = files.stat(path)
  local entry = loaded[path]
  if not stat then return entry and entry.value, { code = "script", message = message, source = path } end
  local stamp = ("%s:%s"):format(stat.size, stat.mtime)
  if entry and entry.stamp == stamp then return entry.value, entry.err, false end
  local text, problem = files.read(path)
  if not text then return entry and entry.value, { code = "script", message = problem, source = path } end
  local value, err = M.compile(text, path)
  if err then value = entry and entry.value end
  loaded[path] = { stamp = stamp, value = value, err = err }
  return value, err, true
end

return M
