-- The command line as somebody types it: without a server, in this process.
local files = require "sm.files"
local json = require "lib.json"
local process = require "process"
local servers = require "server"
local task = require "sm.task"

local data

-- Runs the program; gives standard output, exit code and standard error.
local function sewing(arguments, env)
  local err = data .. ".err"
  local out, code = process.run(("env SEWING_ROOT=%s SEWING_DATA=%s %s %s %s 2>%s"):format(files.cwd(), data, env or "", servers.program,
    arguments, err))
  return out, code, files.read(err)
end

local function engine()
  return require("sm.duckdb").load() ~= nil
end

describe("sewing", function()
  setup(function() data = servers.folder() end)
  teardown(function()
    files.remove_tree(data)
    files.remove(data .. ".err")
  end)

  it("says what there is", function()
    local out, code = sewing("help")
    assert.are.equal(0, code)
    assert.matches("serve", out, 1, true)
    assert.are.equal(out, (sewing("--help")))
  end)

  it("ends with 2 and a suggestion for a slip", function()
    local out, code, err = sewing("sevre")
    assert.are.same({ "", 2 }, { out, code })
    assert.matches("did you mean 'serve'", err, 1, true)
  end)

  it("tells its version", function()
    local out = sewing("version --json")
    local version = json.decode(out)
    assert.are.equal(require("version").number, version.version)
    assert.is_string(version.libraries.sqlite)
  end)

  it("completes in bash", function()
    local out, code = process.run(("cd %s && %s completion bash > %s/c.sh && bash -c 'source %s/c.sh; COMP_WORDS=(sewing qu); "
      .. "COMP_CWORD=1; "
      .. "_sewing; echo ${COMPREPLY[@]}'"):format(files.cwd(), servers.program, data, data))
    assert.are.same({ "query", 0 }, { out:match("%S+"), code })
  end)

  it("names every wrong setting at once and ends with 2", function()
    local _, code, err = sewing("doctor", "COOLDOWN_SECONDS=x SEWING_PORT=99999")
    assert.are.equal(2, code)
    assert.matches("COOLDOWN_SECONDS", err, 1, true)
    assert.matches("SEWING_PORT", err, 1, true)
  end)

  it("reads settings from a file, below the environment", function()
    assert(files.write(data .. "/s.conf", "COOLDOWN_SECONDS=5\nRESOURCE_KEY=mine\n"))
    local out = sewing(("doctor --settings --output json --config %s/s.conf"):format(data), "COOLDOWN_SECONDS=7")
    local values = {}
    for _, line in ipairs(json.decode(out)) do values[line.name] = line.value end
    assert.are.same({ "7", "mine" }, { values.COOLDOWN_SECONDS, values.RESOURCE_KEY })
    assert.are.equal(2, select(2, sewing("doctor --config /nowhere")))
  end)

  it("checks itself", function()
    if not engine() then return pending "libduckdb.so is not there" end
    local out, code = sewing("doctor")
    assert.are.equal(0, code, out)
    assert.matches("ok    engine", out, 1, true)
  end)

  it("makes no folder for a question", function()
    for _, command in ipairs { "query 'SELECT 1'", "runs", "schemas" } do
      local _, code, err = sewing(command .. " --data " .. data .. "/nowhere")
      assert.are.equal(3, code)
      assert.matches("sewing serve", err, 1, true)
    end
    sewing("doctor --data " .. data .. "/nowhere")
    assert.is_falsy(files.exists(data .. "/nowhere"))
  end)

  it("calls a use case with an event", function()
    local out, code = sewing("invoke health")
    assert.are.same({ 0, "ok" }, { code, json.decode(out).status })
    assert.are.equal(3, select(2, sewing("invoke nothing")))
    assert.are.equal(2, select(2, sewing("invoke runs --event /dev/null --output x")))
    assert(files.write(data .. "/e.json", '{"limit":"many"}'))
    local _, refused, err = sewing(("invoke runs --event %s/e.json"):format(data))
    assert.are.equal(2, refused)
    assert.matches("limit", err, 1, true)
  end)

  describe("run", function()
    local function script(source, arguments, options)
      assert(files.write(data .. "/x.lua", source))
      return sewing(("run %s %s/x.lua %s"):format(options or "", data, arguments or ""))
    end
    it("gives a script its arguments and every module", function()
      local out, code = script("print(select('#', ...), ..., require('sm.time').date(0))", "a -b")
      assert.are.same({ "2\ta\t1970-01-01", 0 }, { out:match("[^\n]+"), code })
    end)
    it("takes a number for the exit code", function() assert.are.equal(7, select(2, script("return 7"))) end)
    it("shows where a script failed", function()
      local _, code, err = script("local a = 1\nerror 'boom'\nlocal b = 2")
      assert.are.equal(1, code)
      assert.matches("x.lua:2: boom", err, 1, true)
      assert.matches(">    2 | error 'boom'", err, 1, true)
    end)
    it("takes nil and anything for a failure", function()
      local _, code, err = script("return nil, 'no table'")
      assert.are.same({ 1, "sewing: no table\n" }, { code, err })
      _, code, err = script("return nil, require('aws.failure').new { kind = 'config', code = 'NoRegion', message = 'no region' }")
      assert.are.same({ 1, "sewing: NoRegion: no region\n" }, { code, err })
      _, code, err = script("assert(nil, require('aws.failure').new { kind = 'config', code = 'NoRegion', message = 'no region' })")
      assert.are.same({ 1, "sewing: NoRegion: no region\n" }, { code, err })
      assert.are.equal(0, select(2, script("return nil")))
    end)
    it("stops an endless script in time", function()
      local _, code = script("while true do pcall(function() while true do end end) end", "", "--timeout 0.3")
      assert.are.equal(5, code)
    end)
    it("refuses bytecode", function() assert.are.equal(2, select(2, script("\27Lua"))) end)
    it("says when there is no such file", function() assert.are.equal(3, select(2, sewing("run /nowhere.lua"))) end)
  end)

  describe("with a lake", function()
    local id
    setup(function()
      if not engine() then return end
      local out, code, err = sewing("runs start --run 2026-01-05")
      assert.are.equal(0, code, err)
      id = out:match("%S+")
    end)

    it("refreshes and says each step, without moving a cursor that is not there", function()
      if not engine() then return pending "libduckdb.so is not there" end
      local out, code, err = sewing("runs show " .. id .. " --output json")
      assert.are.equal(0, code)
      for _, step in ipairs(json.decode(out)) do assert.are.equal("SUCCEEDED", step.state, step.step) end
      assert.is_nil((out .. err):find("\27", 1, true))
      assert.is_nil((out .. err):find("\r", 1, true))
      assert.are.equal(6, select(2, sewing("runs start --run 2026-01-05", "COOLDOWN_SECONDS=600")))
    end)

    for format, check in pairs {
      table = function(out) assert.matches("^n%s+s\n%-+%s+%-+\n1%s+é\n", (out:gsub("^ +", ""):gsub("\n +", "\n"))) end,
      json = function(out) assert.are.same({ { n = 1, s = "é" }, { n = 2, s = "b" } }, json.decode(out)) end,
      ndjson = function(out) assert.are.same({ n = 1, s = "é" }, json.decode((out:match("^[^\n]+")))) end,
      csv = function(out) assert.are.equal('"n","s"\n"1","é"\n"2","b"', (out:gsub("\n$", ""))) end,
    } do
      it("answers a query as " .. format, function()
        if not engine() then return pending "libduckdb.so is not there" end
        local out, code, err = sewing(([[query "SELECT * FROM (VALUES (1, 'é'), (2, 'b')) t(n, s) ORDER BY n" --output %s]]):format(format))
        assert.are.equal(0, code, err)
        check(out)
      end)
    end

    it("stops after the rows asked for", function()
      if not engine() then return pending "libduckdb.so is not there" end
      for format, lines in pairs { table = 5, ndjson = 3, csv = 4 } do
        local out = sewing("query 'SELECT visit_id FROM gold.fact_visit' --max-rows 3 --output " .. format)
        assert.are.equal(lines, select(2, out:gsub("\n*$", "\n"):gsub("\n", "")), format)
      end
      local all = sewing("query 'SELECT visit_id FROM gold.fact_visit' --output ndjson")
      assert.is_true(select(2, all:gsub("\n", "")) > 5000)
    end)

    it("shows the place of a fault in SQL", function()
      if not engine() then return pending "libduckdb.so is not there" end
      local out, code, err = sewing("query 'SELECT nope FROM gold.fact_visit'")
      assert.are.same({ "", 1 }, { out, code })
      assert.matches("SELECT nope FROM gold.fact_visit\n       ^", err, 1, true)
      assert.are.equal(4, select(2, sewing("query 'DROP TABLE gold.fact_visit'")))
    end)

    it("maintains the lake of its owner: ALTER, UPDATE, VACUUM, OPTIMIZE", function()
      if not engine() then return pending "libduckdb.so is not there" end
      local function maintain(sql, code)
        local out, ended, err = sewing("maintain \"" .. sql .. "\"")
        assert.are.same({ "", code or 0 }, { out, ended }, err)
        return err
      end
      assert.matches("done", maintain "ALTER TABLE gold.dim_resident ADD COLUMNS (email varchar)", 1, true)
      assert.matches("UPDATE: 3 rows", maintain "UPDATE gold.dim_resident SET email = 'x' WHERE resident_id IN (1, 2, 3)", 1, true)
      maintain "OPTIMIZE gold.dim_resident REWRITE DATA USING BIN_PACK"
      maintain "VACUUM gold.dim_resident"
      assert.are.equal('"3"', (sewing("query 'SELECT count(email) AS n FROM gold.dim_resident' --output csv"):match("\n([^\n]+)")))
      assert.matches("sewing query", maintain("SELECT 1", 2), 1, true)
      assert.matches("\n^\n", "\n" .. maintain("VACUM gold.dim_resident", 1), 1, true)
      maintain("DROP TABLE gold.nope", 3)
    end)

    it("lists tables and columns", function()
      if not engine() then return pending "libduckdb.so is not there" end
      assert.matches("gold%s+fact_visit", sewing("schemas"))
      assert.matches("charge_usd%s+decimal%(12,2%)", sewing("schemas gold.fact_visit"))
      assert.are.equal(3, select(2, sewing("schemas gold.nope")))
    end)

    local ENDLESS <const> = "'SELECT count(*) FROM gold.fact_visit a CROSS JOIN gold.fact_visit b CROSS JOIN gold.fact_visit c'"

    it("gives up in time with 5", function()
      if not engine() then return pending "libduckdb.so is not there" end
      assert.are.equal(5, select(2, sewing("query --timeout 1 " .. ENDLESS)))
    end)

    it("leaves no refresh that looks like running after Ctrl-C", function()
      if not engine() then return pending "libduckdb.so is not there" end
      local folder = servers.folder()
      local log = folder .. ".log"
      local pid = process.spawn(("bash -c 'SEWING_ROOT=%s SEWING_DATA=%s %s runs start & p=$!; echo pid $p; wait $p; echo ended $?'")
        :format(files.cwd(), folder, servers.program), log)
      local child = servers.eventually(function()
        local text = files.read(log) or ""
        return text:find("SUCCEEDED", 1, true) and text:match("pid (%d+)")
      end, 20)
      assert.is_truthy(child, files.read(log))
      process.run("kill -INT " .. child)
      local code = servers.eventually(function() return (files.read(log) or ""):match("ended (%d+)") end, 20)
      if not code then process.kill(pid) end
      local state = json.decode((sewing("runs list --output json --data " .. folder)))[1].state
      files.remove(log)
      files.remove_tree(folder)
      assert.are.equal("130", code)
      assert.is_truthy(({ CANCELLED = true, SUCCEEDED = true })[state], state)
    end)

    it("tells a failed load once, without its log", function()
      if not engine() then return pending "libduckdb.so is not there" end
      local folder = servers.folder()
      assert(files.write(folder .. "/dbo_resident.csv", ""))
      assert(files.write(folder .. "/dbo_visit.csv", ""))
      local _, code, err = sewing(("runs start --data %s/lake"):format(folder), "SEWING_SOURCE=" .. folder)
      files.remove_tree(folder)
      assert.are.equal(1, code)
      assert.matches("csv is empty", err, 1, true)
      assert.is_nil(err:find("background_failed", 1, true))
    end)

    it("fits its tables to the terminal, told by the wrapper", function()
      if not engine() then return pending "libduckdb.so is not there" end
      if select(2, process.run("script -qec true /dev/null")) ~= 0 then
        return pending "there is no pseudo-terminal here, or no program 'script' to make one"
      end
      local out = process.run(("cd %s && env -u COLUMNS SEWING_DATA=%s script -qec 'stty rows 30 cols 50; ./sewing query %s' /dev/null")
        :format(files.cwd(), data, [["SELECT * FROM gold.fact_visit LIMIT 2"]]))
      for line in out:gsub("\r", ""):gmatch("[^\n]+") do assert.is_true(utf8.len(line) <= 70, line) end
      assert.matches("…", out, 1, true)
    end)

    it("is interrupted with 130", function()
      if not engine() then return pending "libduckdb.so is not there" end
      local log = data .. ".log"
      local pid = process.spawn(("bash -c 'SEWING_ROOT=%s SEWING_DATA=%s %s query %s & p=$!; echo pid $p; wait $p; echo ended $?'")
        :format(files.cwd(), data, servers.program, ENDLESS:gsub("'", '"')), log)
      local child = servers.eventually(function() return (files.read(log) or ""):match("pid (%d+)") end)
      servers.eventually(function() return #(files.list(data .. "/results") or {}) > 0 end, 2)
      task.sleep(0.5) -- not synchronisation: the query should be at work, wherever it is
      process.run("kill -INT " .. child)
      local code = servers.eventually(function() return (files.read(log) or ""):match("ended (%d+)") end, 10)
      if not code then process.kill(pid) end
      files.remove(log)
      assert.are.equal("130", code)
    end)
  end)
end)
