-- Other programs for specs. The host offers scripts no way to start one; specs take it from the Lua library itself.
local M = {}

local function popen()
  if io.popen then return io.popen end
  local cpath, loaded = package.cpath, package.loaded.io
  package.cpath = "/usr/lib/x86_64-linux-gnu/liblua5.4.so.0;/usr/lib/aarch64-linux-gnu/liblua5.4.so.0"
  package.loaded.io = nil
  local ok, stock = pcall(require, "io")
  package.cpath, package.loaded.io = cpath, loaded
  return ok and type(stock) == "table" and stock.popen or nil
end

local start = popen()

function M.available() return start ~= nil end

---@param command string  for the shell
---@return string output, integer code
function M.run(command)
  local pipe = assert(start("( " .. command .. " ) 2>&1; printf '\\n%d\\n' $?", "r"))
  local text = pipe:read("a")
  pipe:close()
  local output, code = text:match("^(.*)\n(%d+)\n$")
  return output, math.tointeger(tonumber(code))
end

-- Starts a command that goes on by itself; gives its process id.
function M.spawn(command, log)
  local pipe = assert(start(("exec %s </dev/null >%s 2>&1 & echo $!"):format(command, log or "/dev/null"), "r"))
  local pid = math.tointeger(tonumber(pipe:read("l")))
  pipe:close()
  return pid
end

function M.kill(pid) return M.run("kill -9 " .. pid) end

function M.is_running(pid)
  local state = M.run("cat /proc/" .. pid .. "/stat 2>/dev/null"):match("%) (%a)")
  return state ~= nil and state ~= "Z"
end

return M
