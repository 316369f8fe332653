-- The whole program on a data folder of its own, for specs: refreshes, queries, and a source folder to write to.
local files = require "sm.files"
local json = require "lib.json"
local shape = require "lib.shape"
local settings_list = require "settings"
local task = require "sm.task"

local M = {}

local WAIT_SECONDS <const> = 60

---@param options table?  {data?, source?, settings = {NAME = text}?}
function M.open(options)
  options = options or {}
  local own = not options.data
  local data = options.data or assert(files.realpath(assert(files.temp_dir())))
  local source = options.source
  if source == nil then
    source = data .. "-source"
    assert(files.mkdir(source))
  end
  local values = { SEWING_DATA = data, SEWING_SOURCE = source or nil, COOLDOWN_SECONDS = "0", SEWING_ENGINE_THREADS = "2" }
  for name, value in pairs(options.settings or {}) do values[name] = value end
  local settings = assert(settings_list.read(function(name) return values[name] end))
  local app = assert(require("boot").local_profile(settings, { purpose = "serve" }))
  local house = { app = app, data = data, source = source, ports = app.ports, settings = settings }

  function house.call(name, input)
    local use_case = assert(app.use_case(name))
    local clean, err = shape.check(use_case.input, input or {})
    if not clean then return nil, err end
    return use_case.run(app.ports_of(use_case), clean, { caller = "spec", base_url = "http://spec", request_id = "spec" })
  end

  -- Writes source files: name -> lines.
  function house.put(list)
    for name, lines in pairs(list) do assert(files.write(source .. "/" .. name, table.concat(lines, "\n") .. "\n")) end
  end

  -- Waits for the end of a job.
  function house.ended(job_id)
    local seen, till = 0, require("sm.time").monotonic() + WAIT_SECONDS
    while require("sm.time").monotonic() < till do
      local job = assert(app.ports.jobs.get(job_id))
      if job.state ~= "QUEUED" and job.state ~= "RUNNING" then return job end
      local events = assert(app.ports.jobs.watch(job_id, seen, 1))
      if #events > 0 then seen = events[#events].seq end
    end
    error("the refresh did not end in time")
  end

  -- A whole refresh; waits for background work too, so that the lock is given back.
  function house.refresh(run)
    local answer = assert(house.call("run", { run = run }))
    local job = house.ended(answer.job_id)
    house.settle()
    return job
  end

  function house.settle()
    for _ = 1, 1000 do
      local row = app.ports.lock.read("full-load")
      if not row or (select(2, app.ports.lock.renew(row, 1))) then return end
      task.sleep(0.01)
    end
    error("the refresh lock was not given back")
  end

  -- The rows of a query as lists of texts; NULL is json.null.
  function house.rows(sql)
    local done, err = app.ports.warehouse.run { sql = sql, caller = "spec", purpose = "query" }
    if not done then error(tostring(err), 2) end
    local page = assert(app.ports.warehouse.results(done.id, { max_rows = 1000 }))
    local rows = {}
    for i, text in ipairs(page.rows_text) do
      rows[i] = assert(json.decode(text))
      for k = 1, #rows[i] do if rows[i][k] == json.null then rows[i][k] = "NULL" end end
      rows[i] = table.concat(rows[i], "|")
    end
    return rows
  end

  function house.close()
    app.close()
    if own then
      files.remove_tree(data)
      files.remove_tree(data .. "-source")
    end
  end

  return house
end

function M.step(job, name)
  for _, step in ipairs(job.steps) do if step.name == name then return step end end
  error("no step " .. name)
end

return M
