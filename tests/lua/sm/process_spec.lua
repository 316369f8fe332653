-- sm.process: programs of the shell, from a script's side.
local process = require "sm.process"
local task = require "sm.task"
local time = require "sm.time"

local function is_running(pid)
  local file = io.open("/proc/" .. pid .. "/stat")
  if not file then return false end
  local state = (file:read("a") or ""):match("%) (%a)")
  file:close()
  return state ~= nil and state ~= "Z" and state ~= "X"
end

-- The program writes its id into a file, so that one can see whether it is still there.
local function wait_for_pid(path)
  local files = require "sm.files"
  for _ = 1, 1000 do
    local text = files.read(path)
    if text and text:find("\n") then return math.tointeger(tonumber(text:match("%d+"))) end
    task.sleep(0.005)
  end
  error("the program did not start")
end

local function wait_until_gone(pid)
  for _ = 1, 1000 do
    if not is_running(pid) then return true end
    task.sleep(0.005)
  end
end

describe("sm.process:", function()
  local files = require "sm.files"
  local folder
  setup(function() folder = assert(files.temp_dir()) end)
  teardown(function() files.remove_tree(folder) end)

  it("gives what was printed and how it ended", function()
    assert.are.same({ code = 0, stdout = "a\nb\n", stderr = "" }, process.run("echo a; echo b"))
    assert.are.same({ code = 4, stdout = "", stderr = "no\n" }, process.run("echo no >&2; exit 4"))
    assert.are.same({ code = 143, signal = 15, stdout = "", stderr = "" }, process.run("kill $$"))
    assert.are.equal(127, process.run("/no/such/program").code)
  end)

  it("sets variables besides our own", function()
    assert.are.equal("x y/1\n", process.run('echo "$SM_A/$SM_B"', { env = { SM_A = "x y", SM_B = "1" } }).stdout)
  end)

  it("other tasks go on meanwhile", function()
    local gate = folder .. "/gate"
    assert.are.equal(0, process.run("mkfifo " .. gate).code)
    local got = assert(task.parallel { function() return process.run("cat " .. gate, { timeout = 30 }) end,
      function() return process.run("echo through > " .. gate, { timeout = 30 }) end })
    assert.are.equal("through\n", got[1].stdout)
  end)

  it("is killed when the time is up", function()
    local start = time.monotonic()
    local none, message, code = process.run("echo $$ > " .. folder .. "/late; exec sleep 1000", { timeout = 0.05 })
    assert.are.same({ nil, "timeout" }, { none, code })
    assert.matches("in time", message)
    assert.is_true(time.monotonic() - start < 20)
    local text = files.read(folder .. "/late")
    if text and text:find("%d") then assert.is_false(is_running(math.tointeger(tonumber(text)))) end
  end)

  it("is killed with its children when the task is cancelled", function()
    local pid_file = folder .. "/cancelled"
    local one = task.spawn(function() process.run("sleep 1000 & echo $! > " .. pid_file .. "; wait") end)
    local pid = wait_for_pid(pid_file)
    assert.is_true(is_running(pid))
    one:cancel()
    one:join()
    assert.is_true(wait_until_gone(pid))
  end)

  it("is killed when it prints too much", function()
    local none, message, code = process.run("while :; do echo 12345; done", { max_bytes = 100000 })
    assert.are.same({ nil, "limit" }, { none, code })
    assert.matches("100000 bytes", message)
  end)

  it("a program that leaves a child behind ends when it ends itself", function()
    local result = assert(process.run("sleep 1000 & echo $!", { timeout = 30 }))
    local pid = math.tointeger(tonumber(result.stdout))
    assert.is_true(is_running(pid))
    assert(process.run("kill -9 " .. pid))
  end)

  it("refuses what is no command", function()
    assert.has_error(function() process.run() end)
    assert.has_error(function() process.run("a\0b") end)
    assert.has_error(function() process.run("true", { timeout = -1 }) end)
    assert.has_error(function() process.run("true", { time = 1 }) end)
    assert.has_error(function() process.run("true", { env = { A = 1 } }) end)
  end)
end)
