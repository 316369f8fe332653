-- The terminal, or what stands in for it: data goes to standard output, talk to standard error.
local M = {}

-- Whether a file descriptor is a terminal, by what it is linked to; false where that cannot be seen.
local function is_terminal(files, descriptor)
  local target = files.realpath("/proc/self/fd/" .. descriptor)
  return target ~= nil and (target:find("^/dev/pts/") ~= nil or target:find("^/dev/tty") ~= nil or target == "/dev/console")
end

local CODES <const> = { red = "31", green = "32", yellow = "33", bold = "1", dim = "2" }

---@param files table  sm.files
---@return table console  { out, err, say, paint, progress, width, out_is_terminal, err_is_terminal, quiet, env }
function M.new(files)
  local env = files.env
  local function set(name)
    local value = env(name)
    return value ~= nil and value ~= ""
  end
  local dumb = env("TERM") == "dumb"
  local console = {
    env = env, quiet = false,
    out_is_terminal = is_terminal(files, 1),
    err_is_terminal = is_terminal(files, 2),
  }
  local columns = tonumber(env("COLUMNS")) or 0
  console.width = console.out_is_terminal and columns or 0
  console.colour = console.err_is_terminal and not set("NO_COLOR") and not dumb
  console.moves = console.err_is_terminal and not dumb

  -- False when nobody reads any more (`sewing query ... | head`): the caller may stop.
  function console.out(s)
    return io.stdout:write(s) ~= nil
  end
  function console.err(s) io.stderr:write(s) end
  function console.say(s) if not console.quiet then io.stderr:write(s) end end
  function console.paint(s, colour)
    if not console.colour then return s end
    return ("\27[%sm%s\27[0m"):format(CODES[colour], s)
  end
  -- One line that is written over by the next; nothing at all unless standard error is a terminal.
  function console.progress(s)
    if console.moves and not console.quiet then io.stderr:write("\r\27[K" .. (columns > 1 and s:sub(1, columns - 1) or s)) end
  end
  return console
end

return M
