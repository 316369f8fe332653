-- Less common functions on text, bytes, numbers and URLs.

local code = require("lib.sql.translate.code")
local macros = require("lib.sql.macros")
local registry = require("lib.sql.functions.registry")
local types = require("lib.sql.types")

macros.add {
  { "url_part(u, i)", "CASE WHEN u IS NOT NULL THEN coalesce(regexp_extract(u, "
    .. "'^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://(?:[^/?#@]*@)?([^/?#:]*)(?::([0-9]*))?)?([^?#]*)(?:\\?([^#]*))?(?:#(.*))?$', i), '') END" },
  { "url_parameter(u, n)", "list_extract(list_transform(list_filter(string_split(trino.url_part(u, 5), '&'), lambda p: split_part(p, "
    .. "'=', 1) = n), "
    .. "lambda p: url_decode(replace(substr(p, length(n) + 2), '+', ' '))), 1)" },
  { "text_pairs(s, d, k)", "list_transform(list_filter(string_split(s, d), lambda p: p <> ''), lambda p: struct_pack(k := "
    .. "split_part(p, k, 1), "
    .. "v := CASE WHEN strpos(p, k) = 0 THEN error('Key-value delimiter must appear exactly once in each entry. Bad input: ''' || p "
      .. "|| '''') "
    .. "ELSE substr(p, strpos(p, k) + length(k)) END))" },
  { "from_base(s, r)", "CASE WHEN starts_with(s, '-') THEN -1 ELSE 1 END * list_sum(list_transform(string_split(ltrim(lower(s), "
    .. "'-+'), ''), lambda c, i: "
    .. "CAST((strpos('0123456789abcdefghijklmnopqrstuvwxyz', c) - 1) * power(r, length(ltrim(s, '-+')) - i) AS BIGINT)))" },
  { "bits(x, n)", "bit_count(CASE WHEN n >= 64 THEN x ELSE x & ((CAST(1 AS BIGINT) << CAST(n AS INTEGER)) - 1) END)" },
  { "wilson(s, n, z, sign)", "((s / n) + z * z / (2 * n) + sign * z * sqrt((s / n) * (1 - s / n) / n + z * z / (4 * n * n))) / (1 + "
    .. "z * z / n)" },
  { "luhn(s)", "list_sum(list_transform(string_split(reverse(s), ''), lambda c, i: CASE WHEN i % 2 = 1 THEN CAST(c AS INTEGER) WHEN "
    .. "CAST(c AS INTEGER) * 2 > 9 "
    .. "THEN CAST(c AS INTEGER) * 2 - 9 ELSE CAST(c AS INTEGER) * 2 END)) % 10 = 0" },
  { "seconds_words(s)", "array_to_string(list_filter([" ..
    "CASE WHEN s // 604800 > 0 THEN (s // 604800) || ' week' || CASE WHEN s // 604800 > 1 THEN 's' ELSE '' END ELSE '' END, " ..
    "CASE WHEN (s // 86400) % 7 > 0 THEN ((s // 86400) % 7) || ' day' || CASE WHEN (s // 86400) % 7 > 1 THEN 's' ELSE '' END ELSE '' "
      .. "END, " ..
    "CASE WHEN (s // 3600) % 24 > 0 THEN ((s // 3600) % 24) || ' hour' || CASE WHEN (s // 3600) % 24 > 1 THEN 's' ELSE '' END ELSE "
      .. "'' END, " ..
    "CASE WHEN (s // 60) % 60 > 0 THEN ((s // 60) % 60) || ' minute' || CASE WHEN (s // 60) % 60 > 1 THEN 's' ELSE '' END ELSE '' END, " ..
    "CASE WHEN s % 60 > 0 OR s = 0 THEN (s % 60) || ' second' || CASE WHEN s % 60 <> 1 THEN 's' ELSE '' END ELSE '' END], lambda x: "
      .. "x <> ''), ', ')" },
}

local function url(index)
  return ("trino.url_part($1, %d)"):format(index)
end

-- %,d and %,.2f: printf knows no thousands, so the number comes as text and the pattern says %s.
local function grouped(self, args, node)
  local at = 1
  local text = node.args[1].value:gsub("%%([%d.+#,-]*)([%a%%])", function(flags, conversion)
    if conversion == "%" then return nil end
    at = at + 1
    local digits = flags:match("^,(%.?%d*)$")
    if not args[at] or not digits or conversion ~= "d" and conversion ~= "f" or conversion == "d" and digits ~= "" then return nil end
    local real = conversion == "f"
    local pattern = real and ("{:,%sf}"):format(digits == "" and ".6" or digits) or "{:,}"
    local number = self:cast(args[at], real and types.double or types.bigint, args[at].pos)
    args[at] = code.new(number.pos, types.varchar, ("format('%s', "):format(pattern), number, ")")
    return "%s"
  end)
  if text ~= node.args[1].value then args[1] = code.new(node.args[1].pos, types.varchar, code.quote_text(text)) end
  return text
end

-- Java's %-formats that printf has too
local function format(self, args, node)
  if node.args[1].kind ~= "string" then self:unsupported(node.pos, "format with a pattern that is not a text literal") end
  local text = grouped(self, args, node)
  if text:find("%%[%d%$,.+#-]*[^sdxXfeoc%%%d%$.+#-]") or text:find("%%[^%a%%]*,") or text:find("%$") then
    self:unsupported(node.args[1].pos, "this format pattern")
  end
  local at = 1
  for conversion in text:gmatch("%%[%d.+#-]*([%a%%])") do
    if conversion ~= "%" then
      at = at + 1
      if not args[at] then self:fault(node.pos, "INVALID_FUNCTION_ARGUMENT", "Invalid format string: " .. text) end
      if conversion == "s" then args[at] = self:cast(args[at], types.varchar, args[at].pos) end
      if conversion == "f" or conversion == "e" then args[at] = self:cast(args[at], types.double, args[at].pos) end
    end
  end
  return code.fill("printf($*)", args)
end

local function shift(op, logical)
  return function(_, args)
    if logical then
      return code.fill("CASE WHEN $2 >= 64 THEN 0 WHEN $1 >= 0 OR $2 = 0 THEN CAST($1 AS BIGINT) >> CAST($2 AS INTEGER) ELSE "
        .. "CAST((CAST($1 AS HUGEINT) "
        .. "+ 18446744073709551616) // (CAST(1 AS HUGEINT) << CAST($2 AS INTEGER)) AS BIGINT) END", args)
    end
    if op == "<<" then
      return code.fill("CASE WHEN $2 >= 64 THEN 0 ELSE CAST(CAST($1 AS BIGINT) * (CAST(1 AS HUGEINT) << CAST($2 AS INTEGER)) AS "
        .. "BIGINT) END", args)
    end
    return code.fill("(CAST($1 AS BIGINT) >> CAST(least($2, 63) AS INTEGER))", args)
  end
end

registry.scalars {
  { "url_extract_protocol", "s", "varchar", url(1) },
  { "url_extract_host", "s", "varchar", url(2) },
  { "url_extract_port", "s", "bigint", "TRY_CAST(nullif(trino.url_part($1, 3), '') AS BIGINT)" },
  { "url_extract_path", "s", "varchar", url(4) },
  { "url_extract_query", "s", "varchar", url(5) },
  { "url_extract_fragment", "s", "varchar", url(6) },
  { "url_extract_parameter", "ss", "varchar", "trino.url_parameter($1, $2)" },
  { "split_to_map", "sss", "map(varchar, varchar)", "map_from_entries(trino.text_pairs($1, $2, $3))" },
  { "from_base", "si", "bigint", "CAST(trino.from_base($1, $2) AS BIGINT)" },
  { "bit_count", "ii", "bigint", "CAST(trino.bits(CAST($1 AS BIGINT), $2) AS BIGINT)" },
  { "bitwise_left_shift", "ii", "=1", shift("<<") },
  { "bitwise_right_shift", "ii", "=1", shift(">>", true) },
  { "bitwise_right_shift_arithmetic", "ii", "=1", shift(">>") },
  { "format", "sx+", "varchar", format },
  { "human_readable_seconds", "n", "varchar", "trino.seconds_words(CAST(round(abs($1)) AS BIGINT))" },
  { "luhn_check", "s", "boolean", "trino.luhn($1)" },
  { "wilson_interval_lower", "iin", "double", "trino.wilson(CAST($1 AS DOUBLE), CAST($2 AS DOUBLE), CAST($3 AS DOUBLE), -1)" },
  { "wilson_interval_upper", "iin", "double", "trino.wilson(CAST($1 AS DOUBLE), CAST($2 AS DOUBLE), CAST($3 AS DOUBLE), 1)" },
  { "cosine_similarity", "aa", "double", "list_cosine_similarity(CAST($1 AS DOUBLE[]), CAST($2 AS DOUBLE[]))" },
  { "regexp_position", "ss", "integer", "CASE WHEN regexp_matches($1, $2) THEN CAST(strpos($1, regexp_extract($1, $2)) AS INTEGER) "
    .. "WHEN $1 IS NULL OR $2 IS NULL THEN NULL ELSE -1 END" },
  { "to_big_endian_64", "i", "varbinary", "from_hex(printf('%016x', CAST($1 AS BIGINT)))" },
  { "to_big_endian_32", "i", "varbinary", "from_hex(printf('%08x', CAST($1 AS INTEGER)))" },
  { "to_base64url", "B", "varchar", "replace(replace(to_base64($1), '+', '-'), '/', '_')" },
  { "from_base64url", "y", "varbinary", "from_base64(replace(replace(CAST($1 AS VARCHAR), '-', '+'), '_', '/'))" },
}
