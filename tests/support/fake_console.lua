-- A console that keeps what is written.
local M = {}

---@param env table?
function M.new(env)
  local console = { width = 0, quiet = false, colour = false, moves = false, out_is_terminal = false, err_is_terminal = false,
    stdout = "", stderr = "" }
  function console.env(name) return env and env[name] end
  function console.out(s) console.stdout = console.stdout .. s end
  function console.err(s) console.stderr = console.stderr .. s end
  function console.say(s) if not console.quiet then console.err(s) end end
  function console.paint(s) return s end
  function console.progress() end
  return console
end

return M
