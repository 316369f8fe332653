-- The translator as a filter: one JSON object per line in, one per line out.
local json = require("lib.json")
local linemode = require("lib.sql.linemode")

local function answer(object)
  local text, ok = linemode.translate(type(object) == "table" and json.encode(object) or object)
  return json.decode(text), ok
end

describe("lib.sql.linemode", function()
  it("gives the engine's text and the columns", function()
    local reply, ok = answer { sql = "SELECT 7 / 2 AS x" }
    assert.is_true(ok)
    assert.equal("(CAST(7 AS INTEGER) // 2)", reply.sql:match("SELECT (.*) AS"))
    assert.same({ { name = "x", type = "integer" } }, reply.columns)
  end)

  it("takes undescribed tables as they come, and described ones at their word", function()
    local reply = answer { sql = "SELECT a, t.* FROM db.t ORDER BY b" }
    assert.equal([[SELECT "t"."a" AS "a", "t".* FROM "db"."t" AS "t" ORDER BY "t"."b" ASC NULLS LAST]], reply.sql)
    reply = answer { sql = "SELECT b FROM t", tables = { t = { { name = "a", type = "bigint" } } } }
    assert.is_truthy(reply.error:find("COLUMN_NOT_FOUND: line 1:8"))
    assert.equal(8, reply.column)
  end)

  it("never lets a table name reach a file", function()
    for _, name in ipairs { '"/etc/passwd"', '"x.csv"', '"s3://b/k.parquet"', '"a b"', 'db."x.json"' } do
      local reply, ok = answer { sql = "SELECT * FROM " .. name }
      assert.is_false(ok)
      assert.is_truthy(reply.error:find("TABLE_NOT_FOUND", 1, true))
    end
  end)

  it("answers what is wrong with a line", function()
    for _, line in ipairs { "{", "[]", '{"sql": 5}', '"SELECT 1"', "" } do
      local reply, ok = answer(line)
      assert.is_false(ok)
      assert.equal("BadJson", reply.code)
    end
    assert.equal("SyntaxError", (answer { sql = "SELEC" }).code)
    assert.equal("NotSupported", (answer { sql = "SELECT read_csv('x')" }).code)
  end)

  it("tells what an engine needs first", function()
    local reply = answer { prelude = true }
    assert.equal("CREATE SCHEMA IF NOT EXISTS trino", reply.statements[1])
    assert.is_true(#reply.statements > 40)
  end)
end)
