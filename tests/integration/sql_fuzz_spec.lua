-- Random statements with names and literals that try to break out of their quotes: whatever the translator lets
-- through is exactly one statement for the engine, and calls nothing that reads outside of the lake.
local duckdb = require "sm.duckdb"
local json = require "sm.json"
local sql = require "lib.sql"

local STATEMENTS <const> = 4000
local SEED <const> = 20261121

local NAMES <const> = { 'a', 'b', '"a""b"', '"a\'b"', '"x; DROP TABLE t; --"', '"$1"', '"/*"', '"*/"', '"--"', '"\\"', '"a.b"', '"select"',
  '"é"', '"😀"', '" "', '"\t"', '"\n"', '"getenv(\'HOME\')"', '"a) FROM read_text(\'/etc/passwd\') --"', '""""', '"$$"', '"%s"',
  '"\194\160"', '"?"', '"COLUMNS(*)"', '"lambda"', '"c1"', '"trino"', '"rowid"', '"x' .. ("y"):rep(300) .. '"' }
local LITERALS <const> = { "1", "0", "-1", "1.5", "1e0", "NULL", "true", "'a'", "''''", "'\\'", "'a''; DROP TABLE x; --'", "'$$'", "'/*'",
  "U&'\\0027'", "U&'\\0022'", "X'27'", "DATE '2020-01-01'", "INTERVAL '1' DAY", "'é'", "JSON '{\"a\":1}'", "'\n--x\n'" }
local CALLS <const> = { "upper", "lower", "length", "concat", "coalesce", "nullif", "abs", "round", "split", "json_extract_scalar", "replace",
  "trim", "cardinality", "to_hex", "url_encode", "greatest", "try", "typeof", "count", "min", '"upper"', '"read_text"', '"getenv"',
  "trino.now", '"a""b"', "query", "glob" }
local TYPES <const> = { "varchar", "integer", "double", "varchar(3)", "decimal(10,2)", "json", "array(varchar)", "row(NAME varchar)" }
local OPERATORS <const> = { "+", "||", "=", "<>", "AND", "OR", "IS DISTINCT FROM" }
local FORBIDDEN <const> = { "^read_", "^getenv$", "glob", "^duckdb_", "^pragma_", "^query", "^current_setting$" }

local function generator(seed)
  math.randomseed(seed)
  local names = NAMES
  local function pick(list) return list[math.random(#list)] end
  local query
  local function expression(depth)
    local kind = depth <= 0 and math.random(5) or math.random(14)
    if kind <= 2 then return pick(LITERALS) end
    if kind <= 5 then return pick(names) end
    if kind == 6 then return ("%s(%s)"):format(pick(CALLS), expression(depth - 1)) end
    if kind == 7 then return ("%s(%s, %s)"):format(pick(CALLS), expression(depth - 1), expression(depth - 1)) end
    if kind == 8 then return ("(%s %s %s)"):format(expression(depth - 1), pick(OPERATORS), expression(depth - 1)) end
    if kind == 9 then return ("CAST(%s AS %s)"):format(expression(depth - 1), (pick(TYPES):gsub("NAME", function() return pick(names) end))) end
    if kind == 10 then return ("CASE WHEN %s THEN %s END"):format(expression(depth - 1), expression(depth - 1)) end
    if kind == 11 then return ("transform(ARRAY[%s], %s -> %s)"):format(expression(depth - 1), pick(names), expression(depth - 1)) end
    if kind == 12 then return ("ROW(%s, %s)"):format(expression(depth - 1), expression(depth - 1)) end
    if kind == 13 then return ("(%s)"):format(query(depth - 1)) end
    return ("/* %s */ %s -- %s\n"):format(pick { "'", '"', ";" }, expression(depth - 1), pick { "'", '"', ";" })
  end
  local function relation(depth)
    local alias, kind = pick(names), math.random(depth > 0 and 4 or 2)
    if kind == 1 then return ("(VALUES (1, 'a')) AS %s(%s, %s)"):format(alias, names[1], names[2]) end
    if kind == 2 then return ("gold.%s AS %s(%s, %s)"):format(pick(names), alias, names[1], names[2]) end
    if kind == 3 then return ("(%s) AS %s"):format(query(depth - 1), alias) end
    return ("UNNEST(ARRAY['x']) WITH ORDINALITY AS %s(%s, %s)"):format(alias, names[1], names[2])
  end
  function query(depth)
    local head = math.random(5) == 1 and ("WITH %s AS (SELECT 1 AS %s) "):format(pick(names), pick(names)) or ""
    local tail = math.random(3) == 1 and " WHERE " .. expression(depth - 1) or ""
    return ("%sSELECT %s AS %s, %s FROM %s%s"):format(head, expression(depth), pick(names), expression(depth), relation(depth), tail)
  end
  return function()
    names = { pick(NAMES), pick(NAMES) } -- two at a time, so that most of them are known where they are used
    return query(math.random(3))
  end
end

local ctx = { database = "gold", parameters = {}, now = 1.7e9, table = function()
  return { sql = "(SELECT 1 AS a, 'x' AS b)", columns = { { name = "a", type = "integer" }, { name = "b", type = "varchar" } } }
end }

local function translated(text)
  local tree, err = sql.guard.read_only(text)
  if not tree then return nil, err end
  return sql.translate.query(tree, ctx)
end

describe("random hostile SQL", function()
  if not duckdb.load() then return pending "libduckdb.so is not there" end

  it("stays inside its quotes", function()
    local db = assert(duckdb.open { threads = 1, memory_limit = "256MB" })
    local con = assert(db:connect())
    local next_statement, let_through = generator(SEED), 0
    for _ = 1, STATEMENTS do
      local text = next_statement()
      local query, err = translated(text)
      if query then
        let_through = let_through + 1
        local tree = assert(con:query("SELECT json_serialize_sql(CAST(? AS VARCHAR))", { query.sql })).rows[1][1]
        local parsed = json.decode(tree, { max_depth = 1000 })
        assert.is_false(not parsed or parsed.error, text .. "\n-> " .. query.sql)
        assert.equal(1, #parsed.statements, text .. "\n-> " .. query.sql)
        assert.is_nil(tree:find('"type":"TABLE_FUNCTION"', 1, true), text .. "\n-> " .. query.sql)
        for name in tree:gmatch('"function_name":"(.-)"') do
          for _, pattern in ipairs(FORBIDDEN) do assert.is_nil(name:find(pattern), text .. "\n-> " .. query.sql) end
        end
      else
        assert.is_string(err.code, text)
      end
    end
    con:close()
    db:close()
    assert.is_true(let_through > STATEMENTS // 20, "too few got through to say anything: " .. let_through)
  end)
end)
