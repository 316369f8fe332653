-- The services that specs of the AWS adapters speak to: moto (a stand-in for most services) and DynamoDB Local, each one
-- process for a whole test run. Started by the first spec that asks; tests/support/busted.lua stops them at the end.
local crypto = require "sm.crypto"
local files = require "sm.files"
local http = require "sm.http"
local process = require "process"
local server = require "sm.server"
local task = require "sm.task"

local M = {}

local START_SECONDS <const> = 60
local LOOK_SECONDS <const> = 0.02
local LIBRARIES <const> = "build/dynamodb-local"

M.REGION = "us-east-1"
M.ACCOUNT = "123456789012"

local running = {} -- name -> {url, pid}

local function moto_program()
  local python = files.env "SM_TEST_PYTHON"
  local folder = python and python:match("^(.*)/[^/]*$") or "build/venv/bin"
  return folder .. "/moto_server"
end

local function free_port()
  local probe = assert(server.listen { on_request = function() return {} end })
  local port = probe.port
  probe.stop()
  return port
end

local COMMANDS <const> = {
  moto = function(port) return ("%s -H 127.0.0.1 -p %d"):format(moto_program(), port) end,
  dynamodb = function(port)
    return ("java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx256m -Djava.library.path=%s -cp '%s/*' "
      .. "com.amazonaws.services.dynamodbv2.local.main.ServerRunner -inMemory -disableTelemetry -port %d"):format(LIBRARIES, LIBRARIES, port)
  end,
}

local READY_PATH <const> = { moto = "/moto-api/", dynamodb = "/" }

-- What must be there for a service to start.
local NEEDS <const> = {
  moto = function() return files.exists(moto_program()) end,
  dynamodb = function() return files.exists(LIBRARIES) and files.exists("/usr/bin/java") end,
}

--- Whether the machine has what a service needs; ./sewing test installs it.
---@param name string "moto" | "dynamodb"
---@return boolean
function M.has(name) return process.available() and NEEDS[name]() end

local function start(name)
  local port = free_port()
  local folder = assert(files.temp_dir())
  local log = folder .. "/log"
  local own = files.read("/proc/self/stat"):match("^%d+")
  local pid = process.spawn(("sh tests/support/with_owner.sh %s %s"):format(own, COMMANDS[name](port)), log)
  local url = "http://127.0.0.1:" .. port
  for _ = 1, START_SECONDS / LOOK_SECONDS do
    if http.request { url = url .. READY_PATH[name], timeout = 5 } then return { url = url, pid = pid, folder = folder } end
    if not process.is_running(pid) then break end
    task.sleep(LOOK_SECONDS)
  end
  process.run("kill " .. pid)
  local said = tostring(files.read(log))
  files.remove_tree(folder)
  error(("%s did not start: %s"):format(name, said), 0)
end

--- The address of a service, started when it is not yet.
---@param name string "moto" | "dynamodb"
---@return string url
function M.url(name)
  running[name] = running[name] or start(name)
  return running[name].url
end

function M.stop()
  for _, one in pairs(running) do
    process.run("kill " .. one.pid)
    files.remove_tree(one.folder)
  end
  running = {}
end

--- Empties moto. Specs that keep to names of their own need not.
function M.reset_moto()
  local answer = assert(http.request { method = "POST", url = M.url "moto" .. "/moto-api/reset", timeout = 30 })
  assert(answer.status == 200, answer.status)
end

--- What moto is told beside the API of AWS: POST /moto-api/PATH with a JSON body.
function M.tell_moto(path, value)
  local answer = assert(http.request { method = "POST", url = M.url "moto" .. "/moto-api/" .. path, timeout = 30,
    headers = { ["Content-Type"] = "application/json" }, body = assert(require("sm.json").encode(value)) })
  assert(answer.status // 100 == 2, answer.body)
end

--- A name that no other spec has.
---@param stem string
---@return string
function M.fresh(stem) return stem .. "-" .. crypto.hex(crypto.random(6)) end

return M
