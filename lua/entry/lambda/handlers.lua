-- The handler that a function's name stands for. Nothing is loaded here that the named handler does not need: a plain handler
-- has neither router nor use cases around it.
local M = {}

local function failure(code, message, details)
  return require("lib.errors").new(code, message, details)
end

-- Plain handlers: a file that returns function(event, context) -> value [, err], or { raw = true, run = function(text, context) },
-- with the hooks of entry/lambda/lifecycle beside it.
local function as_handler(value, path)
  if type(value) == "function" then return { raw = false, run = value } end
  if type(value) == "table" and type(value.run) == "function" and value.ports == nil then
    return { raw = value.raw == true, run = value.run, failed = value.failed, before_snapshot = value.before_snapshot,
      on_restore = value.on_restore, on_shutdown = value.on_shutdown }
  end
  return nil, failure("BadSetting", path .. " is no handler: it must return function(event, context), or { raw = true, run = "
    .. "function(text, context) }")
end

local function load_plain(source, path)
  local chunk, message = load(source, "@" .. path, "t")
  if not chunk then return nil, failure("BadSetting", message) end
  local ok, value = xpcall(chunk, function(fault)
    if type(fault) == "table" then return fault end
    return failure("BadSetting", tostring(fault), { traceback = debug.traceback(tostring(fault), 2) })
  end)
  if not ok then return nil, value end
  return as_handler(value, path)
end

local NO_SUCH_FILE <const> = 2 -- errno

-- Read on the spot: sm.files would start threads, which is a third of a cold start.
local function read(path)
  local file <close>, message, errno = io.open(path, "rb")
  if not file then return nil, message, errno end
  return file:read("a")
end

-- Other runtimes write FILE.FUNCTION; here the file is all.
local function without_function(name, folders)
  local file = name:match("^(.*[^/])%.[%w_]+$")
  if not file then return "" end
  for _, folder in ipairs(folders) do
    if read(folder .. file .. ".lua") then return ("; set the function's handler to '%s'"):format(file) end
  end
  return ""
end

local function find_plain(name, task_root)
  local folders = { task_root .. "/lua/usecases/", task_root .. "/" }
  for _, folder in ipairs(folders) do
    local path = folder .. name .. ".lua"
    local source, message, errno = read(path)
    if source then return load_plain(source, path) end
    if errno ~= NO_SUCH_FILE then return nil, failure("BadSetting", message) end
  end
  return nil, failure("BadSetting", ("there is no handler '%s': it is 'api', a use case such as lakehouse/run, or a file "
    .. "%s%s.lua or %s%s.lua%s"):format(name, folders[1], name, folders[2], name, without_function(name, folders)))
end

---@param name string       what _HANDLER holds
---@param task_root string
---@param house table?      entry/lambda/house of another world; for specs
---@return {raw: boolean, run: function, failed: function?}? handler  failed(event, context, fault): the answer of a stopped invocation
---@return table? err       an Error, or what the file raised
function M.find(name, task_root, house)
  if not name:find("^[%w_][%w_%-./]*$") or name:find("..", 1, true) then
    return nil, failure("BadSetting", ("'%s' is no name of a handler (_HANDLER): it is 'api', a use case such as lakehouse/run, or "
      .. "the name of a file of the package without .lua"):format(name))
  end
  local use_case = name:match("^lakehouse/([a-z_][a-z0-9_]*)$")
  if name ~= "api" and not use_case then return find_plain(name, task_root) end
  local err
  if not house then house, err = require("entry.lambda.house").get() end
  if not house then return nil, err end
  if use_case then return require("entry.lambda.use_case").new(house, use_case) end
  return require("entry.lambda.api").new(house)
end

return M
