-- Scripts that try to run for ever, to take all memory, or to get out. Each is stopped within twice its limit, says which
-- limit and where, and what comes after it is served normally. The first line of each says what has to happen.
local files = require "sm.files"
local sandbox = require "lib.sandbox"
local task = require "sm.task"

local FOLDER <const> = "tests/fixtures/hostile"
local SECONDS <const>, BYTES <const> = 0.25, 16 << 20

local function run(path)
  local body, err = sandbox.load(path)
  assert(body, err and err.message)
  local start = os.clock() -- processor time: other programs on the machine do not count
  local running = task.spawn_with({ deadline = SECONDS, memory = BYTES }, body)
  local value, failure = running:join()
  return value, failure, os.clock() - start
end

local function serves_normally()
  local value = task.spawn_with({ deadline = SECONDS, memory = BYTES }, function()
    local parts = {}
    for i = 1, 100 do parts[i] = ("%d"):format(i):upper() end
    return #table.concat(parts, ",")
  end):join()
  assert.equal(291, value)
end

-- expected: "time", "memory", or "limit" where it depends on the machine which comes first
local function check_limit(expected, failure, path)
  assert.is_table(failure)
  assert.equal("limit", failure.code, failure.message)
  if expected == "limit" then expected = failure.limit end
  assert.equal(expected, failure.limit)
  assert.equal(expected == "time" and "0.25 s" or "16 MiB", failure.value)
  assert.equal(path, failure.source)
  assert.is_true(failure.line > 1)
  assert.is_truthy(failure.message:find(("%s limit of %s reached at %s:%d"):format(expected, failure.value, path, failure.line), 1, true))
end

describe("hostile script", function()
  local listed = files.list(FOLDER)

  it("there are more than twenty of them", function() assert.is_true(#listed > 24) end)

  for _, file in ipairs(listed) do
    local path = FOLDER .. "/" .. file.name
    local expected = files.read(path):match("^%-%- expect: (.-)\n")

    it(file.name .. " -> " .. expected, function()
      collectgarbage()
      local before = collectgarbage("count")
      local value, failure, seconds = run(path)
      assert.is_true(seconds < 2 * SECONDS, ("took %.2f s"):format(seconds))
      if expected == "ok" then
        assert.is_true(value)
      elseif expected:find("^error ") then
        assert.is_truthy(failure, "not refused")
        assert.is_truthy(tostring(failure.message):find(expected:sub(7), 1, true), tostring(failure.message))
        assert.is_truthy(failure.line)
      else
        check_limit(expected, failure, path)
      end
      serves_normally()
      collectgarbage()
      assert.is_true(collectgarbage("count") - before < 1024, "memory was kept")
    end)
  end
end)
