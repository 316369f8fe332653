-- Statements written to hurt: each stands for something that once did.
local macros = require("lib.sql.macros")
local sql = require("lib.sql")

local ctx = { database = "gold", parameters = {}, now = 0, table = function() return nil end }

local function translate(text)
  local tree, err = sql.parse(text)
  if not tree then return nil, err end
  return sql.translate.query(tree, ctx)
end

local function refused(text, code, words)
  local query, err = translate(text)
  assert.is_nil(query)
  assert.equal(code, err.code)
  assert.matches(words, err.message)
end

describe("hostile SQL", function()
  it("a NUL in a literal or a name was an internal error", function()
    refused("SELECT 'a\0b'", "SyntaxError", "U%+0000")
    refused('SELECT 1 AS "a\0b"', "SyntaxError", "U%+0000")
    refused("SELECT U&'\\0000'", "SyntaxError", "U%+0000")
    refused("SELECT U&'\\+000000'", "SyntaxError", "U%+0000")
  end)

  it("a NUL in the name of the database was an internal error", function()
    local with_nul = setmetatable({ database = "a\0b'" }, { __index = ctx })
    local query = sql.translate.query(sql.parse("SELECT CURRENT_SCHEMA"), with_nul)
    assert.equal("SELECT ('a' || chr(0) || 'b''') AS \"_col0\"", query.sql)
  end)

  it("half of a surrogate pair and text that is not UTF-8 reached the engine", function()
    refused("SELECT U&'\\D800'", "SyntaxError", "U%+D800")
    refused("SELECT U&'\\DFFF\\D800'", "SyntaxError", "U%+DFFF")
    refused("SELECT '\xff'", "SyntaxError", "UTF%-8")
    refused("SELECT '\xc0\xa7'", "SyntaxError", "UTF%-8")
    assert.equal("SELECT 'Aé😀' AS \"_col0\"", translate("SELECT U&'\\0041\\00e9\\+01F600'").sql)
  end)

  -- In executed instructions, as time differs from machine to machine.
  local function work(text)
    local steps = 0
    debug.sethook(function() steps = steps + 1000 end, "", 1000)
    local query, err = translate(text)
    debug.sethook()
    return steps, query, err
  end

  local doubling = {
    ["nullif in nullif"] = function(n) return ("nullif("):rep(n) .. "x" .. (", 1)"):rep(n) end,
    ["x / x / x"] = function(n) return ("("):rep(n) .. "x" .. (" / x)"):rep(n) end,
    ["mod in mod"] = function(n) return ("mod("):rep(n) .. "x" .. (", 3)"):rep(n) end,
  }
  for name, make in pairs(doubling) do
    it("forty times " .. name .. " took the memory of the machine", function()
      local steps, query, err = work("SELECT " .. make(40) .. " FROM (VALUES 1) t(x)")
      assert.is_true(steps < 1000000)
      if not query then assert.equal("NotSupported", err.code) else assert.is_true(#query.sql < 100000) end
      steps = work("SELECT " .. make(40) .. " FROM (VALUES 1) t(x) GROUP BY x")
      assert.is_true(steps < 1000000)
      assert.is_table(translate("SELECT " .. make(8) .. " FROM (VALUES 1) t(x)"))
    end)
  end

  it("knows how often the engine writes out an argument of a macro", function()
    assert.equal(1, macros.copies("now"))
    assert.equal(2, macros.copies("divide"))
    assert.is_true(macros.copies("scientific") > 4) -- through macros that it uses
    assert.equal(1, macros.copies("no_such_macro"))
  end)

  it("intervals beyond the engine's range were zero, or an internal error", function()
    refused("SELECT INTERVAL '99999999999999999999' DAY", "QueryFailed", "INVALID_LITERAL")
    refused("SELECT INTERVAL '999999999999999' YEAR", "QueryFailed", "INVALID_LITERAL")
    refused("SELECT INTERVAL '1.3' YEAR", "QueryFailed", "INVALID_LITERAL")
    assert.is_table(translate("SELECT INTERVAL '100000' DAY, INTERVAL '10' YEAR, INTERVAL '1.5' SECOND"))
  end)
end)
