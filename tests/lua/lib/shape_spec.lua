-- Input checked against a shape: what is taken, what is refused, and why.
local shape = require "lib.shape"

local function accepts(s, value, expected, options)
  local clean, err = shape.check(s, value, options)
  assert.is_nil(err and err.message)
  assert.are.same(expected, clean)
end

local function refuses(s, value, code, path, options)
  local clean, err = shape.check(s, value, options)
  assert.is_nil(clean)
  assert.are.equal(code, err.code)
  if path then assert.are.equal(path, err.details.fields[1].path) end
  return err
end

local TEXT = { coerce = true }

describe("lib.shape", function()
  describe("strings", function()
    local s = shape.object { title = shape.string { min = 1, max = 255 } }
    it("take the longest length allowed", function() accepts(s, { title = ("x"):rep(255) }, { title = ("x"):rep(255) }) end)
    it("refuse one more", function() refuses(s, { title = ("x"):rep(256) }, "BadParam", "/title") end)
    it("refuse the empty text when one character is asked for", function() refuses(s, { title = "" }, "BadParam", "/title") end)
    it("count characters, not bytes", function() accepts(s, { title = ("é"):rep(255) }, { title = ("é"):rep(255) }) end)
    it("refuse what is not UTF-8", function() refuses(s, { title = "\xff" }, "BadParam", "/title") end)
    for name, value in pairs { number = 5, boolean = true, list = { "a" }, object = { a = 1 } } do
      it("refuse a " .. name, function() refuses(s, { title = value }, "BadParam", "/title") end)
    end
    it("are checked by a function", function()
      local even = shape.object { x = shape.string { test = function(v) return #v % 2 == 0, "must be even" end } }
      accepts(even, { x = "ab" }, { x = "ab" })
      assert.matches("must be even", refuses(even, { x = "a" }, "BadParam", "/x").message, 1, true)
    end)
    it("are trimmed on demand", function()
      accepts(shape.object { x = shape.string { trim = true } }, { x = " a " }, { x = "a" })
    end)
    it("may count as absent when blank", function()
      local blank = shape.object { x = shape.string { blank_is_absent = true, default = "d" } }
      accepts(blank, { x = "  " }, { x = "d" })
      refuses(shape.object { x = shape.string { blank_is_absent = true } }, { x = "" }, "MissingParam", "/x")
    end)
  end)

  describe("integers", function()
    local price = shape.object { price = shape.integer { min = 1, max = 10000000 } }
    for _, good in ipairs { 1, 10000000, 5.0 } do
      it("take " .. good, function() accepts(price, { price = good }, { price = math.tointeger(good) }) end)
    end
    for _, wrong in ipairs { 0, 10000001, 1.5, "5", true, 0 / 0, math.huge } do
      it("refuse " .. tostring(wrong) .. " (" .. type(wrong) .. ")", function() refuses(price, { price = wrong }, "BadParam", "/price") end)
    end
    it("keep all 64 bits", function()
      local any = shape.object { n = shape.integer() }
      accepts(any, { n = math.maxinteger }, { n = math.maxinteger })
      accepts(any, { n = "9223372036854775807" }, { n = math.maxinteger }, TEXT)
      refuses(any, { n = "9223372036854775808" }, "BadParam", "/n", TEXT)
    end)
    local limit = shape.object { limit = shape.integer { min = 1, max = 100, default = 10 } }
    for _, wrong in ipairs { "0", "101", "abc", "", "1.5", "0x10", "1e400", "nan" } do
      it("in a query refuse '" .. wrong .. "'", function() refuses(limit, { limit = wrong }, "BadParam", "/limit", TEXT) end)
    end
    it("in a query take text", function() accepts(limit, { limit = "100" }, { limit = 100 }, TEXT) end)
    it("take their default", function() accepts(limit, {}, { limit = 10 }, TEXT) end)
    it("are clamped on demand", function()
      local rows = shape.object { max_rows = shape.integer { min = 1, max = 1000, default = 500, clamp = true, coerce = true,
        falsy_is_absent = true } }
      for given, expected in pairs { [5000] = 1000, [-3] = 1, ["7"] = 7, [0] = 500, [""] = 500, [false] = 500 } do
        accepts(rows, { maxRows = given }, { max_rows = expected })
      end
      refuses(rows, { maxRows = "many" }, "BadParam", "/maxRows")
      refuses(rows, { maxRows = {} }, "BadParam", "/maxRows")
    end)
  end)

  describe("numbers", function()
    local s = shape.object { x = shape.number { min = 0 } }
    it("take fractions", function() accepts(s, { x = 0.5 }, { x = 0.5 }) end)
    it("refuse what is out of range", function() refuses(s, { x = -0.1 }, "BadParam", "/x") end)
    it("refuse not-a-number", function() refuses(s, { x = 0 / 0 }, "BadParam", "/x") end)
  end)

  describe("booleans", function()
    local s = shape.object { deep = shape.boolean { default = false } }
    it("are strict in a body", function() refuses(s, { deep = "true" }, "BadParam", "/deep"); refuses(s, { deep = 1 }, "BadParam") end)
    for given, expected in pairs { ["true"] = true, ["1"] = true, ["FALSE"] = false, ["0"] = false } do
      it("in a query read " .. given, function() accepts(s, { deep = given }, { deep = expected }, TEXT) end)
    end
    it("in a query refuse 'maybe'", function() refuses(s, { deep = "maybe" }, "BadParam", "/deep", TEXT) end)
    it("keep false", function() accepts(s, { deep = false }, { deep = false }) end)
  end)

  describe("dates", function()
    local s = shape.object { run = shape.date { optional = true } }
    for _, good in ipairs { "2025-08-13", "2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31" } do
      it("take " .. good, function() accepts(s, { run = good }, { run = good }) end)
    end
    for _, wrong in ipairs { "2025-02-30", "2025-02-29", "1900-02-29", "2025-13-01", "2025-00-10", "2025-01-00", "today", "2025-1-1",
      "2025-08-13 ", "2025-08-13'--", "0000-01-01", "２０２５-08-13", "2025-08-13\n" } do
      it("refuse " .. wrong, function() refuses(s, { run = wrong }, "BadParam", "/run") end)
    end
    it("refuse a number", function() refuses(s, { run = 20250813 }, "BadParam", "/run") end)
  end)

  describe("enums", function()
    local s = shape.object { mode = shape.enum({ "append", "replace" }, { default = "append", fold_case = true }) }
    it("take a value in any case when told so", function() accepts(s, { mode = "REPLACE" }, { mode = "replace" }) end)
    it("take their default", function() accepts(s, {}, { mode = "append" }) end)
    it("suggest the nearest value", function()
      assert.matches("did you mean 'replace'", refuses(s, { mode = "repalce" }, "BadParam", "/mode").message, 1, true)
    end)
    it("are exact otherwise", function() refuses(shape.object { m = shape.enum { "a" } }, { m = "A" }, "BadParam", "/m") end)
    it("refuse other types", function() refuses(s, { mode = 1 }, "BadParam", "/mode") end)
  end)

  describe("lists", function()
    local s = shape.object { tags = shape.list(shape.string { min = 1 }, { max = 3 }) }
    it("are copied", function()
      local given = { "a", "b" }
      local clean = shape.check(s, { tags = given })
      assert.are.same(given, clean.tags)
      assert.are_not.equal(given, clean.tags)
    end)
    it("may be empty", function() accepts(s, { tags = {} }, { tags = {} }) end)
    it("name the item that is wrong", function() refuses(s, { tags = { "a", 5 } }, "BadParam", "/tags/1") end)
    it("have a largest length", function() refuses(s, { tags = { "a", "b", "c", "d" } }, "BadParam", "/tags") end)
    it("refuse an object", function() refuses(s, { tags = { a = 1 } }, "BadParam", "/tags") end)
    it("refuse text", function() refuses(s, { tags = "a" }, "BadParam", "/tags") end)
  end)

  describe("maps", function()
    local s = shape.object { properties = shape.map(shape.string(), { max = 2, key_test = function(k) return #k < 9, "too long" end }) }
    it("take free keys", function() accepts(s, { properties = { a = "1" } }, { properties = { a = "1" } }) end)
    it("check keys", function() refuses(s, { properties = { abcdefghij = "1" } }, "BadParam", "/properties/abcdefghij") end)
    it("check values", function() refuses(s, { properties = { a = 1 } }, "BadParam", "/properties/a") end)
    it("refuse a list", function() refuses(s, { properties = { "x" } }, "BadParam", "/properties") end)
    it("have a largest size", function() refuses(s, { properties = { a = "", b = "", c = "" } }, "BadParam", "/properties") end)
    it("escape the pointer", function() refuses(s, { properties = { ["a/~b"] = 1 } }, "BadParam", "/properties/a~1~0b") end)
  end)

  describe("objects", function()
    local s = shape.object {
      target = shape.object { db = shape.string(), table = shape.string() },
      sql = shape.string { min = 1 },
      max_rows = shape.integer { optional = true, coerce = true },
      database = shape.string { optional = true, aliases = { "catalog" } },
    }
    local good = { target = { db = "a", table = "b" }, sql = "x" }

    it("give a fresh table of declared fields", function()
      accepts(s, { target = { db = "a", table = "b", other = 1 }, sql = "x", unknownThing = 1 }, good)
    end)
    it("report every problem at once", function()
      local err = refuses(s, { target = { db = 5 }, maxRows = "x" }, "MissingParam")
      local paths = {}
      for i, problem in ipairs(err.details.fields) do paths[i] = problem.path end
      table.sort(paths)
      assert.are.same({ "/maxRows", "/sql", "/target/db", "/target/table" }, paths)
    end)
    it("say BadRequest when the structure is wrong, whatever else is", function()
      refuses(s, { target = "a.b" }, "BadRequest")
      refuses(s, { target = { "a" }, sql = "x" }, "BadRequest", "/target")
    end)
    for name, value in pairs { list = { 1 }, text = "x", number = 5, boolean = true } do
      it("refuse a " .. name .. " as the whole", function() refuses(s, value, "BadRequest", "/") end)
    end
    it("take camelCase and snake_case", function()
      for _, name in ipairs { "maxRows", "max_rows" } do
        local clean = shape.check(s, { target = good.target, sql = "x", [name] = 7 })
        assert.are.equal(7, clean.max_rows)
      end
    end)
    it("prefer the public name", function()
      assert.are.equal(1, shape.check(s, { target = good.target, sql = "x", maxRows = 1, max_rows = 2 }).max_rows)
    end)
    it("take aliases", function()
      assert.are.equal("gold", shape.check(s, { target = good.target, sql = "x", catalog = "gold" }).database)
    end)
    it("refuse a slip of a declared name", function()
      local err = refuses(s, { target = good.target, sql = "x", maxRow = 7 }, "BadParam", "/maxRow")
      assert.matches("did you mean 'maxRows'", err.message, 1, true)
    end)
    it("refuse unknown fields when strict", function()
      refuses(shape.object({ a = shape.string { optional = true } }, { strict = true }), { zzz = 1 }, "BadParam", "/zzz")
    end)
    it("take null as absent", function()
      local null = io.stdout
      accepts(s, { target = good.target, sql = "x", maxRows = null }, good)
      refuses(s, { target = good.target, sql = null }, "MissingParam", "/sql")
    end)
    it("do not touch what they are given", function()
      local given = { target = { db = "a", table = "b" }, sql = "x" }
      local clean = shape.check(s, given)
      clean.target.db = "changed"
      assert.are.equal("a", given.target.db)
    end)
    it("use the code a field asks for", function()
      refuses(shape.object { x = shape.integer { code = "BadS3Uri" } }, { x = "a" }, "BadS3Uri", "/x")
    end)
    it("refuse endless nesting", function()
      local deep = {}
      local at = deep
      for _ = 1, 100 do at.x = {}; at = at.x end
      refuses(shape.object { data = shape.any() }, { data = deep }, "BadParam", "/data")
    end)
    it("cap the number of reported problems", function()
      local many = {}
      for i = 1, 1000 do many[i] = i end
      local err = refuses(shape.object { tags = shape.list(shape.string()) }, { tags = many }, "BadParam")
      assert.are.equal(50, #err.details.fields)
      assert.matches("and %d+ more", err.message)
    end)
    it("look at a few unknown fields only, however many there are", function()
      local many = { title = "x" }
      for i = 1, 200000 do many["some_long_unknown_name_" .. i] = 1 end
      local started = os.clock()
      assert.is_table(shape.check(shape.object { title = shape.string() }, many))
      assert.is_true(os.clock() - started < 2)
    end)
    it("do not print control characters of a refused value", function()
      assert.is_nil(refuses(shape.object { d = shape.date() }, { d = "a\nb\27[31m" }, "BadParam").message:find("%c"))
    end)
  end)

  describe("as JSON Schema", function()
    local s = shape.schema(shape.object({
      title = shape.string { min = 1, max = 255, doc = "what it is called" },
      price = shape.integer { min = 1, max = 100 },
      max_rows = shape.integer { min = 1, max = 1000, default = 500, clamp = true },
      mode = shape.enum({ "a", "b" }, { default = "a" }),
      run = shape.date { optional = true },
      tags = shape.list(shape.string(), { optional = true, max = 3 }),
      properties = shape.map(shape.string(), { optional = true }),
      note = shape.string { optional = true, nullable = true },
    }, { strict = true }))
    it("names what is required", function() assert.are.same({ "price", "title" }, s.required) end)
    it("uses public names", function() assert.is_table(s.properties.maxRows); assert.is_nil(s.properties.max_rows) end)
    it("writes bounds", function()
      assert.are.same({ type = "string", minLength = 1, maxLength = 255, description = "what it is called" }, s.properties.title)
      assert.are.same({ type = "integer", minimum = 1, maximum = 100 }, s.properties.price)
    end)
    it("writes no bounds for clamped values, but says so", function()
      assert.is_nil(s.properties.maxRows.minimum)
      assert.matches("from 1 to 1000", s.properties.maxRows.description)
      assert.are.equal(500, s.properties.maxRows.default)
    end)
    it("writes enums, dates, lists, maps and null", function()
      assert.are.same({ "a", "b" }, s.properties.mode.enum)
      assert.are.equal("date", s.properties.run.format)
      assert.are.same({ type = "array", items = { type = "string" }, maxItems = 3 }, s.properties.tags)
      assert.are.same({ type = "string" }, s.properties.properties.additionalProperties)
      assert.are.same({ "string", "null" }, s.properties.note.type)
    end)
    it("closes strict objects", function() assert.is_false(s.additionalProperties) end)
  end)
end)
