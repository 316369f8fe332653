-- Tables for people: widths, alignment, what does not fit.
local table_text = require "cli.table"

describe("cli.table", function()
  it("aligns columns", function()
    assert.are.equal("id  name\n--  ----\n1   Ann\n22  Bo\n", table_text.render({ "id", "name" }, { { "1", "Ann" }, { "22", "Bo" } }))
  end)
  it("aligns numbers to the right when told", function()
    assert.are.equal("n\n--\n 1\n22\n", (table_text.render({ "n" }, { { 1 }, { 22 } }, { right = { true } }):gsub("^ n", "n")))
  end)
  it("shows NULL", function() assert.matches("NULL", table_text.render({ "a", "b" }, { { nil, "x" } }), 1, true) end)
  it("shows the header of an empty result", function() assert.are.equal("a\n-\n", table_text.render({ "a" }, {})) end)
  it("shows nothing without columns", function() assert.are.equal("", table_text.render({}, {})) end)

  for s, width in pairs { abc = 3, ["日本"] = 4, ["é"] = 1, ["e\u{301}"] = 1, ["👍"] = 2, ["👍🏽"] = 2, ["한글"] = 4, [""] = 0,
    ["ａ"] = 2, ["a\u{200B}b"] = 2 } do
    it(("takes %d columns for %q"):format(width, s), function() assert.are.equal(width, table_text.width(s)) end)
  end

  it("lines up wide characters", function()
    local lines = {}
    for line in table_text.render({ "name", "x" }, { { "日本語", "1" }, { "Zoë",
      "2" } }):gmatch("[^\n]+") do lines[#lines + 1] = line end
    assert.are.equal(table_text.width(lines[3]), table_text.width(lines[4]))
  end)

  it("fits a narrow terminal", function()
    local text = table_text.render({ "a", "b" }, { { ("x"):rep(100), ("日"):rep(50) } }, { width = 40 })
    for line in text:gmatch("[^\n]+") do assert.is_true(table_text.width(line) <= 40) end
    assert.matches("…", text, 1, true)
  end)

  it("does not cut when the width is not known", function()
    assert.matches(("x"):rep(300), table_text.render({ "a" }, { { ("x"):rep(300) } }, { width = 0 }), 1, true)
  end)

  for _, width in ipairs { 1, 2, 3 } do
    it("ends for a terminal of " .. width .. " columns", function()
      assert.is_string(table_text.render({ "aaaaaaaa", "bbbbbbbb" }, { { "x", "y" } }, { width = width }))
    end)
  end

  it("lets no control character through", function()
    local text = table_text.render({ "a\27[2J" }, { { "line\nbreak\ttab\27]0;evil\7\u{9b}31m" } })
    assert.is_nil(text:gsub("\n", ""):find("%c"))
    assert.is_nil(text:find("\xc2\x9b", 1, true))
    assert.matches("line\\nbreak\\ttab", text, 1, true)
  end)

  it("shows bytes that are not UTF-8 as question marks", function()
    assert.are.equal("a\n--\n??\n", table_text.render({ "a" }, { { "\xff\xfe" } }))
  end)
end)
