-- From the first word to the command; help, exit codes and the shape of failures.
local commands = require "cli.commands"
local errors = require "lib.errors"
local fake_console = require "fake_console"
local dispatch = require "cli.dispatch"

local function run(...)
  local console = fake_console.new()
  return dispatch.run(console, { ... }), console.stdout, console.stderr
end

local function count_lines(s) return select(2, s:gsub("\n", "")) end

describe("cli.dispatch", function()
  it("shows the overview without arguments", function()
    local code, out = run()
    assert.are.equal(0, code)
    for _, command in ipairs(commands.list) do assert.matches(command.name, out, 1, true) end
    assert.is_true(count_lines(out) < 25)
  end)

  for _, command in ipairs(commands.list) do
    it("helps with " .. command.name .. " in fewer than 25 lines, with two examples", function()
      local code, out, err = run(command.name, "--help")
      assert.are.same({ 0, "" }, { code, err })
      assert.is_true(count_lines(out) < 25)
      assert.is_true(#command.examples >= 2)
      for line in out:gmatch("[^\n]+") do assert.is_true(#line <= 120, line) end
      assert.are.equal(out, select(2, run("help", command.name)))
    end)
    it("has a module for " .. command.name, function() assert.is_function(require(command.module).run) end)
  end

  it("suggests the nearest command", function()
    local code, out, err = run("sevre")
    assert.are.same({ 2, "" }, { code, out })
    assert.matches("did you mean 'serve'", err, 1, true)
    assert.matches("did you mean 'query'", select(3, run("help", "qurey")), 1, true)
  end)

  it("ends with 2 for an unknown option", function()
    local code, _, err = run("query", "--ouput", "json")
    assert.are.equal(2, code)
    assert.matches("did you mean '--output'", err, 1, true)
  end)

  it("wants a statement", function() assert.are.equal(2, (run("query"))) end)
  it("wants an id", function() assert.are.equal(2, (run("runs", "show"))) end)
  it("does not know other actions", function() assert.matches("did you mean 'show'", select(3, run("runs", "shwo")), 1, true) end)

  it("explains a code", function()
    local code, out = run("explain", "unsafesql")
    assert.are.equal(0, code)
    assert.matches("UnsafeSql", out, 1, true)
    assert.matches("HTTP 400", out, 1, true)
    assert.matches("exit code 4", out, 1, true)
  end)
  it("suggests no code that has little in common", function()
    assert.is_nil(select(3, run("explain", "Nope")):find("did you mean", 1, true))
  end)
  it("does not explain what is no code", function()
    local code, _, err = run("explain", "UnsaveSql")
    assert.are.equal(3, code)
    assert.matches("did you mean 'UnsafeSql'", err, 1, true)
  end)
  it("lists all codes", function()
    local _, out = run("explain")
    for code in pairs(errors.codes) do assert.matches(code, out, 1, true) end
  end)

  for _, shell in ipairs { "bash", "zsh", "fish" } do
    it("completes for " .. shell, function()
      local code, out = run("completion", shell)
      assert.are.equal(0, code)
      for _, command in ipairs(commands.list) do assert.matches(command.name, out, 1, true) end
    end)
  end
  it("does not complete for other shells", function() assert.are.equal(2, (run("completion", "tcsh"))) end)

  it("tells an error on standard error and ends with its code", function()
    local console = fake_console.new()
    assert.are.equal(3, dispatch.report(console, errors.new("NotFound", "no table 'x'")))
    assert.are.equal("", console.stdout)
    assert.matches("no table 'x'", console.stderr, 1, true)
  end)

  it("leaves the arguments of a script alone", function()
    local script = require "cli.run"
    local original, seen = script.run, nil
    script.run = function(_, parsed) seen = parsed return 0 end
    finally(function() script.run = original end)
    run("run", "--timeout", "5", "x.lua", "--output", "-q", "y")
    assert.are.same({ "x.lua", timeout = "5", rest = { "--output", "-q", "y" } }, seen)
  end)
end)
