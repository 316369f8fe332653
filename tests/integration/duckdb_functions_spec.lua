-- The native functions of the Trino dialect: answers as Trino 430's manual and tests state them.

local duckdb = require "sm.duckdb"

local engine, reason = duckdb.load()

local function list(title, cases)
  return { title = title, cases = cases }
end

-- Lists of expression, answer as Athena's text (false: NULL; {text}: an error that holds this text).
local groups = {
  list("integer division", {
    { "trino_div(7, 2)", "3" },
    { "trino_div(-7, 2)", "-3" },
    { "trino_mod(-7, 2)", "-1" },
    { "trino_mod(7::BIGINT, -2)", "1" },
    { "trino_div(1, 0)", { "Division by zero" } },
    { "trino_mod(1::BIGINT, 0)", { "Division by zero" } },
    { "trino_div(NULL::INTEGER, 0)", false },
    { "trino_div((-9223372036854775808)::BIGINT, -1::BIGINT)", { "overflow" } },
    { "trino_mod((-9223372036854775808)::BIGINT, -1::BIGINT)", "0" },
    { "trino_div(170141183460469231731687303715884105727::HUGEINT, 2::HUGEINT)", "85070591730234615865843651857942052863" },
    { "typeof(trino_div(7::SMALLINT, 2::SMALLINT))", "SMALLINT" },
    { "typeof(trino_div(7::INTEGER, 2::BIGINT))", "BIGINT" },
  }),
  list("numbers as text", {
    { "trino_to_varchar(1200.0::DOUBLE)", "1.2E3" },
    { "trino_to_varchar(0::DOUBLE)", "0E0" },
    { "trino_to_varchar(-0.0::DOUBLE)", "-0E0" },
    { "trino_to_varchar(1::DOUBLE)", "1.0E0" },
    { "trino_to_varchar(0.1::DOUBLE)", "1.0E-1" },
    { "trino_to_varchar(37.7::DOUBLE)", "3.77E1" },
    { "trino_to_varchar(-12345678.9::DOUBLE)", "-1.23456789E7" },
    { "trino_to_varchar('nan'::DOUBLE)", "NaN" },
    { "trino_to_varchar('-inf'::DOUBLE)", "-Infinity" },
    { "trino_to_varchar(1.1::REAL)", "1.1E0" },
    { "trino_java_text(1200.0::DOUBLE)", "1200.0" },
    { "trino_java_text(1e20::DOUBLE)", "1.0E20" },
    { "trino_java_text(1.1::REAL)", "1.1" },
    { "trino_from_base('ff', 16)", "255" },
    { "trino_from_base('-80', 16)", "-128" },
    { "trino_from_base('8000000000000000', 16)", { "Not a valid base-16" } },
    { "trino_from_base('-8000000000000000', 16)", "-9223372036854775808" },
    { "trino_from_base('12', 2)", { "Not a valid base-2 number: 12" } },
    { "trino_from_base('1', 99)", { "Radix" } },
    { "trino_to_base(255, 16)", "ff" },
    { "trino_to_base(-2147483648, 2)", "-10000000000000000000000000000000" },
  }),
  list("parts of text", {
    { "trino_substr('Quadratically', 5)", "ratically" },
    { "trino_substr('Quadratically', 50)", "" },
    { "trino_substr('Quadratically', -5)", "cally" },
    { "trino_substr('Quadratically', -50)", "" },
    { "trino_substr('Quadratically', 0)", "" },
    { "trino_substr('Quadratically', 5, 6)", "ratica" },
    { "trino_substr('Quadratically', -5, 4)", "call" },
    { "trino_substr('Quadratically', 5, 0)", "" },
    { "trino_substr('äöü€', 2, 2)", "öü" },
    { "trino_substr('äöü€', -1)", "€" },
    { "trino_substr('abc', 2, 9223372036854775807)", "bc" },
    { "trino_split_part('abc-@-def-@-ghi', '-@-', 1)", "abc" },
    { "trino_split_part('abc-@-def-@-ghi', '-@-', 3)", "ghi" },
    { "trino_split_part('abc-@-def-@-ghi', '-@-', 4)", false },
    { "trino_split_part('', 'abc', 1)", "" },
    { "trino_split_part('abc', 'abc', 2)", "" },
    { "trino_split_part('a.b', '.', 0)", { "Index must be greater than zero" } },
    { "trino_split_part('ab', '', 1)", { "delimiter" } },
    { "trino_levenshtein('kitten', 'sitting')", "3" },
    { "trino_levenshtein('', 'ab')", "2" },
    { "trino_levenshtein('äb', 'ab')", "1" },
    { "trino_hamming_distance('hello', 'jello')", "1" },
    { "trino_hamming_distance('a', 'ab')", { "same length" } },
  }),
  list("replacements of regular expressions", {
    { [[regexp_replace('1a 2b', '(\d)([ab]) ?', trino_regexp_replacement('(\d)([ab]) ?', '3c$2 '), 'g')]], "3ca 3cb " },
    { [[trino_regexp_replacement('(?<x>a)(b)(?P<y>c)', '${y}-${x}-$2')]], [[\3-\1-\2]] },
    { [[trino_regexp_replacement('a', '\$1 \\')]], [[$1 \\]] },
    { [[trino_regexp_replacement('a', '${no}')]], { "unknown group" } },
    { [[trino_regexp_replacement('a', 'x$')]], { "Illegal replacement" } },
    { [[trino_regexp_replacement('[(](?:z)\((?<n>q)', '${n}')]], [[\1]] },
  }),
  list("URLs", {
    { "trino_url_extract_protocol('http://example.com:8080/p')", "http" },
    { "trino_url_extract_host('http://u@example.com:8080/p')", "example.com" },
    { "trino_url_extract_port('http://example.com:8080/p')", "8080" },
    { "trino_url_extract_port('http://example.com/p')", false },
    { "trino_url_extract_path('http://example.com/path1/p%20x.php?k1=v1&k2=v2#Ref1')", "/path1/p x.php" },
    { "trino_url_extract_query('http://example.com/path1/p.php?k1=v1&k2=v2#Ref1')", "k1=v1&k2=v2" },
    { "trino_url_extract_fragment('http://example.com/path1/p.php?k1=v1&k2=v2#Ref1')", "Ref1" },
    { "trino_url_extract_fragment('http://example.com/')", "" },
    { "trino_url_extract_host('foo')", "" },
    { "trino_url_extract_path('foo')", "foo" },
    { "trino_url_extract_path('mailto:test@example.com')", "" },
    { "trino_url_extract_protocol('http://not uri/cannot contain whitespace')", false },
    { "trino_url_extract_host('http://[::1]:80/')", "[::1]" },
    { "trino_url_extract_parameter('http://example.com/path1/p.php?k1=v1&k2=v2&k3&k4=a+b%21#Ref1', 'k2')", "v2" },
    { "trino_url_extract_parameter('http://example.com/?k1=v1&k3', 'k3')", "" },
    { "trino_url_extract_parameter('http://example.com/?k1=a+b%21', 'k1')", "a b!" },
    { "trino_url_extract_parameter('http://example.com/?k1=v1', 'k9')", false },
    { "trino_url_extract_parameter('http://example.com/', 'k')", false },
    { "trino_url_encode('http://test?a=b&c=d é~*')", "http%3A%2F%2Ftest%3Fa%3Db%26c%3Dd+%C3%A9%7E*" },
    { "trino_url_decode('http%3A%2F%2Ftest%3Fa%3Db+c')", "http://test?a=b c" },
    { "trino_url_decode('%ff')", { "UTF-8" } },
  }),
  list("dates by MySQL letters", {
    { "trino_date_format(TIMESTAMP '2001-01-09 13:04:05.321', "
      .. "'%a %b %c %d %e %f %H %h %I %i %j %k %l %M %m %p %r %S %s %T %v %W %Y %y %% %z')",
      "Tue Jan 1 09 9 321000 13 01 01 04 009 13 1 January 01 PM 01:04:05 PM 05 05 13:04:05 02 Tuesday 2001 01 % z" },
    { "trino_date_format(TIMESTAMP '2022-10-20 05:10:00', '%m-%d-%Y %H')", "10-20-2022 05" },
    { "trino_date_format(DATE '2021-01-03', '%x %v')", "2020 53" },
    { "trino_date_format(TIMESTAMP '2001-01-09', '%D')", { "%D not supported in date format string" } },
    { "trino_date_parse('2022/10/20/05', '%Y/%m/%d/%H')", "2022-10-20 05:00:00.000000" },
    { "trino_date_parse('2013-05-01 1:02:03.5 PM', '%Y-%m-%d %l:%i:%s.%f %p')",
      "2013-05-01 13:02:03.500000" },
    { "trino_date_parse('69-1-2', '%y-%c-%e')", "2069-01-02 00:00:00.000000" },
    { "trino_date_parse('Mon 7 March 2022', '%a %e %M %Y')", "2022-03-07 00:00:00.000000" },
    { "trino_date_parse('12:30 AM', '%h:%i %p')", "1970-01-01 00:30:00.000000" },
    { "trino_date_parse('2022-02-30', '%Y-%m-%d')", { "no such day" } },
    { "trino_date_parse('x', '%Y')", { 'Invalid format: "x" is malformed at "x"' } },
    { "trino_date_parse('2022x', '%Y')", { 'malformed at "x"' } },
    { "trino_date_parse('2022', '%Y-%m')", { "too short" } },
    { "trino_date_format(t, f)", "05.01.2020", "(VALUES (TIMESTAMP '2020-01-05', '%d.%m.%Y')) v(t, f)" },
  }),
  list("dates by Joda letters", {
    { "trino_format_datetime(TIMESTAMP '2001-08-22 03:04:05.321', 'yyyy/MM/dd HH:mm:ss.SSS EEE EEEE MMM MMMM yy D e w x a h K k G C')",
      "2001/08/22 03:04:05.321 Wed Wednesday Aug August 01 234 3 34 2001 AM 3 3 3 AD 20" },
    { "trino_format_datetime(TIMESTAMPTZ '2001-08-22 03:04:05+00', 'YYYY-MM-dd''T''HH:mm Z ZZ ZZZ')", "2001-08-22T03:04 +0000 +00:00 UTC" },
    { "trino_format_datetime(DATE '2001-08-22', 'd.M.yyyy ''o''''clock''')", "22.8.2001 o'clock" },
    { "trino_format_datetime(TIMESTAMP '2001-08-22', 'b')", { "Illegal pattern component: b" } },
    { "trino_parse_datetime('2013-05-17 12:35:10', 'yyyy-MM-dd HH:mm:ss')", "2013-05-17 12:35:10.000 UTC" },
    { "trino_parse_datetime('1960/01/22 03:04 -05:00', 'yyyy/MM/dd HH:mm Z')", "1960-01-22 08:04:00.000 UTC" },
    { "trino_parse_datetime('20130517', 'yyyyMMdd')", "2013-05-17 00:00:00.000 UTC" },
    { "trino_parse_datetime('17 May 2013', 'dd MMM yyyy')", "2013-05-17 00:00:00.000 UTC" },
    { "trino_parse_datetime('2013-05-17 x', 'yyyy-MM-dd')", { 'is malformed at " x"' } },
  }),
  list("ISO 8601", {
    { "trino_from_iso8601_timestamp('2020-05-11T11:15:05')", "2020-05-11 11:15:05.000 UTC" },
    { "trino_from_iso8601_timestamp('2020-05-11T11:15:05.055+01:00')",
      "2020-05-11 10:15:05.055 UTC" },
    { "trino_from_iso8601_timestamp('2020-05-11')", "2020-05-11 00:00:00.000 UTC" },
    { "trino_from_iso8601_timestamp('2020-05-11T11Z')", "2020-05-11 11:00:00.000 UTC" },
    { "trino_from_iso8601_timestamp('2020')", "2020-01-01 00:00:00.000 UTC" },
    { "trino_from_iso8601_timestamp('nothing')", { "Invalid format" } },
    { "trino_from_iso8601_date('2020-05-11')", "2020-05-11" },
    { "trino_from_iso8601_date('2020-W10')", "2020-03-02" },
    { "trino_from_iso8601_date('2020-W10-2')", "2020-03-03" },
    { "trino_from_iso8601_date('2020-123')", "2020-05-02" },
    { "trino_to_iso8601(DATE '2020-05-11')", "2020-05-11" },
    { "trino_to_iso8601(TIMESTAMP '2020-05-11 11:15:05.055')", "2020-05-11T11:15:05.055" },
    { "trino_to_iso8601(TIMESTAMPTZ '2020-05-11 11:15:05+00')", "2020-05-11T11:15:05.000Z" },
  }),
  list("bytes", {
    { "trino_crc32('hello'::BLOB)", "907060870" },
    { "trino_xxhash64('hello'::BLOB)", "26 c7 82 7d 88 9f 6d a3" },
    { "trino_xxhash64(''::BLOB)", "ef 46 db 37 51 d8 e9 99" },
    { "trino_xxhash64(repeat('0123456789', 10)::BLOB)", "f8 0e 7b 96 31 5a ff fa" },
    { "lower(hex(trino_md5(''::BLOB)))", "d41d8cd98f00b204e9800998ecf8427e" },
    { "substr(hex(trino_sha512('abc'::BLOB)), 1, 16)", "DDAF35A193617ABA" },
    { "lower(hex(trino_hmac_md5('what do ya want for nothing?'::BLOB, 'Jefe'::BLOB)))",
      "750c783e6ab0b503eaa86e310a5db738" },
    { "trino_to_base32('hello'::BLOB)", "NBSWY3DP" },
    { "trino_from_base32('NBSWY3A=')", "68 65 6c 6c" },
    { "trino_to_base64url('\\xff\\xee'::BLOB)", "_-4=" },
    { "trino_from_base64url('_-4')", "ff ee" },
    { "trino_from_base32('!')", { "Illegal base32" } },
    { "trino_to_big_endian_64(1)", "00 00 00 00 00 00 00 01" },
    { "trino_from_big_endian_64(trino_to_big_endian_64(-5))", "-5" },
    { "trino_to_ieee754_64(1::DOUBLE)", "3f f0 00 00 00 00 00 00" },
    { "trino_from_ieee754_32(trino_to_ieee754_32(1.5::REAL))", "1.5" },
    { "trino_from_big_endian_32('abc'::BLOB)", { "expected 4-byte input, but got instead: 3" } },
  }),
}

describe("native functions of the dialect", function()
  if not engine then
    pending("needs the engine: " .. tostring(reason))
    return
  end

  local db, con

  setup(function()
    db = assert(duckdb.open { threads = 2 })
    assert(db:register_functions())
    con = assert(db:connect())
  end)

  teardown(function()
    con:close()
    assert(db:close())
  end)

  local function answer(expression, from)
    local cursor, message = con:stream("SELECT " .. expression .. (from and " FROM " .. from or ""))
    if not cursor then return nil, message end
    local text, rows_or_message = cursor:render("csv")
    cursor:close()
    if not text then return nil, rows_or_message end
    text = text:sub(1, -2)
    if text == "" then return false end
    return (text:sub(2, -2):gsub('""', '"'))
  end

  for _, group in ipairs(groups) do
    it(group.title, function()
      for _, case in ipairs(group.cases) do
        local got, message = answer(case[1], case[3])
        if type(case[2]) == "table" then
          assert.is_nil(got, case[1] .. " gives " .. tostring(got))
          assert.truthy(message:find(case[2][1], 1, true), case[1] .. ": " .. tostring(message))
        else
          assert(got ~= nil, case[1] .. ": " .. tostring(message))
          assert.equal(case[2], got, case[1])
        end
      end
    end)
  end

  it("take a NULL in any place as NULL", function()
    assert.equal(false, answer("trino_split_part(NULL, ',', 1)"))
    assert.equal(false, answer("trino_date_format(NULL::TIMESTAMP, '%Y')"))
  end)

  it("work on whole columns with NULLs among them", function()
    local result = assert(con:query([[SELECT count(*), count(p), max(p) FROM (
      SELECT trino_split_part(s, '-', 2) AS p FROM (
        SELECT CASE WHEN range % 3 = 0 THEN NULL ELSE 'a-' || range END AS s FROM range(10000)) t) u]]))
    assert.same({ 10000, 6666, "9998", n = 3 }, result.rows[1])
  end)
end)
