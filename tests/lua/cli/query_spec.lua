-- The query command: where results go, in which format, and how many rows.
local query = require "cli.query"

local function collect(make, chunks)
  local parts = {}
  local sink = make(function(s) parts[#parts + 1] = s end)
  local stopped
  for _, chunk in ipairs(chunks) do
    if sink(chunk) == false then stopped = true break end
  end
  return table.concat(parts), stopped
end

describe("cli.query", function()
  it("stops NDJSON after the rows asked for", function()
    local text, stopped = collect(function(write) return query.limited(write, 2, false) end, { '{"a":1}\n{"a"', ':2}\n{"a":3}\n' })
    assert.are.same({ '{"a":1}\n{"a":2}\n', true }, { text, stopped })
  end)
  it("keeps the header of CSV and counts quoted line ends as one record", function()
    local text, stopped = collect(function(write) return query.limited(write, 2, true) end, { 'h\n"a\nb', '"\n"c ""\n"" d"\ne\n' })
    assert.are.same({ 'h\n"a\nb"\n"c ""\n"" d"\n', true }, { text, stopped })
  end)
  it("lets everything through when there is less", function()
    local text, stopped = collect(function(write) return query.limited(write, 20, true) end, { "h\na\n" })
    assert.are.same({ "h\na\n" }, { text, stopped })
  end)
  for _, chunks in ipairs { { '{"a":1}\n{"a":2}\n' }, { '{"a":', '1}\n{"a":2}', "\n" } } do
    it("makes a list of NDJSON in " .. #chunks .. " pieces", function()
      local parts = {}
      local feed, finish = query.as_list(function(s) parts[#parts + 1] = s end)
      for _, chunk in ipairs(chunks) do feed(chunk) end
      finish()
      assert.are.equal('[{"a":1},\n {"a":2}]\n', table.concat(parts))
    end)
  end
  it("makes an empty list of nothing", function()
    local parts = {}
    local _, finish = query.as_list(function(s) parts[#parts + 1] = s end)
    finish()
    assert.are.equal("[]\n", table.concat(parts))
  end)
end)
