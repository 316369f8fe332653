-- What the README shows works exactly as printed; only the port differs, so that a server of yours is left alone.
local files = require "sm.files"
local process = require "process"
local servers = require "server"

local function blocks(path)
  local list = {}
  for code in assert(files.read(path)):gmatch("\n```sh\n(.-)\n```") do list[#list + 1] = code end
  return list
end

describe("the README's lines", function()
  if not require("sm.duckdb").load() then
    return it("are run with the engine", function() pending "libduckdb.so is not there" end)
  end
  local server, dir, wrapper
  local data = files.cwd() .. "/build/readme-data"

  setup(function()
    files.remove_tree(data)
    server = servers.start { data = data }
    dir = servers.folder()
    wrapper = dir .. "/sewing" -- ./sewing of the README: the built program on the server's folder
    files.write(wrapper, ("#!/bin/sh\nexec env SEWING_DATA=%s SEWING_ROOT=%s %s \"$@\"\n"):format(data, files.cwd(), servers.program))
    process.run("chmod +x " .. wrapper)
  end)
  teardown(function()
    server:remove()
    files.remove_tree(dir)
  end)

  it("refresh, ask, keep and download from top to bottom", function()
    local shown = {}
    for _, code in ipairs(blocks("README.md")) do
      if code:find("curl", 1, true) or code:find("./sewing query", 1, true) then
        shown[#shown + 1] = (code:gsub("http://127%.0%.0%.1:8080", function() return server.url end))
      end
    end
    assert.is_true(#shown >= 5, "the README shows fewer lines than it did")
    files.write(dir .. "/lines.sh", "set -e\n" .. table.concat(shown, "\necho; echo ==\n") .. "\n")
    local output, code = process.run(("cd %s && bash lines.sh"):format(dir))
    assert.equal(0, code, output)
    assert.is_nil(output:find('"error":{', 1, true), output)
    assert.matches('"state":"SUCCEEDED"', output, 1, true)
    assert.matches('"table":"gold.visits_by_resident"', output, 1, true)
    assert.matches("gold%.fact_visit", output)
    assert.equal("PAR1", files.read(dir .. "/visits.parquet"):sub(1, 4))
  end)

  it("open the lake with pyiceberg as docs/architecture.md shows", function()
    local python = files.env("SM_TEST_PYTHON")
    if not python then return pending "SM_TEST_PYTHON is not set (tests/run sets it)" end
    local code = assert(assert(files.read("docs/architecture.md")):match("\n```python\n(.-)\n```"))
    files.write(dir .. "/lake.py", (code:gsub("sqlite:///data", function() return "sqlite:///" .. data end)))
    local output, status = process.run(("cd %s && %s lake.py"):format(dir, python))
    assert.equal(0, status, output)
    assert.is_true(tonumber(output:match("%d+")) > 10000, output)
  end)
end)
