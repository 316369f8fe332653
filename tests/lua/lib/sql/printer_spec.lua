-- luacheck: no max line length (a case is one line)
local printer = require("lib.sql.printer")
local sql = require("lib.sql")

-- A tree without what depends on the layout of the text. Brackets leave no node behind.
local ignored = { pos = true, text = true, bracketed = true, parameters = true }
local function shape(node)
  if type(node) ~= "table" then return node end
  local copy = {}
  for key, value in pairs(node) do
    if not ignored[key] or (key == "text" and (node.kind == "integer" or node.kind == "decimal" or node.kind == "double")) then
      copy[key] = shape(value)
    end
  end
  return copy
end

local queries = {
  "SELECT 1, 'it''s', X'ab', NULL, TRUE, 1.5, 1e3, ?, \"Q\"\"x\"",
  "SELECT a.b.c, m['x'][1], ARRAY[1, 2], (1, 2), ROW(1), INTERVAL -'1' DAY, INTERVAL '1-2' YEAR TO MONTH, DATE '2020-01-01'",
  "SELECT a + b * c - d / e % f, -a, NOT a = b AND c OR d, a || b || c, a || (b || c)",
  "SELECT a BETWEEN 1 AND 2, a NOT IN (1, 2), a IN (SELECT 1), a LIKE 'x' ESCAPE '!', a IS NOT NULL, a IS DISTINCT FROM b",
  "SELECT CASE a WHEN 1 THEN 2 ELSE 3 END, CASE WHEN a THEN b END, CAST(a AS row(x bigint, y array(varchar(3)))), TRY_CAST(a AS timestamp(6) with time zone)",
  "SELECT count(*), count(DISTINCT a), sum(a) FILTER (WHERE b) OVER (PARTITION BY c ORDER BY d DESC NULLS FIRST ROWS BETWEEN 1 PRECEDING AND UNBOUNDED FOLLOWING)",
  "SELECT lag(a) IGNORE NULLS OVER w, array_agg(a ORDER BY b), listagg(a, ',') WITHIN GROUP (ORDER BY b) FROM t WINDOW w AS (ORDER BY a)",
  "SELECT transform(a, x -> x + 1), reduce(a, 0, (s, x) -> s + x, s -> s), EXTRACT(YEAR FROM d), d AT TIME ZONE 'UTC', current_timestamp(3)",
  "SELECT DISTINCT t.*, * FROM a, b JOIN c USING (x) LEFT JOIN d ON a.x = d.x CROSS JOIN UNNEST(y) WITH ORDINALITY AS u (v, n)",
  "SELECT * FROM (SELECT 1) AS q (a) NATURAL JOIN t TABLESAMPLE BERNOULLI (10), LATERAL (SELECT 2) l, (a JOIN b ON TRUE)",
  "SELECT a FROM t FOR VERSION AS OF 5 WHERE EXISTS (SELECT 1) AND a > ALL (SELECT 2) GROUP BY a, ROLLUP (b, (c, d)), GROUPING SETS ((a), ()) HAVING count(*) > 1",
  "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT * FROM r ORDER BY 1 OFFSET 2 LIMIT 3",
  "(SELECT 1 INTERSECT SELECT 2) EXCEPT ALL (SELECT 3 UNION SELECT 4) ORDER BY 1 FETCH FIRST 2 ROWS WITH TIES",
  "VALUES (1, 2), 3", "TABLE a.b", "SELECT normalize(a, NFD), GROUPING(a, b) FROM t GROUP BY CUBE (a, b)",
}

describe("lib.sql.printer", function()
  for _, text in ipairs(queries) do
    it("gives back the tree of " .. text:sub(1, 80), function()
      local tree = assert(sql.parse(text))
      local printed = printer.print(tree)
      local again, err = sql.parse(printed)
      assert.is_nil(err and (err.message .. "\n" .. printed))
      assert.same(shape(tree), shape(again))
    end)
  end

  -- Random expressions: a seed of our own, so a failure repeats.
  local seed = 20251121
  local function random(n)
    seed = (seed * 1103515245 + 12345) % 2147483648
    return seed // 65536 % n + 1
  end

  local leaves = { "1", "2.5", "'x'", "a", "t.b", "NULL", "TRUE", "\"Q\"", "DATE '2020-01-01'" }
  local shapes = {
    "%s + %s", "%s * %s", "%s = %s", "%s AND %s", "%s OR %s", "%s || %s", "%s IS DISTINCT FROM %s", "f(%s, %s)", "CASE WHEN %s THEN %s END",
    "%s IN (%s)", "ARRAY[%s, %s]", "(%s, %s)", "coalesce(%s, %s)", "%s LIKE %s", "transform(%s, x -> %s)",
  }
  local function expression(depth)
    if depth == 0 then return leaves[random(#leaves)] end
    local left, right = expression(depth - random(depth)), expression(depth - random(depth))
    return (shapes[random(#shapes)]:format("(" .. left .. ")", "(" .. right .. ")"))
  end

  it("gives back the trees of 300 random expressions", function()
    for _ = 1, 300 do
      local text = "SELECT " .. expression(5)
      local tree, err = sql.parse(text)
      assert.is_nil(err and (err.message .. "\n" .. text))
      local again = assert(sql.parse(printer.print(tree)))
      assert.same(shape(tree), shape(again))
    end
  end)
end)

describe("random tokens", function()
  local words = {}
  for word in ([[SELECT FROM WHERE ( ) [ ] , . ; * + - / % = <> < > || -> ? 'x' 1 2.5 1e1 a b "Q" JOIN ON USING WITH AS UNION ALL GROUP BY ORDER
    LIMIT CASE WHEN THEN END CAST IN EXISTS NOT AND OR NULL VALUES TABLE INSERT INTO UPDATE SET DELETE MERGE MATCHED CREATE DROP ALTER SHOW
    TABLES UNNEST LATERAL ARRAY ROW INTERVAL DAY OVER PARTITION ROWS BETWEEN X'ab' DATE TIMESTAMP bigint varchar : JSON_VALUE EXTRACT TRIM]]):gmatch("%S+") do
    words[#words + 1] = word
  end

  it("never crash the parser, the guard or the translator", function()
    local seed = 42
    local function random(n)
      seed = (seed * 1103515245 + 12345) % 2147483648
      return seed // 65536 % n + 1
    end
    local ctx = { database = "d", table = function() return { sql = "(SELECT 1 AS a)", columns = { { name = "a", type = "bigint" } } } end }
    for _ = 1, 4000 do
      local parts = { random(3) == 1 and "SELECT" or nil }
      for _ = 1, random(14) do parts[#parts + 1] = words[random(#words)] end
      local text = table.concat(parts, " ")
      local tree, err = sql.parse(text)
      assert.is_true((tree ~= nil) ~= (err ~= nil), text)
      local allowed, refusal = sql.guard.read_only(text)
      assert.is_true((allowed ~= nil) ~= (refusal ~= nil), text)
      if tree then
        sql.classify(tree)
        local result, problem
        if tree.kind == "query" then result, problem = sql.translate.query(tree, ctx) else result, problem = sql.translate.write(tree, ctx) end
        assert.is_true((result ~= nil) ~= (problem ~= nil), text)
        if problem then assert.is_string(problem.code) end
      end
    end
  end)

  it("swapped, doubled or lost in real statements never crash anything", function()
    local lexer = require("lib.sql.lexer")
    local seed = 99
    local function random(n)
      seed = (seed * 1103515245 + 12345) % 2147483648
      return seed // 65536 % n + 1
    end
    local ctx = { database = "d", table = function()
      return { sql = "(SELECT 1)", columns = { { name = "a", type = "bigint" }, { name = "b", type = "varchar" }, { name = "d", type = "date" },
        { name = "m", type = "map(varchar, array(bigint))" } } }
    end }
    for _, text in ipairs(queries) do
      local tokens = lexer.scan(text)
      for _ = 1, 120 do
        local parts = {}
        for i = 1, #tokens - 1 do
          local piece = text:sub(tokens[i].pos, tokens[i].stop)
          local chance = random(25)
          if chance == 1 then piece = "" elseif chance == 2 then piece = piece .. " " .. piece
          elseif chance == 3 then piece = words[random(#words)] end
          parts[i] = piece
        end
        local changed = table.concat(parts, " ")
        local tree, err = sql.parse(changed)
        assert.is_true((tree ~= nil) ~= (err ~= nil), changed)
        if tree and tree.kind == "query" then
          local result, problem = sql.translate.query(tree, ctx)
          assert.is_true((result ~= nil) ~= (problem ~= nil), changed)
        end
      end
    end
  end)

  it("of any bytes never crash the lexer", function()
    local seed = 7
    for _ = 1, 2000 do
      local bytes = {}
      for i = 1, 12 do
        seed = (seed * 1103515245 + 12345) % 2147483648
        bytes[i] = string.char(seed // 65536 % 256)
      end
      local tree, err = sql.parse(table.concat(bytes))
      assert.is_true((tree ~= nil) ~= (err ~= nil))
    end
  end)
end)
