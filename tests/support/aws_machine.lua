-- A machine for specs of settings and credentials: variables, files, a clock, and answers to requests.
local M = {}

---@param options table?  env, files (path -> text; false: may not be read), answers (function of the request), now
---@return table world  with requests (those that were sent), reads and written
function M.new(options)
  options = options or {}
  local env, files = options.env or {}, options.files or {}
  env.HOME = env.HOME or "/home"
  local world = { requests = {}, reads = {}, written = {}, clock = options.now or 1000000000, slept = 0 }
  world.env = function(name) return env[name] end
  world.read_file = function(path)
    world.reads[#world.reads + 1] = path
    if files[path] then return files[path] end
    if files[path] == false then return nil, "Permission denied", "refused" end
    return nil, "No such file or directory", "not_found"
  end
  world.write_file = function(path, text)
    world.written[path], files[path] = text, text
    return true
  end
  world.http = function(request)
    world.requests[#world.requests + 1] = request
    local answer = options.answers and options.answers(request, #world.requests)
    if type(answer) == "string" then answer = { status = 200, body = answer } end
    if answer then answer.headers, answer.version = answer.headers or {}, "1.1" end
    if not answer then return nil, "Connection refused", "io" end
    return answer
  end
  world.now = function() return world.clock end
  world.sleep = function(seconds) world.slept = world.slept + seconds end
  world.random = function() return 0.5 end
  world.run = options.run or function() return nil, "no program", "failed" end
  return world
end

return M
