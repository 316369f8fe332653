-- Plays events to the built bootstrap through tests/support/runtime_api.py, which misbehaves where a spec says so.
local files = require "sm.files"
local json = require "lib.json"
local process = require "process"

local M = { program = os.getenv "SM_TEST_BOOTSTRAP" or "build/dev/bootstrap" }

-- Under a sanitizer memory says nothing about the program.
M.measures = not M.program:find("asan", 1, true)

local count = 0

function M.available()
  return process.available() and files.stat(M.program) ~= nil
end

-- A folder with handler files: { ["name.lua"] = text }.
---@param handlers table<string, string>
---@return string path, fun() remove
function M.task_root(handlers)
  count = count + 1
  local root = ("%s/sewing-lambda-%s-%d"):format(os.getenv "TMPDIR" or "/tmp", tostring(handlers):match("0x(%x+)"), count)
  for name, source in pairs(handlers) do
    assert(files.mkdir((root .. "/" .. name):match("^(.*)/")))
    assert(files.write(root .. "/" .. name, source))
  end
  return root, function() files.remove_tree(root) end
end

local Root = { __close = function(root) root[2]() end }

-- handler: the text of one handler file. The other fields are those of runtime_api.py; env is merged over a usual one.
---@param scenario table
---@return table result
function M.play(scenario)
  local handlers = scenario.handlers or { ["handler.lua"] = scenario.handler or "return function(event) return event end" }
  local root <close> = setmetatable({ M.task_root(handlers) }, Root)
  local env = { LAMBDA_TASK_ROOT = root[1], _HANDLER = "handler", AWS_LAMBDA_FUNCTION_MEMORY_SIZE = "256", AWS_REGION = "eu-central-1" }
  for name, value in pairs(scenario.env or {}) do env[name] = value end
  local copy = { program = M.program }
  for name, value in pairs(scenario) do copy[name] = value end
  copy.env, copy.handler, copy.handlers = env, nil, nil
  local path = root[1] .. "/scenario.json"
  assert(files.write(path, assert(json.encode(copy))))
  local output, code = process.run(("python3 tests/support/runtime_api.py %s"):format(path))
  assert(code == 0, output)
  local result = assert(json.decode(output))
  result.posts = {}
  for _, request in ipairs(result.requests) do
    if request.method == "POST" and request.path:find("/invocation/", 1, true) then result.posts[#result.posts + 1] = request end
  end
  return result
end

-- The answer to the n-th event, decoded.
function M.answer(result, n)
  local post = assert(result.posts[n], "there was no answer " .. n .. "\n" .. result.log)
  return json.decode(post.body), post
end

return M
