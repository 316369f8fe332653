-- Runs busted inside the host (`sewing --busted ARGS`), so that specs can use sm.* and every wait works inside `it`.
package.path = package.path .. ";./?.lua;/usr/share/lua/5.4/?.lua;/usr/share/lua/5.4/?/init.lua;./tests/support/?.lua"
package.cpath = "/usr/lib/x86_64-linux-gnu/lua/5.4/?.so;/usr/lib/aarch64-linux-gnu/lua/5.4/?.so;/usr/lib/lua/5.4/?.so"
local task = require "sm.task"
local services = require "aws_services" -- loaded here, so that it is one for all spec files

local code = 0
-- busted leaves by os.exit, which the host does not offer
os.exit = function(value)
  code = value == nil and 0 or value == true and 0 or value == false and 1 or value
  error({ message = "exit", exit = true })
end
local ok, err = pcall(require "busted.runner", { standalone = false })
services.stop()
if not ok and not (type(err) == "table" and err.exit) then error(err, 0) end
task.exit(code)
